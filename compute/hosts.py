"""What operators do to hosts."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from compute.models import Host, HostState
from portal import audit
from portal.audit import Actor


def cordon_hosts(hosts: Iterable[Host], *, actor: Actor) -> int:
    """Take no new instances on these; what runs there goes on.  Returns how many changed."""
    return _set_state(hosts, HostState.CORDONED, "cordon", actor)


def enable_hosts(hosts: Iterable[Host], *, actor: Actor) -> int:
    """Take new instances on these again."""
    return _set_state(hosts, HostState.ENABLED, "enable", actor)


@transaction.atomic
def _set_state(hosts: Iterable[Host], state: HostState, verb: str, actor: Actor) -> int:
    changing = Host.objects.filter(pk__in=[host.pk for host in hosts]).exclude(state=state)
    names = list(changing.values_list("name", flat=True))
    changing.update(state=state)
    audit.record(actor, verb, "host", names, tenant=None)
    return len(names)
