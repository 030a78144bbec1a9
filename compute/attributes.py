"""Changing an instance that is there: its type, user data, protections, groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import transaction

from compute.errors import IncorrectState
from compute.interfaces import only_interface
from compute.launching import MAX_USER_DATA
from compute.models import Instance, InstanceType, ShutdownBehavior
from compute.models.instance import KIND
from compute.states import InstanceState
from networking import interfaces
from networking.models import SecurityGroup
from portal import audit, quotas
from portal.audit import Actor
from portal.errors import CloudError
from portal.models import Resource
from storage.models import Volume

S = InstanceState


def _update_stopped(instance: Instance, **fields: object) -> None:
    """Write what a running domain could not be given.  Raises IncorrectState unless it is stopped."""
    if not Instance.objects.filter(pk=instance.pk, state=S.STOPPED).update(**fields):
        instance.refresh_from_db(fields=["state"])
        raise IncorrectState(f"The instance '{instance}' is not in the 'stopped' state: it is {instance.state}")


def _update_live(instance: Instance, **fields: object) -> None:
    """Write what any instance may be given that has not ended.  Raises IncorrectState if it has."""
    rows = Instance.objects.filter(pk=instance.pk).exclude(state__in=(S.SHUTTING_DOWN, S.TERMINATED))
    if not rows.update(**fields):
        instance.refresh_from_db(fields=["state"])
        raise IncorrectState(f"The instance '{instance}' is {instance.state}; its attributes can't be changed any more")


def _record(instance: Instance, actor: Actor, attribute: str, value: object) -> None:
    audit.record(actor, "modify", KIND, [instance.ec2_id], tenant=instance.tenant, attribute=attribute, value=value)


@transaction.atomic
def change_type(instance: Instance, instance_type: InstanceType, *, actor: Actor) -> None:
    """Give a stopped instance another size; the quota follows.  Its disk stays as it is."""
    instance = Instance.objects.select_for_update(of=("self",)).select_related("tenant").get(pk=instance.pk)
    hints = {name: value for name, value in instance.hints.items() if name != "CpuOptions"}
    more = {
        Resource.VCPUS: instance_type.vcpus - instance.vcpus_reserved,
        Resource.MEMORY_MIB: instance_type.memory_mib - instance.memory_reserved_mib,
    }
    _update_stopped(
        instance,
        instance_type=instance_type,
        vcpus_reserved=instance_type.vcpus,
        memory_reserved_mib=instance_type.memory_mib,
        hints=hints,
    )
    quotas.reserve(instance.tenant, {resource: amount for resource, amount in more.items() if amount > 0})
    quotas.release(instance.tenant, {resource: -amount for resource, amount in more.items() if amount < 0})
    _record(instance, actor, "instanceType", instance_type.name)


@transaction.atomic
def change_user_data(instance: Instance, user_data: bytes, *, actor: Actor) -> None:
    """What a stopped instance is given at its next start."""
    if len(user_data) > MAX_USER_DATA:
        raise CloudError(f"User data is limited to {MAX_USER_DATA} bytes; {len(user_data)} were given")
    _update_stopped(instance, user_data=user_data)
    _record(instance, actor, "userData", f"{len(user_data)} bytes")


@transaction.atomic
def protect(instance: Instance, *, actor: Actor, termination: bool | None = None, stop: bool | None = None) -> None:
    """Whether it may be terminated, or stopped, by request."""
    wanted = {"disable_api_termination": termination, "disable_api_stop": stop}
    fields = {name: value for name, value in wanted.items() if value is not None}
    _update_live(instance, **fields)
    for name, value in fields.items():
        _record(instance, actor, name, value)


@transaction.atomic
def change_shutdown_behavior(instance: Instance, behavior: str, *, actor: Actor) -> None:
    """What becomes of it when its guest shuts down."""
    if behavior not in ShutdownBehavior.values:
        raise CloudError(
            f"Value ({behavior[:40]}) for parameter instanceInitiatedShutdownBehavior is invalid: use stop or terminate"
        )
    _update_live(instance, shutdown_behavior=behavior)
    _record(instance, actor, "instanceInitiatedShutdownBehavior", behavior)


@transaction.atomic
def check_source_and_destination(instance: Instance, check: bool, *, actor: Actor) -> None:
    """Of its only interface.  Raises CloudError if it has several, which are to be named then."""
    interface = only_interface(instance)
    _update_live(instance, source_dest_check=check)
    interfaces.check_source_and_destination(interface, check, actor=actor)
    _record(instance, actor, "sourceDestCheck", check)


@transaction.atomic
def change_groups(instance: Instance, groups: Sequence[SecurityGroup], *, actor: Actor) -> None:
    """The groups of its only interface.  Raises CloudError if it has several, which are to be named then."""
    interfaces.change_groups(only_interface(instance), groups, actor=actor)
    _record(instance, actor, "groupSet", [group.ec2_id for group in groups])


@transaction.atomic
def keep_hint(instance: Instance, name: str, value: object, *, actor: Actor) -> None:
    """A wish that is shown again and changes nothing else."""
    instance = Instance.objects.select_for_update(of=("self",)).select_related("tenant").get(pk=instance.pk)
    _update_live(instance, hints={**instance.hints, name: value})
    _record(instance, actor, name, value)


@transaction.atomic
def change_options(
    instance: Instance, name: str, options: Mapping[str, object], *, actor: Actor, only_stopped: bool = False
) -> dict[str, object]:
    """Change some of the options that are kept by this name; all of them, as they are then."""
    instance = Instance.objects.select_for_update(of=("self",)).select_related("tenant").get(pk=instance.pk)
    kept = instance.hints.get(name) or {}
    assert isinstance(kept, dict)
    found = {**kept, **options}
    write = _update_stopped if only_stopped else _update_live
    write(instance, hints={**instance.hints, name: found})
    _record(instance, actor, name, found)
    return found


@transaction.atomic
def delete_volumes_on_termination(instance: Instance, wishes: Mapping[str, bool], *, actor: Actor) -> None:
    """By device: whether the volume goes with the instance.  Raises CloudError for a device it does not have."""
    for device, wish in wishes.items():
        if not Volume.objects.filter(instance_id=instance.ec2_id, device=device).update(delete_on_termination=wish):
            raise CloudError(
                f"No device is currently mapped at {device[:40]} of instance {instance}",
                code="InvalidInstanceAttributeValue",
            )
    _record(instance, actor, "blockDeviceMapping", dict(wishes))
