"""Uploads by the tus protocol, as its specification words it."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.test import Client

from portal import quotas
from storage.collecting import collect
from storage.models import Image, Upload, UploadState
from storage.upload_files import path_of, writing

CONTENT = bytes(range(256)) * 1000
OCTETS = "application/offset+octet-stream"
SAYS = {"Tus-Resumable": "1.0.0"}
FIELDS = {"name": "debian-12", "description": "Debian", "login_user": "debian", "sha256": "", "filename": "x.qcow2"}


def metadata(**fields: str) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in (FIELDS | fields).items())


def create(page: Client, length: str = str(len(CONTENT)), **fields: str) -> Any:
    headers = SAYS | {"Upload-Length": length, "Upload-Metadata": metadata(**fields)}
    return page.post("/images/uploads/", headers=headers)


def patch(page: Client, address: str, content: bytes, offset: int, **more: str) -> Any:
    headers = SAYS | {"Upload-Offset": str(offset)} | {name.replace("_", "-"): v for name, v in more.items()}
    return page.generic("PATCH", address, content, content_type=OCTETS, headers=headers)


def head(page: Client, address: str) -> Any:
    return page.head(address, headers=SAYS)


@pytest.fixture
def address(page: Client, datastore) -> str:
    answer = create(page)
    assert answer.status_code == 201, answer.content
    return answer["Location"]


def test_the_server_says_what_it_can(page, datastore):
    answer = page.options("/images/uploads/")

    assert answer.status_code == 204
    assert (answer["Tus-Version"], answer["Tus-Extension"]) == ("1.0.0", "creation,termination")
    assert int(answer["Tus-Max-Size"]) > 0


def test_a_file_sent_in_parts_becomes_an_image(page, address, settle):
    assert head(page, address)["Upload-Offset"] == "0"
    first = patch(page, address, CONTENT[:100_000], 0)
    assert (first.status_code, first["Upload-Offset"]) == (204, "100000")
    assert head(page, address)["Upload-Length"] == str(len(CONTENT))
    assert head(page, address)["Cache-Control"] == "no-store"

    last = patch(page, address, CONTENT[100_000:], 100_000)
    settle()

    assert (last.status_code, last["Upload-Offset"]) == (204, str(len(CONTENT)))
    image = Image.objects.get(name="debian-12")
    assert (image.state, image.login_user, image.description) == ("available", "debian", "Debian")
    assert head(page, address)["Upload-Offset"] == str(len(CONTENT))


def test_an_upload_goes_on_at_what_is_really_on_the_disk(page, address, settle):
    """A server is killed while it writes: the row knows nothing of what came last."""
    patch(page, address, CONTENT[:1000], 0)
    with path_of(Upload.objects.get()).open("ab") as file:
        file.write(CONTENT[1000:5000])
    assert Upload.objects.get().offset == 1000

    assert head(page, address)["Upload-Offset"] == "5000"
    assert head(page, address)["Image-Page"] == f"/images/{Image.objects.get().ec2_id}/"
    assert patch(page, address, CONTENT[1000:], 1000).status_code == 409
    assert patch(page, address, CONTENT[5000:], 5000).status_code == 204

    assert path_of(Upload.objects.get()).read_bytes() == CONTENT


def test_asking_how_far_it_is_finishes_what_a_killed_server_did_not(page, address, settle):
    upload = Upload.objects.get()
    path_of(upload).parent.mkdir(parents=True)
    path_of(upload).write_bytes(CONTENT)

    assert head(page, address)["Upload-Offset"] == str(len(CONTENT))
    settle()

    assert Image.objects.get(name="debian-12").state == "available"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Tus-Resumable": "0.2.0"}, 412),
        ({"Upload-Length": "x"}, 400),
        ({"Upload-Length": ""}, 400),
        ({"Upload-Length": "-1"}, 400),
        ({"Upload-Metadata": "name %%%"}, 400),
        ({"Upload-Metadata": "name " + base64.b64encode(b"\xff\xfe").decode()}, 400),
        ({"Upload-Metadata": metadata(name="a\0b")}, 400),
        ({"Upload-Metadata": metadata(name="")}, 422),
        ({"Upload-Metadata": metadata(login_user="Root!")}, 422),
        ({"Upload-Metadata": metadata(sha256="abc")}, 422),
        ({"Upload-Metadata": ""}, 422),
        ({"Upload-Length": "0"}, 422),
        ({"Upload-Length": str(2**44)}, 413),
    ],
)
def test_uploads_that_make_no_sense_are_refused(page, datastore, change, status):
    headers: dict[str, Any] = SAYS | {"Upload-Length": "100", "Upload-Metadata": metadata()} | change

    answer = page.post("/images/uploads/", headers=headers)

    assert answer.status_code == status
    assert answer["Tus-Resumable"] == "1.0.0"
    assert not Upload.objects.exists()
    assert quotas.recount() == []


def test_a_refusal_says_what_is_wrong_and_where(page, datastore):
    create(page)

    again = create(page)

    assert again.status_code == 422
    assert "already in use" in again.content.decode()
    assert "Name:" in create(page, name="x").content.decode()


def test_parts_that_make_no_sense_are_refused(page, address):
    assert page.generic("PATCH", address, b"x", "text/plain", headers=SAYS | {"Upload-Offset": "0"}).status_code == 415
    assert page.generic("PATCH", address, b"x", OCTETS, headers=SAYS).status_code == 400
    assert patch(page, address, b"x", 7).status_code == 409
    assert patch(page, address, CONTENT + b"x", 0).status_code == 413
    assert page.get(address, headers=SAYS).status_code == 405
    assert head(page, address)["Upload-Offset"] == "0"


def test_two_parts_at_once_do_not_mix(page, address):
    with writing(Upload.objects.get()):
        assert patch(page, address, CONTENT, 0).status_code == 423


def test_an_upload_can_be_ended(page, address, settle, settings, datastore):
    settings.LAYER_GRACE_S = 0
    patch(page, address, CONTENT[:1000], 0)
    path = path_of(Upload.objects.get())

    assert page.delete(address, headers=SAYS).status_code == 204
    settle()
    collect()
    settle()

    assert not path.exists()
    assert head(page, address).status_code == 410
    assert patch(page, address, CONTENT[1000:], 1000).status_code == 410
    assert not path.exists()
    datastore.refresh_from_db()
    assert datastore.promised_gib == 0


def test_an_upload_that_is_given_up_meanwhile_takes_no_more(page, address):
    upload = Upload.objects.get()
    Upload.objects.update(state=UploadState.FAILED)

    with writing(upload):
        pass
    assert patch(page, address, CONTENT, 0).status_code == 410


def test_an_upload_of_another_tenant_is_not_found(address, neighbours_page):
    assert head(neighbours_page, address).status_code == 404
    assert patch(neighbours_page, address, CONTENT, 0).status_code == 404
    assert neighbours_page.delete(address, headers=SAYS).status_code == 404
    assert head(neighbours_page, "/images/uploads/upload-0/").status_code == 404
    assert Upload.objects.get().state == UploadState.RECEIVING


def test_nobody_uploads_without_signing_in(datastore):
    assert create(Client()).status_code == 302
    assert not Upload.objects.exists()


def test_a_part_from_another_site_is_refused(user, tenant, datastore):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)

    assert create(strict).status_code == 403
