"""A short way in for EC2 clients: from the ASGI server to the view, in threads that keep their database connection.

Django's own way starts a thread and opens a connection for each request, and passes each middleware, of which an API
call needs none: on SQLite that takes longer than most actions.  The view is the same one, and every other server gets
to it through the URL configuration.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.http import HttpResponse

from ec2api.protocol.errors import render_error, status_of
from ec2api.views import CONTENT_TYPE, ec2, speaks_ec2

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

THREADS = 8


class Disconnected(Exception):
    """The client went away before its request was complete."""


class Ec2FrontDoor:
    """Answers EC2 clients at ``/`` and hands everything else to the site."""

    def __init__(self, site: Application) -> None:
        self._site = site
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ec2api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/" or not _is_ec2(scope):
            await self._site(scope, receive, send)
            return
        try:
            body = await _read(receive, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        except Disconnected:
            return
        if body is None:
            response = _refusal("RequestEntityTooLarge", "The request is larger than this service takes.")
        else:
            response = await asyncio.get_running_loop().run_in_executor(self._threads, _answer, scope, body)
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
        headers.append((b"content-length", str(len(response.content)).encode()))
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": response.content})


def _is_ec2(scope: Scope) -> bool:
    authorization = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    return speaks_ec2(scope["method"], scope["query_string"].decode("latin-1"), authorization.decode("latin-1"))


async def _read(receive: Receive, limit: int) -> bytes | None:
    """The body; None if it is larger than allowed, of which no more is kept."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks) if size <= limit else None


def _answer(scope: Scope, body: bytes) -> HttpResponse:
    """In a thread of ours."""
    try:
        request = ASGIRequest(scope, BytesIO(body))
    except UnicodeDecodeError:
        return _refusal("MalformedQueryString", "The request is not UTF-8.")
    _tidy()
    try:
        response = ec2(request)
        assert isinstance(response, HttpResponse)
        return response
    finally:
        _tidy()


def _tidy() -> None:
    """Keep the thread's connections, which cost more to get than to have, unless something went wrong with one."""
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred or connection.in_atomic_block:
            connection.close()


def _refusal(code: str, message: str) -> HttpResponse:
    """Of what does not get as far as the view."""
    request_id = str(uuid.uuid4())
    body = render_error(code, message, request_id)
    headers = {"x-amzn-requestid": request_id}
    return HttpResponse(body, status=status_of(code), content_type=CONTENT_TYPE, headers=headers)
