"""Images and snapshots in the portal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, reverse
from django.utils import timezone

from portal.models import AuditEntry, Tenant
from storage.images import NewImage
from storage.importing import Source, begin_import
from storage.models import Image, ImageState, Snapshot, Upload
from storage.tests.making import make_image, make_snapshot
from storage.urls import urlpatterns

HTMX = {"HX-Request": "true"}
WITH_IDS = [pattern for pattern in urlpatterns if pattern.pattern.converters]


@pytest.fixture
def mine(tenant: Tenant) -> Image:
    return make_image("mine", tenant)


def told(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def test_an_empty_list_invites_to_import(page, tenant, datastore):
    body = page.get(reverse("images")).content.decode()

    assert "No image of your own yet" in body
    assert reverse("image-import") in body


def test_images_are_listed_by_whose_they_are(page, mine, neighbour, tenant):
    make_image("theirs", neighbour)
    shared = make_image("shared", neighbour)
    shared.shared_with.add(tenant)
    make_image("of-all", neighbour, is_public=True)
    make_image("clouds", is_public=True)

    def names(whose: str) -> set[str]:
        rows = page.get(reverse("images"), {"whose": whose}).context["rows"]
        return {row.image.name for row in rows}

    assert names("yours") == {"mine"}
    assert names("shared") == {"shared"}
    assert names("public") == {"of-all", "clouds"}


@pytest.mark.parametrize("name", ["images", "snapshots"])
def test_a_list_takes_as_many_queries_for_thirty_as_for_one(page, tenant, actor, datastore, name):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            page.get(reverse(name))
        return len(captured)

    def more(n: int) -> None:
        make_image(f"image-{n}", tenant)
        begin_import(tenant, NewImage(name=f"import-{n}"), Source(size_bytes=10), actor=actor)

    from portal.models import Quota

    Quota.objects.update(limit=1000)
    more(0)
    queries()
    of_one = queries()
    for n in range(1, 20):
        more(n)

    assert queries() == of_one <= 14


def test_the_list_is_silent_until_something_moves(page, tenant, actor, datastore):
    upload = begin_import(tenant, NewImage(name="debian"), Source(size_bytes=100), actor=actor)
    version = page.get(reverse("images")).context["version"]

    assert page.get(reverse("images"), {"version": version}, headers=HTMX).status_code == 204
    Upload.objects.filter(pk=upload.pk).update(offset=50)
    assert "50 % received" in page.get(reverse("images"), {"version": version}, headers=HTMX).content.decode()


def test_the_page_of_an_upload_that_waits_offers_to_go_on(page, tenant, actor, datastore):
    upload = begin_import(tenant, NewImage(name="debian"), Source(size_bytes=100, file_name="d.img"), actor=actor)
    assert upload.image is not None

    body = page.get(reverse("image", args=[upload.image.ec2_id])).content.decode()

    assert f'data-upload-url="{reverse("upload", args=[upload.ec2_id])}"' in body
    assert "d.img" in body


def test_the_page_is_loaded_anew_once_the_image_is_there(page, mine):
    answer = page.get(reverse("image-live", args=[mine.ec2_id]), {"version": "old"}, headers=HTMX)

    assert answer.headers["HX-Refresh"] == "true"


def test_fetching_begins_with_what_is_typed(page, tenant, datastore):
    values = {"url": "https://example.org/x.qcow2", "name": "debian", "login_user": "debian"}

    answer = page.post(reverse("image-fetch"), values)

    image = Image.objects.get()
    assert answer["Location"] == reverse("image", args=[image.ec2_id])
    assert (image.state, image.upload.url) == ("pending", values["url"])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "gopher://x"}, "url"),
        ({"url": ""}, "url"),
        ({"name": "mine"}, "name"),
        ({"name": "a?b*c"}, "name"),
        ({"login_user": "Root"}, "login_user"),
        ({"sha256": "abc"}, "sha256"),
    ],
)
def test_what_cannot_be_fetched_is_refused_beside_its_field(page, mine, datastore, change, field):
    values = {"url": "https://example.org/x", "name": "debian", "login_user": "debian"} | change

    answer = page.post(reverse("image-fetch"), values)

    assert answer.status_code == 422
    assert field in answer.context["fetch_form"].errors


def test_an_image_is_described_and_its_user_changed(page, mine):
    page.post(reverse("image-change", args=[mine.ec2_id]), {"description": "new", "login_user": "ubuntu"})

    mine.refresh_from_db()
    assert (mine.description, mine.login_user) == ("new", "ubuntu")
    assert AuditEntry.objects.filter(verb="modify", resource_id=mine.ec2_id).count() == 2


def test_an_image_is_shared_and_taken_back(page, mine, neighbour, neighbours_page):
    address = reverse("image", args=[mine.ec2_id])
    assert neighbours_page.get(address).status_code == 404

    page.post(reverse("image-share", args=[mine.ec2_id]), {"account_id": neighbour.account_id})
    body = neighbours_page.get(address).content.decode()
    assert "Launch from this" in body
    assert reverse("image-share", args=[mine.ec2_id]) not in body
    assert neighbour.name in page.get(address).content.decode()

    page.post(reverse("image-unshare", args=[mine.ec2_id]), {"account_id": neighbour.account_id})
    assert neighbours_page.get(address).status_code == 404


def test_an_account_that_there_is_not_is_refused(page, mine):
    answer = page.post(reverse("image-share", args=[mine.ec2_id]), {"account_id": "999999999999"})

    assert answer.status_code == 422
    assert "no account 999999999999" in str(answer.context["share_form"].errors)


def test_an_image_is_made_public_and_private_again(page, mine, neighbours_page):
    address = reverse("image", args=[mine.ec2_id])

    page.post(reverse("image-unshare", args=[mine.ec2_id]), {"public": "yes"})
    assert neighbours_page.get(address).status_code == 200
    page.post(reverse("image-unshare", args=[mine.ec2_id]), {"public": "no"})
    assert neighbours_page.get(address).status_code == 404


def test_an_image_is_deprecated_from_a_day_on(page, mine):
    day = (timezone.now() + timedelta(days=30)).date()

    page.post(reverse("image-deprecate", args=[mine.ec2_id]), {"day": day.isoformat()})
    mine.refresh_from_db()
    assert mine.deprecation_at.date() == day
    page.post(reverse("image-deprecate", args=[mine.ec2_id]), {"withdraw": ""})
    mine.refresh_from_db()
    assert mine.deprecation_at is None
    assert page.post(reverse("image-deprecate", args=[mine.ec2_id]), {"day": "2001-01-01"}).status_code == 422


def test_an_image_is_copied_disabled_and_deregistered(page, mine, tenant):
    page.post(reverse("image-copy", args=[mine.ec2_id]), {"name": "my-copy"})
    copy = Image.objects.get(name="my-copy")
    assert copy.root_snapshot.layer_id == mine.root_snapshot.layer_id

    page.post(reverse("image-switch", args=[mine.ec2_id]))
    assert Image.objects.get(pk=mine.pk).state == ImageState.DISABLED
    page.post(reverse("image-switch", args=[mine.ec2_id]))
    assert Image.objects.get(pk=mine.pk).state == ImageState.AVAILABLE

    page.post(reverse("image-deregister", args=[mine.ec2_id]))
    assert page.get(reverse("image", args=[mine.ec2_id])).status_code == 404
    assert Snapshot.objects.filter(pk=mine.root_snapshot_id).exists()


def test_an_encrypted_copy_is_pending_until_it_is_made(page, mine, settle):
    page.post(reverse("image-copy", args=[mine.ec2_id]), {"name": "sealed", "encrypt": "on"})

    copy = Image.objects.get(name="sealed")
    assert copy.state == ImageState.PENDING
    assert "snapshots taken" in page.get(reverse("image", args=[copy.ec2_id])).content.decode()
    settle()
    copy.refresh_from_db()
    assert (copy.state, copy.root_snapshot.is_encrypted) == ("available", True)
    assert copy.root_snapshot.layer.parent is None
    assert copy.root_snapshot.layer.key is not None


def test_a_snapshot_that_an_image_needs_is_not_deleted(page, mine):
    snapshot = mine.root_snapshot

    answer = page.post(reverse("snapshot-delete", args=[snapshot.ec2_id]), follow=True)

    assert f"in use by {mine.ec2_id}" in told(answer)
    page.post(reverse("image-deregister", args=[mine.ec2_id]))
    page.post(reverse("snapshot-delete", args=[snapshot.ec2_id]))
    assert not Snapshot.objects.filter(pk=snapshot.pk).exists()


def test_an_image_is_made_of_a_snapshot(page, tenant, datastore):
    snapshot = make_snapshot(tenant, size_gib=3)

    page.post(reverse("snapshot-image", args=[snapshot.ec2_id]), {"name": "of-snap", "login_user": "debian"})

    image = Image.objects.get(name="of-snap")
    assert (image.state, image.size_gib, image.login_user) == ("available", 3, "debian")


def test_a_snapshot_is_shared_and_copied(page, tenant, neighbour, neighbours_page, datastore):
    snapshot = make_snapshot(tenant)
    address = reverse("snapshot", args=[snapshot.ec2_id])

    page.post(reverse("snapshot-share", args=[snapshot.ec2_id]), {"account_id": neighbour.account_id})
    assert neighbours_page.get(address).status_code == 200
    neighbours_page.post(reverse("snapshot-copy", args=[snapshot.ec2_id]), {"description": "ours now"})
    page.post(reverse("snapshot-unshare", args=[snapshot.ec2_id]), {"account_id": neighbour.account_id})

    copy = Snapshot.objects.get(tenant=neighbour)
    assert (copy.layer_id, copy.description) == (snapshot.layer_id, "ours now")
    assert neighbours_page.get(address).status_code == 404


@pytest.mark.parametrize("pattern", WITH_IDS, ids=lambda pattern: pattern.name)
def test_an_id_of_another_tenant_is_not_found(pattern: URLPattern, mine, actor, tenant, neighbours_page: Client):
    upload = begin_import(tenant, NewImage(name="theirs"), Source(size_bytes=100), actor=actor)
    [argument] = pattern.pattern.converters
    ids = {"images/uploads/": upload.ec2_id, "images/": mine.ec2_id, "snapshots/": mine.root_snapshot.ec2_id}
    found = next(ec2_id for beginning, ec2_id in ids.items() if str(pattern.pattern).startswith(beginning))
    address = reverse(pattern.name or "", kwargs={argument: found})
    before = (list(Image.objects.values()), list(Snapshot.objects.values()), AuditEntry.objects.count())

    says = {"Tus-Resumable": "1.0.0"}
    values = {"account_id": tenant.account_id, "name": "taken", "day": "2099-01-01"}
    answers = {
        neighbours_page.get(address, headers=says).status_code,
        neighbours_page.post(address, values, headers=says).status_code,
    }

    assert 404 in answers
    assert answers <= {404, 405}
    assert before == (list(Image.objects.values()), list(Snapshot.objects.values()), AuditEntry.objects.count())


@pytest.mark.parametrize("pattern", urlpatterns, ids=lambda pattern: pattern.name)
def test_nobody_sees_a_page_without_signing_in(pattern: URLPattern, db):
    address = reverse(pattern.name or "", kwargs=dict.fromkeys(pattern.pattern.converters, "x-1"))

    answers = [Client().get(address), Client().post(address)]

    assert all(answer.status_code in (302, 405) for answer in answers)
    assert any(answer.status_code == 302 for answer in answers)
