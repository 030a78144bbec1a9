"""The contract between the cloud and one kind of storage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping


class Backend(ABC):
    def __init__(self, path: str, options: Mapping[str, object] | None = None) -> None:
        self.path, self.options = path, options or {}

    @abstractmethod
    def clone(self, image_path: str, volume_id: str, size_gib: int) -> str: ...
    @abstractmethod
    def create_empty(self, volume_id: str, size_gib: int) -> str: ...
    @abstractmethod
    def delete(self, volume_id: str) -> None: ...
    @abstractmethod
    def instance_file(self, instance_id: str, name: str) -> str: ...
    @abstractmethod
    def write_instance_file(self, instance_id: str, name: str, content: bytes) -> str: ...
    @abstractmethod
    def delete_instance_dir(self, instance_id: str) -> None: ...
