"""What every driver must do, whatever it talks to: subclass, and give the fixtures.

``driver``: a driver of installation "ours"; ``stranger``: one to the same host of installation "theirs";
``new_spec``: a function that gives a fresh DomainSpec of an installation, whose domain can be started.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from compute.drivers.base import Capability, DomainSpec, Driver, DriverError, Power

NewSpec = Callable[..., DomainSpec]


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
