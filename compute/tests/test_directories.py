"""Directories of instances in datastores belong to them as long as they live."""

from __future__ import annotations

import os
from pathlib import Path

from compute.models import Instance
from storage.models import Datastore, Orphan
from storage.watching import measure


def test_the_directory_of_a_living_instance_is_no_orphan(launch, tmp_path):
    datastore = Datastore.objects.create(name="here", backend="directory", path=str(tmp_path / "here"))
    [instance] = launch()
    Instance.objects.filter(pk=instance.pk).update(datastore=datastore)
    log = Path(datastore.path) / "instances" / instance.ec2_id / "console.log"
    log.parent.mkdir(parents=True)
    log.touch()
    os.utime(log, (0, 0))

    measure(datastore)
    assert not Orphan.objects.exists()

    Instance.objects.filter(pk=instance.pk).update(state="terminated")
    measure(datastore)
    assert Orphan.objects.get().name == f"instances/{instance.ec2_id}"
