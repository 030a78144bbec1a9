"""Bodies that are files: handed to the view while they arrive.

Django takes the whole body before it calls a view.  A file of gigabytes would lie about in /tmp then, and all that had
arrived when a server is killed would be lost.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import TimeoutError as NothingCame
from typing import Any

from django.core.handlers.asgi import ASGIHandler

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

STREAMED = re.compile(r"/images/uploads/[^/]+/\Z")
SILENCE_S = 60.0


class Body:
    """What a view reads a request from: blocks as they come.  Its thread waits, the event loop does not."""

    def __init__(self, receive: Receive, loop: asyncio.AbstractEventLoop) -> None:
        self._receive, self._loop = receive, loop
        self._rest = b""
        self._is_over = False

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes, none at the end.  Raises OSError if the client goes away or falls silent."""
        while not self._rest and not self._is_over:
            self._rest = self._next()
        size = len(self._rest) if size is None or size < 0 else size
        block, self._rest = self._rest[:size], self._rest[size:]
        return block

    def _next(self) -> bytes:
        future = asyncio.run_coroutine_threadsafe(_message(self._receive), self._loop)
        try:
            message = future.result(SILENCE_S)
        except NothingCame:
            future.cancel()
            raise TimeoutError("the client is silent") from None
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client went away")
        self._is_over = not message.get("more_body", False)
        found: bytes = message.get("body", b"")
        return found

    def close(self) -> None:
        self._is_over = True


async def _message(receive: Receive) -> Mapping[str, Any]:
    return await receive()


class StreamedRequest:
    """In place of ``receive``: Django's own listener for a disconnect hears nothing, as the view will notice."""

    def __init__(self, receive: Receive) -> None:
        self.body = Body(receive, asyncio.get_running_loop())

    async def __call__(self) -> Mapping[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


class SiteHandler(ASGIHandler):
    """Django's own, but for the bodies of uploads."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "PATCH" and STREAMED.match(scope["path"]):
            receive = StreamedRequest(receive)
        await super().__call__(scope, receive, send)

    async def read_body(self, receive: Receive) -> Any:
        if isinstance(receive, StreamedRequest):
            return receive.body
        return await super().read_body(receive)
