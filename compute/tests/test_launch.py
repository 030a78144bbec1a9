"""Launching: what is asked comes to run, what cannot be is refused, and nothing is left of a failure."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from compute.errors import IdempotentParameterMismatch
from compute.models import Host, Instance
from conftest import look
from networking.models import NetworkInterface
from operations.models import Operation
from portal import quotas
from portal.errors import CloudError, QuotaExceeded
from portal.models import AuditEntry, Quota, Resource, Tag
from scheduling.models import Placement
from storage.models import Volume

pytestmark = pytest.mark.django_db


def test_a_launched_instance_comes_to_run(launch, settle, host):
    [instance] = launch(instance_tags={"Name": "web"})
    assert instance.state == "pending"

    settle()

    instance.refresh_from_db()
    assert (instance.state, instance.power, instance.host) == ("running", "running", host)
    assert Volume.objects.get(instance_id=instance.ec2_id).state == "in-use"
    assert Placement.objects.get(instance_id=instance.ec2_id).host == host.name
    assert Tag.objects.get(resource_id=instance.ec2_id).value == "web"
    host.refresh_from_db()
    assert (host.vcpus_allocated, host.memory_allocated_mib) == (1, 512)


def test_the_trail_says_who_launched_from_where_through_which_door(launch, user):
    [instance] = launch()

    entry = AuditEntry.objects.get(resource_id=instance.ec2_id)
    assert (entry.user, entry.door, entry.address, entry.verb) == (user, "api", "192.0.2.7", "launch")


def test_addresses_are_each_instances_own(launch):
    launch(20)

    private = NetworkInterface.objects.values_list("private_ip", flat=True)
    public = NetworkInterface.objects.values_list("public_ip", flat=True)
    assert len(set(private)) == len(set(public)) == 20
    assert all(address.startswith("172.31.") for address in private)
    assert all(address.startswith("127.") for address in public)


def test_beyond_quota_nothing_is_launched(launch, tenant):
    Quota.objects.filter(tenant=tenant, resource=Resource.INSTANCES).update(limit=2)

    with pytest.raises(QuotaExceeded, match="3 more instances asked, 0 of 2 in use"):
        launch(3)

    assert not Instance.objects.exists()
    assert quotas.recount() == []


def test_between_min_and_max_as_many_as_the_quota_allows(launch, tenant):
    Quota.objects.filter(tenant=tenant, resource=Resource.INSTANCES).update(limit=2)

    assert len(launch(1, max_count=5)) == 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"min_count": 0}, "at least 1"),
        ({"min_count": 3, "max_count": 2}, "the first not above the second"),
        ({"max_count": 1001}, "at most 1000 instances"),
        ({"user_data": b"x" * 16385}, "limited to 16384 bytes"),
        ({"instance_tags": {"aws:mine": "x"}}, "reserved"),
        ({"instance_tags": {"": "x"}}, "between 1 and 127"),
    ],
)
def test_nonsense_is_refused_and_leaves_nothing(launch, fields, words):
    with pytest.raises(CloudError, match=words):
        launch(**fields)

    assert not Instance.objects.exists()


def test_the_same_client_token_launches_once(launch):
    first = launch(2, client_token="once", digest="d")

    again = launch(2, client_token="once", digest="d")

    assert [i.ec2_id for i in again] == [i.ec2_id for i in first]
    assert Instance.objects.count() == 2


def test_a_client_token_with_other_parameters_is_refused(launch):
    launch(client_token="once", digest="d")

    with pytest.raises(IdempotentParameterMismatch, match="use a new token"):
        launch(client_token="once", digest="other")


@pytest.mark.django_db(transaction=True)
def test_twenty_equal_calls_at_once_launch_once(launch):
    found: list[str] = []

    def call() -> None:
        try:
            found.append(launch(client_token="once", digest="d")[0].ec2_id)
        finally:
            connection.close()

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 20
    assert len(set(found)) == 1
    assert Instance.objects.count() == 1
    assert quotas.recount() == []


def test_a_launch_that_no_host_can_take_ends_with_the_reason(launch, settle, types):
    [instance] = launch(instance_type=types["m5.2xlarge"])

    settle()

    instance.refresh_from_db()
    assert instance.state == "terminated"
    assert instance.reason_code == "Server.InsufficientInstanceCapacity"
    assert "1 host: 1 lack memory; the nearest lacks 16384 MiB" in instance.reason
    assert quotas.recount() == []


def test_a_launch_that_its_host_refuses_leaves_nothing(launch, settle, host):
    Host.objects.update(options={"fail": ["create"]})
    [instance] = launch()

    settle()

    instance.refresh_from_db()
    host.refresh_from_db()
    assert (instance.state, instance.reason_code) == ("terminated", "Server.InternalError")
    assert instance.reason == "Server.InternalError: Internal error on launch"
    assert "simulated host sim1 refuses to create" in Operation.objects.get(verb="start").error
    assert host.vcpus_allocated == 0
    assert not Volume.objects.exists()
    assert not NetworkInterface.objects.exists()
    assert quotas.recount() == []


def test_an_unreachable_host_is_waited_for(launch, settle):
    Host.objects.update(options={"unreachable": True})
    [instance] = launch()
    settle()
    instance.refresh_from_db()
    assert instance.state == "pending"

    Host.objects.update(options={})
    instance.refresh_from_db()
    Operation.objects.wake("instance", [instance.ec2_id])
    settle()

    instance.refresh_from_db()
    assert instance.state == "running"


def test_full_hosts_are_never_promised_more(launch, settle, host, types):
    launch(10, instance_type=types["t3.medium"])  # two vCPUs each, of eight

    settle()

    host.refresh_from_db()
    assert host.vcpus_allocated == 8
    assert Instance.objects.filter(state="running").count() == 4
    assert Instance.objects.filter(state="terminated").count() == 6


def test_a_launch_waits_for_a_host_that_is_only_down(launch, settle, host):
    Host.objects.update(seen_at=None, options={"unreachable": True})
    [instance] = launch()
    settle()
    assert Instance.objects.get(pk=instance.pk).state == "pending"
    assert not Placement.objects.exists()

    Host.objects.update(options={})
    look()
    Operation.objects.wake("instance", [instance.ec2_id])
    settle()

    assert Instance.objects.get(pk=instance.pk).state == "running"


def test_between_the_least_and_the_most_as_many_are_launched_as_the_quota_allows(launch, tenant):
    Quota.objects.filter(tenant=tenant, resource=Resource.VCPUS).update(limit=3)

    assert len(launch(min_count=2, max_count=9)) == 3
    with pytest.raises(QuotaExceeded, match="2 more vCPUs asked, 3 of 3 in use"):
        launch(min_count=2, max_count=9)
    assert Instance.objects.count() == 3
    assert quotas.recount() == []
