"""A datastore without files, for clouds of simulated hosts."""

from __future__ import annotations

from storage.backends.base import Backend


class SimulatedBackend(Backend):
    """Names files and makes none."""

    def clone(self, image_path: str, volume_id: str, size_gib: int) -> str:
        return self.create_empty(volume_id, size_gib)

    def create_empty(self, volume_id: str, size_gib: int) -> str:
        return f"{self.path}/volumes/{volume_id}.qcow2"

    def delete(self, volume_id: str) -> None:
        pass

    def instance_file(self, instance_id: str, name: str) -> str:
        return f"{self.path}/instances/{instance_id}/{name}"

    def write_instance_file(self, instance_id: str, name: str, content: bytes) -> str:
        return self.instance_file(instance_id, name)

    def delete_instance_dir(self, instance_id: str) -> None:
        pass
