"""A datastore without files, for clouds of simulated hosts."""

from __future__ import annotations

from storage.backends.base import Backend, Capacity

ENDLESS = 2**60


class SimulatedBackend(Backend):
    """Names files and makes none; there is always room."""

    def __init__(self, root: str) -> None:
        self.root = root

    def image_path(self, image_id: str) -> str:
        return f"{self.root}/images/{image_id}.qcow2"

    def add_image(self, image_id: str, source: str) -> str:
        return self.image_path(image_id)

    def clone(self, image_path: str, volume_id: str, size_gib: int) -> str:
        return self.volume_path(volume_id)

    def create_empty(self, volume_id: str, size_gib: int) -> str:
        return self.volume_path(volume_id)

    def volume_path(self, volume_id: str) -> str:
        return f"{self.root}/volumes/{volume_id}.qcow2"

    def delete(self, volume_id: str) -> None:
        pass

    def grow(self, volume_id: str, size_gib: int) -> None:
        pass

    def used_bytes(self, volume_id: str) -> int:
        return 0

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
