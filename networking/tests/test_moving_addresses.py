"""Addresses that several move at once: each leads to one interface, and no interface to two."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from networking.elastic import allocate_address, associate_address, disassociate_address, release_address
from networking.interfaces import create_interface, delete_interface
from networking.models import ElasticAddress, NetworkInterface
from networking.services import default_network
from portal.errors import CloudError
from portal.models import Quota
from portal.quotas import recount

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 6


def together(*jobs) -> list[BaseException]:
    """Run all at once; what they raised that is no refusal."""
    faults: list[BaseException] = []
    gate = threading.Barrier(len(jobs))

    def run(job) -> None:
        try:
            gate.wait()
            job()
        except CloudError:
            pass
        except BaseException as fault:
            faults.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return faults


def test_addresses_and_interfaces_that_are_crossed_at_once_stay_in_step(tenant, actor):
    network = default_network(tenant)
    Quota.objects.filter(tenant=tenant).update(limit=100)
    for _round in range(ROUNDS):
        one, other = (allocate_address(tenant, actor=actor) for _ in range(2))
        left, right = (create_interface(network.subnet, [network.group], actor=actor) for _ in range(2))

        faults = together(
            lambda a=one, i=left: associate_address(a, i, actor=actor),
            lambda a=other, i=left: associate_address(a, i, actor=actor),
            lambda a=one, i=right: associate_address(a, i, actor=actor),
            lambda a=other, i=right: associate_address(a, i, actor=actor),
            lambda a=one: disassociate_address(a, actor=actor),
            lambda a=other: release_address(a, actor=actor),
            lambda i=right: delete_interface(i, actor=actor),
        )

        assert faults == []
        for interface in NetworkInterface.objects.all():
            mine = ElasticAddress.objects.filter(interface=interface).first()
            assert interface.public_ip == (mine.public_ip if mine else None)
    assert recount() == []
