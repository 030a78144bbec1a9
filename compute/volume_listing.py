"""Volumes as pages show them, in a constant number of queries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from compute.devices import free_name
from compute.models import Instance
from compute.states import InstanceState
from operations.models import Operation
from portal.models import Tenant
from portal.tags import tags_of
from storage.models import (
    AttachmentState,
    ModificationState,
    Snapshot,
    SnapshotState,
    Volume,
    VolumeModification,
    VolumeState,
)
from storage.verbs import VOLUME

BADGES = {
    VolumeState.CREATING: "busy",
    VolumeState.AVAILABLE: "info",
    VolumeState.IN_USE: "ok",
    VolumeState.DELETING: "busy",
    VolumeState.DELETED: "off",
    VolumeState.ERROR: "bad",
}
MOVING = {VolumeState.CREATING, VolumeState.DELETING}


@dataclass(frozen=True, slots=True)
class ShownVolume:
    volume: Volume
    tags: Mapping[str, str] = field(default_factory=dict)
    instance_name: str = ""
    root_device: str = ""
    instance_state: str = ""
    change: VolumeModification | None = None
    snapshots_pending: int = 0
    percent: int | None = None

    @property
    def name(self) -> str:
        return self.tags.get("Name", "")

    @property
    def called(self) -> str:
        return self.name or self.volume.ec2_id

    @property
    def badge(self) -> str:
        return BADGES[VolumeState(self.volume.state)]

    @property
    def used_bytes(self) -> int:
        """What it takes itself; blocks that it shares are counted with what it began as."""
        return self.volume.layer.used_bytes if self.volume.layer else 0

    @property
    def is_changing(self) -> bool:
        return self.change is not None and self.change.state in (
            ModificationState.MODIFYING,
            ModificationState.OPTIMIZING,
        )

    @property
    def is_steady(self) -> bool:
        between = self.volume.attachment_state in (AttachmentState.ATTACHING, AttachmentState.DETACHING)
        return not (self.volume.state in MOVING or between or self.is_changing or self.snapshots_pending)

    @property
    def is_root(self) -> bool:
        return bool(self.volume.instance_id) and self.volume.device == self.root_device

    @property
    def can_detach(self) -> bool:
        return bool(self.volume.instance_id) and (not self.is_root or self.instance_state == InstanceState.STOPPED)

    @property
    def doing(self) -> str:
        """What is under way, in words."""
        if self.is_changing:
            return _("being changed")
        if self.snapshots_pending:
            return _("a snapshot is being taken")
        if self.volume.attachment_state not in ("", AttachmentState.ATTACHED):
            return str(self.volume.get_attachment_state_display())
        return ""


def shown_volumes(volumes: Iterable[Volume]) -> list[ShownVolume]:
    """With names, places and what is under way; five queries."""
    rows = list(volumes)
    ids = [row.ec2_id for row in rows]
    places = {row.instance_id for row in rows if row.instance_id}
    tags = tags_of([*ids, *places])
    facts = Instance.objects.filter(ec2_id__in=places).values_list("ec2_id", "image__root_device_name", "state")
    instances = {name: (root, state) for name, root, state in facts}
    changes = {each.volume_id: each for each in VolumeModification.objects.filter(volume__in=rows)}
    pending = list(
        Snapshot.objects.filter(volume_id__in=ids, state=SnapshotState.PENDING).values_list("volume_id", flat=True)
    )
    copies = {each.resource_id: each.percent for each in Operation.objects.open().on(VOLUME, ids) if each.is_slow}
    found = []
    for row in rows:
        root, state = instances.get(row.instance_id, ("", ""))
        found.append(
            ShownVolume(
                row,
                tags.get(row.ec2_id, {}),
                tags.get(row.instance_id, {}).get("Name", ""),
                root,
                state,
                changes.get(row.pk),
                pending.count(row.ec2_id),
                copies.get(row.ec2_id),
            )
        )
    return found


def version_of(rows: Sequence[ShownVolume]) -> str:
    """Changes when anything does that a page shows of these."""
    told = [
        (
            row.volume.ec2_id,
            row.volume.state,
            row.volume.attachment_state,
            row.volume.size_gib,
            row.volume.state_message,
            row.doing,
            row.percent,
            row.change.message if row.change else "",
        )
        for row in rows
    ]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def attachable_instances(tenant: Tenant, zone: str) -> list[tuple[str, str]]:
    """Ids and names of those that a volume of this zone can be attached to."""
    rows = tenant.instances.filter(zone=zone, state__in=(InstanceState.RUNNING, InstanceState.STOPPED))
    ids = list(rows.order_by("-pk").values_list("ec2_id", flat=True)[:500])
    tags = tags_of(ids)
    return [(ec2_id, f"{name} ({ec2_id})" if (name := tags.get(ec2_id, {}).get("Name")) else ec2_id) for ec2_id in ids]


def next_device(instance: Instance) -> str:
    """A name for one more disk of it."""
    taken = Volume.objects.filter(instance_id=instance.ec2_id).values_list("device", flat=True)
    return free_name(instance.image.root_device_name, taken)


def attachable_volumes(instance: Instance) -> list[Volume]:
    """The tenant's volumes that it could have; none while nothing can be attached."""
    if instance.state not in (InstanceState.RUNNING, InstanceState.STOPPED):
        return []
    rows = Volume.objects.filter(tenant=instance.tenant_id, zone=instance.zone, state=VolumeState.AVAILABLE)
    return list(rows.order_by("-pk")[:100])
