"""The first page of the admin site: what is up, what runs, what waits."""

from __future__ import annotations

from typing import Any

from django.db.models import Count

from compute.models import Host, Instance
from compute.states import InstanceState
from operations.models import Operation, State
from portal.admin_site import overviews

SHOWN = 10


def overview() -> dict[str, Any]:
    """A constant number of queries, however large the cloud."""
    hosts = list(Host.objects.all())
    down = [host for host in hosts if not host.is_up]
    states = dict(Instance.objects.order_by().values_list("state").annotate(Count("pk")))
    operations = Operation.objects.open()
    return {
        "hosts": len(hosts),
        "hosts_up": len(hosts) - len(down),
        "hosts_down": down[:SHOWN],
        "states": [(state, state.label, states[state]) for state in InstanceState if state in states],
        "open_operations": operations.count(),
        "waiting": list(operations.filter(attempts__gt=1).order_by("created_at")[:SHOWN]),
        "failed": list(Operation.objects.filter(state=State.FAILED)[:SHOWN]),
    }


overviews.append(overview)
