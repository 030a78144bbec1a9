"""Fetching one file by HTTP into one place on the disk, from wherever a stranger says; nothing of Django in here.

Where the address leads is looked at when the connection is made, after the name was looked up: this machine itself and
private networks are refused, so that nobody makes us ask for them what only we could ask.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from storage.backends.base import Progress, silent

BLOCK = 256 * 1024
REDIRECTS = 5
FRUITLESS = 3  # connections in a row that brought nothing new
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
RANGE = re.compile(r"bytes (\d+)-\d*/(\d+|\*)")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Begins = Callable[[int | None, str], None]


class FetchError(Exception):
    """It did not work now; it may later."""


class Refusal(Exception):
    """It will not work; the message is fit for the eyes of who gave the address."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a download may take; ``networks`` are allowed beside the public ones."""

    bytes: int
    networks: tuple[str, ...] = ()
    silence_s: float = 30.0
    slow_after_s: float = 60.0
    least_bytes_s: float = 20_000.0  # on average over the time after which it counts as slow
    seconds: float = 5 * 3600.0


def _anything(_size: int | None, _validator: str) -> None:
    """For who has no room to promise."""


def fetch(
    url: str,
    path: Path,
    limits: Limits,
    *,
    validator: str = "",
    begins: Begins = _anything,
    progress: Progress = silent,
) -> int:
    """Download to ``path``, going on with what is there if it is a part of the same; its size.

    ``begins(size, validator)`` hears before anything is written how large it will be, None if the server does not say,
    and what to give as ``validator`` the next time.  Raises Refusal, FetchError, OSError of the file, and whatever the
    callbacks raise; what has arrived stays.
    """
    until, fruitless = time.monotonic() + limits.seconds, 0
    while True:
        before = _size(path)
        try:
            with _Answer(url, limits, before if validator else 0, validator) as answer:
                if answer.is_complete:
                    return before
                validator = answer.validator
                begins(answer.size, validator)
                _write(answer, path, limits, until, progress)
            return _size(path)
        except ssl.SSLCertVerificationError as error:
            raise Refusal(f"its certificate is not trusted: {error.verify_message}") from error
        except (http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError, socket.gaierror) as error:
            fruitless = fruitless + 1 if _size(path) <= before else 0
            if fruitless >= FRUITLESS:
                raise FetchError(f"{urlsplit(url).hostname}: {_words(error)}") from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection ended before the file did"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class _Answer:
    """The reply of the server where all redirects end, its headers read and checked."""

    def __init__(self, url: str, limits: Limits, offset: int, validator: str) -> None:
        self._limits = limits
        headers = {"User-Agent": "Yushan", "Accept-Encoding": "identity", "Accept": "*/*"}
        if offset:
            headers |= {"Range": f"bytes={offset}-", "If-Range": validator}
        for _ in range(REDIRECTS + 1):
            self._connection, self.response = _ask(url, headers, limits)
            target = self.response.headers.get("Location") if self.response.status in (301, 302, 303, 307, 308) else ""
            if not target:
                break
            self._connection.close()
            url = urljoin(url, target)
            _check_scheme(url)
        else:
            raise Refusal(f"it is redirected more than {REDIRECTS} times")
        try:
            self._read_headers(offset)
        except BaseException:
            self._connection.close()
            raise

    def _read_headers(self, offset: int) -> None:
        status, headers = self.response.status, self.response.headers
        self.is_complete = False
        if status == 416 and offset:  # all of it is here already, or it has become shorter
            self.is_complete = headers.get("Content-Range", "") == f"bytes */{offset}"
            if self.is_complete:
                return
            raise Refusal("the file at the address has changed while it was fetched; begin again")
        if status in (408, 425, 429) or status >= 500:
            raise http.client.HTTPException(f"it answers with {status}")
        if status not in (200, 206):
            raise Refusal(f"{self._connection.host} answers with {status}")
        if headers.get("Content-Encoding", "identity") != "identity":
            raise Refusal("the server sends the file in another encoding than it has")
        self.start, self.size = 0, self.response.length
        if status == 206:
            found = RANGE.match(headers.get("Content-Range", ""))
            if not offset or found is None or int(found[1]) != offset:
                raise Refusal("the server sends another part of the file than was asked for")
            self.start = offset
            self.size = None if found[2] == "*" else int(found[2])
        tag = headers.get("ETag", "")
        self.validator = tag if tag.startswith('"') else headers.get("Last-Modified", "")
        if self.size is not None and self.size > self._limits.bytes:
            raise Refusal(_too_large(self.size, self._limits))
        if self.size == 0:
            raise Refusal("the file is empty")

    def __enter__(self) -> _Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _too_large(size: int, limits: Limits) -> str:
    return f"the file has {size / 2**30:.1f} GiB or more; at most {limits.bytes / 2**30:.0f} GiB are allowed"


def _write(answer: _Answer, path: Path, limits: Limits, until: float, progress: Progress) -> None:
    """The body into the file.  Raises IncompleteRead if it ends too early."""
    done, looked_at, then = answer.start, time.monotonic(), answer.start
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "r+b", buffering=0) as file:
        file.truncate(answer.start)
        file.seek(answer.start)
        told_at = 0.0
        while block := answer.response.read1(BLOCK):
            done += len(block)
            if done > (answer.size if answer.size is not None else limits.bytes):
                raise Refusal(_too_large(done, limits))
            _write_all(file, block)
            now = time.monotonic()
            if now > until:
                raise Refusal(f"it has taken longer than {limits.seconds / 3600:.0f} hours")
            if now - looked_at > limits.slow_after_s:
                if (done - then) / (now - looked_at) < limits.least_bytes_s:
                    raise Refusal("the server sends too slowly; fetch the file yourself and upload it")
                looked_at, then = now, done
            if now - told_at >= 1:
                told_at = now
                progress(done, answer.size or limits.bytes)
        os.fsync(file.fileno())
    progress(done, answer.size or done)
    if answer.size is not None and done < answer.size:
        raise http.client.IncompleteRead(b"", answer.size - done)


def _write_all(file: object, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[file.write(view) :]  # type: ignore[attr-defined]


def _ask(
    url: str, headers: dict[str, str], limits: Limits
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    _check_scheme(url)
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise Refusal("its port is none") from None
    connection = _Checked(str(parts.hostname), port, limits, is_secure=parts.scheme == "https")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("GET", path, headers=headers)
        return connection, connection.getresponse()
    except BaseException:
        connection.close()
        raise


def _check_scheme(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refusal("it leads to what is no web server")


class _Checked(http.client.HTTPConnection):
    """A connection that is made only to an address which may be asked."""

    def __init__(self, host: str, port: int, limits: Limits, *, is_secure: bool) -> None:
        super().__init__(host, port, timeout=limits.silence_s)
        self._limits = limits
        self._context = ssl.create_default_context() if is_secure else None
        self.default_port = 443 if is_secure else 80

    def connect(self) -> None:
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = [str(sockaddr[0]) for *_rest, sockaddr in found]
        allowed = [each for each in addresses if may_ask(each, self._limits.networks)]
        if not allowed:
            raise Refusal(
                f"{self.host} is at {', '.join(dict.fromkeys(addresses))}: this machine and private networks are not"
                " asked. Upload the file instead, or ask an operator to allow that network (IMPORT_FROM)."
            )
        self.sock = self._first(allowed)
        here, there = self.sock.getsockname()[0], self.sock.getpeername()[0]
        if here == there and not _is_in(there, self._limits.networks):
            self.sock.close()
            raise Refusal(f"{self.host} is this machine itself, which is not asked. Upload the file instead.")
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)

    def _first(self, addresses: Iterable[str]) -> socket.socket:
        """Connected to the first that answers."""
        last: OSError = ConnectionError("nobody answers")
        for address in addresses:
            try:
                return socket.create_connection((address, self.port), self._limits.silence_s)
            except OSError as error:
                last = error
        raise last if isinstance(last, (TimeoutError, ConnectionError)) else ConnectionError(str(last))


def may_ask(address: str, networks: Iterable[str] = ()) -> bool:
    """Whether an address is out in the world, or in one of the networks."""
    return _is_in(address, networks) or all(_is_public(each) for each in _meant(address))


def _meant(address: str) -> list[Address]:
    """The address, and those that are hidden in it."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv4Address):
        return [found]
    inner = [found.ipv4_mapped, found.sixtofour, *(found.teredo or ())]
    if found in NAT64:
        inner.append(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF))
    if found.ipv4_mapped:
        return [found.ipv4_mapped]
    return [found, *(each for each in inner if each is not None)]


def _is_public(address: Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved


def _is_in(address: str, networks: Iterable[str]) -> bool:
    here = ipaddress.ip_address(address.partition("%")[0])
    return any(here in ipaddress.ip_network(network, strict=False) for network in networks)
