"""A DomainSpec as libvirt's domain XML, and what of ours is found in XML that libvirt gives back; no I/O."""

from __future__ import annotations

import ipaddress
import string
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from compute.drivers.base import Disk, DomainSpec, Interface, Secret

NAMESPACE = "https://yushan.cloud/domain/1"  # of the mark in a domain's metadata
QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
LAST_SLOT = 0x1F  # on the PCI bus, of the last interface libvirt does not know of: guests count them upwards
TRANSLATION_MIB = 32  # emulation's cache of translated code: 160 MiB for a small domain instead of 215, none slower

ET.register_namespace("yushan", NAMESPACE)
ET.register_namespace("qemu", QEMU_NAMESPACE)


@dataclass(frozen=True, slots=True)
class Marked:
    """What a domain's XML says of it: whose it is (empty: not ours), and its size."""

    installation: str
    vcpus: int
    memory_mib: int


@dataclass(frozen=True, slots=True)
class Plugged:
    """A disk that a running domain has."""

    serial: str
    target: str
    alias: str  # libvirt's name for the device
    layers: tuple[str, ...]  # their paths, the top first


def domain_xml(spec: DomainSpec, accelerator: str = "kvm", emulator: str = "") -> str:
    """The XML of a domain for KVM, or for QEMU's emulation when ``accelerator`` is "tcg".

    Without an emulator libvirt takes its own default.  Raises ValueError for a spec that cannot be said in XML.
    """
    emulated = accelerator == "tcg"
    domain = ET.Element("domain", type="qemu" if emulated else "kvm")
    _text(domain, "name", spec.name)
    _text(domain, "uuid", spec.uuid)
    mark = ET.SubElement(ET.SubElement(domain, "metadata"), f"{{{NAMESPACE}}}instance")
    mark.set("installation", spec.installation)
    mark.set("id", spec.name)
    _text(domain, "memory", str(spec.memory_mib), unit="MiB")
    _text(domain, "vcpu", str(spec.vcpus))
    os_element = ET.SubElement(domain, "os")
    _text(os_element, "type", "hvm", arch="x86_64", machine="pc")
    ET.SubElement(os_element, "boot", dev="hd")
    features = ET.SubElement(domain, "features")
    for name in ("acpi", "apic"):
        ET.SubElement(features, name)
    if emulated:
        _text(ET.SubElement(features, "tcg"), "tb-cache", str(TRANSLATION_MIB), unit="MiB")
    else:
        ET.SubElement(domain, "cpu", mode="host-passthrough", migratable="on")
    ET.SubElement(domain, "clock", offset="utc")
    for event, action in (("poweroff", "destroy"), ("reboot", "restart"), ("crash", "destroy")):
        _text(domain, f"on_{event}", action)
    _devices(domain, spec, emulator)
    arguments = [
        argument
        for number, interface in enumerate(spec.interfaces)
        if not interface.bridge
        for argument in user_network(number, interface, LAST_SLOT - len(spec.interfaces) + 1 + number)
    ]
    if arguments:
        command_line = ET.SubElement(domain, f"{{{QEMU_NAMESPACE}}}commandline")
        for argument in arguments:
            ET.SubElement(command_line, f"{{{QEMU_NAMESPACE}}}arg", value=argument)
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode") + "\n"


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text


def _devices(domain: ET.Element, spec: DomainSpec, emulator: str) -> None:
    devices = ET.SubElement(domain, "devices")
    if emulator:
        _text(devices, "emulator", emulator)
    for disk in spec.disks:
        _disk(devices, disk)
    ET.SubElement(devices, "controller", type="usb", model="none")  # polling it costs an idle domain CPU
    for interface in spec.interfaces:
        if interface.bridge:
            _bridged(devices, interface)
    serial = ET.SubElement(devices, "serial", type="pty")
    if spec.console_log:
        ET.SubElement(serial, "log", file=spec.console_log, append="on")
    ET.SubElement(devices, "console", type="pty")
    ET.SubElement(devices, "memballoon", model="virtio")
    rng = ET.SubElement(devices, "rng", model="virtio")  # or else host keys wait for entropy
    _text(rng, "backend", "/dev/urandom", model="random")


def disk_xml(disk: Disk) -> str:
    """A disk by itself, to be plugged in."""
    parent = ET.Element("devices")
    _disk(parent, disk)
    ET.indent(parent[0])
    return ET.tostring(parent[0], encoding="unicode") + "\n"


def snapshot_xml(overlays: Mapping[str, Disk], others: Iterable[str]) -> str:
    """What lets the disks of these targets go on in other files, and the others be."""
    snapshot = ET.Element("domainsnapshot")
    disks = ET.SubElement(snapshot, "disks")
    for target, disk in overlays.items():
        element = ET.SubElement(disks, "disk", name=target, snapshot="external", type="file")
        ET.SubElement(element, "driver", type=disk.format)
        _source(element, disk.path, disk.secret)
    for target in others:
        ET.SubElement(disks, "disk", name=target, snapshot="no")
    ET.indent(snapshot)
    return ET.tostring(snapshot, encoding="unicode") + "\n"


def secret_xml(secret: Secret) -> str:
    """A passphrase that libvirt keeps in memory only, and tells nobody."""
    element = ET.Element("secret", ephemeral="yes", private="yes")
    _text(element, "uuid", secret.uuid)
    return ET.tostring(element, encoding="unicode")


def _disk(devices: ET.Element, disk: Disk) -> None:
    bus = "virtio" if disk.target.startswith("vd") else "ide" if disk.target.startswith("hd") else "sata"
    if disk.cdrom and bus == "virtio":
        raise ValueError(f"a CD-ROM cannot be {disk.target}; name it hda to hdd")
    element = ET.SubElement(devices, "disk", type="file", device="cdrom" if disk.cdrom else "disk")
    driver = ET.SubElement(element, "driver", name="qemu", type=disk.format)
    if not (disk.read_only or disk.cdrom):
        driver.set("discard", "unmap")
    _source(element, disk.path, disk.secret)
    if disk.format != "raw":
        _backing(element, disk)
    ET.SubElement(element, "target", dev=disk.target, bus=bus)
    if disk.read_only or disk.cdrom:
        ET.SubElement(element, "readonly")
    if disk.serial:
        _text(element, "serial", disk.serial)


def _source(parent: ET.Element, path: str, secret: Secret | None) -> None:
    source = ET.SubElement(parent, "source", file=path)
    if secret is not None:
        encryption = ET.SubElement(source, "encryption", format="luks")
        ET.SubElement(encryption, "secret", type="passphrase", uuid=secret.uuid)


def _backing(parent: ET.Element, disk: Disk) -> None:
    """The whole chain, to its end: or else libvirt would follow the names in the files, and know no passphrase."""
    for backing in disk.backing:
        parent = ET.SubElement(parent, "backingStore", type="file")
        ET.SubElement(parent, "format", type="qcow2")
        _source(parent, backing.path, backing.secret)
    ET.SubElement(parent, "backingStore")


def _bridged(devices: ET.Element, interface: Interface) -> None:
    element = ET.SubElement(devices, "interface", type="bridge")
    ET.SubElement(element, "mac", address=interface.mac)
    ET.SubElement(element, "source", bridge=interface.bridge)
    ET.SubElement(element, "model", type="virtio")
    ET.SubElement(element, "rom", enabled="no")  # no pause to boot from the network


def user_network(number: int, interface: Interface, slot: int = LAST_SLOT) -> list[str]:
    """QEMU's arguments for an interface of user-mode networking: a network of its own, leading out through QEMU.

    The DHCP server's first lease is the private address.  QEMU's option syntax parts values by commas; what goes in
    here is an address, a number or one of two words, checked on the way.
    """
    subnet = ipaddress.IPv4Network(interface.subnet)
    private = ipaddress.IPv4Address(interface.private_ip)
    gateway = ipaddress.IPv4Address(interface.gateway)
    resolver = next(address for address in subnet.hosts() if address not in (gateway, private) and address > subnet[1])
    netdev = f"user,id=user{number},net={subnet},host={gateway},dns={resolver},dhcpstart={private}"
    for forward in interface.forwards:
        if forward.protocol not in ("tcp", "udp"):
            raise ValueError(f"cannot forward {forward.protocol}, only tcp and udp")
        address = ipaddress.IPv4Address(forward.address)
        netdev += f",hostfwd={forward.protocol}:{address}:{forward.port:d}-{private}:{forward.guest_port:d}"
    if len(interface.mac) != 17 or set(interface.mac.lower()) - set("0123456789abcdef:"):
        raise ValueError(f"{interface.mac!r} is not a MAC address")
    device = f"virtio-net-pci,netdev=user{number},mac={interface.mac},romfile=,addr={slot:#x}"
    return ["-netdev", netdev, "-device", device]


def marked(xml: str) -> Marked:
    """What libvirt's XML of a running domain says of it."""
    domain = ET.fromstring(xml)  # noqa: S314 - libvirt wrote it
    mark = domain.find(f"metadata/{{{NAMESPACE}}}instance")
    memory_kib = int(domain.findtext("memory") or 0)
    vcpus = int(domain.findtext("vcpu") or 0)
    return Marked("" if mark is None else mark.get("installation", ""), vcpus, memory_kib // 1024)


def plugged(xml: str) -> list[Plugged]:
    """The disks in libvirt's XML of a running domain."""
    found = []
    for disk in ET.fromstring(xml).iterfind("devices/disk"):  # noqa: S314 - libvirt wrote it
        target, alias = disk.find("target"), disk.find("alias")
        found.append(
            Plugged(
                serial=disk.findtext("serial") or "",
                target="" if target is None else target.get("dev", ""),
                alias="" if alias is None else alias.get("name", ""),
                layers=tuple(_layers(disk)),
            )
        )
    return found


def _layers(element: ET.Element | None) -> Iterable[str]:
    while element is not None:
        source = element.find("source")
        if source is not None and (path := source.get("file")):
            yield path
        element = element.find("backingStore")


def free_target(taken: Iterable[str]) -> str:
    """The first name of a virtio disk that none has: vda to vdz, then vdaa to vdzz."""
    letters = string.ascii_lowercase
    names = [*letters, *(first + second for first in letters for second in letters)]
    return next(f"vd{name}" for name in names if f"vd{name}" not in set(taken))
