"""The ledger: all or nothing, never drifting."""

from __future__ import annotations

import threading

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from portal import quotas
from portal.errors import QuotaExceeded
from portal.models import Quota, Resource, Tenant

pytestmark = pytest.mark.django_db


def used(tenant: Tenant, resource: str) -> int:
    return Quota.objects.get(tenant=tenant, resource=resource).used


def limit(tenant: Tenant, resource: str, value: int) -> None:
    Quota.objects.filter(tenant=tenant, resource=resource).update(limit=value)


def test_a_refusal_names_resource_limit_and_usage_and_takes_nothing(tenant):
    limit(tenant, Resource.VCPUS, 3)
    quotas.reserve(tenant, {Resource.INSTANCES: 1, Resource.VCPUS: 2})

    with pytest.raises(QuotaExceeded, match="2 more vCPUs asked, 2 of 3 in use") as refusal:
        quotas.reserve(tenant, {Resource.INSTANCES: 1, Resource.VCPUS: 2})

    assert refusal.value.code == "VcpuLimitExceeded"
    assert (used(tenant, Resource.INSTANCES), used(tenant, Resource.VCPUS)) == (1, 2)


def test_a_tenant_without_a_ledger_row_gets_nothing(tenant):
    Quota.objects.filter(tenant=tenant, resource=Resource.VOLUMES).delete()

    with pytest.raises(QuotaExceeded, match="no quota for volumes"):
        quotas.reserve(tenant, {Resource.VOLUMES: 1})


def test_what_is_released_can_be_reserved_again(tenant):
    limit(tenant, Resource.INSTANCES, 1)
    quotas.reserve(tenant, {Resource.INSTANCES: 1})
    quotas.release(tenant, {Resource.INSTANCES: 1})

    quotas.reserve(tenant, {Resource.INSTANCES: 1})

    assert used(tenant, Resource.INSTANCES) == 1


def test_affordable_is_bounded_by_the_scarcest(tenant):
    limit(tenant, Resource.MEMORY_MIB, 1300)

    assert quotas.affordable(tenant, {Resource.INSTANCES: 1, Resource.MEMORY_MIB: 512}) == 2


@pytest.mark.django_db(transaction=True)
def test_many_at_once_get_no_more_than_the_limit(tenant):
    limit(tenant, Resource.INSTANCES, 5)
    granted: list[int] = []

    def one() -> None:
        try:
            with transaction.atomic():
                quotas.reserve(tenant, {Resource.INSTANCES: 1})
            granted.append(1)
        except QuotaExceeded:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(granted) == 5
    assert used(tenant, Resource.INSTANCES) == 5


def test_recounting_finds_and_repairs_a_difference(tenant, launch, capsys):
    launch(2)
    call_command("recount_quotas")
    assert capsys.readouterr().out == "no difference\n"
    Quota.objects.filter(tenant=tenant, resource=Resource.VCPUS).update(used=7)

    with pytest.raises(SystemExit):
        call_command("recount_quotas")
    call_command("recount_quotas", "--repair")

    assert "physics vcpus: ledger says 7, rows say 2" in capsys.readouterr().out
    assert used(tenant, Resource.VCPUS) == 2


@pytest.mark.django_db(transaction=True)
def test_transactions_that_write_to_the_ledger_twice_do_not_wait_for_each_other_for_ever(tenant):
    """One reserves all kinds at once, the other gives them back one by one, in the other order."""
    errors: list[Exception] = []
    everything: dict[str, int] = {Resource.INSTANCES: 1, Resource.MEMORY_MIB: 1, Resource.VCPUS: 1, Resource.VOLUMES: 1}

    def take_and_give() -> None:
        try:
            for _ in range(15):
                with transaction.atomic():
                    quotas.reserve(tenant, everything)
                with transaction.atomic():
                    for resource in reversed(list(everything)):
                        quotas.release(tenant, {resource: 1})
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=take_and_give) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert used(tenant, Resource.VOLUMES) == 0
