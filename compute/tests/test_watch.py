"""The watcher: restarts of guests, and hosts that change while it looks."""

from __future__ import annotations

import pytest

from compute import drivers
from compute.models import Host, Instance
from compute.services import reboot_instances, stop_instances
from compute.watch import HostWatch
from operations.models import Operation
from operations.tasks import work

pytestmark = pytest.mark.django_db


@pytest.fixture
def watch(running, host) -> HostWatch:
    """Has looked once, as the watcher does each second."""
    watch = HostWatch([host])
    watch.look()
    return watch


def reboots(host: Host) -> int:
    host.refresh_from_db()
    [domain] = drivers.driver_for(host.driver, host.settings()).report().domains
    assert isinstance(domain.boot_mark, int)
    return domain.boot_mark - 1


def reboot() -> Operation:
    return Operation.objects.get(verb="reboot")


def make_due() -> None:
    Operation.objects.wake("instance", Instance.objects.values_list("ec2_id", flat=True))


def test_a_reboot_is_done_when_the_watcher_has_seen_the_guest_restart(running, actor, host, watch):
    reboot_instances([running], actor=actor)
    work()
    assert reboot().state == "open"

    watch.look()
    work()

    assert reboot().state == "done"
    assert reboots(host) == 1


def test_a_guest_that_ignores_the_reboot_is_reset_after_a_while(running, actor, host, watch, settings):
    Host.objects.update(options={"stubborn": True})
    reboot_instances([running], actor=actor)
    for _ in range(3):
        work()
        watch.look()
        make_due()
    assert reboot().state == "open"
    assert reboots(host) == 0

    settings.REBOOT_GRACE_S = 0
    work()

    assert reboot().state == "done"
    assert "reset: the guest did not reboot by itself" in reboot().log
    assert reboots(host) == 1


def test_no_guest_is_reset_that_may_have_restarted_while_nobody_watched(running, actor, host, settings):
    reboot_instances([running], actor=actor)
    work()

    HostWatch([host]).look()
    settings.REBOOT_GRACE_S = 0
    make_due()
    work()

    assert reboot().state == "done"
    assert reboots(host) == 1


def test_a_reboot_that_was_not_yet_asked_of_the_guest_is_still_asked(running, actor, host):
    reboot_instances([running], actor=actor)

    HostWatch([host]).look()
    work()

    assert reboots(host) == 1


def test_a_guest_that_goes_off_during_a_reboot_is_stopped_at_once(running, actor, host, watch):
    Host.objects.update(options={"stubborn": True})
    reboot_instances([running], actor=actor)
    work()
    host.refresh_from_db()
    drivers.driver_for(host.driver, host.settings()).destroy(running.ec2_id)

    watch.look()
    work()

    assert Instance.objects.get().state == "stopped"
    assert reboot().state == "done"


def test_a_stop_takes_the_place_of_a_reboot_that_the_guest_ignores(running, actor, host, watch, settle):
    Host.objects.update(options={"stubborn": True})
    reboot_instances([running], actor=actor)
    work()

    stop_instances([running], actor=actor, force=True)
    settle()

    assert Instance.objects.get().state == "stopped"
    assert reboot().state == "superseded"
