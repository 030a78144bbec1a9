"""From rows to a running domain: disks, addresses and the NoCloud disk, then the driver."""

from __future__ import annotations

import logging
from dataclasses import replace

from django.conf import settings

from compute.drivers.base import Backing, Disk, DomainSpec, Driver, Interface, PortTaken, Secret
from compute.models import Host, Instance
from compute.seed import seed_iso
from networking.backends import usermode
from networking.backends.usermode import Ingress, Plan
from networking.forwards import PortForward
from networking.models import NetworkInterface, SecurityGroupRule
from operations.performers import Refused
from storage.files import backend_of, ready_layer
from storage.models import AttachmentState, Datastore, Layer, Volume

logger = logging.getLogger(__name__)

PORT_TRIES = 5


def prepare(instance: Instance, host: Host, driver: Driver) -> None:
    """Make what the domain needs, then start it.  Raises DriverError, StorageError or Refused; safe to repeat."""
    volumes = disks_in_order(instance)
    interfaces = list(NetworkInterface.objects.filter(instance_id=instance.ec2_id).select_related("subnet"))
    disks = [disk_of(volume, ready_layer(volume), host) for volume in volumes]
    disks = [replace(disk, target=f"vd{chr(ord('a') + n)}") for n, disk in enumerate(disks)]
    datastore = instance.datastore
    assert datastore is not None
    backend = backend_of(datastore)
    seed = _on_host(host, datastore, backend.write_instance_file(instance.ec2_id, "seed.iso", _seed(instance)))
    disks.append(Disk(path=seed, format="raw", target="hdc", read_only=True, cdrom=True))
    console_log = _on_host(host, datastore, backend.console_log(instance.ec2_id))
    taken: set[tuple[str, int]] = set()
    for attempt in range(PORT_TRIES):
        plans = [_plan(interface, host, taken) for interface in interfaces]
        spec = _spec(instance, disks, interfaces, plans, console_log)
        try:
            driver.create(spec)
            break
        except PortTaken as error:  # somebody bound it between the look and the start
            logger.info("%s: %s", instance, error)
            taken.add((error.address, error.port))
            if attempt == PORT_TRIES - 1:
                raise
    for interface, plan in zip(interfaces, plans, strict=True):
        _remember(interface, plan)


def _on_host(host: Host, datastore: Datastore, path: str) -> str:
    """The path by which the host knows a file of the datastore; the same as ours unless its row says otherwise."""
    seen_at = str(host.options.get("datastore_at", ""))
    return seen_at + path.removeprefix(datastore.path) if seen_at else path


def hostname(instance: Instance) -> str:
    """The name that the guest gives itself: its id, as everywhere else."""
    return instance.ec2_id


def _seed(instance: Instance) -> bytes:
    keys = [instance.public_key] if instance.public_key else []
    try:
        return seed_iso(instance.ec2_id, hostname(instance), keys, bytes(instance.user_data))
    except ValueError as error:
        why = f"key pair {instance.key_name} cannot be given to the guest: {error}"
        raise Refused(f"Client.InvalidParameterValue: {why}") from error


def disks_in_order(instance: Instance) -> list[Volume]:
    """The volumes of an instance that are to be there when it starts, the root disk first."""
    rows = Volume.objects.filter(instance_id=instance.ec2_id).select_related("datastore", "key")
    rows = rows.exclude(attachment_state__in=(AttachmentState.DETACHING, AttachmentState.BUSY))
    root = instance.image.root_device_name
    return sorted(rows, key=lambda volume: (volume.device != root, volume.device))


def disk_of(volume: Volume, layer: Layer, host: Host, target: str = "") -> Disk:
    """The volume as a disk of a domain on this host, written to in this layer."""
    backend = backend_of(volume.datastore)
    top, *backing = (
        Backing(_on_host(host, volume.datastore, backend.path(each.file_name)), _secret(each)) for each in layer.chain()
    )
    return Disk(
        path=top.path,
        format="qcow2",
        target=target,
        serial=volume.serial,
        secret=top.secret,
        backing=tuple(backing),
    )


def _secret(layer: Layer) -> Secret | None:
    return Secret(str(layer.key.uuid), layer.key.passphrase) if layer.key else None


def _plan(interface: NetworkInterface, host: Host, taken: set[tuple[str, int]]) -> Plan:
    """Which ports to forward, by the rules as they are now; without user-mode networking none."""
    if host.options.get("network") != "usermode" or not interface.public_ip:
        return Plan((), ())
    rules = SecurityGroupRule.objects.filter(group__network_interfaces=interface, is_egress=False)
    ingress = [
        Ingress(
            protocol=rule.protocol,
            from_port=rule.from_port,
            to_port=rule.to_port,
            cidr="" if rule.peer_group else rule.peer,
            group=rule.peer_group.ec2_id if rule.peer_group else "",
        )
        for rule in rules.select_related("peer_group").order_by("pk")
    ]

    def may_bind(address: str, port: int, protocol: str) -> bool:
        return (address, port) not in taken and usermode.may_bind(address, port, protocol)

    return usermode.plan(ingress, interface.public_ip, may_bind)


def _spec(
    instance: Instance, disks: list[Disk], interfaces: list[NetworkInterface], plans: list[Plan], console_log: str
) -> DomainSpec:
    return DomainSpec(
        name=instance.ec2_id,
        uuid=instance.uuid,
        installation=settings.INSTALLATION,
        vcpus=instance.instance_type.vcpus,
        memory_mib=instance.instance_type.memory_mib,
        disks=tuple(disks),
        interfaces=tuple(
            _interface(interface, plan.forwards) for interface, plan in zip(interfaces, plans, strict=True)
        ),
        console_log=console_log,
    )


def _interface(interface: NetworkInterface, forwards: tuple[PortForward, ...]) -> Interface:
    cidr = interface.subnet.cidr
    first = cidr.rsplit("/", 1)[0].rsplit(".", 1)[0]
    return Interface(
        mac=interface.mac,
        private_ip=interface.private_ip,
        subnet=cidr,
        gateway=f"{first}.1",
        forwards=forwards,
    )


def _remember(interface: NetworkInterface, plan: Plan) -> None:
    forwards = [{"protocol": f.protocol, "port": f.port, "guest_port": f.guest_port} for f in plan.forwards]
    NetworkInterface.objects.filter(pk=interface.pk).update(forwards=forwards, not_enforced=list(plan.unenforceable))
