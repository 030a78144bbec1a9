"""What a new installation begins with.  Idempotent: what is there is kept."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils import timezone

from compute.models import Host, InstanceType
from operations.models import Heartbeat
from portal.demo import make_demo, welcome
from storage.backends.base import LayerFile, Limits
from storage.files import GIB, backend_of
from storage.models import Datastore, Image, ImageDevice, ImageState, Layer, Snapshot, SnapshotState
from storage.watching import look_at

INSTANCE_TYPES = [  # name, vCPUs, MiB, GiB of root disk
    ("t2.nano", 1, 512, 8),
    ("t2.micro", 1, 1024, 8),
    ("t2.small", 1, 2048, 8),
    ("t2.medium", 2, 4096, 16),
    ("t2.large", 2, 8192, 16),
    ("t3.nano", 2, 512, 8),
    ("t3.micro", 2, 1024, 8),
    ("t3.small", 2, 2048, 8),
    ("t3.medium", 2, 4096, 16),
    ("t3.large", 2, 8192, 16),
    ("m5.large", 2, 8192, 16),
    ("m5.xlarge", 4, 16384, 32),
    ("m5.2xlarge", 8, 32768, 32),
    ("c5.large", 2, 4096, 16),
    ("c5.xlarge", 4, 8192, 16),
]
IMAGE_NAME = "yushan-tiny"
DEMO_OVERCOMMIT = 20.0
LOCAL = "localhost"
SIMULATED = re.compile(r"^simulated:(\d{1,5})$")


def bootstrap() -> Iterator[str]:
    """Make what is missing; yields a line for each step."""
    Heartbeat.objects.all().delete()  # of the processes before: /healthz waits for those that start now
    with transaction.atomic():
        InstanceType.objects.bulk_create(
            [InstanceType(name=n, vcpus=v, memory_mib=m, disk_gib=d) for n, v, m, d in INSTANCE_TYPES],
            ignore_conflicts=True,
        )
    hosts = _hosts()
    yield hosts
    if settings.DEMO:
        yield from make_demo()
    _write_welcome(hosts)


def _hosts() -> str:
    """Make those that HOSTS asks for; says in a line what they are."""
    match = SIMULATED.match(settings.HOSTS)
    if match:
        return _simulated(int(match[1]))
    if settings.HOSTS == "local":
        return _local()
    if settings.HOSTS == "none":
        return "none yet: an operator adds them on the admin site"
    raise ImproperlyConfigured(f"HOSTS={settings.HOSTS!r}: use local, simulated:N (such as simulated:100) or none")


def _write_welcome(hosts: str) -> None:
    path = Path(settings.DATA_DIR) / "welcome.txt"
    path.touch(mode=0o600)
    path.chmod(0o600)  # there are passwords in it
    path.write_text(f"{welcome()}  hosts         {hosts}\n")


def _datastore(backend: str, options: dict[str, str] | None = None) -> Datastore:
    path = settings.DATA_DIR / "datastore"
    reached = {"backend": backend, "path": str(path), "options": options or {}}
    datastore, _made = Datastore.objects.update_or_create(
        name="local" if backend == "directory" else "simulated",
        defaults=reached,
        # Demo disks are mostly empty; a machine to try things on need not hold what they could grow to.
        create_defaults={**reached, "overcommit": DEMO_OVERCOMMIT},
    )
    look_at(datastore)
    return datastore


@transaction.atomic
def _image(datastore: Datastore, file_name: str, sha256: str = "", size_gib: int = 1) -> None:
    """The public image; a new build of it becomes a new row, and the old one is deregistered, not removed."""
    current = Image.objects.filter(tenant=None, name=IMAGE_NAME, state=ImageState.AVAILABLE)
    if current.filter(root_snapshot__layer__path=file_name).exists():
        return
    current.update(state=ImageState.DEREGISTERED)
    layer = Layer.objects.create(
        datastore=datastore, path=file_name, size_gib=size_gib, sha256=sha256, made_at=timezone.now()
    )
    snapshot = Snapshot.objects.create(
        layer=layer,
        size_gib=size_gib,
        state=SnapshotState.COMPLETED,
        progress=100,
        is_public=True,
        description=f"Root disk of {IMAGE_NAME}",
        completed_at=timezone.now(),
    )
    image = Image.objects.create(
        name=IMAGE_NAME,
        description="Tiny Linux (Debian kernel, busybox, dropbear); boots in seconds",
        state=ImageState.AVAILABLE,
        is_public=True,
        root_snapshot=snapshot,
        size_gib=size_gib,
        login_user="root",
    )
    ImageDevice.objects.create(image=image, device_name=image.root_device_name, snapshot=snapshot, size_gib=size_gib)


def _simulated(count: int) -> str:
    _image(_datastore("simulated"), "simulated")
    width = len(str(count))
    Host.objects.bulk_create(
        [
            Host(
                name=f"sim{n:0{width}}",
                driver="simulated",
                zone=settings.DEFAULT_ZONE,
                vcpus=8,
                memory_mib=16384,
                cpu_overcommit=4.0,
            )
            for n in range(1, count + 1)
        ],
        ignore_conflicts=True,
    )
    return f"{count} simulated hosts of 8 vCPUs and 16 GiB"


def _local() -> str:
    """This machine as a host: its private libvirtd, user-mode networking, the image that was built for it."""
    from compute.localhost.accelerator import accelerator
    from compute.localhost.paths import UNPRIVILEGED, paths_for

    paths = paths_for(settings.DATA_DIR)
    paths.prepare()
    datastore = _datastore("directory", {"qemu_user": UNPRIVILEGED if paths.as_root else ""})
    built = Path(os.environ.get("GUEST_IMAGE_DIR") or paths.guest_image)
    name = f"tiny-{(built / 'tiny.stamp').read_text().strip()}"
    backend, file = backend_of(datastore), LayerFile(f"images/{name}.qcow2")
    size_bytes = backend.take(str(built / f"{name}.qcow2"), file, Limits(virtual_bytes=64 * GIB))
    _image(datastore, file.name, backend.checksum(file.name), -(-size_bytes // GIB))
    kind = accelerator(settings.DATA_DIR, built / f"{name}.vmlinuz")
    memory_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    before = Host.objects.filter(name=LOCAL).values_list("options", flat=True).first() or {}
    options = {**before, "accelerator": kind, "network": "usermode", "datastore_at": paths.inside(datastore.path)}
    reached = {"driver": "kvm", "uri": paths.uri, "options": options}
    Host.objects.update_or_create(
        name=LOCAL,
        defaults=reached,
        create_defaults={
            **reached,
            "zone": settings.DEFAULT_ZONE,
            "vcpus": os.cpu_count() or 1,
            "memory_mib": max(1024, memory_mib - 1024),
            "cpu_overcommit": 16.0,
        },
    )
    words = "by KVM" if kind == "kvm" else "by emulation: KVM does not work here, guests are slower"
    return f"this machine ({words})"
