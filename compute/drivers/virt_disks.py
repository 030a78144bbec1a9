"""Disks of running domains, for every hypervisor whose libvirt driver knows hot-plug, snapshots and block jobs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import libvirt

from compute.drivers.base import Disk, DriverError, Pull
from compute.drivers.domain_xml import Plugged, disk_xml, free_target, plugged, snapshot_xml
from compute.drivers.virt import LibvirtDriver
from compute.drivers.virt_secrets import secrets_of, with_secrets

SNAPSHOT = (
    libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
    | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT
    | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
    | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
)
# The domain or the device is no more.
GONE_CODES = (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_DEVICE_MISSING)
ASKED_ALREADY = "is already in the process of unplug"
NO_JOB = "does not have an active block job"
NO_ROOM = ("PCI: slot", "No more available PCI slots")  # the former for slots that libvirt does not know to be taken
TRIES = 5  # of what another worker may get in the way of


class LibvirtDisks(LibvirtDriver):
    """What a LibvirtDriver does with disks while a domain runs."""

    def disks(self, name: str) -> dict[str, tuple[str, ...]]:
        with self._connection.calling(f"disks of {name}") as connection:
            domain = self._ours(connection, name)
            found = _disks(domain)
            _wait_for_others(domain, found)
            return {disk.serial: disk.layers for disk in found if disk.serial}

    def attach(self, name: str, disk: Disk) -> None:
        if not disk.serial:
            raise DriverError(f"a disk without a serial cannot be plugged in to {name}")
        with self._connection.calling(f"plug disk {disk.serial} in to {name}") as connection:
            domain = self._running(connection, name)
            for attempt in range(TRIES):
                there = _disks(domain)
                if disk.serial in [each.serial for each in there]:
                    return
                taken = [each.target for each in there]
                target = disk.target if disk.target and disk.target not in taken else free_target(taken)
                try:
                    _plug(connection, domain, dataclasses.replace(disk, target=target))
                except libvirt.libvirtError as error:
                    self._if_off(error, name)
                    if any(words in str(error) for words in NO_ROOM):
                        count = sum(bool(each.serial) for each in there)
                        raise DriverError(f"{name} has {count} disks, and no room for another") from error
                    # Another worker may have plugged in this disk, or another one under the same name.
                    if attempt == TRIES - 1 or [each.target for each in _disks(domain)] == taken:
                        raise

    def detach(self, name: str, serial: str) -> None:
        with self._connection.calling(f"unplug disk {serial} of {name}") as connection:
            domain = self._ours(connection, name)
            disk = next((disk for disk in _disks(domain) if disk.serial == serial), None)
            if disk is None:
                return
            try:
                domain.detachDeviceAlias(disk.alias, libvirt.VIR_DOMAIN_AFFECT_LIVE)
            except libvirt.libvirtError as error:
                if ASKED_ALREADY not in str(error) and error.get_error_code() not in GONE_CODES:
                    raise

    def resize(self, name: str, serial: str, size_bytes: int) -> None:
        with self._connection.calling(f"grow disk {serial} of {name}") as connection:
            domain = self._running(connection, name)
            target = self._disk(domain, name, serial).target
            try:
                # One of the same size, too: a layer may be larger than the guest knows.
                if domain.blockInfo(target, 0)[0] <= size_bytes:
                    domain.blockResize(target, size_bytes, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
            except libvirt.libvirtError as error:
                self._if_off(error, name)
                raise

    def snapshot(self, name: str, overlays: Mapping[str, Disk]) -> None:
        with self._connection.calling(f"snapshot of {name}") as connection:
            domain = self._running(connection, name)
            wanted: dict[str, Disk] = {}
            for serial, overlay in overlays.items():
                disk = self._disk(domain, name, serial)
                if overlay.path in disk.layers[:1]:
                    continue
                stands_on = overlay.backing[0].path if overlay.backing else ""
                if disk.layers[:1] != (stands_on,):
                    raise DriverError(
                        f"disk {serial} of {name} is at {disk.layers[0]}; it cannot go on at {overlay.path}, which "
                        f"stands on {stands_on or 'nothing'}"
                    )
                wanted[disk.target] = overlay
            if not wanted:
                return
            xml = snapshot_xml(wanted, [disk.target for disk in _disks(domain) if disk.target not in wanted])
            try:
                with_secrets(connection, secrets_of(wanted.values()), lambda: domain.snapshotCreateXML(xml, SNAPSHOT))
            except libvirt.libvirtError as error:
                self._if_off(error, name)
                if {disk.layers[0] for disk in _disks(domain)} >= {overlay.path for overlay in wanted.values()}:
                    return  # another worker was faster
                raise

    def pull(self, name: str, serial: str, base: str | None) -> None:
        with self._connection.calling(f"pull for disk {serial} of {name}") as connection:
            domain = self._running(connection, name)
            disk = self._disk(domain, name, serial)
            if base is not None and base not in disk.layers[1:]:
                raise DriverError(f"disk {serial} of {name} does not stand on {base}")
            if disk.layers[1:2] == (() if base is None else (base,)):
                return
            try:
                if domain.blockJobInfo(disk.target, 0):
                    return
                if base is None:
                    domain.blockPull(disk.target, 0, 0)
                else:
                    domain.blockRebase(disk.target, base, 0, libvirt.VIR_DOMAIN_BLOCK_REBASE_RELATIVE)
            except libvirt.libvirtError as error:
                self._if_off(error, name)
                raise

    def pulling(self, name: str, serial: str) -> Pull | None:
        with self._connection.calling(f"pull for disk {serial} of {name}") as connection:
            domain = self._ours(connection, name)
            disk = next((disk for disk in _disks(domain) if disk.serial == serial), None)
            if disk is None:
                return None
            try:
                job = domain.blockJobInfo(disk.target, 0)
            except libvirt.libvirtError as error:
                if error.get_error_code() in GONE_CODES:
                    return None
                raise
            return Pull(job["cur"], max(job["end"], job["cur"])) if job else None

    def stop_pulling(self, name: str, serial: str) -> None:
        with self._connection.calling(f"stop of the pull for disk {serial} of {name}") as connection:
            domain = self._ours(connection, name)
            disk = next((disk for disk in _disks(domain) if disk.serial == serial), None)
            if disk is None:
                return
            try:
                domain.blockJobAbort(disk.target, 0)
            except libvirt.libvirtError as error:
                if NO_JOB not in str(error) and error.get_error_code() not in GONE_CODES:
                    raise

    def _disk(self, domain: Any, name: str, serial: str) -> Plugged:
        found = next((disk for disk in _disks(domain) if disk.serial == serial), None)
        if found is None or not found.layers:
            raise DriverError(f"{name} on host {self.host.name} has no disk {serial}")
        return found

    def _if_off(self, error: libvirt.libvirtError, name: str) -> None:
        """Say that a domain has gone off meanwhile, if that is what an error means."""
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN or "domain is not running" in str(error):
            raise DriverError(f"{name} is off on host {self.host.name}; start it first") from error


def _disks(domain: Any) -> list[Plugged]:
    """The disks a domain has; none if there is no domain, or no longer."""
    try:
        return [] if domain is None else plugged(domain.XMLDesc(0))
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return []
        raise


def _wait_for_others(domain: Any, found: list[Plugged]) -> None:
    """Wait until libvirt is done with whatever changes the domain.

    It forgets a disk that the guest has let go of a moment before QEMU closes the file; who saw that would find it
    locked, and this asks for nothing else than its turn.
    """
    try:
        for disk in found[:1]:
            domain.blockJobInfo(disk.target, 0)
    except libvirt.libvirtError as error:
        if error.get_error_code() not in GONE_CODES:
            raise


def _plug(connection: Any, domain: Any, disk: Disk) -> None:
    xml = disk_xml(disk)
    with_secrets(connection, secrets_of([disk]), lambda: domain.attachDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE))
