"""Start, stop, reboot, terminate: what is asked happens, in whatever order, and refusals say why."""

from __future__ import annotations

import pytest

from compute import drivers
from compute.errors import IncorrectState, OperationNotPermitted
from compute.models import ConsoleOutput, Host, Instance
from compute.services import reboot_instances, start_instances, stop_instances, terminate_instances
from conftest import look
from networking.models import NetworkInterface
from operations.models import Operation
from portal import quotas
from portal.models import Quota
from storage.models import Volume

pytestmark = pytest.mark.django_db


def power(instance: Instance) -> str:
    host = Host.objects.get()
    return drivers.driver_for(host.driver, host.settings()).power(instance.ec2_id)


def fresh(instance: Instance) -> Instance:
    return Instance.objects.get(pk=instance.pk)


def test_a_stopped_instance_gives_its_host_back_and_keeps_its_disk(running, actor, settle, host):
    stop_instances([running], actor=actor)
    assert running.state == "stopping"

    settle()

    assert fresh(running).state == "stopped"
    assert fresh(running).host is None
    host.refresh_from_db()
    assert host.vcpus_allocated == 0
    assert Volume.objects.filter(instance_id=running.ec2_id).exists()
    assert power(running) == "off"


def test_stop_start_and_reboot_bring_it_back(running, actor, settle):
    stop_instances([running], actor=actor)
    settle()
    start_instances([fresh(running)], actor=actor)
    settle()
    reboot_instances([fresh(running)], actor=actor)
    settle()

    assert fresh(running).state == "running"
    assert power(running) == "running"


def test_stopping_a_stopped_instance_changes_nothing(running, actor, settle):
    stop_instances([running], actor=actor)
    settle()
    before = Operation.objects.count()

    stop_instances([fresh(running)], actor=actor)

    assert fresh(running).state == "stopped"
    assert Operation.objects.count() == before


def test_a_pending_instance_cannot_be_stopped(launch, actor):
    [instance] = launch()

    with pytest.raises(IncorrectState, match=f"'{instance}' is not in a state .* it is pending"):
        stop_instances([instance], actor=actor)


def test_all_are_stopped_or_none(running, launch, actor):
    [pending] = launch()

    with pytest.raises(IncorrectState):
        stop_instances([running, pending], actor=actor)

    assert fresh(running).state == "running"


def test_a_stale_view_does_not_stop_what_has_ended(running, actor, settle):
    stale = fresh(running)
    terminate_instances([running], actor=actor)
    settle()

    with pytest.raises(IncorrectState):
        stop_instances([stale], actor=actor)

    assert fresh(running).state == "terminated"


def test_a_guest_that_ignores_the_button_is_asked_then_forced(running, actor, settle, settings):
    Host.objects.update(options={"stubborn": True})
    stop_instances([running], actor=actor)
    settle()
    assert fresh(running).state == "stopping"

    settings.STOP_GRACE_S = 0
    Operation.objects.wake("instance", [running.ec2_id])
    settle()

    assert fresh(running).state == "stopped"
    assert "power taken away" in Operation.objects.filter(verb="stop").get().log


def test_force_hurries_a_stop_that_waits(running, actor, settle):
    Host.objects.update(options={"stubborn": True})
    stop_instances([running], actor=actor)
    settle()

    stop_instances([fresh(running)], actor=actor, force=True)
    settle()

    assert fresh(running).state == "stopped"


def test_a_stop_takes_the_place_of_a_reboot_that_nobody_began(running, actor, settle):
    reboot_instances([running], actor=actor)
    stop_instances([running], actor=actor)

    settle()

    assert fresh(running).state == "stopped"


def test_termination_takes_the_place_of_anything_and_leaves_nothing(launch, actor, settle, host):
    [instance] = launch()
    terminate_instances([instance], actor=actor)
    settle()

    assert fresh(instance).state == "terminated"
    assert set(Quota.objects.filter(tenant=instance.tenant).values_list("used", flat=True)) == {0}
    assert quotas.recount() == []
    assert not Volume.objects.exists()
    assert not NetworkInterface.objects.exists()
    host.refresh_from_db()
    assert host.vcpus_allocated == 0


def test_terminating_twice_gives_back_once(running, actor, settle):
    terminate_instances([running], actor=actor)
    settle()
    terminate_instances([fresh(running)], actor=actor)
    settle()

    assert quotas.recount() == []


def test_a_volume_may_outlive_its_instance(launch, actor, settle):
    [instance] = launch(delete_root_on_termination=False)
    settle()
    terminate_instances([fresh(instance)], actor=actor)
    settle()

    volume = Volume.objects.get()
    assert (volume.state, volume.instance_id) == ("available", "")
    assert quotas.recount() == []


@pytest.mark.parametrize("call", [stop_instances, terminate_instances])
def test_protection_is_obeyed(running, actor, call):
    Instance.objects.update(disable_api_stop=True, disable_api_termination=True)

    with pytest.raises(OperationNotPermitted, match="Modify its 'disableApi"):
        call([fresh(running)], actor=actor)

    assert fresh(running).state == "running"


def test_console_output_stays_after_the_end(running, actor, settle):
    terminate_instances([running], actor=actor)
    settle()

    text = bytes(ConsoleOutput.objects.get(instance=running).text).decode()
    assert f"{running.ec2_id} login:" in text


def test_a_worker_that_was_in_the_middle_of_a_start_leaves_no_domain(launch, actor, settle, monkeypatch):
    """It died after the host had started the domain; the tenant has terminated the instance since."""
    [instance] = launch()
    from compute import tasks

    class Died(BaseException):
        pass

    operation = Operation.objects.claim_next()
    assert operation is not None

    def die(_instance: Instance) -> None:
        raise Died

    with monkeypatch.context() as moment:
        moment.setattr(tasks, "settle_running", die)
        with pytest.raises(Died):
            tasks.start(operation)
    assert power(instance) == "running"
    terminate_instances([fresh(instance)], actor=actor)
    Operation.objects.update(held_until=None)

    settle()

    assert power(instance) == "off"
    assert fresh(instance).state == "terminated"
    look()


@pytest.mark.parametrize(
    ("method", "call", "end"), [("destroy", terminate_instances, "terminated"), ("shutdown", stop_instances, "stopped")]
)
def test_a_host_that_refuses_to_end_an_instance_is_asked_until_it_does(running, actor, settle, method, call, end):
    Host.objects.update(options={"fail": [method]})
    call([running], actor=actor)
    settle()
    assert fresh(running).state in ("shutting-down", "stopping")

    Host.objects.update(options={})
    Operation.objects.wake("instance", [running.ec2_id])
    settle()

    assert fresh(running).state == end
    assert quotas.recount() == []


def test_a_serial_log_that_cannot_be_read_keeps_nothing_alive(running, actor, settle):
    Host.objects.update(options={"fail": ["console_output"]})
    terminate_instances([running], actor=actor)

    settle()

    assert fresh(running).state == "terminated"


def test_a_start_takes_the_place_of_a_reboot_of_a_guest_that_went_off(running, actor, settle):
    Host.objects.update(options={"stubborn": True})
    reboot_instances([running], actor=actor)
    Instance.objects.update(state="stopped")

    start_instances([running], actor=actor)

    assert Operation.objects.open().get().verb == "start"


def test_a_public_key_that_no_guest_could_read_fails_the_launch_with_the_reason(launch, settle):
    [instance] = launch()
    Instance.objects.update(public_key="not a key", key_name="odd")

    settle()

    assert fresh(instance).state == "terminated"
    assert "key pair odd cannot be given to the guest" in fresh(instance).reason
