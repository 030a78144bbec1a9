"""From rows to a running domain: disks, addresses and the NoCloud disk, then the driver."""

from __future__ import annotations

import logging

from django.conf import settings

from compute.drivers.base import Disk, DomainSpec, Driver, Interface, PortForward, PortTaken
from compute.models import Host, Instance
from compute.seed import seed_iso
from networking.backends.usermode import Plan, Rule, plan_forwards
from networking.models import NetworkInterface, SecurityGroupRule
from storage.files import backend_of, make_volume_file
from storage.models import Volume

logger = logging.getLogger(__name__)

PORT_TRIES = 5


def prepare(instance: Instance, host: Host, driver: Driver) -> None:
    """Make what the domain needs, then start it.  Raises DriverError; safe to repeat."""
    volumes = list(
        Volume.objects.filter(instance_id=instance.ec2_id).select_related("datastore", "image").order_by("device")
    )
    interfaces = list(NetworkInterface.objects.filter(instance_id=instance.ec2_id).select_related("subnet"))
    disks = [_disk(volume, n) for n, volume in enumerate(volumes)]
    backend = backend_of(volumes[0].datastore)
    seed = backend.write_instance_file(
        instance.ec2_id,
        "seed.iso",
        seed_iso(instance.ec2_id, hostname(instance), _keys(instance), bytes(instance.user_data)),
    )
    disks.append(Disk(path=seed, format="raw", target="sda", read_only=True, cdrom=True))
    avoid: set[tuple[str, int]] = set()
    for attempt in range(PORT_TRIES):
        plans = [_plan(interface, host, avoid) for interface in interfaces]
        spec = _spec(instance, disks, interfaces, plans, backend.instance_file(instance.ec2_id, "console.log"))
        try:
            driver.create(spec)
            break
        except PortTaken as error:  # somebody bound it between the look and the start
            logger.info("%s: %s", instance, error)
            avoid.add((error.address, error.port))
            if attempt == PORT_TRIES - 1:
                raise
    for interface, plan in zip(interfaces, plans, strict=True):
        _remember(interface, plan)


def hostname(instance: Instance) -> str:
    """The name that the guest gives itself: its id, as everywhere else."""
    return instance.ec2_id


def _keys(instance: Instance) -> list[str]:
    return [instance.public_key] if instance.public_key else []


def _disk(volume: Volume, index: int) -> Disk:
    return Disk(
        path=make_volume_file(volume),
        format="qcow2",
        target=f"vd{chr(ord('a') + index)}",
        serial=volume.ec2_id.replace("-", "")[:20],
    )


def _plan(interface: NetworkInterface, host: Host, avoid: set[tuple[str, int]]) -> Plan:
    if host.options.get("network") != "usermode" or not interface.public_ip:
        return Plan((), ())
    rules = SecurityGroupRule.objects.filter(group__network_interfaces=interface, is_egress=False)
    plain = [
        Rule(protocol=r.protocol, from_port=r.from_port, to_port=r.to_port, peer=r.peer) for r in rules.order_by("pk")
    ]
    return plan_forwards(plain, interface.public_ip, avoid=frozenset(avoid))


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
