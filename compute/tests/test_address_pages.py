"""Elastic addresses in the portal."""

import pytest
from django.urls import reverse

from networking.elastic import allocate_address, associate_address
from networking.interfaces import create_interface
from networking.models import ElasticAddress, NetworkInterface
from networking.services import default_network
from portal.models import Quota

pytestmark = pytest.mark.django_db


@pytest.fixture
def elastic(tenant, actor) -> ElasticAddress:
    return allocate_address(tenant, actor=actor)


@pytest.fixture
def interface(running) -> NetworkInterface:
    return NetworkInterface.objects.get(instance_id=running.ec2_id)


def address(name: str, elastic: ElasticAddress) -> str:
    return reverse(name, args=[elastic.ec2_id])


def test_the_first_page_invites_and_allocates(page, tenant):
    assert "No elastic address yet" in page.get(reverse("addresses")).content.decode()

    response = page.post(reverse("address-allocate"), follow=True)

    made = ElasticAddress.objects.get(tenant=tenant)
    assert response.redirect_chain == [(address("address", made), 302)]
    assert f"{made.public_ip} is yours until you release it" in response.content.decode()


def test_beyond_the_quota_the_button_gives_way_to_the_reason(page, tenant, elastic):
    Quota.objects.filter(tenant=tenant, resource="addresses").update(limit=1)

    body = page.get(reverse("addresses")).content.decode()
    refused = page.post(reverse("address-allocate"), follow=True).content.decode()

    assert "You have all the addresses that your quota allows" in body
    assert reverse("address-allocate") not in body
    assert "quota exceeded" in refused
    assert ElasticAddress.objects.count() == 1


def test_an_address_is_led_to_an_instance_and_away(page, elastic, interface, running):
    automatic = interface.public_ip
    said = page.post(address("address-associate", elastic), {"interface": interface.ec2_id}, follow=True)

    interface.refresh_from_db()
    assert interface.public_ip == elastic.public_ip
    assert f"{elastic.public_ip} leads to {running.ec2_id} now." in said.content.decode()
    listed = page.get(reverse("addresses")).content.decode()
    assert reverse("instance", args=[running.ec2_id]) in listed
    page.post(address("address-disassociate", elastic))
    interface.refresh_from_db()
    assert interface.public_ip == automatic


def test_what_waits_for_the_next_start_is_said_on_both_pages(page, elastic, interface, running, actor):
    forward = {"protocol": "tcp", "address": interface.public_ip, "port": 8022, "guest_port": 22}
    NetworkInterface.objects.update(forwards=[forward])
    associate_address(elastic, interface, actor=actor)

    words = f"Ports are forwarded on {elastic.public_ip} when it is stopped and started; until then as before."
    assert words in page.get(address("address", elastic)).content.decode()
    body = page.get(reverse("instance", args=[running.ec2_id])).content.decode()
    assert words in body
    assert f"{interface.public_ip}:8022 leads to TCP port 22" in body


def test_only_what_may_have_an_address_is_offered(page, elastic, interface, launch, tenant, actor):
    [pending] = launch()
    loose = create_interface(default_network(tenant).subnet, [default_network(tenant).group], actor=actor)
    of_pending = NetworkInterface.objects.get(instance_id=pending.ec2_id)

    body = page.get(address("address", elastic)).content.decode()
    refused = page.post(address("address-associate", elastic), {"interface": of_pending.ec2_id})

    assert f'value="{interface.ec2_id}"' in body
    assert f'value="{loose.ec2_id}"' in body
    assert of_pending.ec2_id not in body
    assert refused.status_code == 422


def test_a_released_address_is_gone(page, elastic, interface, actor):
    automatic = interface.public_ip
    associate_address(elastic, interface, actor=actor)

    response = page.post(address("address-release", elastic), follow=True)

    assert f"Released {elastic.public_ip}." in response.content.decode()
    interface.refresh_from_db()
    assert (interface.public_ip, ElasticAddress.objects.count()) == (automatic, 0)


def test_the_list_takes_as_many_queries_for_many_as_for_one(
    page, tenant, actor, launch, settle, django_assert_max_num_queries
):
    for instance in launch(5):
        associated = NetworkInterface.objects.get(instance_id=instance.ec2_id)
        associate_address(allocate_address(tenant, actor=actor), associated, actor=actor)

    with django_assert_max_num_queries(9):
        page.get(reverse("addresses"))
