"""Tags of one instance, as its page changes them."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from compute.models import Instance
from compute.models.instance import KIND
from portal import audit, tags
from portal.audit import Actor


@transaction.atomic
def tag_instance(instance: Instance, wanted: Mapping[str, str], *, actor: Actor) -> None:
    """Set tags, replacing the values of keys that it has.  Raises CloudError for a bad key, or one too many."""
    tags.set_tags(instance.tenant, [(KIND, instance.ec2_id)], wanted)
    audit.record(actor, "tag", KIND, [instance.ec2_id], tenant=instance.tenant, tags=dict(wanted))


@transaction.atomic
def untag_instance(instance: Instance, key: str, *, actor: Actor) -> None:
    """Remove a tag; one that is not there is no error."""
    tags.delete_tags(instance.tenant, [instance.ec2_id], {key: None})
    audit.record(actor, "untag", KIND, [instance.ec2_id], tenant=instance.tenant, key=key)
