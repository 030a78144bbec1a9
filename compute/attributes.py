"""Changing what an instance is told to do, and its tags."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from compute.models import Instance, ShutdownBehavior
from compute.models.instance import KIND
from portal import audit, tags
from portal.audit import Actor
from portal.errors import CloudError

CHANGEABLE = frozenset({"disable_api_termination", "disable_api_stop", "shutdown_behavior", "source_dest_check"})


@transaction.atomic
def change_attributes(instance: Instance, changes: Mapping[str, object], *, actor: Actor) -> list[str]:
    """Set these attributes; returns the names of those that were otherwise.  In force at once, whatever its state."""
    unknown = set(changes) - CHANGEABLE
    if unknown:
        raise CloudError(f"attribute {min(unknown)} of an instance cannot be changed")
    behaviour = changes.get("shutdown_behavior", ShutdownBehavior.STOP)
    if behaviour not in ShutdownBehavior.values:
        raise CloudError(f"shutdown behaviour '{behaviour}' is not known; use stop or terminate")
    changed = {name: value for name, value in changes.items() if getattr(instance, name) != value}
    if changed:
        Instance.objects.filter(pk=instance.pk).update(**changed)
        for name, value in changed.items():
            setattr(instance, name, value)
        audit.record(actor, "modify", KIND, [instance.ec2_id], tenant=instance.tenant, **changed)
    return sorted(changed)


@transaction.atomic
def tag_instance(instance: Instance, wanted: Mapping[str, str], *, actor: Actor) -> None:
    """Set tags, replacing the values of keys that it has."""
    tags.set_tags(instance.tenant, [(KIND, instance.ec2_id)], wanted)
    audit.record(actor, "tag", KIND, [instance.ec2_id], tenant=instance.tenant, tags=dict(wanted))


@transaction.atomic
def untag_instance(instance: Instance, key: str, *, actor: Actor) -> None:
    """Remove a tag; one that is not there is no error."""
    tags.delete_tags(instance.tenant, [instance.ec2_id], {key: None})
    audit.record(actor, "untag", KIND, [instance.ec2_id], tenant=instance.tenant, key=key)
