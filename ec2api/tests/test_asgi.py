"""The short way in: what is for the API goes to it, everything else to the site."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from django.db import connections

from ec2api.asgi import Ec2FrontDoor


async def site(scope: dict[str, Any], _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"site"})


def ask(chunks: Iterable[Mapping[str, Any]] = (), **scope: Any) -> list[Mapping[str, Any]]:
    """What is sent back to a request of these messages."""
    messages = iter([*chunks, {"type": "http.request", "body": b""}])
    sent: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        return next(messages)

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    door = Ec2FrontDoor(site)
    whole = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []} | scope
    try:
        asyncio.run(door(whole, receive, send))
    finally:
        door._threads.submit(connections.close_all).result()
        door._threads.shutdown()
    return sent


def test_a_browser_and_other_addresses_are_the_sites():
    assert ask(method="GET")[0]["status"] == 299
    assert ask(method="POST", path="/sign-in/")[0]["status"] == 299
    assert ask(type="websocket")[0]["status"] == 299


@pytest.mark.django_db(transaction=True)
def test_what_is_for_the_api_leaves_as_an_envelope():
    for scope in (
        {},
        {"method": "GET", "query_string": b"Action=DescribeInstances"},
        {"headers": [(b"host", b"\xff")]},
    ):
        start, body = ask(**scope)

        assert start["status"] == 403
        assert b"<Code>MissingAuthenticationToken</Code>" in body["body"]
        assert dict(start["headers"])[b"content-length"] == str(len(body["body"])).encode()


def test_a_body_too_large_is_refused_and_not_kept(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10

    start, body = ask([{"type": "http.request", "body": b"x" * 8, "more_body": True}] * 3)

    assert start["status"] == 413
    assert b"RequestEntityTooLarge" in body["body"]
    assert b"<RequestID>" + dict(start["headers"])[b"x-amzn-requestid"] + b"</RequestID>" in body["body"]


def test_a_query_that_is_not_utf_8_is_refused():
    start, body = ask(method="GET", query_string=b"Action=\xff")

    assert start["status"] == 404
    assert b"MalformedQueryString" in body["body"]


def test_a_client_that_went_away_is_told_nothing():
    assert ask([{"type": "http.disconnect"}]) == []
