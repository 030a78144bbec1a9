"""The contract between the cloud and one datastore: layers, the files that volumes, snapshots and images are made of.

A layer is empty at first or begins as another one, which from then on must not change: what begins as it shares its
blocks.  A chain is a layer with all that it stands on, the top first.  Names are relative to the datastore, such as
"layers/layer-0a1b.qcow2", because hosts may know it by another path.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class StorageError(Exception):
    """The datastore refused or failed; the message is fit for an operator's eyes."""


class Unacceptable(StorageError):
    """A file from outside is not what it should be; the message is fit for the eyes of who sent it."""


class Capability(StrEnum):
    """What a kind of datastore may be able to do; what is missing is refused by name before anything starts."""

    SHARE_BLOCKS = "share-blocks"  # a layer that begins as another one is made in milliseconds
    ENCRYPT = "encrypt"


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a datastore can hold."""

    total_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class LayerFile:
    """A layer as a backend knows it: its name, and the passphrase if it is encrypted."""

    name: str
    key: str | None = field(default=None, repr=False)


Chain = Sequence[LayerFile]  # the top first


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What is known of a layer's file."""

    virtual_bytes: int
    used_bytes: int  # what it takes itself, beyond what it stands on
    backing: str  # the name of the layer it stands on; empty: none
    is_encrypted: bool


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that was found in a datastore, whoever it belongs to."""

    name: str
    used_bytes: int
    modified_at: float  # seconds since 1970


Progress = Callable[
    [int, int], None
]  # bytes done, bytes in all; called about each second; what it raises ends the copy


def silent(_done: int, _total: int) -> None:
    """For who does not want to know how far it is."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a conversion of a file from outside may take."""

    virtual_bytes: int
    seconds: float = 3600.0
    memory_bytes: int = 2**32  # of address space: each thread of a conversion is given far more of it than it uses


class Backend(ABC):
    """One datastore.

    Every method is idempotent, because the queue may ask twice.  A file appears under its final name only when it is
    complete.  Raises only StorageError, and whatever a Progress raises; then nothing is left of a copy.
    """

    capabilities: frozenset[Capability] = frozenset()

    @abstractmethod
    def path(self, name: str) -> str:
        """The absolute path of a layer or other file of the datastore, as this process sees it."""

    @abstractmethod
    def inspect(self, layer: LayerFile) -> FileInfo | None:
        """What there is under this name, also while a domain uses it; None if nothing."""

    @abstractmethod
    def create(self, layer: LayerFile, size_bytes: int, backing: Chain = ()) -> None:
        """A layer of zeros, or one that begins as ``backing`` and is at least as large; it takes no space yet.

        Takes milliseconds.  With a key it is encrypted.  One that is there already is left as it is.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """Afterwards there is no such layer, nor anything unfinished of it."""

    def freeze(self, name: str) -> None:  # noqa: B027 - not every backend can
        """Let hosts only read a layer from now on, where that can be had.  Only for one that no domain writes to."""

    @abstractmethod
    def grow(self, layer: LayerFile, size_bytes: int) -> None:
        """Make a layer that no domain uses at least this large; it never shrinks."""

    @abstractmethod
    def copy(self, chain: Chain, target: LayerFile, progress: Progress = silent) -> None:
        """A layer that stands on nothing and has all that the chain has."""

    @abstractmethod
    def rebase(self, chain: Chain, depth: int, progress: Progress = silent) -> None:
        """Let the top of a chain that no domain uses stand on ``chain[depth]`` (or, at the chain's length, on
        nothing): it takes into itself what lies between.
        """

    @abstractmethod
    def take(self, source: str, target: LayerFile, limits: Limits, progress: Progress = silent) -> int:
        """Make a layer of a disk image from outside, at the absolute path ``source``; its virtual size in bytes.

        The file is hostile until proven otherwise: its format is found by looking at it; whatever refers to other
        files, or is larger than the limits, is refused with Unacceptable before anything is converted.  The layer is
        frozen.
        """

    @abstractmethod
    def checksum(self, name: str, progress: Progress = silent) -> str:
        """The SHA-256 of a layer's file, in hexadecimal."""

    @abstractmethod
    def files(self) -> Iterable[StoredFile]:
        """Everything in the datastore that could be a layer, an upload or an instance's directory."""

    @abstractmethod
    def capacity(self) -> Capacity:
        """What the datastore can hold, and what is left."""

    @abstractmethod
    def instance_dir(self, instance_id: str) -> str:
        """The directory of an instance, with an empty console.log if it is new."""

    @abstractmethod
    def console_log(self, instance_id: str) -> str:
        """Where the serial log of an instance is, or would be; nothing is made."""

    @abstractmethod
    def write_instance_file(self, instance_id: str, name: str, content: bytes) -> str:
        """Write or replace a file that the instance may read; its path."""

    @abstractmethod
    def delete_instance_dir(self, instance_id: str) -> None:
        """Afterwards there is no such directory."""
