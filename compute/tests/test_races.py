"""Several at once on real threads and the real database: nobody is told of a mishap, nothing is done twice."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from compute import launch_templates
from compute.errors import IncorrectState
from compute.models import GroupMember, Instance
from compute.placement_groups import create_group, delete_group
from compute.placing import claim_host, place
from compute.reconcile import settle_running
from compute.services import reboot_instances, stop_instances, terminate_instances
from conftest import make_host
from operations.models import Operation
from operations.performers import TryLater
from portal import quotas
from portal.models import Resource

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*calls: Callable[[], object]) -> list[BaseException]:
    """Run each in a thread of its own; what they raised."""
    barrier, raised = threading.Barrier(len(calls)), []

    def run(call: Callable[[], object]) -> None:
        try:
            barrier.wait(10)
            call()
        except BaseException as error:
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.parametrize("service", [reboot_instances, stop_instances, terminate_instances])
def test_the_same_request_many_times_at_once_is_one(running, actor, service):
    views = [Instance.objects.get(pk=running.pk) for _ in range(5)]

    raised = at_once(*(lambda view=view: service([view], actor=actor) for view in views))

    assert raised == []
    assert Operation.objects.open().count() == 1


def test_a_reboot_beside_a_stop_is_refused_or_gives_way(running, actor):
    one, other = (Instance.objects.get(pk=running.pk) for _ in range(2))

    raised = at_once(lambda: reboot_instances([one], actor=actor), lambda: stop_instances([other], actor=actor))

    assert {type(error) for error in raised} <= {IncorrectState}
    assert Operation.objects.open().get().verb == "stop"


def test_a_termination_beside_the_end_of_a_start_waits_for_it(launch, actor):
    [instance] = launch()
    operation = Operation.objects.claim_next()
    assert operation is not None
    closing = threading.Event()

    def end_the_start() -> None:
        with operation.closing():
            closing.set()
            time.sleep(0.3)
            settle_running(Instance.objects.get(pk=instance.pk))

    def terminate() -> None:
        assert closing.wait(10)
        terminate_instances([Instance.objects.get(pk=instance.pk)], actor=actor)

    assert at_once(end_the_start, terminate) == []
    assert Instance.objects.get().state == "shutting-down"
    assert Operation.objects.open().get().verb == "terminate"


def test_a_launch_beside_a_termination_does_not_lock_the_ledger_against_it(tenant):
    both: dict[str, int] = {Resource.INSTANCES: 1, Resource.VOLUMES: 1}
    with transaction.atomic():
        quotas.reserve(tenant, both)
    releasing = threading.Event()

    def end_one() -> None:
        with transaction.atomic():
            quotas.release(tenant, {Resource.VOLUMES: 1})
            releasing.set()
            time.sleep(0.3)
            quotas.release(tenant, {Resource.INSTANCES: 1})

    def begin_one() -> None:
        assert releasing.wait(10)
        with transaction.atomic():
            quotas.reserve(tenant, both)

    assert at_once(end_one, begin_one) == []
    used = dict(tenant.quotas.filter(used__gt=0).values_list("resource", "used"))
    assert used == both


@pytest.mark.parametrize("strategy", ["spread", "partition"])
def test_two_members_of_a_group_that_chose_the_same_host_do_not_both_get_it(tenant, actor, launch, host, strategy):
    """Both have decided while there was no member anywhere; what they see when they claim is what counts."""
    group = create_group(tenant, "x", strategy, actor=actor)
    views = Instance.objects.select_related("group_member__group")
    one, other = (views.get(pk=instance.pk) for instance in launch(2, placement_group=group))
    claims: list[bool] = []

    raised = at_once(
        lambda: claims.append(claim_host(one, host.name)), lambda: claims.append(claim_host(other, host.name))
    )

    assert raised == []
    assert sorted(claims) == [False, True]
    host.refresh_from_db()
    assert host.vcpus_allocated == 1


def test_many_members_of_a_spread_group_at_once_take_a_host_each(tenant, actor, launch, settings):
    for number in range(2, 7):
        make_host(f"sim{number}", zone=settings.DEFAULT_ZONE)
    group = create_group(tenant, "x", "spread", actor=actor)
    instances = launch(6, placement_group=group)
    views = [Instance.objects.select_related("group_member__group").get(pk=i.pk) for i in instances]

    def insist(view: Instance) -> None:
        while True:
            with contextlib.suppress(TryLater):
                place(view)
                return

    raised = at_once(*(lambda view=view: insist(view) for view in views))

    assert raised == []
    assert len(set(Instance.objects.values_list("host__name", flat=True))) == 6


def test_a_group_is_not_deleted_while_an_instance_is_being_launched_into_it(tenant, actor, launch):
    group = create_group(tenant, "x", "cluster", actor=actor)
    launched = threading.Event()

    def launch_slowly() -> None:
        with transaction.atomic():
            launch(placement_group=group)
            launched.set()
            time.sleep(0.3)

    def delete() -> None:
        assert launched.wait(10)
        delete_group(group, actor=actor)

    raised = at_once(launch_slowly, delete)

    assert [getattr(error, "code", error) for error in raised] == ["InvalidPlacementGroup.InUse"]
    assert GroupMember.objects.get().group == group


def test_versions_made_at_once_get_numbers_of_their_own(tenant, actor):
    request = launch_templates.Request(actor)
    template = launch_templates.create_template(tenant, "web", {"KeyName": "k"}, request=request)

    def another() -> None:
        launch_templates.create_version(template, {"KeyName": "l"}, request=request)

    assert at_once(*[another] * 5) == []
    assert list(template.versions.values_list("number", flat=True)) == [1, 2, 3, 4, 5, 6]
    template.refresh_from_db()
    assert template.latest_number == 6


def test_templates_of_one_name_made_at_once_are_one(tenant, actor):
    request = launch_templates.Request(actor)

    def make() -> None:
        launch_templates.create_template(tenant, "web", {"KeyName": "k"}, request=request)

    raised = at_once(*[make] * 4)

    codes = [getattr(error, "code", error) for error in raised]
    assert codes == ["InvalidLaunchTemplateName.AlreadyExistsException"] * 3
