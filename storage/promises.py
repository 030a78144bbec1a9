"""The ledger of what datastores were promised, against the rows that it counts."""

from __future__ import annotations

from django.db.models import Sum

from storage.models import Datastore


def recount() -> list[tuple[Datastore, int]]:
    """Every datastore whose ledger differs from its volumes, layers and uploads, with what these say."""
    found = []
    for datastore in Datastore.objects.all():
        rows = (datastore.volumes, datastore.layers, datastore.uploads)
        counted = sum(kind.aggregate(gib=Sum("promised_gib"))["gib"] or 0 for kind in rows)
        if counted != datastore.promised_gib:
            found.append((datastore, counted))
    return found
