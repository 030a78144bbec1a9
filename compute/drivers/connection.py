"""A connection to libvirt that neither blocks for ever nor crosses a fork, and libvirt's errors as ours."""

from __future__ import annotations

import ctypes
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import libvirt

from compute.drivers.base import DriverError, HostUnreachable, PortTaken

logger = logging.getLogger(__name__)

OPEN_DEADLINE_S = 10.0  # the first answer of a daemon that probes a broken /dev/kvm takes 9 s
KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT = 2, 3  # a daemon silent for 8 s is given up
FORWARD_REFUSED = re.compile(r"Could not set up host forwarding rule '\w+:([\d.]+):(\d+)-")
EMULATOR_SAYS = re.compile(r".*qemu-system-\w+: ", re.DOTALL)

libvirt.registerErrorHandler(lambda _context, _error: None, None)  # or else it writes to stderr what it also raises


class _EventLoop:
    """libvirt's event loop in a thread: without one there are neither keepalive nor events.

    libvirt has one per process and cannot drop it after a fork, so a forked child of a process that has one goes
    without: its calls work, but a hung daemon is not noticed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = 0
        os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()

    def start(self) -> bool:
        """Whether this process has an event loop, now at the latest."""
        with self._lock:
            if not self._pid:
                libvirt.virEventRegisterDefaultImpl()
                threading.Thread(target=self._run, name="libvirt-events", daemon=True).start()
                self._pid = os.getpid()
            return self._pid == os.getpid()

    def _run(self) -> None:
        while True:
            libvirt.virEventRunDefaultImpl()


event_loop = _EventLoop()


class _Opening(threading.Thread):
    """libvirt.open() in a thread, because it has no deadline of its own."""

    def __init__(self, uri: str) -> None:
        super().__init__(name=f"open {uri}", daemon=True)
        self.uri = uri
        self.connection: Any = None
        self.error: libvirt.libvirtError | None = None

    def run(self) -> None:
        try:
            connection = libvirt.open(self.uri)
            if event_loop.start():
                connection.setKeepAlive(KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT)
            self.connection = connection
        except libvirt.libvirtError as error:
            self.error = error


class Connection:
    """Opens when first asked and again when broken; threads may share it, processes each get their own."""

    def __init__(self, name: str, uri: str, on_open: Callable[[Any], None]) -> None:
        self.name = name
        self.uri = uri
        self._on_open = on_open
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._connection: Any = None
        self._opening: _Opening | None = None

    def get(self) -> Any:
        """The living connection; raises HostUnreachable within OPEN_DEADLINE_S."""
        if self._pid != os.getpid():
            self._abandon()
        deadline = time.monotonic() + OPEN_DEADLINE_S
        if not self._lock.acquire(timeout=OPEN_DEADLINE_S):  # another thread is opening it
            raise HostUnreachable(f"host {self.name}: libvirt at {self.uri} does not answer")
        try:
            if self._connection is None or self._connection.isAlive() != 1:
                self._drop()
                self._connection = self._open(deadline)
                self._on_open(self._connection)
            return self._connection
        finally:
            self._lock.release()

    def _open(self, deadline: float) -> Any:
        os.environ.setdefault("LIBVIRT_AUTOSTART", "0")  # never start a daemon: it would not be the one meant
        event_loop.start()  # before any connection is opened
        opening, self._opening = self._opening, None
        if opening is None:
            opening = _Opening(self.uri)
            opening.start()
        opening.join(max(0.0, deadline - time.monotonic()))
        if opening.is_alive():
            self._opening = opening  # the next call waits for the same, so threads do not pile up
            raise HostUnreachable(f"host {self.name}: libvirt at {self.uri} does not answer")
        if opening.error is not None:
            raise HostUnreachable(f"host {self.name}: {opening.error}") from opening.error
        return opening.connection

    def _abandon(self) -> None:
        """Forget the parent's connection without closing it: closing would end it for the parent too."""
        if self._connection is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._connection))
        self._connection = self._opening = None
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def _drop(self) -> None:
        if self._connection is None:
            return
        try:
            self._connection.close()
        except libvirt.libvirtError as error:
            logger.debug("closing the connection to %s: %s", self.name, error)
        self._connection = None

    def close(self) -> None:
        """Let go; get() opens again."""
        if self._pid == os.getpid():
            with self._lock:
                self._drop()

    @contextmanager
    def calling(self, doing: str) -> Iterator[Any]:
        """The connection, for calls whose errors leave as DriverError; ``doing`` begins the message."""
        connection = self.get()
        try:
            yield connection
        except libvirt.libvirtError as error:
            raise translate(error, f"host {self.name}: {doing}", connection.isAlive() == 1) from error


def translate(error: libvirt.libvirtError, doing: str, alive: bool = True) -> DriverError:
    """What a libvirt error means for whoever asked."""
    text = EMULATOR_SAYS.sub("", str(error)).strip()
    message = f"{doing}: {text}"
    if not alive or error.get_error_domain() in (libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE):
        return HostUnreachable(message)
    if error.get_error_code() == libvirt.VIR_ERR_OPERATION_TIMEOUT:  # another call holds the domain
        return HostUnreachable(message)
    if refused := FORWARD_REFUSED.search(str(error)):
        address, port = refused[1], int(refused[2])
        return PortTaken(f"{doing}: port {port} of {address} is in use or may not be bound", address, port)
    return DriverError(message)
