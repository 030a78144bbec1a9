"""Files of images are compared with their checksums, by command and by operation."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.urls import reverse

from operations.models import Operation, State
from portal.models import AuditEntry, User
from storage.files import backend_of, make_file
from storage.models import Datastore, Image, ImageDevice, Layer
from storage.tests.making import make_datastore, make_image, make_snapshot


@pytest.fixture
def store(db, tmp_path) -> Datastore:
    return Datastore.objects.create(name="here", backend="directory", path=str(tmp_path / "here"), total_gib=100)


@pytest.fixture
def image(store, tenant) -> Image:
    """One whose file is really there, with its checksum."""
    image = make_image("debian-12", tenant)
    layer = Layer.objects.get()
    layer.datastore = store
    layer.save()
    make_file(layer)
    Layer.objects.filter(pk=layer.pk).update(sha256=backend_of(store).checksum(layer.file_name))
    return Image.objects.get(pk=image.pk)


@pytest.fixture
def operator(db, client) -> User:
    operator = User.objects.create_superuser("op", password="correct horse battery")
    client.force_login(operator)
    return operator


def file_of(image: Image) -> Path:
    layer = image.root_snapshot.layer
    return Path(backend_of(layer.datastore).path(layer.file_name))


def damage(image: Image) -> None:
    with file_of(image).open("r+b") as file:
        file.seek(100)
        file.write(b"!")


def run() -> tuple[str, int]:
    """What the command says, and its exit status."""
    out = StringIO()
    try:
        call_command("verify_images", stdout=out)
    except SystemExit as error:
        return out.getvalue(), int(error.code or 0)
    return out.getvalue(), 0


def ask(client, *images: Image):
    data = {"action": "verify", "_selected_action": [image.pk for image in images]}
    return client.post(reverse("admin:storage_image_changelist"), data, follow=True)


def test_files_that_are_as_they_were_are_fine(image):
    assert run() == ("1 of 1 files are as they were\n", 0)


def test_a_file_that_was_changed_is_named(image):
    damage(image)

    said, status = run()

    assert status == 1
    assert f"{image.root_snapshot.layer.file_name} in here has the checksum" in said
    assert "0 of 1 files" in said


def test_a_file_that_is_gone_does_not_hide_the_others(image, tenant):
    file_of(image).unlink()
    other = make_snapshot(tenant).layer
    name = other.file_name
    Layer.objects.filter(pk=other.pk).update(sha256=backend_of(make_datastore()).checksum(name))

    said, status = run()

    assert status == 1
    assert image.root_snapshot.layer.file_name in said
    assert "1 of 2 files" in said


def test_images_whose_files_have_no_checksum_are_not_passed_over_in_silence(image, tenant):
    make_image("of-a-snapshot", tenant)

    assert run() == (
        "1 of 1 files are as they were\nimages made of snapshots, whose files have no checksum: 1\n",
        0,
    )


def test_an_operator_lets_an_image_be_verified(image, operator, client, settle):
    answer = ask(client, image)
    ask(client, image)
    settle()

    operation = Operation.objects.get(verb="verify")
    assert "are being verified" in answer.content.decode()
    assert (operation.state, operation.is_slow, operation.actor_name) == (State.DONE, True, "op")
    assert "files as they were: 1; without a checksum: 0" in operation.log
    assert AuditEntry.objects.filter(verb="verify", resource_id=image.ec2_id, who="op").count() == 1


def test_what_differs_is_said_by_the_operation_and_changes_nothing(image, operator, client, settle):
    damage(image)

    ask(client, image)
    settle()

    operation = Operation.objects.get(verb="verify")
    assert operation.state == State.FAILED
    assert "has the checksum" in operation.error
    image.refresh_from_db()
    assert image.state == "available"


def test_what_an_image_stands_on_is_verified_as_well(image, tenant, operator, client, settle):
    """As of an image that was made of an instance of another one."""
    top = Layer.objects.create(
        datastore=image.root_snapshot.layer.datastore, parent=image.root_snapshot.layer, size_gib=1
    )
    made = make_image("made-of-it", tenant)
    ImageDevice.objects.filter(image=made).update(snapshot=make_snapshot(tenant))
    snapshot = made.devices.get().snapshot
    snapshot.layer = top
    snapshot.save()
    damage(image)

    ask(client, made)
    settle()

    assert image.root_snapshot.layer.file_name in Operation.objects.get(verb="verify").error


def test_the_admin_site_shows_images_with_their_reason_and_uploads_with_progress(
    image, tenant, operator, client, store
):
    failed = make_image("failed-one", tenant, state="failed", state_message="the disk in the file has no size")
    tenant.uploads.create(datastore=store, image=failed, file_name="x.qcow2", size_bytes=2048, offset=1024)
    upload = tenant.uploads.get()

    images = client.get(reverse("admin:storage_image_changelist")).content.decode()
    uploads = client.get(reverse("admin:storage_upload_changelist")).content.decode()
    shown = client.get(reverse("admin:storage_upload_change", args=[upload.pk]))

    assert "the disk in the file has no size" in images
    assert image.root_snapshot.ec2_id in images
    assert "(50%)" in uploads
    assert "x.qcow2" in uploads
    assert shown.status_code == 200
