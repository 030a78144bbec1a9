"""Files follow rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.backends.base import StorageError
from storage.files import make_volume_file
from storage.models import Datastore, Volume


def test_a_volume_that_was_deleted_meanwhile_gets_no_file(tenant, tmp_path):
    datastore = Datastore.objects.create(name="here", backend="directory", path=str(tmp_path))
    stale = Volume.objects.create(tenant=tenant, datastore=datastore, size_gib=1, zone="a")
    path = Path(make_volume_file(stale))
    assert path.exists()
    Volume.objects.all().delete()

    with pytest.raises(StorageError, match="was deleted meanwhile"):
        make_volume_file(stale)

    assert not path.exists()
