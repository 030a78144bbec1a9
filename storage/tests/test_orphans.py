"""Files without a row are found, and removed only when an operator says so."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from django.urls import reverse

from operations.models import Operation
from portal.models import AuditEntry, User
from storage.backends.base import StoredFile
from storage.files import backend_of, make_file
from storage.models import Datastore, Layer, Orphan
from storage.orphans import unowned
from storage.watching import measure

OLD = time.time() - 7200


@pytest.fixture
def datastore(db, tmp_path) -> Datastore:
    return Datastore.objects.create(name="here", backend="directory", path=str(tmp_path / "here"), total_gib=100)


@pytest.fixture
def layer(datastore) -> Layer:
    layer = Layer.objects.create(datastore=datastore, size_gib=1)
    make_file(layer)
    return layer


@pytest.fixture
def operator(db, client) -> User:
    operator = User.objects.create_superuser("op", password="correct horse battery")
    client.force_login(operator)
    return operator


def leave(datastore: Datastore, name: str, age_s: float = 7200) -> Path:
    """A file that nobody knows of."""
    path = Path(datastore.path) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 10000)
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def age(layer: Layer) -> None:
    os.utime(backend_of(layer.datastore).path(layer.file_name), (OLD, OLD))


def test_only_what_is_old_and_owned_by_nobody_is_an_orphan():
    files = [
        StoredFile(name, 1, modified_at)
        for name, modified_at in [
            ("layers/mine", 1.0),
            ("layers/new", 100.0),
            ("layers/lost", 1.0),
            ("uploads/upload-1.part", 1.0),
            ("uploads/upload-2.part", 1.0),
            ("instances/i-1", 1.0),
        ]
    ]

    found = unowned(files, {"layers/mine", "uploads/upload-1", "instances/i-1"}, before=50.0)

    assert [file.name for file in found] == ["layers/lost", "uploads/upload-2.part"]


def test_a_measurement_finds_orphans_and_forgets_those_that_are_gone_or_owned(datastore, layer, settle):
    age(layer)
    lost = leave(datastore, "layers/layer-lost.qcow2")
    leave(datastore, "layers/.layer-x.qcow2.ab12", age_s=10)
    leave(datastore, "instances/i-0123/console.log")
    leave(datastore, "notes.txt")

    measure(datastore)
    measure(datastore)

    assert list(Orphan.objects.values_list("name", flat=True)) == ["instances/i-0123", "layers/layer-lost.qcow2"]
    assert Orphan.objects.get(name="layers/layer-lost.qcow2").used_bytes >= 10000
    assert lost.exists()
    lost.unlink()
    Layer.objects.create(datastore=datastore, size_gib=1, path="instances/i-0123")
    measure(datastore)
    assert not Orphan.objects.exists()


def remove(client, *, confirmed: bool):
    data = {"action": "remove", "_selected_action": [row.pk for row in Orphan.objects.all()]}
    url = reverse("admin:storage_orphan_changelist")
    return client.post(url, {**data, **({"confirmed": "1"} if confirmed else {})}, follow=True)


def test_an_operator_removes_orphans_after_a_second_question(datastore, layer, operator, client, settle):
    age(layer)
    lost = leave(datastore, "layers/layer-lost.qcow2")
    directory = leave(datastore, "instances/i-0123/console.log").parent
    measure(datastore)

    asked = remove(client, confirmed=False)
    assert "layers/layer-lost.qcow2" in asked.content.decode()
    assert not Operation.objects.exists()

    remove(client, confirmed=True)
    remove(client, confirmed=True)
    assert lost.exists()
    settle()

    assert not lost.exists()
    assert not directory.exists()
    assert not Orphan.objects.exists()
    assert Path(backend_of(datastore).path(layer.file_name)).exists()
    assert AuditEntry.objects.filter(verb="remove", resource_type="orphan", who="op").count() == 2


def test_what_has_come_to_belong_to_something_is_not_removed(datastore, operator, client, settle):
    path = leave(datastore, "layers/layer-lost.qcow2")
    measure(datastore)
    remove(client, confirmed=True)
    Layer.objects.create(datastore=datastore, size_gib=1, path="layers/layer-lost.qcow2")

    settle()

    assert path.exists()
    assert "belongs to something by now" in Operation.objects.get(resource_type="orphan").error


def test_what_a_layer_stands_on_is_not_removed_though_no_row_knows_it(datastore, layer, operator, client, settle):
    """As after a database was restored from before the layer came."""
    top = Layer.objects.create(datastore=datastore, parent=layer, size_gib=1)
    make_file(top)
    age(layer)
    top.parent = None
    top.save()
    Layer.objects.filter(pk=layer.pk).delete()
    measure(datastore)
    assert Orphan.objects.get().name == layer.file_name

    remove(client, confirmed=True)
    settle()

    assert Path(backend_of(datastore).path(layer.file_name)).exists()
    assert f"the file of {top} stands on" in Operation.objects.get(resource_type="orphan").error


def test_the_admin_site_shows_how_full_datastores_are_and_who_uses_them(datastore, operator, client, tenant):
    datastore.volumes.create(tenant=tenant, size_gib=5, zone="a")
    Datastore.objects.filter(pk=datastore.pk).update(total_bytes=2**40, free_bytes=2**39, promised_gib=5)
    leave(datastore, "layers/layer-lost.qcow2")
    measure(datastore)

    listed = client.get(reverse("admin:storage_datastore_changelist")).content.decode()
    shown = client.get(reverse("admin:storage_datastore_change", args=[datastore.pk])).content.decode()

    assert "(50%)" in listed
    assert "5 / 100" in listed
    assert f"?datastore__id__exact={datastore.pk}" in listed
    assert "volumes: 1, 5 GiB" in shown
