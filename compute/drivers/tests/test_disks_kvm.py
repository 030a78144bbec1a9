"""Disks of real guests: what is written stays, whatever happens to the layers below."""

from __future__ import annotations

import dataclasses
import signal
import threading
import time

import libvirt
import pytest

from compute.drivers.base import DriverError
from compute.drivers.tests.conftest import SSH
from compute.drivers.tests.contract import wait_until
from compute.drivers.tests.test_contract_kvm import login, say
from storage.backends.tests.qemu import qemu, qemu_io

pytestmark = pytest.mark.host

MIB = 2**20


@pytest.fixture(scope="module")
def guest(local_host):
    """A guest that is up, and a login to it."""
    driver = local_host.driver("ours")
    spec = local_host.spec("ours", rules=SSH)
    driver.create(spec)
    with login(local_host, spec) as client:
        yield spec, client
    driver.destroy(spec.name)
    driver.close()


@pytest.fixture
def plugged(local_host, driver, guest):
    """Plugs a layer in; gives the serial of its disk, and its device in the guest."""
    spec, client = guest
    serials = []

    def plug(layer, backing=()):
        disk = local_host.disk(layer, backing=backing)
        driver.attach(spec.name, disk)
        serials.append(disk.serial)
        return disk.serial, device(client, disk.serial)

    yield plug
    for serial in serials:
        driver.detach(spec.name, serial)
    wait_until(lambda: not set(serials) & set(driver.disks(spec.name)), 20, "the guest to let go")


def device(client, serial: str) -> str:
    """The disk of this serial in the guest, once it is there."""
    look = f'cd /sys/block; for d in vd*; do [ "$(cat $d/serial)" = {serial} ] && echo /dev/$d; done; true'
    wait_until(lambda: say(client, look), 20, f"disk {serial} in the guest")
    return say(client, look)


def fill(client, device: str, letter: str, mib: int) -> None:
    """Write a MiB of one letter."""
    say(client, f"head -c {MIB} /dev/zero | tr '\\000' {letter} >/tmp/mib && "
        f"dd if=/tmp/mib of={device} bs=64k seek={mib * 16} conv=notrunc 2>/dev/null; sync")  # fmt: skip


def letters(client, device: str, mib: int) -> str:
    """The first letter of each MiB, after a look at all that the disk really has."""
    say(client, "echo 3 >/proc/sys/vm/drop_caches")
    read = f"dd if={device} bs={MIB} skip=$n count=1 2>/dev/null | tr -s 'A-Z' | head -c 1"
    return say(client, f"n=0; while [ $n -lt {mib} ]; do {read}; n=$((n+1)); done")


def secrets(local_host) -> list[str]:
    connection = libvirt.open(local_host.paths.uri)
    try:
        return connection.listSecrets()
    finally:
        connection.close()


def test_what_is_written_stays_through_snapshots_pulls_growth_and_encryption(local_host, driver, guest, plugged):
    spec, client = guest
    first = local_host.layer(size_bytes=8 * MIB)
    serial, dev = plugged(first)
    chain = [first]
    for number, (letter, key) in enumerate(zip("ABC", [None, "key one", "key two"], strict=True)):
        fill(client, dev, letter, number)
        layer = local_host.layer(key, chain, 8 * MIB)
        driver.snapshot(spec.name, {serial: local_host.disk(layer, serial, chain)})
        chain.insert(0, layer)
    fill(client, dev, "D", 3)
    assert letters(client, dev, 4) == "ABCD"
    assert secrets(local_host) == []

    driver.resize(spec.name, serial, 16 * MIB)
    wait_until(lambda: say(client, f"cat /sys/block/{dev[5:]}/size") == str(16 * MIB // 512), 5, "the new size")
    driver.pull(spec.name, serial, local_host.seen(first))
    wait_until(lambda: driver.pulling(spec.name, serial) is None, 20)
    assert driver.disks(spec.name)[serial] == (local_host.seen(chain[0]), local_host.seen(first))
    assert local_host.backend.inspect(chain[0]).backing == first.name
    for layer in chain[1:-1]:
        local_host.backend.delete(layer.name)
    assert letters(client, dev, 4) == "ABCD"

    driver.pull(spec.name, serial, None)
    wait_until(lambda: driver.pulling(spec.name, serial) is None, 20)
    assert driver.disks(spec.name)[serial] == (local_host.seen(chain[0]),)
    local_host.backend.delete(first.name)
    driver.detach(spec.name, serial)
    wait_until(lambda: serial not in driver.disks(spec.name), 20)

    qemu_io(local_host.backend, [chain[0]], *(f"read -P {ord(letter)} {n}M 1M" for n, letter in enumerate("ABCD")))
    _again, dev = plugged(chain[0])
    assert letters(client, dev, 4) == "ABCD"
    assert secrets(local_host) == []


def test_two_disks_are_frozen_at_one_instant(local_host, driver, guest, plugged):
    """A writer numbers both in turn; what is frozen of the second is what the first had, or one less."""
    spec, client = guest
    bases = [local_host.layer(size_bytes=MIB) for _ in range(2)]
    (first, one), (second, two) = (plugged(base) for base in bases)
    write = "printf %-512d $i | dd of={} bs=512 oflag=direct conv=notrunc 2>/dev/null"
    loop = f"i=0; while [ ! -e /tmp/stop ]; do i=$((i+1)); {write.format(one)}; {write.format(two)}; done"
    say(client, f"rm -f /tmp/stop; ({loop}) >/dev/null 2>&1 </dev/null &")
    time.sleep(1)

    overlays = {
        serial: local_host.disk(local_host.layer(backing=[base]), serial, [base])
        for serial, base in zip((first, second), bases, strict=True)
    }
    driver.snapshot(spec.name, overlays)
    time.sleep(0.5)
    say(client, "touch /tmp/stop")

    numbers = [int(first_sector(local_host, base).strip(b"\0 ") or 0) for base in bases]
    assert numbers[0] > 0
    assert numbers[0] - numbers[1] in (0, 1)


def first_sector(local_host, layer) -> bytes:
    raw = local_host.paths.data_dir / f"{layer.name.rpartition('/')[2]}.raw"
    qemu("qemu-img", "convert", "-f", "qcow2", "-O", "raw", local_host.backend.path(layer.name), raw)
    return raw.read_bytes()[:512]


def test_a_guest_that_does_not_answer_keeps_its_disk_until_it_does(local_host, driver, guest):
    spec, client = guest
    disk = local_host.disk(local_host.layer(size_bytes=MIB))
    driver.attach(spec.name, disk)
    device(client, disk.serial)
    connection = libvirt.open(local_host.paths.uri)
    domain = connection.lookupByName(spec.name)
    domain.suspend()
    try:
        begun = time.monotonic()
        for _ in range(3):
            driver.detach(spec.name, disk.serial)
        assert time.monotonic() - begun < 5
        assert disk.serial in driver.disks(spec.name)
    finally:
        domain.resume()
        connection.close()

    def gone() -> bool:
        driver.detach(spec.name, disk.serial)
        return disk.serial not in driver.disks(spec.name)

    wait_until(gone, 20, "the guest to let go")


def test_a_pull_can_be_given_up_and_loses_nothing(local_host, driver, guest, plugged):
    spec, client = guest
    base = local_host.layer(size_bytes=512 * MIB)
    qemu_io(local_host.backend, [base], "write -P 65 0 300M")
    local_host.paths.give(local_host.paths.datastore / base.name, True)
    top = local_host.layer(backing=[base])
    serial, dev = plugged(top, [base])
    fill(client, dev, "B", 1)

    driver.pull(spec.name, serial, None)
    driver.pull(spec.name, serial, None)
    how_far = driver.pulling(spec.name, serial)
    driver.stop_pulling(spec.name, serial)
    driver.stop_pulling(spec.name, serial)

    assert driver.pulling(spec.name, serial) is None
    if how_far is not None and len(driver.disks(spec.name)[serial]) > 1:
        assert 0 <= how_far.done_bytes <= how_far.total_bytes
    assert letters(client, dev, 3) == "ABA"
    driver.pull(spec.name, serial, None)
    wait_until(lambda: driver.pulling(spec.name, serial) is None, 60)
    assert driver.disks(spec.name)[serial] == (local_host.seen(top),)
    assert letters(client, dev, 3) == "ABA"


def test_disks_are_known_and_go_on_after_the_daemon_was_killed(local_host, driver, guest, plugged):
    spec, _client = guest
    base = local_host.layer("key", size_bytes=MIB)
    serial, _device = plugged(base)
    top = local_host.layer("key", backing=[base])
    driver.snapshot(spec.name, {serial: local_host.disk(top, serial, [base])})
    before = driver.disks(spec.name)

    local_host.stop(signal.SIGKILL)
    local_host.start()

    assert driver.disks(spec.name) == before
    last = local_host.layer("key", backing=[top, base])
    driver.snapshot(spec.name, {serial: local_host.disk(last, serial, [top, base])})
    driver.pull(spec.name, serial, local_host.seen(base))
    wait_until(lambda: driver.pulling(spec.name, serial) is None, 20)
    assert driver.disks(spec.name)[serial] == (local_host.seen(last), local_host.seen(base))
    assert secrets(local_host) == []


def test_workers_that_need_the_same_passphrase_at_once_do_not_hinder_each_other(local_host, guest):
    """Each tells libvirt, and lets it forget again."""
    spec, _client = guest
    base = local_host.layer("shared", size_bytes=MIB)
    disks = [local_host.disk(local_host.layer("shared", [base]), backing=[base]) for _ in range(2)]
    failed: list[Exception] = []

    def work(disk) -> None:
        driver = local_host.driver("ours")
        try:
            driver.attach(spec.name, disk)
            driver.attach(spec.name, disk)
        except Exception as error:
            failed.append(error)
        finally:
            driver.close()

    threads = [threading.Thread(target=work, args=(disk,)) for disk in disks for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    driver = local_host.driver("ours")
    try:
        assert failed == []
        assert {disk.serial for disk in disks} <= set(driver.disks(spec.name))
        assert secrets(local_host) == []
    finally:
        for disk in disks:
            driver.detach(spec.name, disk.serial)
        wait_until(lambda: not {disk.serial for disk in disks} & set(driver.disks(spec.name)), 20)
        driver.close()


def test_a_wrong_passphrase_is_an_error_and_changes_nothing(local_host, driver, guest):
    spec, _client = guest
    disk = local_host.disk(local_host.layer("right", size_bytes=MIB))
    assert disk.secret is not None
    wrong = dataclasses.replace(disk, secret=dataclasses.replace(disk.secret, value="wrong"))

    with pytest.raises(DriverError, match="assword") as caught:
        driver.attach(spec.name, wrong)

    assert "wrong" not in str(caught.value)
    assert disk.serial not in driver.disks(spec.name)
    assert secrets(local_host) == []


def test_a_guest_starts_from_an_encrypted_disk_on_a_plain_image_and_starts_again(local_host, driver):
    layer = local_host.layer("root key", [local_host.image])
    root = local_host.disk(layer, backing=[local_host.image], target="vda")
    spec = local_host.spec("ours", rules=SSH)
    spec = dataclasses.replace(spec, disks=(root, *spec.disks[1:]))
    driver.create(spec)
    try:
        with login(local_host, spec) as client:
            say(client, "echo kept-by-the-disk > /root/note; sync")
        assert secrets(local_host) == []
        driver.destroy(spec.name)
        assert b"kept-by-the-disk" not in (local_host.paths.datastore / layer.name).read_bytes()

        driver.create(spec)
        with login(local_host, spec) as client:
            assert say(client, "cat /root/note") == "kept-by-the-disk"
    finally:
        driver.destroy(spec.name)


def test_a_domain_has_no_room_for_more_disks_than_slots(local_host, driver):
    spec = local_host.spec("ours")
    driver.create(spec)
    try:
        with pytest.raises(DriverError, match="has 27 disks"):  # noqa: PT012
            for _ in range(30):
                driver.attach(spec.name, local_host.disk(local_host.layer(size_bytes=MIB)))
        assert len(driver.disks(spec.name)) == 27
    finally:
        driver.destroy(spec.name)
