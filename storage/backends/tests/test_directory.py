from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from storage.backends.base import StorageError
from storage.backends.directory import DirectoryBackend


@pytest.fixture
def backend(tmp_path):
    return DirectoryBackend(tmp_path / "datastore")


@pytest.fixture
def image(backend, tmp_path):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "source.qcow2", "96M"], check=True)
    return backend.add_image("ami-1", str(tmp_path / "source.qcow2"))


def info(path: Path | str) -> Any:
    return json.loads(
        subprocess.run(["qemu-img", "info", "--output=json", path], capture_output=True, check=True).stdout
    )


def test_a_clone_is_an_overlay_of_the_asked_size_that_survives_a_move_of_the_datastore(backend, image, tmp_path):
    backend.clone(image, "vol-1", 2)

    backend.root.rename(tmp_path / "elsewhere")
    found = info(tmp_path / "elsewhere/volumes/vol-1.qcow2")
    assert found["virtual-size"] == 2 * 2**30
    assert found["backing-filename"] == "../images/ami-1.qcow2"
    assert found["full-backing-filename"].startswith(str(tmp_path / "elsewhere"))


def test_asked_twice_what_is_there_stays(backend, image):
    path = backend.clone(image, "vol-1", 1)
    subprocess.run(["qemu-io", "-c", "write -P 7 0 4096", path], check=True, capture_output=True)

    assert backend.clone(image, "vol-1", 1) == path

    subprocess.run(["qemu-io", "-c", "read -P 7 0 4096", path], check=True, capture_output=True)


def test_deleting_twice_is_quiet(backend, image):
    backend.clone(image, "vol-1", 1)

    backend.delete("vol-1")
    backend.delete("vol-1")

    assert backend.used_bytes("vol-1") == 0


def test_deleting_takes_along_what_a_killed_process_had_begun(backend, image):
    backend.clone(image, "vol-1", 1)
    backend.clone(image, "vol-10", 1)
    volumes = backend.root / "volumes"
    (volumes / ".vol-1.qcow2.x7_abc").touch()
    (volumes / ".vol-10.qcow2.x7_abc").touch()

    backend.delete("vol-1")

    assert sorted(path.name for path in volumes.iterdir()) == [".vol-10.qcow2.x7_abc", "vol-10.qcow2"]


def test_a_volume_grows_and_never_shrinks(backend):
    path = backend.create_empty("vol-1", 1)

    backend.grow("vol-1", 3)
    backend.grow("vol-1", 2)

    assert info(path)["virtual-size"] == 3 * 2**30


def test_a_failed_clone_leaves_nothing(backend, image, tmp_path):
    with pytest.raises(StorageError, match=r"ami-2\.qcow2 is missing"):
        backend.clone(backend.image_path("ami-2"), "vol-1", 1)
    with pytest.raises(StorageError):
        backend.create_empty("vol-2", -1)

    volumes = backend.root / "volumes"
    assert not volumes.exists() or list(volumes.iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "", ".", "a/b", "-f", "x" * 200])
def test_a_name_that_could_lead_elsewhere_is_refused(backend, name):
    with pytest.raises(StorageError, match="name"):
        backend.create_empty(name, 1)
    with pytest.raises(StorageError, match="name"):
        backend.delete_instance_dir(name)


def test_an_instance_directory_has_its_files_and_keeps_its_log(backend):
    directory = backend.instance_dir("i-1")
    log = backend.root / "instances/i-1/console.log"
    log.write_text("said before")

    path = backend.write_instance_file("i-1", "seed.iso", b"first")
    backend.write_instance_file("i-1", "seed.iso", b"second")

    assert Path(path).read_bytes() == b"second"
    assert backend.instance_dir("i-1") == directory
    assert log.read_text() == "said before"
    assert sorted(p.name for p in log.parent.iterdir()) == ["console.log", "seed.iso"]

    backend.delete_instance_dir("i-1")
    backend.delete_instance_dir("i-1")
    assert not log.parent.exists()


def test_capacity_says_what_is_left(backend, image):
    capacity = backend.capacity()

    assert 0 < capacity.free_bytes <= capacity.total_bytes
