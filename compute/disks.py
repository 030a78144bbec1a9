"""The disks of a launch, checked before anything is written."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.utils.translation import gettext as _

from compute import drivers
from compute.devices import check_free
from compute.drivers.base import Capability, DriverError
from compute.models import Host, HostState
from portal.errors import CloudError
from storage.services import NewDisk, checked_disk


def checked_disks(disks: Sequence[NewDisk], *, zone: str) -> list[NewDisk]:
    """The root disk first, with the usual speeds.  Raises CloudError for what cannot be."""
    root = disks[0].device
    for index, disk in enumerate(disks[1:], start=1):
        check_free(disk.device, root, [other.device for other in disks[:index]])
    if any(disk.is_encrypted for disk in disks) and (what := lacking({Capability.ENCRYPTION}, zone=zone)):
        text = _("No host of %(zone)s is capable of %(what)s, which an encrypted disk needs.")
        raise CloudError(text % {"zone": zone, "what": what}, code="UnsupportedOperation")
    return [checked_disk(disk) for disk in disks]


def lacking(needed: Collection[Capability], *, zone: str = "", driver: str = "") -> str:
    """What the driver, or those of all hosts of the zone, is not capable of; empty if one has all."""
    hosts = Host.objects.filter(zone=zone, state=HostState.ENABLED)
    kinds = [driver] if driver else sorted(set(hosts.values_list("driver", flat=True)))
    lacks = [sorted(set(needed) - _capabilities(kind)) for kind in kinds]
    return ", ".join(min(lacks, default=[]))


def _capabilities(kind: str) -> frozenset[Capability]:
    try:
        return drivers.driver_class(kind).capabilities
    except DriverError:
        return frozenset()
