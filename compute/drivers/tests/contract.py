"""What every driver must do, whatever it talks to: subclass, and give the fixtures.

``driver``: a driver of installation "ours"; ``stranger``: one to the same host of installation "theirs";
``new_spec``: a function that gives a fresh DomainSpec of an installation, whose domain can be started;
``layers``: makes layers that its domains can use, and disks of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import pytest

from compute.drivers.base import Capability, Disk, DomainSpec, Driver, DriverError, NotSupported, Power
from storage.backends.base import LayerFile

MIB = 2**20
NewSpec = Callable[..., DomainSpec]


class Layers(Protocol):
    """Where a driver under test finds its disks."""

    def layer(self, key: str | None = None, backing: Sequence[LayerFile] = (), size_bytes: int = ...) -> LayerFile:
        """A new layer."""

    def seen(self, layer: LayerFile) -> str:
        """Its path on the host."""

    def disk(self, layer: LayerFile, serial: str = "", backing: Sequence[LayerFile] = ()) -> Disk:
        """A disk that is written to in this layer."""


def wait_until(condition: Callable[[], object], limit_s: float = 60.0, what: str = "") -> float:
    """Wait for a condition and return how long it took; fails after the limit."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < limit_s, f"waited {limit_s:.0f} s for {what or condition}"
        time.sleep(0.02)
    return time.monotonic() - begun


class DriverContract:
    """Tests that hold for every driver."""

    def is_up(self, driver: Driver, spec: DomainSpec) -> bool:
        """Whether the guest listens to its power button by now."""
        return b"login:" in driver.console_output(spec.name, spec.console_log)

    @pytest.fixture
    def running(self, driver: Driver, new_spec: NewSpec):
        spec = new_spec("ours")
        driver.create(spec)
        yield spec
        driver.destroy(spec.name)

    def test_a_host_says_what_it_is(self, driver):
        report = driver.report()

        assert report.vcpus >= 1
        assert report.memory_mib > 512
        assert report.memory_free_mib is None or 0 < report.memory_free_mib <= report.memory_mib
        assert report.hypervisor

    def test_a_created_domain_runs_and_is_reported_with_its_mark(self, driver, running):
        (domain,) = [domain for domain in driver.report().domains if domain.name == running.name]

        assert driver.power(running.name) is Power.RUNNING
        assert domain.power is Power.RUNNING
        assert domain.installation == "ours"
        assert (domain.vcpus, domain.memory_mib) == (running.vcpus, running.memory_mib)

    def test_counters_of_a_running_domain_grow(self, driver, running):
        def cpu_time() -> int:
            return next(d.cpu_time_ns for d in driver.report().domains if d.name == running.name) or 0

        first = cpu_time()

        wait_until(lambda: cpu_time() > first, 20)

    def test_creating_a_running_domain_again_changes_nothing(self, driver, running):
        driver.create(running)

        assert [d.name for d in driver.report().domains].count(running.name) == 1

    def test_a_destroyed_domain_is_gone_and_may_be_destroyed_again(self, driver, new_spec):
        spec = new_spec("ours")
        driver.create(spec)

        driver.destroy(spec.name)
        driver.destroy(spec.name)

        assert driver.power(spec.name) is Power.OFF
        assert spec.name not in [domain.name for domain in driver.report().domains]

    def test_a_destroyed_domain_can_be_created_again(self, driver, running):
        driver.destroy(running.name)

        driver.create(running)

        assert driver.power(running.name) is Power.RUNNING

    def test_a_domain_that_never_was_is_off_and_asking_it_to_end_is_quiet(self, driver):
        driver.shutdown("i-0000000000000dead")
        driver.destroy("i-0000000000000dead")

        assert driver.power("i-0000000000000dead") is Power.OFF
        assert driver.console_output("i-0000000000000dead", "/nonexistent/console.log") == b""

    @pytest.mark.parametrize("verb", ["reboot", "reset"])
    def test_a_domain_that_is_off_cannot_be_rebooted(self, driver, verb):
        with pytest.raises(DriverError, match="i-0000000000000dead is off"):
            getattr(driver, verb)("i-0000000000000dead")

    def test_a_reset_domain_runs_on(self, driver, running):
        driver.reset(running.name)
        driver.reset(running.name)

        assert driver.power(running.name) is Power.RUNNING

    def test_whoever_listens_sees_by_the_boot_mark_that_a_guest_has_restarted(self, driver, running):
        driver.listen(lambda *_: None)

        def mark() -> int | str | None:
            return next(d.boot_mark for d in driver.report().domains if d.name == running.name)

        before = mark()
        assert before is not None
        assert mark() == before

        driver.reset(running.name)

        wait_until(lambda: mark() != before, 5, "the restart to be seen")

    def test_a_domain_of_another_installation_is_never_touched(self, driver, stranger, new_spec):
        spec = new_spec("theirs")
        stranger.create(spec)
        try:
            for verb in (driver.shutdown, driver.destroy, driver.reboot, driver.reset):
                with pytest.raises(DriverError, match=spec.name):
                    verb(spec.name)
            with pytest.raises(DriverError, match=spec.name):
                driver.create(new_spec("ours", name=spec.name))

            assert stranger.power(spec.name) is Power.RUNNING
            assert next(d for d in driver.report().domains if d.name == spec.name).installation == "theirs"
        finally:
            stranger.destroy(spec.name)

    def test_a_listener_hears_of_start_and_end_if_the_driver_says_it_has_events(self, driver, new_spec):
        heard: list[tuple[str, Power]] = []
        spec = new_spec("ours")
        driver.listen(lambda name, power: heard.append((name, power)))
        driver.report()

        driver.create(spec)
        if Capability.EVENTS in driver.capabilities:
            wait_until(lambda: (spec.name, Power.RUNNING) in heard, 2, "the start")
        driver.destroy(spec.name)
        if Capability.EVENTS in driver.capabilities:
            wait_until(lambda: (spec.name, Power.OFF) in heard, 2, "the end")
        else:
            assert heard == []

    def test_a_listener_hears_nothing_of_others_domains(self, driver, stranger, new_spec):
        heard: list[str] = []
        theirs, ours = new_spec("theirs"), new_spec("ours")
        driver.listen(lambda name, _power: heard.append(name))
        driver.report()

        stranger.create(theirs)
        stranger.destroy(theirs.name)
        driver.create(ours)
        driver.destroy(ours.name)

        if Capability.EVENTS in driver.capabilities:
            wait_until(lambda: heard.count(ours.name) > 1, 2, "the events of ours")
        assert theirs.name not in heard

    def test_a_closed_driver_opens_again_when_asked(self, driver, running):
        driver.close()

        assert driver.power(running.name) is Power.RUNNING

    def test_a_guest_asked_to_shut_down_ends_and_its_console_output_stays(self, driver, new_spec):
        spec = new_spec("ours")
        driver.create(spec)
        wait_until(lambda: self.is_up(driver, spec), what="the guest to come up")

        driver.shutdown(spec.name)
        driver.shutdown(spec.name)

        wait_until(lambda: driver.power(spec.name) is Power.OFF, 30, "the end")
        assert driver.console_output(spec.name, spec.console_log)
        assert len(driver.console_output(spec.name, spec.console_log, limit=10)) == 10

    def test_a_guest_asked_to_reboot_stays_on_and_comes_up_again(self, driver, running):
        wait_until(lambda: self.is_up(driver, running), what="the guest to come up")
        before = driver.console_output(running.name, running.console_log).count(b"login:")

        driver.reboot(running.name)

        def came_up_again():
            assert driver.power(running.name) is not Power.OFF
            return driver.console_output(running.name, running.console_log).count(b"login:") > before

        wait_until(came_up_again, what="the guest to come up again")

    # --- disks of a running domain --------------------------------------------------------------------------------

    @pytest.fixture
    def data(self, driver: Driver, running: DomainSpec, layers: Layers) -> tuple[LayerFile, str]:
        """A layer that is plugged in to the running domain, and the serial of its disk."""
        self.needs(driver, Capability.HOT_PLUG)
        layer = layers.layer(size_bytes=MIB)
        disk = layers.disk(layer)
        driver.attach(running.name, disk)
        return layer, disk.serial

    @staticmethod
    def needs(driver: Driver, *capabilities: Capability) -> None:
        for capability in set(capabilities) - driver.capabilities:
            pytest.skip(f"it is not capable of {capability}")

    def test_what_a_driver_is_not_capable_of_it_refuses_by_name(self, driver, running, layers):
        disk = layers.disk(layers.layer(size_bytes=MIB))
        verbs: dict[Capability, list[Callable[[], object]]] = {
            Capability.HOT_PLUG: [
                lambda: driver.disks(running.name),
                lambda: driver.attach(running.name, disk),
                lambda: driver.detach(running.name, disk.serial),
                lambda: driver.resize(running.name, disk.serial, MIB),
            ],
            Capability.LIVE_SNAPSHOT: [lambda: driver.snapshot(running.name, {})],
            Capability.LIVE_PULL: [
                lambda: driver.pull(running.name, disk.serial, None),
                lambda: driver.pulling(running.name, disk.serial),
                lambda: driver.stop_pulling(running.name, disk.serial),
            ],
        }

        for capability, refused in verbs.items():
            for verb in [] if capability in driver.capabilities else refused:
                with pytest.raises(NotSupported, match=capability):
                    verb()

    def test_a_running_domain_names_the_layers_of_its_disks_and_one_that_is_off_none(self, driver, running):
        self.needs(driver, Capability.HOT_PLUG)
        told = {disk.serial: (disk.path, *(b.path for b in disk.backing)) for disk in running.disks if disk.serial}

        assert driver.disks(running.name) == told
        driver.destroy(running.name)
        assert driver.disks(running.name) == {}

    def test_a_disk_is_plugged_in_once_however_often_it_is_asked_and_unplugged(self, driver, running, layers):
        self.needs(driver, Capability.HOT_PLUG)
        before = driver.disks(running.name)
        layer = layers.layer(size_bytes=MIB)
        disk = layers.disk(layer)
        wait_until(lambda: self.is_up(driver, running), what="the guest to come up")

        driver.attach(running.name, disk)
        driver.attach(running.name, disk)
        assert driver.disks(running.name) == {**before, disk.serial: (layers.seen(layer),)}

        driver.detach(running.name, disk.serial)
        driver.detach(running.name, disk.serial)
        wait_until(lambda: driver.disks(running.name) == before, 20, "the guest to let go")
        driver.detach(running.name, disk.serial)

        driver.attach(running.name, disk)
        assert disk.serial in driver.disks(running.name)

    def test_a_disk_grows_and_never_shrinks(self, driver, running, data):
        _layer, serial = data

        driver.resize(running.name, serial, 2 * MIB)
        driver.resize(running.name, serial, 2 * MIB)
        driver.resize(running.name, serial, MIB)
        with pytest.raises(DriverError, match="no disk volnone"):
            driver.resize(running.name, "volnone", MIB)

    def test_disks_go_on_in_new_layers_all_or_none(self, driver, running, data, layers):
        self.needs(driver, Capability.LIVE_SNAPSHOT)
        first, serial = data
        second = layers.layer(size_bytes=MIB)
        other = layers.disk(second)
        driver.attach(running.name, other)
        before = driver.disks(running.name)
        overlays = {
            serial: layers.disk(layers.layer(backing=[first]), serial, [first]),
            other.serial: layers.disk(layers.layer(backing=[second]), other.serial, [second]),
        }
        wrong = layers.disk(layers.layer(backing=[first]), other.serial, [first])

        with pytest.raises(DriverError, match=f"disk {other.serial}"):
            driver.snapshot(running.name, {**overlays, other.serial: wrong})
        with pytest.raises(DriverError, match="no disk volnone"):
            driver.snapshot(running.name, {**overlays, "volnone": wrong})
        assert driver.disks(running.name) == before

        for _ in range(2):
            driver.snapshot(running.name, overlays)
            after = driver.disks(running.name)
            assert after[serial] == (overlays[serial].path, layers.seen(first))
            assert after[other.serial] == (overlays[other.serial].path, layers.seen(second))
            assert {key: after[key] for key in after if key not in overlays} == {
                key: before[key] for key in before if key not in overlays
            }
        driver.snapshot(running.name, {})
        with pytest.raises(DriverError, match=f"disk {serial}"):  # the former layer is frozen
            driver.snapshot(running.name, {serial: layers.disk(layers.layer(backing=[first]), serial, [first])})

    def test_a_disk_takes_in_what_it_stands_on(self, driver, running, data, layers):
        self.needs(driver, Capability.LIVE_SNAPSHOT, Capability.LIVE_PULL)
        chain, serial = [data[0]], data[1]
        for _ in range(3):
            layer = layers.layer(backing=chain)
            driver.snapshot(running.name, {serial: layers.disk(layer, serial, chain)})
            chain.insert(0, layer)
        top, _middle, base, bottom = map(layers.seen, chain)

        def pulled(base: str | None) -> tuple[str, ...]:
            driver.pull(running.name, serial, base)
            wait_until(lambda: driver.pulling(running.name, serial) is None, 20, "the end of the pull")
            driver.pull(running.name, serial, base)
            assert driver.pulling(running.name, serial) is None
            return driver.disks(running.name)[serial]

        with pytest.raises(DriverError, match="does not stand on /elsewhere"):
            driver.pull(running.name, serial, "/elsewhere")
        assert pulled(base) == (top, base, bottom)
        assert pulled(None) == (top,)
        driver.stop_pulling(running.name, serial)
        with pytest.raises(DriverError, match="does not stand on"):
            driver.pull(running.name, serial, base)
        with pytest.raises(DriverError, match="no disk volnone"):
            driver.pull(running.name, "volnone", None)
        assert driver.pulling(running.name, "volnone") is None
        driver.stop_pulling(running.name, "volnone")

    def test_an_encrypted_disk_goes_on_in_an_encrypted_layer(self, driver, running, layers):
        self.needs(driver, Capability.HOT_PLUG, Capability.LIVE_SNAPSHOT, Capability.ENCRYPTION)
        base = layers.layer(key="one", size_bytes=MIB)
        disk = layers.disk(base)
        top = layers.layer(key="two", backing=[base])

        driver.attach(running.name, disk)
        driver.snapshot(running.name, {disk.serial: layers.disk(top, disk.serial, [base])})

        assert driver.disks(running.name)[disk.serial] == (layers.seen(top), layers.seen(base))

    def test_a_domain_that_is_off_has_no_disks_to_do_anything_to(self, driver, layers):
        self.needs(driver, Capability.HOT_PLUG, Capability.LIVE_SNAPSHOT, Capability.LIVE_PULL)
        off, base = "i-0000000000000dead", layers.layer(size_bytes=MIB)
        disk = layers.disk(layers.layer(backing=[base]), "vol1", [base])

        refused: Callable[[], object]
        for refused in (
            lambda: driver.attach(off, disk),
            lambda: driver.resize(off, "vol1", MIB),
            lambda: driver.snapshot(off, {"vol1": disk}),
            lambda: driver.pull(off, "vol1", None),
        ):
            with pytest.raises(DriverError, match="i-0000000000000dead is off"):
                refused()
        driver.detach(off, "vol1")
        driver.stop_pulling(off, "vol1")
        assert driver.disks(off) == {}
        assert driver.pulling(off, "vol1") is None

    def test_disks_of_another_installation_are_never_touched(self, driver, stranger, new_spec, layers):
        self.needs(driver, Capability.HOT_PLUG, Capability.LIVE_SNAPSHOT, Capability.LIVE_PULL)
        spec, base = new_spec("theirs"), layers.layer(size_bytes=MIB)
        disk = layers.disk(base)
        stranger.create(spec)
        try:
            stranger.attach(spec.name, disk)
            before = stranger.disks(spec.name)
            overlay = layers.disk(layers.layer(backing=[base]), disk.serial, [base])
            verb: Callable[[], object]
            for verb in (
                lambda: driver.disks(spec.name),
                lambda: driver.attach(spec.name, layers.disk(layers.layer(size_bytes=MIB))),
                lambda: driver.detach(spec.name, disk.serial),
                lambda: driver.resize(spec.name, disk.serial, 2 * MIB),
                lambda: driver.snapshot(spec.name, {disk.serial: overlay}),
                lambda: driver.pull(spec.name, disk.serial, None),
                lambda: driver.pulling(spec.name, disk.serial),
                lambda: driver.stop_pulling(spec.name, disk.serial),
            ):
                with pytest.raises(DriverError, match=spec.name):
                    verb()

            assert stranger.disks(spec.name) == before
        finally:
            stranger.destroy(spec.name)
