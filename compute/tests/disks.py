"""What tests of disks share: the simulated host, and what its domains have."""

from __future__ import annotations

from django.utils import timezone

from compute import drivers
from compute.drivers.base import Driver
from compute.models import Host, Instance
from operations.models import Operation
from operations.tasks import run
from storage.models import Volume


def driver() -> Driver:
    host = Host.objects.get()
    return drivers.driver_for(host.driver, host.settings())


def let(**options: object) -> None:
    """Give the simulated host other options."""
    host = Host.objects.get()
    Host.objects.update(options={**host.options, **options})


def tops(volumes: list[Volume]) -> list[str]:
    """The files that the domain writes to, by the names of their layers."""
    disks = driver().disks(volumes[0].instance_id)
    return [disks[volume.serial][0].rsplit("/", 1)[1].removesuffix(".qcow2") for volume in volumes]


def due() -> None:
    """Let no time pass until what waits is looked at again."""
    Operation.objects.open().update(due_at=timezone.now())


def interrupted() -> None:
    """Do all of what is next, but for writing down its result."""
    operation = Operation.objects.claim_next()
    assert operation is not None
    Operation.objects.filter(pk=operation.pk).update(claim="another")
    run(operation)
    Operation.objects.update(claim="", held_until=None)


def now(volume: Volume) -> Volume:
    return Volume.objects.select_related("layer", "next_layer", "tenant").get(pk=volume.pk)


def instance_of(volumes: list[Volume]) -> Instance:
    return Instance.objects.get(ec2_id=volumes[0].instance_id)
