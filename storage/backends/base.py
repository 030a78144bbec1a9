"""The contract between the cloud and one datastore: images in, volumes and instance directories out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass


class StorageError(Exception):
    """The datastore refused or failed; the message is fit for an operator's eyes."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a datastore can hold."""

    total_bytes: int
    free_bytes: int


class Backend(ABC):
    """One datastore.

    Every method is idempotent, because the queue may ask twice.  A file appears under its final name only when it is
    complete.  Paths are absolute, as the process that calls sees them.  Raises only StorageError.
    """

    @abstractmethod
    def image_path(self, image_id: str) -> str:
        """Where an image is, or will be."""

    @abstractmethod
    def add_image(self, image_id: str, source: str) -> str:
        """Take a qcow2 file into the datastore; its path.  An image that is there already is left as it is."""

    @abstractmethod
    def clone(self, image_path: str, volume_id: str, size_gib: int) -> str:
        """A volume that begins as the image and takes no space yet; its path.  Takes milliseconds."""

    @abstractmethod
    def create_empty(self, volume_id: str, size_gib: int) -> str:
        """A volume of zeros that takes no space yet; its path."""

    @abstractmethod
    def volume_path(self, volume_id: str) -> str:
        """Where a volume is, or will be."""

    @abstractmethod
    def delete(self, volume_id: str) -> None:
        """Afterwards there is no such volume."""

    @abstractmethod
    def grow(self, volume_id: str, size_gib: int) -> None:
        """Make a volume that no domain uses at least this large; it never shrinks."""

    @abstractmethod
    def used_bytes(self, volume_id: str) -> int:
        """What a volume takes on the datastore, beyond its image; 0 if there is none."""

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
