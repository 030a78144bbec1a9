"""Pages of volumes."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from compute.tests.conftest import HTMX
from compute.tests.disks import due
from portal.models import Quota
from storage.models import Snapshot, Volume
from storage.tests.making import make_datastore, make_snapshot


@pytest.fixture
def root(running) -> Volume:
    return Volume.objects.get(instance_id=running.ec2_id)


def create(page: Client, settings: Any, **asked: object) -> HttpResponse:
    make_datastore()
    form: dict[str, object] = {
        "size_gib": 3,
        "volume_type": "gp3",
        "zone": settings.DEFAULT_ZONE,
        "snapshot": "",
        **asked,
    }
    answer = page.post(reverse("volume-create"), form)
    assert isinstance(answer, HttpResponse)
    return answer


def test_the_list_invites_who_has_none(page):
    body = page.get(reverse("volumes")).content.decode()

    assert "No volume yet" in body
    assert reverse("volume-create") in body


def test_a_volume_is_created_attached_grown_detached_and_deleted(page, settings, running, settle):
    answer = create(page, settings, name="data")
    volume = Volume.objects.get(instance_id="")
    assert answer["Location"] == reverse("volume", args=[volume.ec2_id])
    settle()
    page.post(reverse("volume-attach", args=[volume.ec2_id]), {"instance": running.ec2_id})
    settle()
    volume.refresh_from_db()
    assert (volume.attachment_state, volume.device) == ("attached", "/dev/sdf")
    page.post(reverse("volume-grow", args=[volume.ec2_id]), {"size_gib": 9})
    page.post(reverse("volume-snapshot", args=[volume.ec2_id]), {"description": "first"})
    settle()
    due()
    settle()
    volume.refresh_from_db()
    assert volume.size_gib == 9
    body = page.get(reverse("volume", args=[volume.ec2_id])).content.decode()
    assert "first" in body
    assert volume.serial in body

    answer = page.post(reverse("volume-detach", args=[volume.ec2_id]), {"back": running.ec2_id})
    assert answer["Location"] == reverse("instance", args=[running.ec2_id])
    settle()
    page.post(reverse("volume-delete", args=[volume.ec2_id]))
    settle()
    assert not Volume.objects.filter(pk=volume.pk).exists()
    assert Snapshot.objects.filter(volume_id=volume.ec2_id, state="completed").exists()


def test_a_volume_is_attached_from_the_page_of_its_instance(page, settings, running, settle):
    create(page, settings)
    settle()
    volume = Volume.objects.get(instance_id="")
    assert volume.ec2_id in page.get(reverse("instance", args=[running.ec2_id])).content.decode()

    page.post(reverse("instance-attach", args=[running.ec2_id]), {"volume": volume.ec2_id})
    settle()

    volume.refresh_from_db()
    assert volume.instance_id == running.ec2_id


@pytest.mark.parametrize(
    ("name", "asked", "words"),
    [("volume-grow", {"size_gib": 1}, "cannot be smaller"), ("volume-grow", {"size_gib": ""}, "required")],
)
def test_a_refusal_is_told_where_it_was_asked(page, root, name, asked, words):
    answer = page.post(reverse(name, args=[root.ec2_id]), asked)

    assert answer.status_code == 422
    assert words in answer.content.decode()


def test_beyond_the_quota_the_form_says_so(page, tenant, settings):
    Quota.objects.filter(tenant=tenant, resource="volume_gib").update(limit=2)

    answer = create(page, settings)

    assert answer.status_code == 422
    assert "quota exceeded" in answer.content.decode()


def test_the_page_asks_again_only_while_something_moves(page, root, settle, settings):
    body = page.get(reverse("volume", args=[root.ec2_id])).content.decode()
    assert "hx-get" not in body.split('id="live"')[1].split(">")[0]
    create(page, settings)
    made = Volume.objects.get(instance_id="")
    body = page.get(reverse("volume", args=[made.ec2_id])).content.decode()
    assert "every 2s" in body
    address = body.split('hx-get="')[1].split('"')[0]
    assert page.get(address, headers=HTMX).status_code == 204
    settle()
    assert "available" in page.get(address, headers=HTMX).content.decode()


def test_a_volume_begins_as_a_snapshot(page, tenant, settings, settle):
    snapshot = make_snapshot(tenant, size_gib=2)
    body = page.get(reverse("volume-create"), {"snapshot": snapshot.ec2_id}).content.decode()
    assert f'value="{snapshot.ec2_id}" selected' in body

    create(page, settings, snapshot=snapshot.ec2_id, size_gib="")
    settle()

    assert Volume.objects.get().layer.parent == snapshot.layer


def test_the_root_disk_of_a_running_instance_cannot_be_detached_there(page, root):
    body = page.get(reverse("volume", args=[root.ec2_id])).content.decode()
    assert reverse("volume-detach", args=[root.ec2_id]) not in body

    page.post(reverse("volume-detach", args=[root.ec2_id]))

    root.refresh_from_db()
    assert root.attachment_state == "attached"


def test_the_list_takes_as_many_queries_for_twenty_as_for_one(page, launch, settle):
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            page.get(reverse("volumes"))
        return len(captured)

    launch()
    settle()
    count()
    of_one = count()
    launch(10)
    settle()

    assert count() == of_one
