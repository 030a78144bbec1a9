"""Interfaces and addresses of instances: what networking does not know is which instance may have them now."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from compute.errors import IncorrectState
from compute.models import Instance
from compute.states import InstanceState
from networking import elastic, interfaces
from networking.models import ElasticAddress, NetworkInterface
from portal.audit import Actor
from portal.errors import CloudError

S = InstanceState


def only_interface(instance: Instance) -> NetworkInterface:
    """The one that is meant where only the instance is named.  Raises CloudError if there are several, or none."""
    found = list(NetworkInterface.objects.filter(instance_id=instance.ec2_id).select_related("subnet__vpc"))
    if len(found) > 1:
        text = _(
            "There are multiple interfaces attached to instance '%(instance)s'. Please specify an interface ID for"
            " the operation instead."
        )
        raise CloudError(text % {"instance": instance}, code="InvalidInstanceID")
    if not found:
        text = _("instance %(instance)s is %(state)s and has no network interface any more")
        raise IncorrectState(text % {"instance": instance, "state": instance.get_state_display()})
    return found[0]


@transaction.atomic
def associate_address(
    address: ElasticAddress, instance: Instance, *, actor: Actor, private_ip: str = "", may_move: bool = True
) -> ElasticAddress:
    """Let the address lead to the instance, which must be running or stopped and have one interface."""
    elastic.hold(instance.tenant_id)
    state = _state_now(instance)
    if state not in (S.RUNNING, S.STOPPING, S.STOPPED):
        text = _("The %(state)s instance '%(instance)s' is not in a valid state for this operation.")
        raise CloudError(text % {"state": state, "instance": instance}, code="InvalidInstanceID")
    interface = only_interface(instance)
    return elastic.associate_address(address, interface, actor=actor, private_ip=private_ip, may_move=may_move)


def _state_now(instance: Instance) -> str:
    """Kept so until the transaction ends."""
    return str(Instance.objects.select_for_update(of=("self",)).values_list("state", flat=True).get(pk=instance.pk))


@transaction.atomic
def attach_interface(
    interface: NetworkInterface, instance: Instance, device_index: int, *, actor: Actor
) -> NetworkInterface:
    """Plug it into an instance that runs, which sees it after its next start, or is stopped."""
    elastic.hold(instance.tenant_id)
    state = _state_now(instance)
    if state not in (S.RUNNING, S.STOPPED):
        text = _("instance %(instance)s is %(state)s; an interface is attached to a running or a stopped one")
        raise IncorrectState(text % {"instance": instance, "state": state})
    if interface.subnet.zone != instance.zone:
        text = _(
            "You may not attach a network interface to an instance if they are not in the same availability zone:"
            " %(interface)s is in %(zone)s, %(instance)s in %(other)s."
        )
        zones = {"zone": interface.subnet.zone, "other": instance.zone}
        raise CloudError(text % {"interface": interface, "instance": instance, **zones})
    runs = state == S.RUNNING
    return interfaces.plug_in(interface, instance.ec2_id, device_index, actor=actor, guest_runs=runs)


@transaction.atomic
def check_source_and_destination(interface: NetworkInterface, check: bool, *, actor: Actor) -> None:
    """Of an instance's first interface it is the instance's, too."""
    interfaces.check_source_and_destination(interface, check, actor=actor)
    if interface.instance_id and interface.device_index == 0:
        Instance.objects.filter(ec2_id=interface.instance_id).update(source_dest_check=check)
