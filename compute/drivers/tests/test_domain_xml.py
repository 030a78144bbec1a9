"""Domain XML against golden files; after a wanted change: UPDATE_GOLDEN=1 pytest, and read the difference."""

from __future__ import annotations

import dataclasses
import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from compute.drivers.base import Backing, Disk, DomainSpec, Interface, Secret
from compute.drivers.domain_xml import (
    disk_xml,
    domain_xml,
    free_target,
    marked,
    plugged,
    secret_xml,
    snapshot_xml,
    user_network,
)
from networking.forwards import PortForward

GOLDEN = Path(__file__).parent / "golden"
FORWARDED = Interface(
    "02:00:00:00:00:05",
    "172.31.0.5",
    "172.31.0.0/17",
    "172.31.0.1",
    forwards=(PortForward("tcp", "127.80.0.4", 8022, 22), PortForward("udp", "127.80.0.4", 53, 53)),
)
SPEC = DomainSpec(
    name="i-0123456789abcdef0",
    uuid="6f1ed5f8-5f52-4a53-8a35-5a6a3f0c6f11",
    installation="inst-1",
    vcpus=2,
    memory_mib=512,
    disks=(
        Disk("/run/yushan-0/datastore/volumes/vol-1.qcow2", "qcow2", "vda", serial="vol1"),
        Disk("/run/yushan-0/datastore/instances/i-0123456789abcdef0/seed.iso", "raw", "hdc", cdrom=True),
    ),
    interfaces=(FORWARDED,),
    console_log="/run/yushan-0/datastore/instances/i-0123456789abcdef0/console.log",
)
BRIDGED = dataclasses.replace(SPEC, interfaces=(dataclasses.replace(FORWARDED, bridge="yu0", forwards=()),))


KEY = Secret("0c0f1a5e-44a0-4b8e-9d5c-0d6a3b1f7a11", "never to be seen")
LAYERED = Disk(
    "/run/yushan-0/datastore/layers/layer-2.qcow2",
    "qcow2",
    "vdb",
    serial="vol2",
    secret=KEY,
    backing=(
        Backing("/run/yushan-0/datastore/layers/layer-1.qcow2", KEY),
        Backing("/run/yushan-0/datastore/images/ami-1.qcow2"),
    ),
)


@pytest.mark.parametrize(
    ("name", "xml"),
    [
        ("disk", disk_xml(LAYERED)),
        ("snapshot", snapshot_xml({"vdb": LAYERED, "vda": SPEC.disks[0]}, ["hdc"])),
        ("secret", secret_xml(KEY)),
    ],
)
def test_disks_snapshots_and_secrets_are_the_golden_xml(name, xml):
    golden = GOLDEN / f"{name}.xml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(xml)

    assert xml == golden.read_text()
    assert KEY.value not in xml


def test_disks_are_read_as_they_were_written():
    xml = domain_xml(dataclasses.replace(SPEC, disks=(*SPEC.disks, LAYERED)))

    assert [(disk.serial, disk.target, disk.layers) for disk in plugged(xml)] == [
        ("vol1", "vda", ("/run/yushan-0/datastore/volumes/vol-1.qcow2",)),
        ("", "hdc", ("/run/yushan-0/datastore/instances/i-0123456789abcdef0/seed.iso",)),
        ("vol2", "vdb", (LAYERED.path, *(backing.path for backing in LAYERED.backing))),
    ]


def test_a_disk_gets_the_first_name_that_is_free():
    assert free_target(["vda", "vdc", "hdc"]) == "vdb"
    assert free_target([f"vd{chr(ord('a') + n)}" for n in range(26)]) == "vdaa"


@pytest.mark.parametrize(
    ("name", "spec", "accelerator"),
    [("user_tcg", SPEC, "tcg"), ("user_kvm", SPEC, "kvm"), ("bridge_kvm", BRIDGED, "kvm")],
)
def test_a_spec_gives_the_golden_xml(name, spec, accelerator):
    golden = GOLDEN / f"{name}.xml"
    xml = domain_xml(spec, accelerator)
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(xml)

    assert xml == golden.read_text()


def test_what_is_written_is_what_is_read():
    mark = marked(domain_xml(SPEC))

    assert mark.installation == "inst-1"
    assert mark.vcpus == 2


def test_markup_in_a_value_stays_a_value():
    evil = 'i-1\'"/></metadata><devices><x a="&'
    xml = domain_xml(dataclasses.replace(SPEC, name=evil, installation=evil, console_log=evil))

    assert ET.fromstring(xml).findtext("name") == evil
    assert marked(xml).installation == evil
    assert len(ET.fromstring(xml).findall("devices")) == 1


def test_a_domain_without_our_metadata_is_nobodys():
    assert marked("<domain><memory unit='KiB'>1048576</memory><vcpu>2</vcpu></domain>").installation == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"private_ip": "172.31.0.5,hostfwd=tcp::22-:22"},
        {"gateway": "x"},
        {"mac": "02:00:00:00:00:05,script=/tmp/x"},
        {"subnet": "172.31.0.1/17"},
        {"forwards": (PortForward("tcp,", "127.0.0.1", 1, 2),)},
        {"forwards": (PortForward("tcp", "127.0.0.1,x", 1, 2),)},
    ],
)
def test_what_is_no_address_never_reaches_the_command_line(changes):
    with pytest.raises(ValueError):
        user_network(0, dataclasses.replace(FORWARDED, **changes))


def test_the_resolver_is_neither_gateway_nor_guest():
    third = user_network(0, dataclasses.replace(FORWARDED, private_ip="172.31.0.2", forwards=()))[1]

    assert "dns=172.31.0.3," in third


def test_a_cdrom_needs_a_name_that_a_cdrom_can_have():
    with pytest.raises(ValueError, match="vdb"):
        domain_xml(dataclasses.replace(SPEC, disks=(Disk("/x.iso", "raw", "vdb", cdrom=True),)))
