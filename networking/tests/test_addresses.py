"""Addresses for new interfaces: nobody's else, and found as long as there are any."""

from __future__ import annotations

from itertools import count

import pytest

from networking.interfaces import interfaces_for
from networking.models import Counter, NetworkInterface, Subnet
from networking.services import default_network
from portal.errors import CloudError

pytestmark = pytest.mark.django_db


NUMBERS = count()


def attach(subnet: Subnet, many: int = 1) -> list[NetworkInterface]:
    ids = [f"i-{next(NUMBERS)}" for _n in range(many)]
    return interfaces_for(ids, subnet, [default_network(subnet.tenant).group])


def shrink(subnet: Subnet, cidr: str) -> None:
    Subnet.objects.filter(pk=subnet.pk).update(cidr=cidr)
    subnet.refresh_from_db()


def test_a_long_run_of_taken_addresses_is_passed_over(tenant):
    subnet = default_network(tenant).subnet
    first = attach(subnet, 100)
    Subnet.objects.filter(pk=subnet.pk).update(next_host=4)
    Counter.objects.update(value=0)

    [late] = attach(subnet)

    assert late.private_ip not in {interface.private_ip for interface in first}
    assert late.public_ip not in {interface.public_ip for interface in first}


def test_the_last_free_address_of_a_subnet_is_found_and_one_more_is_refused(tenant):
    subnet = default_network(tenant).subnet
    shrink(subnet, "172.31.0.0/28")
    attach(subnet, 10)

    assert [interface.private_ip for interface in attach(subnet)] == ["172.31.0.14"]
    with pytest.raises(CloudError, match="no 1 free addresses left") as refusal:
        attach(subnet)
    assert refusal.value.code == "InsufficientFreeAddressesInSubnet"


def test_more_than_a_subnet_holds_is_refused(tenant):
    subnet = default_network(tenant).subnet
    shrink(subnet, "172.31.0.0/28")

    with pytest.raises(CloudError, match="no 12 free addresses left"):
        attach(subnet, 12)
