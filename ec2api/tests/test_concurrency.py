"""Equal calls at the same time, on real threads and the real database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from compute.models import Instance, Reservation
from ec2api.tests.cloud import new_account, new_hosts, new_image, new_types
from operations.models import Operation
from portal.models import Quota

CALLS = 20


@pytest.mark.django_db(transaction=True)
def test_twenty_equal_launches_with_one_client_token_make_one_instance():
    new_types()
    new_hosts()
    image, account = new_image(), new_account("alice")
    asked = {"ImageId": image.ec2_id, "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1, "ClientToken": "once"}
    clients = [account.client() for _ in range(CALLS)]
    together = Barrier(CALLS)

    def run(client) -> str:
        try:
            together.wait()
            return str(client.run_instances(**asked)["Instances"][0]["InstanceId"])
        finally:
            connection.close()

    with ThreadPoolExecutor(CALLS) as threads:
        ids = list(threads.map(run, clients))

    assert len(set(ids)) == 1
    assert (Instance.objects.count(), Reservation.objects.count(), Operation.objects.count()) == (1, 1, 1)
    assert Quota.objects.get(tenant=account.tenant, resource="instances").used == 1
