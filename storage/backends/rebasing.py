"""Letting a layer take into itself what it stands on, by QEMU's storage daemon.

qemu-img can neither rebase a chain whose layers have passphrases of their own nor go on where it was ended; the daemon
streams as a running domain would: at every moment the layer is whole, and only at the end it stands on something else.
"""

from __future__ import annotations

import json
import selectors
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

from storage.backends import qemu_img
from storage.backends.base import LayerFile, StorageError
from storage.backends.qemu_img import Bounds

COMMAND = [
    *("qemu-storage-daemon", "--chardev", "stdio,id=monitor", "--monitor", "chardev=monitor"),
]
ANSWER_LIMIT_S = 60.0
JOB = "stream"


def stream(layers: Sequence[tuple[str, LayerFile]], depth: int, backing: str, tell: Callable[[float], None]) -> None:
    """Take into the top layer what lies between it and ``layers[depth]``, which its file calls ``backing`` then.

    ``tell`` hears about each second how far it is, from 0 to 1; whatever it raises ends it, and the layer stands where
    it stood.  Raises StorageError.
    """
    try:
        child = subprocess.Popen(
            qemu_img.bounded(COMMAND, Bounds()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        raise StorageError(qemu_img.missing(COMMAND)) from error
    with qemu_img.ending(child):
        daemon = _Daemon(child)
        daemon.ask("qmp_capabilities")
        _open(daemon, layers)
        base = {"base-node": f"layer{depth}", "backing-file": backing} if depth < len(layers) else {}
        daemon.ask("block-stream", **{"job-id": JOB, "device": "layer0", **base})
        _follow(daemon, tell)
        daemon.ask("blockdev-del", **{"node-name": "layer0"})  # all of it is written then
        daemon.ask("quit")
        child.wait(ANSWER_LIMIT_S)


def _open(daemon: _Daemon, layers: Sequence[tuple[str, LayerFile]]) -> None:
    below = None
    for number in reversed(range(len(layers))):
        path, layer = layers[number]
        key_id = None
        if layer.key is not None:
            key_id = f"key{number}"
            daemon.ask("object-add", **{"qom-type": "secret", "id": key_id, "data": layer.key})
        node = f"layer{number}"
        options = {**qemu_img.image(path, "qcow2", key_id), "node-name": node, "backing": below}
        daemon.ask("blockdev-add", **options, **{"read-only": number > 0})
        below = node


def _follow(daemon: _Daemon, tell: Callable[[float], None]) -> None:
    """Wait for the end of the job."""
    while True:
        job = next(iter(daemon.ask("query-block-jobs")), None)
        tell(job["offset"] / job["len"] if job and job["len"] else 0.0)
        ended = daemon.event("BLOCK_JOB_COMPLETED", qemu_img.TELL_EVERY_S)
        if ended is not None:
            if "error" in ended:
                raise StorageError(f"qemu-storage-daemon: {ended['error']}")
            tell(1.0)
            return


class _Daemon:
    """QEMU's monitor protocol over the standard input and output of a child."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        self._events: list[dict[str, Any]] = []
        self._rest = b""
        assert child.stdout is not None
        self._selector = selectors.DefaultSelector()
        self._selector.register(child.stdout, selectors.EVENT_READ)

    def ask(self, command: str, **arguments: Any) -> Any:
        """What a command returns; raises StorageError with QEMU's words."""
        assert self._child.stdin is not None
        request = {"execute": command, "arguments": arguments} if arguments else {"execute": command}
        try:
            self._child.stdin.write(json.dumps(request).encode() + b"\n")
            self._child.stdin.flush()
        except OSError as error:
            raise StorageError(f"qemu-storage-daemon ended at {command}: {error}") from error
        deadline = time.monotonic() + ANSWER_LIMIT_S
        while (message := self._next(deadline)) is not None:
            if "error" in message:
                raise StorageError(f"qemu-storage-daemon: {command}: {message['error'].get('desc')}")
            if "return" in message:
                return message["return"]
        raise StorageError(f"qemu-storage-daemon does not answer {command}")

    def event(self, name: str, limit_s: float) -> dict[str, Any] | None:
        """The data of an event, if it comes within the time."""
        deadline = time.monotonic() + limit_s
        while not any(event["event"] == name for event in self._events):
            if self._next(deadline) is None:
                return None
        found = next(event for event in self._events if event["event"] == name)
        data: dict[str, Any] = found["data"]
        return data

    def _next(self, deadline: float) -> dict[str, Any] | None:
        """The next message, None if none comes in time; events are put aside."""
        while b"\n" not in self._rest:
            if not self._selector.select(max(0.0, deadline - time.monotonic())):
                return None
            assert self._child.stdout is not None
            piece = self._child.stdout.read1(65536)  # type: ignore[attr-defined]
            if not piece:
                if self._child.wait(ANSWER_LIMIT_S) == 127:
                    raise StorageError(qemu_img.missing(COMMAND))
                raise StorageError("qemu-storage-daemon ended before its work was done")
            self._rest += piece
        line, self._rest = self._rest.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        if "event" in message:
            self._events.append(message)
        return message
