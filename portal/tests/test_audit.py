"""The audit trail takes what it is given."""

from portal import audit
from portal.audit import Actor, Door
from portal.models import AuditEntry, User


def test_a_name_longer_than_the_column_is_cut(db):
    user = User.objects.create_user("x" * 150)

    audit.record(Actor(user, Door.PORTAL), "sign in", "user", [user.username], tenant=None)

    assert AuditEntry.objects.get().resource_id == "x" * 80
