"""A datastore without files, for clouds of simulated hosts."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from storage.backends.base import (
    Backend,
    Capability,
    Capacity,
    Chain,
    FileInfo,
    LayerFile,
    Limits,
    Progress,
    StoredFile,
    Unacceptable,
    silent,
)

ENDLESS = 2**60
SIZE_OF_ANYTHING = 2**30


class SimulatedBackend(Backend):
    """Names files and makes none; there is always room, and whatever is asked of a layer is so."""

    capabilities = frozenset(Capability)

    def __init__(self, root: str) -> None:
        self.root = root

    def path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def inspect(self, layer: LayerFile) -> FileInfo | None:
        return FileInfo(SIZE_OF_ANYTHING, 0, "", layer.key is not None)

    def create(self, layer: LayerFile, size_bytes: int, backing: Chain = ()) -> None:
        pass

    def delete(self, name: str) -> None:
        pass

    def grow(self, layer: LayerFile, size_bytes: int) -> None:
        pass

    def copy(self, chain: Chain, target: LayerFile, progress: Progress = silent) -> None:
        progress(1, 1)

    def rebase(self, chain: Chain, depth: int, progress: Progress = silent) -> None:
        progress(1, 1)

    def take(self, source: str, target: LayerFile, limits: Limits, progress: Progress = silent) -> int:
        if limits.virtual_bytes < SIZE_OF_ANYTHING:
            raise Unacceptable(f"the disk is of 1 GiB; at most {limits.virtual_bytes} bytes are allowed")
        progress(1, 1)
        return SIZE_OF_ANYTHING

    def checksum(self, name: str, progress: Progress = silent) -> str:
        return sha256(name.encode()).hexdigest()

    def files(self) -> Iterable[StoredFile]:
        return ()

    def capacity(self) -> Capacity:
        return Capacity(ENDLESS, ENDLESS)

    def instance_dir(self, instance_id: str) -> str:
        return f"{self.root}/instances/{instance_id}"

    def console_log(self, instance_id: str) -> str:
        return f"{self.instance_dir(instance_id)}/console.log"

    def write_instance_file(self, instance_id: str, name: str, content: bytes) -> str:
        return f"{self.instance_dir(instance_id)}/{name}"

    def delete_instance_dir(self, instance_id: str) -> None:
        pass
