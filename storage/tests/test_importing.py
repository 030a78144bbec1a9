"""From a file or an address to an image."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from operations.models import Operation
from operations.tasks import work_slowly
from portal import quotas
from portal.errors import CloudError, QuotaExceeded
from portal.models import Quota, Resource
from storage.collecting import collect
from storage.images import NewImage, deregister_images
from storage.importing import Source, begin_import, cancel_import, received
from storage.models import Datastore, Image, ImageState, Layer, Snapshot, SnapshotState, Upload, UploadState
from storage.tests.web_server import CONTENT, Handler
from storage.upload_files import path_of
from storage.uploads import sweep_uploads

DEBIAN = NewImage(name="debian-12", description="Debian", login_user="debian")


@pytest.fixture(autouse=True)
def _may_ask_this_machine(settings) -> None:
    settings.IMPORT_FROM = ["127.0.0.0/8"]
    settings.LAYER_GRACE_S = 0


@pytest.fixture
def begun(tenant, actor, datastore) -> Upload:
    """An upload whose file has arrived, but which nobody has called complete."""
    upload = begin_import(tenant, DEBIAN, Source(size_bytes=len(CONTENT), file_name="x.qcow2"), actor=actor)
    write(upload, CONTENT)
    return upload


def write(upload: Upload, content: bytes) -> Path:
    path = path_of(upload)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def image_of(upload: Upload) -> Image:
    return Image.objects.get(upload=upload)


def nothing_is_left(datastore: Datastore) -> bool:
    """No file, no promise, no row, and a ledger that agrees with the rows."""
    datastore.refresh_from_db()
    uploads = Path(datastore.path) / "uploads"
    files = list(uploads.iterdir()) if uploads.exists() else []
    return (files, datastore.promised_gib, Layer.objects.count(), quotas.recount()) == ([], 0, 0, [])


def end(settle) -> None:
    settle()
    collect()
    settle()


def test_the_room_is_promised_and_the_quota_taken_before_a_byte_is_written(tenant, actor, datastore, settings):
    settings.IMPORT_MAX_GIB = 64

    upload = begin_import(tenant, DEBIAN, Source(size_bytes=5 * 2**30), actor=actor)

    datastore.refresh_from_db()
    assert datastore.promised_gib == 5 + 64
    assert image_of(upload).state == ImageState.PENDING
    assert not path_of(upload).exists()
    used = dict(Quota.objects.filter(tenant=tenant).values_list("resource", "used"))
    assert (used[Resource.IMAGES], used[Resource.SNAPSHOTS]) == (1, 1)
    assert quotas.recount() == []


def test_a_file_that_has_arrived_becomes_an_image(begun, actor, datastore, settle):
    received(begun, actor=actor)
    settle()

    image = image_of(begun)
    snapshot = Snapshot.objects.get()
    assert (image.state, image.login_user, image.size_gib) == ("available", "debian", 1)
    assert (snapshot.state, snapshot.progress, snapshot.layer.sha256 != "") == ("completed", 100, True)
    datastore.refresh_from_db()
    assert datastore.promised_gib == snapshot.layer.promised_gib == 1
    assert not path_of(begun).exists()
    begun.refresh_from_db()
    assert begun.state == UploadState.DONE
    assert quotas.recount() == []


def test_calling_it_complete_twice_makes_one_image(begun, actor, settle):
    received(begun, actor=actor)
    received(begun, actor=actor)

    assert Operation.objects.filter(resource_type="image").count() == 1


def test_a_disk_larger_than_a_volume_may_be_is_refused_in_words(tenant, actor, datastore, settle, settings):
    settings.IMPORT_MAX_GIB = 1
    upload = begin_import(tenant, DEBIAN, Source(size_bytes=1000), actor=actor)
    write(upload, b"x" * 1000)
    Layer.objects.update(promised_gib=0)  # as if the quota had been smaller
    Datastore.objects.update(promised_gib=1)

    received(upload, actor=actor)
    end(settle)

    image = image_of(upload)
    assert (image.state, image.state_code) == ("failed", "Client.ImportFailed")
    assert "1 GiB" in image.state_message
    assert nothing_is_left(datastore)


def test_a_wrong_checksum_fails_the_image(tenant, actor, datastore, settle):
    source = Source(size_bytes=len(CONTENT), sha256="0" * 64)
    upload = begin_import(tenant, DEBIAN, source, actor=actor)
    write(upload, CONTENT)

    received(upload, actor=actor)
    end(settle)

    assert "SHA-256" in image_of(upload).state_message
    assert nothing_is_left(datastore)


def test_the_right_checksum_is_good(tenant, actor, datastore, settle):
    source = Source(size_bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest().upper())
    upload = begin_import(tenant, DEBIAN, source, actor=actor)
    write(upload, CONTENT)

    received(upload, actor=actor)
    settle()

    assert image_of(upload).state == ImageState.AVAILABLE


@pytest.mark.parametrize(
    ("wanted", "source", "code"),
    [
        (NewImage(name="ab"), Source(size_bytes=1), "InvalidAMIName.Malformed"),
        (NewImage(name="a*b?c"), Source(size_bytes=1), "InvalidAMIName.Malformed"),
        (NewImage(name="abc", login_user="-rf"), Source(size_bytes=1), "InvalidParameterValue"),
        (NewImage(name="abc", description="x" * 256), Source(size_bytes=1), "InvalidParameterValue"),
        (DEBIAN, Source(size_bytes=0), "InvalidParameterValue"),
        (DEBIAN, Source(size_bytes=2**50), "InvalidParameterValue"),
        (DEBIAN, Source(url="ftp://x/y"), "InvalidParameterValue"),
        (DEBIAN, Source(url="file:///etc/passwd"), "InvalidParameterValue"),
        (DEBIAN, Source(url="http://ann:secret@x/y"), "InvalidParameterValue"),
        (DEBIAN, Source(url="http://x/y z"), "InvalidParameterValue"),
        (DEBIAN, Source(url="http://x:99999/"), "InvalidParameterValue"),
        (DEBIAN, Source(size_bytes=1, sha256="abc"), "InvalidParameterValue"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(tenant, actor, datastore, wanted, source, code):
    with pytest.raises(CloudError) as caught:
        begin_import(tenant, wanted, source, actor=actor)

    assert caught.value.code == code
    assert not Image.objects.exists()
    assert nothing_is_left(datastore)


def test_a_name_that_is_taken_is_refused(begun, tenant, actor):
    with pytest.raises(CloudError) as caught:
        begin_import(tenant, DEBIAN, Source(size_bytes=1), actor=actor)

    assert caught.value.code == "InvalidAMIName.Duplicate"


def test_without_quota_nothing_begins(tenant, actor, datastore):
    Quota.objects.filter(tenant=tenant, resource=Resource.IMAGES).update(limit=0)

    with pytest.raises(QuotaExceeded) as caught:
        begin_import(tenant, DEBIAN, Source(size_bytes=1), actor=actor)

    assert caught.value.code == "ImageLimitExceeded"
    assert nothing_is_left(datastore)


def test_a_full_datastore_takes_nothing(tenant, actor, datastore):
    Datastore.objects.update(total_gib=3)

    with pytest.raises(CloudError) as caught:
        begin_import(tenant, DEBIAN, Source(size_bytes=1), actor=actor)

    assert caught.value.code == "InsufficientVolumeCapacity"
    assert nothing_is_left(datastore)


def test_an_import_is_given_up_while_the_file_comes_in(begun, actor, datastore, settle):
    cancel_import(image_of(begun), actor=actor)
    end(settle)

    assert image_of(begun).state == ImageState.FAILED
    assert nothing_is_left(datastore)


def test_an_import_is_given_up_while_it_waits_for_the_copier(begun, actor, datastore, settle):
    received(begun, actor=actor)
    cancel_import(image_of(begun), actor=actor)
    end(settle)

    assert (image_of(begun).state, image_of(begun).state_code) == ("failed", "Client.Cancelled")
    assert nothing_is_left(datastore)


def test_deregistering_ends_an_import(begun, actor, datastore, settle):
    received(begun, actor=actor)
    deregister_images([image_of(begun)], actor=actor)
    end(settle)

    assert image_of(begun).state == ImageState.DEREGISTERED
    assert nothing_is_left(datastore)


def test_an_import_goes_on_after_its_worker_was_killed(begun, actor, settle):
    received(begun, actor=actor)
    operation = Operation.objects.claim_next(slow=True)
    assert operation is not None
    operation.advance(50, 100)  # and then it is killed
    Operation.objects.filter(pk=operation.pk).update(held_until=timezone.now())

    settle()

    assert image_of(begun).state == ImageState.AVAILABLE


def test_a_worker_that_dies_each_time_leaves_nothing(begun, actor, datastore, settle):
    received(begun, actor=actor)
    Operation.objects.filter(resource_type="image").update(attempts=8)

    end(settle)

    assert "the worker died" in image_of(begun).state_message
    assert nothing_is_left(datastore)


def test_uploads_that_nobody_goes_on_with_are_swept(tenant, actor, datastore, settle, settings):
    upload = begin_import(tenant, DEBIAN, Source(size_bytes=len(CONTENT)), actor=actor)
    write(upload, CONTENT[:1000])
    assert sweep_uploads() == 0
    settings.UPLOAD_WAITS_H = 0

    assert sweep_uploads() == 1
    end(settle)

    assert "upload it again" in image_of(upload).state_message
    assert nothing_is_left(datastore)


def test_what_a_dead_server_did_not_call_complete_is_found(begun, settle):
    Upload.objects.update(changed_at=timezone.now() - timedelta(minutes=5))

    sweep_uploads()
    settle()

    assert image_of(begun).state == ImageState.AVAILABLE


def fetched(tenant, actor, url: str, sha256: str = "") -> Upload:
    return begin_import(tenant, DEBIAN, Source(url=url, sha256=sha256), actor=actor)


def test_an_image_is_fetched_from_an_address(tenant, actor, datastore, web, settle):
    upload = fetched(tenant, actor, web.serve("/x.qcow2", cut_at=1000), sha256=hashlib.sha256(CONTENT).hexdigest())
    settle()

    assert image_of(upload).state == ImageState.AVAILABLE
    datastore.refresh_from_db()
    assert datastore.promised_gib == 1
    assert not path_of(upload).exists()


def test_a_download_goes_on_after_its_worker_was_killed(tenant, actor, datastore, web, settle):
    upload = fetched(tenant, actor, web.serve("/x"))
    write(upload, CONTENT[:300_000])
    Upload.objects.update(validator='"one"')

    settle()

    assert image_of(upload).state == ImageState.AVAILABLE
    assert web.asked == [("/x", "bytes=300000-")]


def test_an_address_of_this_machine_is_refused_in_words(tenant, actor, datastore, web, settle, settings):
    settings.IMPORT_FROM = []
    upload = fetched(tenant, actor, web.serve("/x"))
    end(settle)

    assert "private networks are not asked" in image_of(upload).state_message
    assert web.asked == []
    assert nothing_is_left(datastore)


def test_a_file_at_an_address_that_is_too_large_is_refused(tenant, actor, datastore, web, settle):
    web.answers["/x"] = lambda handler: Handler.begin(handler, 200, Content_Length=str(2**50))
    upload = fetched(tenant, actor, f"{web.url}/x")
    end(settle)

    assert "at most 64 GiB" in image_of(upload).state_message
    assert nothing_is_left(datastore)


def test_a_server_that_is_down_for_a_while_is_asked_again(tenant, actor, datastore, web, settle):
    upload = fetched(tenant, actor, web.serve("/x"))
    good = web.answers["/x"]
    web.answers["/x"] = lambda handler: Handler.begin(handler, 503, Content_Length="0")
    work_slowly()
    assert image_of(upload).state == ImageState.PENDING
    web.answers["/x"] = good
    Operation.objects.update(due_at=timezone.now())

    settle()

    assert image_of(upload).state == ImageState.AVAILABLE


def test_progress_is_shown_while_it_is_made(tenant, actor, datastore, web, page):
    def half(handler: Handler) -> None:
        handler.whole(CONTENT, 600_000, ETag='"one"')

    web.answers["/x"] = half
    fetched(tenant, actor, f"{web.url}/x")

    work_slowly()

    snapshot, operation = Snapshot.objects.get(), Operation.objects.get(resource_type="image")
    assert snapshot.state == SnapshotState.PENDING
    assert 0 < snapshot.progress == operation.percent < 50
    body = page.get("/images/").content.decode()
    assert f"{Upload.objects.get().offset * 100 // len(CONTENT)} % fetched" in body
