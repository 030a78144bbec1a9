"""What every backend must do, whether there are files behind it or not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from storage.backends.base import Backend, LayerFile, Limits, Unacceptable
from storage.backends.directory import DirectoryBackend
from storage.backends.simulated import SimulatedBackend
from storage.backends.tests.qemu import GIB, MIB, qemu

TOP, BASE, OTHER = (LayerFile(f"layers/layer-{n}.qcow2") for n in "123")


@pytest.fixture(params=["directory", "simulated"])
def backend(request, tmp_path) -> Backend:
    root = tmp_path / "datastore"
    return DirectoryBackend(root) if request.param == "directory" else SimulatedBackend(str(root))


@pytest.fixture
def source(tmp_path) -> str:
    qemu("qemu-img", "create", "-q", "-f", "raw", tmp_path / "source", "1G")
    return str(tmp_path / "source")


def test_a_chain_comes_and_goes_and_each_step_may_be_asked_twice(backend):
    for _ in range(2):
        backend.create(BASE, MIB)
        backend.freeze(BASE.name)
        backend.create(TOP, 2 * MIB, [BASE])
        backend.grow(TOP, 3 * MIB)
    assert backend.inspect(TOP) is not None

    for _ in range(2):
        backend.rebase([TOP, BASE], 2)
        backend.copy([TOP], OTHER)
        backend.delete(BASE.name)
    assert backend.inspect(OTHER) is not None

    for _ in range(2):
        backend.delete(TOP.name)
        backend.delete(OTHER.name)


def test_who_copies_hears_how_far_it_is_and_may_end_it(backend, source):
    heard = []
    backend.create(BASE, MIB)
    backend.create(TOP, MIB, [BASE])

    def end(done, total):
        raise KeyboardInterrupt

    backend.copy([TOP, BASE], OTHER, lambda done, total: heard.append((done, total)))
    assert heard
    assert all(0 <= done <= total for done, total in heard)
    ended: Callable[[], object]
    for ended in (
        lambda: backend.copy([TOP, BASE], LayerFile("layers/new.qcow2"), end),
        lambda: backend.take(source, LayerFile("layers/new.qcow2"), Limits(GIB), end),
        lambda: backend.rebase([TOP, BASE], 2, end),
    ):
        with pytest.raises(KeyboardInterrupt):
            ended()


def test_a_file_from_outside_becomes_a_layer_unless_it_is_too_large(backend, source):
    taken = LayerFile("images/ami-1.qcow2")

    with pytest.raises(Unacceptable, match="GiB"):
        backend.take(source, taken, Limits(GIB - 1))

    assert backend.take(source, taken, Limits(GIB)) == GIB
    assert backend.take(source, taken, Limits(GIB)) == GIB


def test_a_checksum_is_that_of_sha256_and_the_same_each_time(backend):
    backend.create(BASE, MIB)

    first = backend.checksum(BASE.name)

    assert first == backend.checksum(BASE.name)
    assert len(first) == 64
    assert set(first) <= set("0123456789abcdef")


def test_a_path_is_below_that_of_the_datastore(backend, tmp_path):
    assert backend.path(TOP.name) == f"{tmp_path}/datastore/layers/layer-1.qcow2"


def test_an_instance_has_a_directory_with_its_log(backend):
    directory = backend.instance_dir("i-1")

    assert backend.instance_dir("i-1") == directory
    assert backend.console_log("i-1") == f"{directory}/console.log"
    assert backend.write_instance_file("i-1", "seed.iso", b"x") == f"{directory}/seed.iso"
    backend.delete_instance_dir("i-1")
    backend.delete_instance_dir("i-1")


def test_capacity_says_what_is_left(backend):
    backend.create(BASE, MIB)

    capacity = backend.capacity()

    assert 0 < capacity.free_bytes <= capacity.total_bytes
