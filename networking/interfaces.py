"""Network interfaces: what a tenant may do to them, and what launches and terminations do."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from networking.allocation import addresses, new_mac
from networking.elastic import hold, part_from
from networking.models import NetworkInterface, SecurityGroup, Subnet, new_attachment_id
from portal import audit
from portal.audit import Actor
from portal.errors import CloudError, NotFound
from portal.inserting import insert
from portal.models import Tag
from portal.tags import add_tags, check_tags

KIND = "network-interface"
MAX_PER_INSTANCE = 8
MAX_PER_TENANT = 5000  # as at Amazon; launches are limited by the quota of instances
MAX_DESCRIPTION = 255
# What a row says of an attachment, where there is none.
DETACHED = {
    "instance_id": "",
    "attachment_id": "",
    "device_index": 0,
    "attached_at": None,
    "forwards": [],
    "not_enforced": [],
    "waits_for_start": False,
    "automatic_ip": None,
    "delete_on_termination": False,
}


def interfaces_for(
    instance_ids: Sequence[str],
    subnet: Subnet,
    groups: Sequence[SecurityGroup],
    *,
    public_ip: bool | None = None,
    private_ip: str = "",
    device_index: int = 0,
    delete_on_termination: bool = True,
    description: str = "",
) -> list[NetworkInterface]:
    """One interface for each instance, with addresses of its own; in the caller's transaction, two inserts in all.

    Whether it gets a public address is the subnet's choice unless ``public_ip`` says.
    """
    now = timezone.now()
    is_public = subnet.maps_public_ip if public_ip is None else public_ip
    private, public = addresses(subnet, len(instance_ids), is_public=is_public)
    if private_ip:
        private = [free_address(subnet, private_ip)]
    made = insert(
        NetworkInterface(
            tenant_id=subnet.tenant_id,
            subnet=subnet,
            instance_id=instance_id,
            attachment_id=new_attachment_id(),
            device_index=device_index,
            mac=new_mac(),
            private_ip=private_ip,
            public_ip=public_address,
            delete_on_termination=delete_on_termination,
            description=description,
            attached_at=now,
        )
        for instance_id, private_ip, public_address in zip(instance_ids, private, public, strict=True)
    )
    carry(made, groups)
    return made


def carry(interfaces: Sequence[NetworkInterface], groups: Sequence[SecurityGroup]) -> None:
    """Let new interfaces carry these groups."""
    through = NetworkInterface.groups.through
    insert(
        through(networkinterface_id=interface.pk, securitygroup_id=group.pk)
        for interface in interfaces
        for group in groups
    )


def free_address(subnet: Subnet, wanted: str) -> str:
    """The address, if it is one of the subnet's that may be had.  Raises CloudError if it is not, or is taken."""
    network = ipaddress.IPv4Network(subnet.cidr)
    values = {"address": wanted[:40], "subnet": subnet, "cidr": subnet.cidr}
    try:
        address = ipaddress.IPv4Address(wanted)
    except ValueError:
        raise CloudError(_("invalid value for parameter address: %(address)s") % values) from None
    if address not in network:
        raise CloudError(_("Address %(address)s does not fall within subnet %(subnet)s, %(cidr)s") % values)
    if address in (*(network[n] for n in range(4)), network.broadcast_address):
        raise CloudError(_("Address %(address)s is in the reserved range of subnet %(subnet)s") % values)
    if NetworkInterface.objects.filter(subnet=subnet, private_ip=str(address)).exists():
        raise CloudError(_("Address %(address)s is in use.") % values, code="InvalidIPAddress.InUse")
    return str(address)


def create_interface(
    subnet: Subnet,
    groups: Sequence[SecurityGroup],
    *,
    actor: Actor,
    description: str = "",
    private_ip: str = "",
    tags: Mapping[str, str] | None = None,
    client_token: str = "",
    digest: str = "",
) -> NetworkInterface:
    """An interface that nothing is plugged into yet; for a client token that was used before, the one it made then."""
    check_tags(tags or {})
    check_description(description)
    if before := _made_before(subnet.tenant_id, client_token, digest):
        return before
    try:
        with transaction.atomic():
            hold(subnet.tenant_id)
            _check_count(subnet.tenant_id)
            private = [free_address(subnet, private_ip)] if private_ip else addresses(subnet, 1, is_public=False)[0]
            interface = NetworkInterface.objects.create(
                tenant_id=subnet.tenant_id,
                subnet=subnet,
                mac=new_mac(),
                private_ip=private[0],
                description=description,
                delete_on_termination=False,
                client_token=client_token or None,
                client_digest=digest,
            )
            carry([interface], groups)
            add_tags(subnet.tenant, KIND, [interface.ec2_id], tags or {})
            audit.record(actor, "create", KIND, [interface.ec2_id], tenant=subnet.tenant, subnet=subnet.ec2_id)
            return interface
    except IntegrityError:  # the same token at the same moment
        if before := _made_before(subnet.tenant_id, client_token, digest):
            return before
        raise


def check_description(text: str) -> None:
    if len(text) > MAX_DESCRIPTION:
        raise CloudError(_("A description takes %(most)s characters at most") % {"most": MAX_DESCRIPTION})


def _made_before(tenant_id: int, token: str, digest: str) -> NetworkInterface | None:
    if not token:
        return None
    before = NetworkInterface.objects.filter(tenant_id=tenant_id, client_token=token).first()
    if before is not None and before.client_digest != digest:
        text = _("client token %(token)s was used for another interface, %(interface)s; use a new token")
        raise CloudError(text % {"token": token, "interface": before}, code="IdempotentParameterMismatch")
    return before


def _check_count(tenant_id: int) -> None:
    if NetworkInterface.objects.filter(tenant_id=tenant_id).count() >= MAX_PER_TENANT:
        text = _("A tenant may have %(most)s network interfaces; delete some first")
        raise CloudError(text % {"most": MAX_PER_TENANT}, code="NetworkInterfaceLimitExceeded")


def held_interface(interface: NetworkInterface) -> NetworkInterface:
    """The interface as it is now, and nobody else moves it.  Raises NotFound if it was deleted meanwhile."""
    hold(interface.tenant_id)
    found = NetworkInterface.objects.select_related("tenant", "subnet").filter(pk=interface.pk).first()
    if found is None:
        text = _("The networkInterface ID '%(id)s' does not exist")
        raise NotFound(text % {"id": interface.ec2_id}, code="InvalidNetworkInterfaceID.NotFound")
    return found


def refuse_if_in_use(interface: NetworkInterface) -> None:
    if interface.instance_id:
        text = _("Interface: [%(interface)s] in use by instance %(instance)s; detach it first.")
        values = {"interface": interface, "instance": interface.instance_id}
        raise CloudError(text % values, code="InvalidNetworkInterface.InUse")


@transaction.atomic
def plug_in(
    interface: NetworkInterface,
    instance_id: str,
    device_index: int,
    *,
    actor: Actor,
    delete_on_termination: bool = False,
    guest_runs: bool = False,
) -> NetworkInterface:
    """Attach it to an instance; whether that may have it now is the caller's to know.

    A guest that runs sees it after its next start.  Raises CloudError if it is in use, or the index is.
    """
    interface = held_interface(interface)
    refuse_if_in_use(interface)
    check_device_index(device_index)
    others = set(NetworkInterface.objects.filter(instance_id=instance_id).values_list("device_index", flat=True))
    if device_index in others:
        text = _("Instance '%(instance)s' already has an interface attached at device index '%(index)s'.")
        raise CloudError(text % {"instance": instance_id, "index": device_index})
    if len(others) >= MAX_PER_INSTANCE:
        text = _("Interface count %(count)s exceeds the limit of %(most)s for an instance")
        values = {"count": len(others) + 1, "most": MAX_PER_INSTANCE}
        raise CloudError(text % values, code="AttachmentLimitExceeded")
    interface.instance_id, interface.device_index = instance_id, device_index
    interface.attachment_id, interface.attached_at = new_attachment_id(), timezone.now()
    interface.delete_on_termination, interface.waits_for_start = delete_on_termination, guest_runs
    interface.save()
    _record("attach", interface, actor, instance=instance_id, device_index=device_index)
    return interface


def check_device_index(device_index: int) -> None:
    if not 0 <= device_index < MAX_PER_INSTANCE:
        text = _("Invalid value '%(index)s' for deviceIndex: it is 0 to %(last)s")
        raise CloudError(text % {"index": device_index, "last": MAX_PER_INSTANCE - 1})


def _record(verb: str, interface: NetworkInterface, actor: Actor, **detail: object) -> None:
    audit.record(actor, verb, KIND, [interface.ec2_id], tenant=interface.tenant, **detail)


@transaction.atomic
def unplug(interface: NetworkInterface, *, actor: Actor) -> None:
    """Detach it; a guest that runs loses it when it stops.  An elastic address goes with the interface.

    Raises CloudError for an instance's first interface, which stays as long as the instance.
    """
    attachment_id = interface.attachment_id
    interface = held_interface(interface)
    if not interface.instance_id or interface.attachment_id != attachment_id:
        raise no_attachment(attachment_id)
    if interface.device_index == 0:
        raise CloudError(_("The network interface at device index 0 cannot be detached."), code="OperationNotPermitted")
    _record("detach", interface, actor, instance=interface.instance_id)
    _let_go([interface])


def no_attachment(attachment_id: str) -> NotFound:
    text = _("The attachment ID '%(id)s' does not exist")
    return NotFound(text % {"id": attachment_id[:60]}, code="InvalidAttachmentID.NotFound")


def _let_go(interfaces: Sequence[NetworkInterface]) -> None:
    """Only elastic addresses stay with an interface that is in no instance."""
    rows = NetworkInterface.objects.filter(pk__in=[interface.pk for interface in interfaces])
    rows.filter(elastic_address=None).update(public_ip=None)
    rows.update(**DETACHED)


@transaction.atomic
def delete_interface(interface: NetworkInterface, *, actor: Actor) -> None:
    """Raises CloudError while an instance has it.  An elastic address of it stays allocated."""
    interface = held_interface(interface)
    if interface.instance_id:
        text = _("Network interface '%(interface)s' is currently in use by %(instance)s; detach it first.")
        raise CloudError(text % {"interface": interface, "instance": interface.instance_id})
    _record("delete", interface, actor)
    _forget([interface])


def _forget(interfaces: Sequence[NetworkInterface]) -> None:
    part_from(interfaces)
    ids = [interface.ec2_id for interface in interfaces]
    Tag.objects.filter(resource_type=KIND, resource_id__in=ids).delete()
    NetworkInterface.objects.filter(pk__in=[interface.pk for interface in interfaces]).delete()


def release_interfaces(instance_ids: Sequence[str]) -> None:
    """Let go of the interfaces that end with their instances; the others are only detached."""
    mine = NetworkInterface.objects.filter(instance_id__in=instance_ids)
    for tenant_id in sorted(set(mine.order_by().values_list("tenant_id", flat=True))):
        hold(tenant_id)
    interfaces = list(mine)
    _forget([interface for interface in interfaces if interface.delete_on_termination])
    _let_go([interface for interface in interfaces if not interface.delete_on_termination])


@transaction.atomic
def describe_as(interface: NetworkInterface, description: str, *, actor: Actor) -> None:
    check_description(description)
    NetworkInterface.objects.filter(pk=interface.pk).update(description=description)
    _record("modify", interface, actor, attribute="description", value=description)


@transaction.atomic
def check_source_and_destination(interface: NetworkInterface, check: bool, *, actor: Actor) -> None:
    NetworkInterface.objects.filter(pk=interface.pk).update(source_dest_check=check)
    _record("modify", interface, actor, attribute="sourceDestCheck", value=check)


@transaction.atomic
def change_groups(interface: NetworkInterface, groups: Sequence[SecurityGroup], *, actor: Actor) -> None:
    """From the next start on, where ports are forwarded by the rules."""
    held_interface(interface).groups.set(groups)
    _record("modify", interface, actor, attribute="groupSet", value=[group.ec2_id for group in groups])


@transaction.atomic
def delete_on_termination(interface: NetworkInterface, attachment_id: str, wish: bool, *, actor: Actor) -> None:
    """Whether it goes with its instance.  Raises NotFound if it is not attached by that id."""
    rows = NetworkInterface.objects.filter(pk=interface.pk, attachment_id=attachment_id).exclude(instance_id="")
    if not rows.update(delete_on_termination=wish):
        raise no_attachment(attachment_id)
    _record("modify", interface, actor, attribute="deleteOnTermination", value=wish)
