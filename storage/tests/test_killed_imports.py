"""A worker that is really killed while it makes an image: the next one makes it, and nothing of the first is left."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from operations.models import Operation
from portal import quotas
from storage.collecting import collect
from storage.images import NewImage
from storage.importing import Source, begin_import, cancel_import, received
from storage.models import Datastore, Image, Layer, Upload
from storage.upload_files import path_of

MIB = 2**20
# What a worker does first, by the backend alone: it stops once all is converted and nothing has its name yet.
WORKER = """
import sys, time
from storage.backends.base import LayerFile, Limits
from storage.backends.directory import DirectoryBackend

def stop_at_the_end(done, total):
    if done == total:
        print("converted", flush=True)
        time.sleep(600)

root, source, name = sys.argv[1:]
DirectoryBackend(root).take(source, LayerFile(name), Limits(virtual_bytes=2**30), stop_at_the_end)
"""


@pytest.fixture
def store(db, tmp_path) -> Datastore:
    path = tmp_path / "datastore"
    return Datastore.objects.create(
        name="here", backend="directory", path=str(path), total_gib=1000, seen_at=timezone.now()
    )


@pytest.fixture
def begun(tenant, actor, store, tmp_path) -> Upload:
    """All of the file is there, and a worker is killed on it."""
    disk = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), str(64 * MIB)], check=True)
    content = disk.read_bytes()
    source = Source(size_bytes=len(content), file_name="disk.qcow2")
    upload = begin_import(tenant, NewImage(name="debian-12"), source, actor=actor)
    path_of(upload).parent.mkdir(parents=True)
    path_of(upload).write_bytes(content)
    received(upload, actor=actor)
    operation = Operation.objects.claim_next(slow=True)
    assert operation is not None
    kill_at_the_end(store, upload)
    Operation.objects.filter(pk=operation.pk).update(held_until=timezone.now() - timedelta(seconds=1))
    return upload


def kill_at_the_end(store: Datastore, upload: Upload) -> None:
    arguments = [store.path, str(path_of(upload)), Layer.objects.get().file_name]
    command = [sys.executable, "-c", WORKER, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "converted\n"
        worker.kill()


def files_in(store: Datastore) -> list[str]:
    root = Path(store.path)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_another_worker_makes_the_image_and_removes_what_the_first_had_begun(begun, store, settle):
    assert len(files_in(store)) == 2  # the upload, and a file of no name

    settle()

    image, layer = Image.objects.get(), Layer.objects.get()
    assert image.state == "available"
    assert files_in(store) == [layer.file_name]
    store.refresh_from_db()
    assert store.promised_gib == layer.promised_gib == 1
    assert quotas.recount() == []


def test_an_import_that_is_given_up_after_its_worker_was_killed_leaves_nothing(begun, store, settle, actor, settings):
    settings.LAYER_GRACE_S = 0

    cancel_import(Image.objects.get(), actor=actor)
    settle()
    collect()
    settle()

    assert Image.objects.get().state == "failed"
    assert files_in(store) == []
    store.refresh_from_db()
    assert (store.promised_gib, Layer.objects.count(), quotas.recount()) == (0, 0, [])
