"""Kinds of datastore by name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import cast

from storage.backends.base import Backend

BACKENDS = {
    "directory": "storage.backends.directory.DirectoryBackend",
    "simulated": "storage.backends.simulated.SimulatedBackend",
}


def backend_for(kind: str, path: str, options: Mapping[str, object]) -> Backend:
    """The backend of a datastore.  Raises KeyError for an unknown kind."""
    module, name = BACKENDS[kind].rsplit(".", 1)
    return cast(Backend, getattr(import_module(module), name)(path, options))
