"""Volumes: made, looked at, attached, changed, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.conf import settings

from compute import volume_changes, volumes
from compute.models import Instance
from ec2api.filters import Filters, Table, always, moment, number, truth
from ec2api.instance_filters import INSTANCE_FILTERS
from ec2api.kinds import listed, one
from ec2api.launches import digest
from ec2api.pagination import Page
from ec2api.present.volumes import attachment, modification, volume
from ec2api.present.words import tags_by_id, zone_id
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action, missing, unsupported
from ec2api.tag_specifications import tags_for
from networking.models import Subnet
from storage import volumes as detached
from storage.models import Snapshot, Volume

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import TagSpecificationUnionTypeDef

MAX_CLIENT_TOKEN = 64
VOLUME_FILTERS: Table = {
    "operator.managed": always("false"),
    "operator.principal": always(""),
    "attachment.attach-time": moment("attached_at"),
    "attachment.delete-on-termination": truth("delete_on_termination"),
    "attachment.device": "device",
    "attachment.instance-id": "instance_id",
    "attachment.status": "attachment_state",
    "availability-zone": "zone",
    "availability-zone-id": INSTANCE_FILTERS["availability-zone-id"],
    "create-time": moment("created_at"),
    "encrypted": truth("is_encrypted"),
    "fast-restored": always("false"),
    "multi-attach-enabled": always("false"),
    "size": number("size_gib"),
    "snapshot-id": "snapshot_id",
    "status": "state",
    "volume-id": "ec2_id",
    "volume-type": "volume_type",
}


@action(ignores=["include_managed_resources"])
def describe_volumes(
    call: Call,
    *,
    volume_ids: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    page = Page(call, max_results, next_token, ids=volume_ids, ids_name="VolumeIds")
    rows = Volume.objects.filter(tenant=call.tenant)
    found, token = listed(call, "vol", ids=volume_ids, filters=filters, table=VOLUME_FILTERS, page=page, rows=rows)
    tags = tags_by_id(call.tenant, "volume", [each.ec2_id for each in found])
    return {"Volumes": [volume(each, tags) for each in found], "NextToken": token}


def _zone(call: Call, zone: str, zone_id_asked: str) -> str:
    """One of the zones that there are for this tenant.  Raises ApiError for another."""
    zones = {settings.DEFAULT_ZONE, *Subnet.objects.filter(tenant=call.tenant).values_list("zone", flat=True)}
    if not zone and not zone_id_asked:
        raise missing("AvailabilityZone")
    for each in zones:
        if zone in ("", each) and zone_id_asked in ("", zone_id(each)):
            return each
    raise ApiError("InvalidZone.NotFound", f"The zone '{(zone or zone_id_asked)[:60]}' does not exist.")


@action(ignores=["volume_initialization_rate"])
def create_volume(
    call: Call,
    *,
    availability_zone: str = "",
    availability_zone_id: str = "",
    size: int | None = None,
    snapshot_id: str = "",
    volume_type: str = "",
    iops: int | None = None,
    throughput: int | None = None,
    encrypted: bool | None = None,
    multi_attach_enabled: bool = False,
    client_token: str = "",
    tag_specifications: Sequence[TagSpecificationUnionTypeDef] = (),
) -> Reply:
    """Empty, or as a snapshot is; the same client token again finds the one it made."""
    asked = {name: value for name, value in locals().items() if name not in ("call", "client_token")}
    if multi_attach_enabled:
        raise unsupported("The parameter MultiAttachEnabled of CreateVolume")
    if len(client_token) > MAX_CLIENT_TOKEN:
        raise ApiError("InvalidParameterValue", f"ClientToken is limited to {MAX_CLIENT_TOKEN} characters")
    snapshot: Snapshot | None = one(call, "snap", snapshot_id) if snapshot_id else None
    if snapshot is not None and snapshot.is_encrypted and encrypted is False:
        raise ApiError(
            "InvalidParameterCombination", f"Encrypted must not be false: snapshot {snapshot_id} is encrypted"
        )
    (tags,) = tags_for(tag_specifications, "volume")
    new = detached.NewVolume(
        zone=_zone(call, availability_zone, availability_zone_id),
        size_gib=size,
        snapshot=snapshot,
        volume_type=volume_type or "gp2",
        iops=iops,
        throughput=throughput,
        is_encrypted=bool(encrypted),
        tags=tags,
        client_token=client_token or None,
        digest=digest(asked) if client_token else "",
    )
    made = detached.create_volume(call.tenant, new, actor=call.actor)
    return {**volume(made, tags_by_id(call.tenant, "volume", [made.ec2_id]))}


@action()
def delete_volume(call: Call, *, volume_id: str) -> Reply:
    """Its snapshots stay."""
    detached.delete_volume(one(call, "vol", volume_id), actor=call.actor)
    return {}


@action()
def attach_volume(call: Call, *, device: str, instance_id: str, volume_id: str) -> Reply:
    """To a running or a stopped instance of the same zone."""
    row: Volume = one(call, "vol", volume_id)
    instance: Instance = one(call, "i", instance_id)
    return {**attachment(volumes.attach_volume(row, instance, device, actor=call.actor))}


@action()
def detach_volume(call: Call, *, volume_id: str, instance_id: str = "", device: str = "", force: bool = False) -> Reply:
    """From whichever instance has it, if none is named."""
    row: Volume = one(call, "vol", volume_id)
    if instance_id:
        one(call, "i", instance_id)
    left = volumes.detach_volume(row, actor=call.actor, instance_id=instance_id, device=device, force=force)
    return {**attachment(left)}


@action()
def modify_volume(
    call: Call,
    *,
    volume_id: str,
    size: int | None = None,
    volume_type: str | None = None,
    iops: int | None = None,
    throughput: int | None = None,
    multi_attach_enabled: bool = False,
) -> Reply:
    """It grows while its guest runs; a type and speeds are wishes that are kept and shown."""
    if multi_attach_enabled:
        raise unsupported("The parameter MultiAttachEnabled of ModifyVolume")
    change = volume_changes.modify_volume(
        one(call, "vol", volume_id),
        actor=call.actor,
        size_gib=size,
        volume_type=volume_type,
        iops=iops,
        throughput=throughput,
    )
    return {"VolumeModification": modification(change, volume_id)}
