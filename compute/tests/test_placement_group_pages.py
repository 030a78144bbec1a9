"""Placement groups in the portal."""

from __future__ import annotations

import pytest
from django.urls import reverse

from compute.models import GroupMember, Instance, KeyPair
from compute.placement_groups import create_group
from scheduling.models import PlacementGroup

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ann@laptop"
LIST = "/placement-groups/"


def test_a_group_is_made_listed_and_deleted(page, tenant):
    empty = page.get(LIST).content.decode()
    page.post(reverse("placement-group-create"), {"name": "apart", "strategy": "partition", "partition_count": 3})
    listed = page.get(LIST).content.decode()
    group = PlacementGroup.objects.get()
    page.post(reverse("placement-group-delete", args=[group.ec2_id]))

    assert "No placement group yet" in empty
    assert (group.name, group.strategy, group.partition_count) == ("apart", "partition", 3)
    assert "apart" in listed
    assert not PlacementGroup.objects.exists()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "taken", "strategy": "spread"}, "name"),
        ({"name": "é", "strategy": "spread"}, "name"),
        ({"name": "x", "strategy": "spread", "partition_count": 2}, "partition_count"),
        ({"name": "x", "strategy": "near"}, "strategy"),
    ],
)
def test_what_will_not_do_is_refused_beside_its_field(page, tenant, actor, fields, field):
    create_group(tenant, "taken", "spread", actor=actor)

    response = page.post(reverse("placement-group-create"), fields)

    assert response.status_code == 422
    assert field in response.context["form"].errors
    assert PlacementGroup.objects.count() == 1


def test_the_launch_page_offers_groups_once_there_are_any(page, tenant, actor, image, types, host, settle):
    key = KeyPair.objects.create(tenant=tenant, name="k", key_type="ed25519", public_key=PUBLIC, fingerprint="f")
    without = page.get("/instances/launch/")
    group = create_group(tenant, "apart", "spread", actor=actor)
    form = page.get("/instances/launch/").context["form"]
    values = {
        "image": image.pk,
        "instance_type": types["t2.nano"].pk,
        "count": 1,
        "key_pair": key.ec2_id,
        "group": form["group"].initial,
        "client_token": form["client_token"].initial,
        "placement_group": group.ec2_id,
    }

    preview = page.post("/instances/launch/preview/", values).content.decode()
    page.post("/instances/launch/", values)
    settle()
    body = page.get(reverse("instance", args=[Instance.objects.get().ec2_id])).content.decode()

    assert "Placement group" not in without.content.decode().split("<main")[1]
    assert "--placement" in preview
    assert GroupMember.objects.get().group == group
    assert "apart" in body
    assert "in use" in page.get(LIST).content.decode()
    refused = page.post(reverse("placement-group-delete", args=[group.ec2_id]), follow=True)
    assert "is in use and may not be deleted" in refused.content.decode()


def test_the_list_takes_constant_queries(page, tenant, actor, django_assert_max_num_queries):
    for number in range(5):
        create_group(tenant, f"g{number}", "spread", actor=actor)

    with django_assert_max_num_queries(4):
        page.get(LIST)
