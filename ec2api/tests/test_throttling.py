"""Who asks too much is told to wait, and the SDKs do."""

from __future__ import annotations

import pytest
from botocore.config import Config

from ec2api import throttling
from ec2api.tests.cloud import Account, signed
from ec2api.throttling import Buckets, Limit
from portal.audit import Actor, Door
from portal.tenants import create_access_key


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(throttling, "buckets", Buckets(clock))
    return clock


@pytest.fixture
def few(settings) -> None:
    """Two reads and one write at once, one of each a second; one key may have it all."""
    settings.API_READS_PER_S = settings.API_WRITES_PER_S = 1
    settings.API_READS_BURST, settings.API_WRITES_BURST = 2, 1
    settings.API_KEY_PERCENT = 100


def code_of(account: Account, action: str = "DescribeRegions", **more: str) -> str:
    response = signed(account, {"Action": action, **more})
    return response.content.split(b"<Code>")[1].split(b"</Code>")[0].decode() if response.status_code != 200 else ""


def test_requests_beyond_the_burst_are_refused_in_amazons_words(account, clock, few):
    assert [code_of(account) for _ in range(3)] == ["", "", "RequestLimitExceeded"]

    response = signed(account, {"Action": "DescribeRegions"})

    assert response.status_code == 503
    assert b"<Code>RequestLimitExceeded</Code><Message>Request limit exceeded.</Message>" in response.content


def test_tokens_come_back_with_time_and_no_more_than_the_burst(account, clock, few):
    for _ in range(2):
        code_of(account)
    clock.wait(1)
    assert [code_of(account) for _ in range(2)] == ["", "RequestLimitExceeded"]
    clock.wait(3600)
    assert [code_of(account) for _ in range(3)] == ["", "", "RequestLimitExceeded"]


def test_looking_and_changing_have_buckets_of_their_own(account, clock, few):
    for _ in range(3):
        code_of(account)

    create = {"GroupDescription": "d"}
    assert code_of(account, "CreateSecurityGroup", GroupName="a", **create) == ""
    assert code_of(account, "CreateSecurityGroup", GroupName="b", **create) == "RequestLimitExceeded"


def test_actions_that_there_are_not_take_tokens_too(account, clock, few):
    assert [code_of(account, "DescribeNonsense") for _ in range(3)][1:] == ["InvalidAction", "RequestLimitExceeded"]


def test_one_tenant_does_not_wait_for_another(account, neighbour, clock, few):
    for _ in range(3):
        code_of(account)

    assert code_of(neighbour) == ""


def test_one_key_leaves_something_to_the_tenants_others(account, clock, few, settings):
    settings.API_READS_BURST, settings.API_KEY_PERCENT = 4, 50
    actor = Actor(user=account.user, door=Door.COMMAND)
    key, secret = create_access_key(account.tenant, account.user, actor=actor)
    other = Account(account.tenant, account.user, key, secret)

    assert [code_of(account) for _ in range(3)] == ["", "", "RequestLimitExceeded"]
    assert [code_of(other) for _ in range(3)] == ["", "", "RequestLimitExceeded"]
    assert code_of(account) == "RequestLimitExceeded"


def test_a_refused_request_takes_nothing_and_asks_nothing_of_the_database(
    account, clock, few, django_assert_num_queries
):
    for _ in range(2):
        code_of(account)
    with django_assert_num_queries(1):  # the access key
        assert code_of(account) == "RequestLimitExceeded"

    clock.wait(1)

    assert code_of(account) == ""


def test_instances_are_counted_too(account, clock, image, settings):
    settings.API_INSTANCES_PER_S, settings.API_INSTANCES_BURST = 1, 3
    launch = {"ImageId": image.ec2_id, "InstanceType": "t2.nano", "MinCount": "1"}

    assert code_of(account, "RunInstances", **launch, MaxCount="2") == ""
    assert code_of(account, "RunInstances", **launch, MaxCount="2") == "RequestLimitExceeded"
    clock.wait(1)
    assert code_of(account, "RunInstances", **launch, MaxCount="2") == ""
    clock.wait(3)
    assert code_of(account, "RunInstances", **launch, MaxCount="9") == ""  # more than there ever are: all of them
    assert code_of(account, "RunInstances", **launch, MaxCount="1") == "RequestLimitExceeded"


def test_nought_a_second_is_no_limit(account, clock, few, settings):
    settings.API_READS_PER_S = 0

    assert {code_of(account) for _ in range(9)} == {""}


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_boto3_waits_and_gets_through(account, clock, few, settings, monkeypatch, mode):
    """With its own waiting; only that time does not really pass meanwhile."""
    settings.API_READS_PER_S = 2
    monkeypatch.setattr("time.sleep", clock.wait)
    client = account.client(config=Config(retries={"total_max_attempts": 10, "mode": mode}))

    replies = [client.describe_regions() for _ in range(6)]

    assert all(reply["Regions"] for reply in replies)
    assert sum(reply["ResponseMetadata"]["RetryAttempts"] for reply in replies) > 0
    assert clock.now > 1000


def test_memory_is_bounded_and_full_buckets_are_forgotten_first():
    clock = Clock()
    buckets = Buckets(clock, most=100)
    slow, quick = Limit(per_s=0.001, burst=10), Limit(per_s=100, burst=10)
    for n in range(30):
        buckets.take([(f"slow {n}", slow)], 10)
    for n in range(1000):
        buckets.take([(f"quick {n}", quick)])
        clock.wait(0.01)

    assert len(buckets) <= 100
    assert not buckets.take([("slow 7", slow)])
    for n in range(1000):
        buckets.take([(f"slower {n}", slow)])
    assert len(buckets) <= 100
