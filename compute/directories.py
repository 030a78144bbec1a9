"""Which directories in a datastore belong to instances."""

from __future__ import annotations

from collections.abc import Iterator

from compute.models import Instance
from compute.states import InstanceState
from storage import orphans
from storage.models import Datastore


def directories(datastore: Datastore) -> Iterator[str]:
    """The names of those that are there, or are about to be."""
    living = Instance.objects.filter(datastore=datastore).exclude(state=InstanceState.TERMINATED)
    return (f"{orphans.INSTANCES}{ec2_id}" for ec2_id in living.values_list("ec2_id", flat=True))


orphans.owners.append(directories)
