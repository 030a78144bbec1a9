"""Network interfaces: to make, attach, change and look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from compute import interfaces as of_instances
from ec2api.actions.instances import named
from ec2api.filters import Filters, Table, always, moment, number, owner, presence, truth
from ec2api.instance_filters import INSTANCE_FILTERS, private_dns, public_owner
from ec2api.kinds import listed, one
from ec2api.launch_interfaces import private_address
from ec2api.launches import digest, groups_named, subnet_named
from ec2api.pagination import Page
from ec2api.present.interfaces import InterfaceRow, attachment, interface_rows, network_interfaces
from ec2api.present.words import tags_by_id
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action, unsupported
from ec2api.tag_specifications import tags_for
from networking import interfaces
from networking.models import NetworkInterface

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import (
        AttributeBooleanValueTypeDef,
        AttributeValueTypeDef,
        NetworkInterfaceAttachmentChangesTypeDef,
        PrivateIpAddressSpecificationTypeDef,
        TagSpecificationUnionTypeDef,
    )

MAX_CLIENT_TOKEN = 64
_zone_id = INSTANCE_FILTERS["availability-zone-id"]

INTERFACE_FILTERS: Table = {
    "addresses.association.owner-id": public_owner,
    "association.allocation-id": "elastic_address__ec2_id",
    "association.association-id": "elastic_address__association_id",
    "association.ip-owner-id": public_owner,
    "association.public-dns-name": always(""),
    "attachment.attachment-id": "attachment_id",
    "attachment.instance-owner-id": owner,
    "availability-zone-id": _zone_id,
    "ipv6-addresses.ipv6-address": always(""),
    "operator.managed": always("false"),
    "operator.principal": always(""),
    "private-dns-name": private_dns,
    "addresses.association.public-ip": "public_ip",
    "addresses.primary": always("true"),
    "addresses.private-ip-address": "private_ip",
    "association.public-ip": "public_ip",
    "attachment.attach-time": moment("attached_at"),
    "attachment.delete-on-termination": truth("delete_on_termination"),
    "attachment.device-index": number("device_index"),
    "attachment.instance-id": "instance_id",
    "attachment.status": presence("attached_at", "attached", "detached"),
    "availability-zone": "subnet__zone",
    "description": "description",
    "group-id": "groups__ec2_id",
    "group-name": "groups__name",
    "interface-type": always("interface"),
    "mac-address": "mac",
    "network-interface-id": "ec2_id",
    "owner-id": owner,
    "private-ip-address": "private_ip",
    "requester-id": always(""),
    "requester-managed": always("false"),
    "source-dest-check": truth("source_dest_check"),
    "status": presence("attached_at", "in-use", "available"),
    "subnet-id": "subnet__ec2_id",
    "vpc-id": "subnet__vpc__ec2_id",
}


@action(ignores=["include_managed_resources"])
def describe_network_interfaces(
    call: Call,
    *,
    network_interface_ids: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    page = Page(call, max_results, next_token, ids=network_interface_ids, ids_name="NetworkInterfaceIds")
    rows: Any = NetworkInterface.objects.filter(tenant=call.tenant).only("pk", "ec2_id").distinct()
    found, token = listed(
        call, "eni", ids=network_interface_ids, filters=filters, table=INTERFACE_FILTERS, page=page, rows=rows
    )
    chosen = [each.pk for each in found]
    shown = interface_rows(Q(pk__in=chosen) if len(chosen) < 500 else Q(tenant=call.tenant))
    kept = set(chosen)
    tags = tags_by_id(call.tenant, "network-interface", [each.ec2_id for each in found])
    return {
        "NetworkInterfaces": network_interfaces(call.tenant, (row for row in shown if row.pk in kept), tags),
        "NextToken": token,
    }


@action()
def create_network_interface(
    call: Call,
    *,
    subnet_id: str,
    description: str = "",
    groups: Sequence[str] = (),
    private_ip_address: str = "",
    private_ip_addresses: Sequence[PrivateIpAddressSpecificationTypeDef] = (),
    interface_type: str = "interface",
    client_token: str = "",
    tag_specifications: Sequence[TagSpecificationUnionTypeDef] = (),
) -> Reply:
    """The same client token again finds the interface that it made."""
    asked = {name: value for name, value in locals().items() if name not in ("call", "client_token")}
    if interface_type != "interface":
        raise unsupported(f"The interface type '{interface_type[:40]}'")
    if len(client_token) > MAX_CLIENT_TOKEN:
        raise ApiError("InvalidParameterValue", f"ClientToken is limited to {MAX_CLIENT_TOKEN} characters")
    (tags,) = tags_for(tag_specifications, "network-interface")
    subnet = subnet_named(call.tenant, subnet_id)
    made = interfaces.create_interface(
        subnet,
        groups_named(call.tenant, subnet, groups),
        actor=call.actor,
        description=description,
        private_ip=private_address(
            {"PrivateIpAddress": private_ip_address, "PrivateIpAddresses": private_ip_addresses}
        ),
        tags=tags,
        client_token=client_token,
        digest=digest(asked) if client_token else "",
    )
    (shown,) = network_interfaces(
        call.tenant,
        interface_rows(Q(pk=made.pk)),
        tags_by_id(call.tenant, "network-interface", [made.ec2_id]),
    )
    return {"NetworkInterface": shown, "ClientToken": client_token or None}


@action()
def attach_network_interface(
    call: Call, *, network_interface_id: str, instance_id: str, device_index: int, network_card_index: int = 0
) -> Reply:
    """A guest that runs sees it after its next start; the description says so until then."""
    if network_card_index != 0:
        raise ApiError("InvalidParameterValue", "There is one network card, of index 0")
    interface = one(call, "eni", network_interface_id)
    (instance,) = named(call, [instance_id])
    attached = of_instances.attach_interface(interface, instance, device_index, actor=call.actor)
    return {"AttachmentId": attached.attachment_id, "NetworkCardIndex": 0}


@action(ignores=["force"])
def detach_network_interface(call: Call, *, attachment_id: str) -> Reply:
    """At once, as far as rows go, so that Force makes no difference."""
    interface = NetworkInterface.objects.filter(tenant=call.tenant, attachment_id=attachment_id).first()
    if interface is None or not attachment_id:
        raise interfaces.no_attachment(attachment_id)
    interfaces.unplug(interface, actor=call.actor)
    return {}


@action()
def delete_network_interface(call: Call, *, network_interface_id: str) -> Reply:
    interfaces.delete_interface(one(call, "eni", network_interface_id), actor=call.actor)
    return {}


READERS: Mapping[str, Callable[[InterfaceRow, str], dict[str, Any]]] = {
    "associatePublicIpAddress": lambda row, _account: {
        "AssociatePublicIpAddress": bool(row.public_ip) and not row.association_id
    },
    "attachment": lambda row, account: {"Attachment": attachment(row, account)} if row.instance_id else {},
    "description": lambda row, _account: {"Description": {"Value": row.own_description}},
    "groupSet": lambda row, _account: {"Groups": row.groups},
    "sourceDestCheck": lambda row, _account: {"SourceDestCheck": {"Value": row.source_dest_check}},
}


@action()
def describe_network_interface_attribute(call: Call, *, network_interface_id: str, attribute: str) -> Reply:
    read = READERS.get(attribute)
    if read is None:
        raise ApiError(
            "InvalidParameterValue", f"Value ({attribute[:60]}) for parameter attribute is invalid. Unknown attribute."
        )
    (row,) = interface_rows(Q(pk=one(call, "eni", network_interface_id).pk))
    return {"NetworkInterfaceId": row.ec2_id, **read(row, call.tenant.account_id)}


@action()
def modify_network_interface_attribute(
    call: Call,
    *,
    network_interface_id: str,
    description: AttributeValueTypeDef | None = None,
    source_dest_check: AttributeBooleanValueTypeDef | None = None,
    groups: Sequence[str] | None = None,
    attachment: NetworkInterfaceAttachmentChangesTypeDef | None = None,
) -> Reply:
    """Exactly one of them."""
    interface = one(call, "eni", network_interface_id)
    wanted = {
        "description": None if description is None else description.get("Value", ""),
        "source_dest_check": None if source_dest_check is None else source_dest_check.get("Value"),
        "groups": groups,
        "attachment": attachment,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    if len(given) != 1:
        words = "Fields for multiple attribute types specified" if given else "No attributes specified."
        raise ApiError("InvalidParameterCombination", words)
    ((name, value),) = given.items()
    WRITERS[name](call, interface, value)
    return {}


def _set_attachment(call: Call, interface: NetworkInterface, changes: Mapping[str, Any]) -> None:
    for name in ("AttachmentId", "DeleteOnTermination"):
        if name not in changes:
            raise ApiError("MissingParameter", f"The request must contain the parameter Attachment.{name}")
    if changes.keys() - {"AttachmentId", "DeleteOnTermination"}:
        raise unsupported("Changing more of an attachment than DeleteOnTermination")
    interfaces.delete_on_termination(
        interface, changes["AttachmentId"], changes["DeleteOnTermination"], actor=call.actor
    )


WRITERS: Mapping[str, Callable[[Call, NetworkInterface, Any], None]] = {
    "description": lambda call, i, text: interfaces.describe_as(i, text, actor=call.actor),
    "source_dest_check": lambda call, i, wish: of_instances.check_source_and_destination(i, wish, actor=call.actor),
    "groups": lambda call, i, ids: interfaces.change_groups(
        i, groups_named(call.tenant, i.subnet, ids), actor=call.actor
    ),
    "attachment": _set_attachment,
}


@action()
def reset_network_interface_attribute(call: Call, *, network_interface_id: str, source_dest_check: str) -> Reply:
    """Only sourceDestCheck has a value to go back to."""
    interface = one(call, "eni", network_interface_id)
    if source_dest_check not in ("sourceDestCheck", "true"):
        raise ApiError("InvalidParameterValue", f"Value ({source_dest_check[:40]}) for sourceDestCheck is invalid.")
    of_instances.check_source_and_destination(interface, True, actor=call.actor)
    return {}
