"""A web server for tests, as badly behaved as they like."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 4096  # 1 MiB
Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range", "")))
        self.close_connection = True
        with contextlib.suppress(ConnectionError):
            self.server.answers[self.path](self)

    def log_message(self, *_: object) -> None:
        pass

    def begin(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def whole(self, content: bytes, upto: int | None = None, **headers: str) -> None:
        """All of it, or from where it is asked for; really sent is only what lies before ``upto``."""
        wanted = self.headers.get("Range", "").removeprefix("bytes=").removesuffix("-")
        start = int(wanted or 0)
        if start >= len(content):
            return self.begin(416, Content_Range=f"bytes */{len(content)}", Content_Length="0")
        if start:
            headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.begin(206 if start else 200, Content_Length=str(len(content) - start), **headers)
        self.wfile.write(content[start:upto])
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, str]] = []


class WebServer:
    """``answers`` says what is done at each path; ``asked`` is what came, with the range."""

    def __enter__(self) -> WebServer:
        self._server = _Server()
        self.answers, self.asked = self._server.answers, self._server.asked
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self, path: str, content: bytes = CONTENT, *, cut_at: int | None = None, tag: str = '"one"') -> str:
        """A well-behaved answer, but for the first connection that is cut at ``cut_at``."""
        cuts = [cut_at]

        def answer(handler: Handler) -> None:
            handler.whole(content, cuts.pop() if cuts else None, ETag=tag)

        self.answers[path] = answer
        return self.url + path
