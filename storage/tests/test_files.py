"""Files follow rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils import timezone

from storage.backends.base import StorageError
from storage.collecting import collect
from storage.files import backend_of, ready_layer
from storage.models import Datastore, Layer, Volume
from storage.tests.making import make_image, make_snapshot


@pytest.fixture
def datastore(db, tmp_path) -> Datastore:
    return Datastore.objects.create(name="here", backend="directory", path=str(tmp_path), total_gib=100)


@pytest.fixture
def volume(datastore, tenant) -> Volume:
    return Volume.objects.create(tenant=tenant, datastore=datastore, size_gib=1, zone="a")


def file_of(layer: Layer) -> Path:
    return Path(backend_of(layer.datastore).path(layer.file_name))


def test_a_volume_that_was_deleted_meanwhile_gets_no_file(volume):
    path = file_of(ready_layer(volume))
    assert path.exists()
    Volume.objects.all().delete()
    Layer.objects.all().delete()
    path.unlink()

    with pytest.raises(StorageError, match="was deleted meanwhile"):
        ready_layer(volume)

    assert not path.exists()


def test_a_volume_of_which_a_snapshot_is_taken_goes_on_in_its_next_layer(volume):
    first = ready_layer(volume)
    following = Layer.objects.create(datastore=volume.datastore, parent=first, size_gib=1)
    Volume.objects.update(next_layer=following)

    assert ready_layer(volume) == following
    assert ready_layer(volume) == following

    volume.refresh_from_db()
    assert (volume.layer, volume.next_layer) == (following, None)
    info = backend_of(volume.datastore).inspect(following.file)
    assert info is not None
    assert info.backing == first.file_name


def test_layers_go_once_nothing_has_referred_to_them_for_a_while(tenant, settle, settings):
    settings.LAYER_GRACE_S = 0
    kept, gone = make_image("kept"), make_snapshot(tenant)
    layer, root = gone.layer, kept.root_snapshot
    assert layer is not None
    assert root is not None
    gone.delete()

    collect()
    settle()

    assert not Layer.objects.filter(pk=layer.pk).exists()
    assert Layer.objects.filter(snapshots=root).exists()


def test_a_layer_that_has_just_lost_its_last_reference_is_left_alone(tenant, settle):
    gone = make_snapshot(tenant)
    gone.delete()

    assert collect() == 0
    settle()

    assert Layer.objects.filter(unused_since__lte=timezone.now()).exists()
