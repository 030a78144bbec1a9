"""Through the ASGI server's door: a body goes to the disk while it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client

from portal.models import Quota, Tenant
from storage.asgi import SiteHandler
from storage.models import Datastore, Upload
from storage.tests.making import make_datastore
from storage.tests.test_tus import CONTENT, OCTETS, create, head
from storage.upload_files import arrived

pytestmark = pytest.mark.django_db(transaction=True)
GONE = {"type": "http.disconnect"}


@pytest.fixture
def page(client: Client, user: Any, tenant: Tenant) -> Client:
    client.force_login(user)
    return client


@pytest.fixture
def datastore(db: None, tmp_path: Path) -> Datastore:
    return make_datastore(path=str(tmp_path / "datastore"))


@pytest.fixture
def address(page: Client, datastore: Datastore) -> str:
    assert Quota.objects.exists()
    return str(create(page)["Location"])


def part(content: bytes, *, more: bool = True) -> Mapping[str, Any]:
    return {"type": "http.request", "body": content, "more_body": more}


def send_patch(page: Client, address: str, messages: Iterable[Mapping[str, Any]], length: int, token: str = "") -> int:
    """The status of the answer."""
    page.get("/images/import/")
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in page.cookies.items())
    headers = {
        "host": "testserver",
        "cookie": cookies,
        "x-csrftoken": token or page.cookies[settings.CSRF_COOKIE_NAME].value,
        "content-type": OCTETS,
        "content-length": str(length),
        "tus-resumable": "1.0.0",
        "upload-offset": "0",
    }
    scope = {
        "type": "http",
        "method": "PATCH",
        "path": address,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    queue, sent = iter(messages), []

    async def receive() -> Mapping[str, Any]:
        await asyncio.sleep(0)
        return next(queue)

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    async def run() -> None:
        await SiteHandler()(scope, receive, send)

    try:
        asyncio.run(run())
    finally:
        connections.close_all()
    return int(sent[0]["status"])


def test_a_body_in_many_messages_arrives_whole(page, address):
    parts = [part(CONTENT[n : n + 10_000], more=n + 10_000 < len(CONTENT)) for n in range(0, len(CONTENT), 10_000)]

    assert send_patch(page, address, parts, len(CONTENT)) == 204

    assert arrived(Upload.objects.get()) == len(CONTENT)
    assert Upload.objects.get().state == "received"


def test_what_came_before_the_connection_broke_stays(page, address):
    send_patch(page, address, [part(CONTENT[:1000]), part(CONTENT[1000:1500]), GONE], len(CONTENT))

    assert head(page, address)["Upload-Offset"] == "1500"
    assert Upload.objects.get().offset == 1500


def test_it_is_on_the_disk_before_the_rest_has_come(page, address):
    """So that nothing of it is lost with the server."""
    found = []

    def messages() -> Iterable[Mapping[str, Any]]:
        yield part(CONTENT[:5000])
        yield part(b"")
        [file] = (Path(settings.DATA_DIR) / "datastore" / "uploads").iterdir()
        found.append(file.stat().st_size)
        yield part(CONTENT[5000:], more=False)

    assert send_patch(page, address, messages(), len(CONTENT)) == 204
    assert found == [5000]


def test_without_the_forms_token_nothing_is_written(page, address):
    assert send_patch(page, address, [part(CONTENT, more=False)], len(CONTENT), token="x" * 32) == 403

    assert arrived(Upload.objects.get()) == 0
