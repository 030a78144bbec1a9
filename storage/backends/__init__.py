"""Kinds of datastore by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from storage.backends.base import Backend, StorageError
from storage.backends.directory import DirectoryBackend
from storage.backends.ownership import giver
from storage.backends.simulated import SimulatedBackend

Options = Mapping[str, object]

# option "qemu_user": who QEMU runs as on the hosts, if not as we do
BACKENDS: dict[str, Callable[[str, Options], Backend]] = {
    "directory": lambda path, options: DirectoryBackend(path, giver(str(options.get("qemu_user", "")))),
    "simulated": lambda path, options: SimulatedBackend(path),
}


def backend_for(kind: str, path: str, options: Options) -> Backend:
    """The backend of a datastore.  Raises StorageError for an unknown kind or user."""
    try:
        return BACKENDS[kind](path, options)
    except KeyError as error:
        raise StorageError(f"datastore at {path}: there is no {error}; correct its backend or its options") from error
