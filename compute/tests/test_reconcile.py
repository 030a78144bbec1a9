"""Hosts' reports against rows."""

from __future__ import annotations

import pytest

from compute import drivers
from compute.drivers.base import DomainSpec, Driver, Power
from compute.models import Host, Instance
from compute.reconcile import observe, reconcile
from compute.services import start_instances, stop_instances
from conftest import look
from operations.models import Operation
from operations.tasks import work
from portal import quotas
from portal.models import AuditEntry

pytestmark = pytest.mark.django_db


def driver_of(host: Host) -> Driver:
    return drivers.driver_for(host.driver, host.settings())


def state(instance: Instance) -> str:
    return Instance.objects.get(pk=instance.pk).state


def test_a_guest_that_shuts_itself_down_is_stopped(running, host):
    driver_of(host).shutdown(running.ec2_id)

    look()

    instance = Instance.objects.get(pk=running.pk)
    assert (instance.state, instance.reason_code) == ("stopped", "Client.InstanceInitiatedShutdown")
    assert instance.host is None
    assert AuditEntry.objects.filter(resource_id=running.ec2_id, door="cloud").count() == 1
    host.refresh_from_db()
    assert host.vcpus_allocated == 0


def test_a_guest_that_shuts_itself_down_is_terminated_if_it_was_launched_so(launch, settle, host):
    [instance] = launch(shutdown_behavior="terminate")
    settle()
    driver_of(host).shutdown(instance.ec2_id)

    look()
    settle()

    assert state(instance) == "terminated"
    assert quotas.recount() == []


def test_a_report_from_before_the_start_ends_nothing(running, host):
    reconcile({host: ()})

    assert state(running) == "running"


def test_an_event_from_before_the_start_ends_nothing(running):
    observe(running, Power.OFF)

    assert state(running) == "running"


def test_the_end_of_an_earlier_run_does_not_end_the_next(running, host, actor, settle):
    seen = Instance.objects.get(pk=running.pk)
    stop_instances([running], actor=actor)
    settle()
    start_instances([running], actor=actor)
    settle()
    driver_of(host).destroy(running.ec2_id)

    observe(seen, Power.OFF)

    assert state(running) == "running"
    look()
    assert state(running) == "stopped"


def test_a_host_that_does_not_answer_is_not_believed_to_have_ended_anything(running, host):
    Host.objects.update(options={"unreachable": True})

    observe(Instance.objects.get(pk=running.pk), Power.OFF)

    assert state(running) == "running"


def test_a_start_waits_for_the_removal_of_what_was_left_of_it(running, host, actor, settle, settings):
    stop_instances([running], actor=actor)
    settle()
    driver_of(host).create(domain(running.ec2_id, settings.INSTALLATION))
    look()
    removal = Operation.objects.open().get()
    assert Operation.objects.claim(removal.pk)

    start_instances([running], actor=actor)
    work()
    assert state(running) == "pending"
    assert "removing what was left" in Operation.objects.open().get(verb="start").log

    driver_of(host).destroy(running.ec2_id)
    Operation.objects.filter(pk=removal.pk).update(state="done", held_until=None)
    Operation.objects.wake("instance", [running.ec2_id])
    settle()
    assert state(running) == "running"


def test_an_open_operation_is_left_to_its_worker(launch, host):
    [instance] = launch()
    Instance.objects.filter(pk=instance.pk).update(host=host)

    look()

    assert state(instance) == "pending"
    assert Operation.objects.count() == 1


def domain(name: str, mark: str) -> DomainSpec:
    return DomainSpec(
        name=name, uuid=f"uuid of {name}", installation=mark, vcpus=1, memory_mib=64, disks=(), interfaces=()
    )


def test_a_domain_of_ours_that_no_row_knows_is_removed(host, settle, settings):
    driver_of(host).create(domain("i-0123456789abcdef0", settings.INSTALLATION))

    look()
    settle()

    assert driver_of(host).report().domains == ()


def test_domains_without_our_mark_are_never_touched(host, settle):
    driver_of(host).create(domain("database", ""))
    driver_of(host).create(domain("i-0123456789abcdef1", "another installation"))

    look()
    settle()

    assert {d.name for d in driver_of(host).report().domains} == {"database", "i-0123456789abcdef1"}
    assert not Operation.objects.exists()


def test_a_domain_that_runs_though_its_instance_is_stopped_is_removed(running, host, settle, actor, settings):
    stop_instances([running], actor=actor)
    settle()
    driver_of(host).create(domain(running.ec2_id, settings.INSTALLATION))

    look()
    settle()

    assert driver_of(host).report().domains == ()
    assert state(running) == "stopped"


def test_the_reports_of_a_steady_host_cost_a_constant_number_of_queries(launch, settle, django_assert_max_num_queries):
    launch(5)
    settle()

    with django_assert_max_num_queries(8):
        look()
