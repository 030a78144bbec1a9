"""What happened to an instance: who asked for what, and what became of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from compute.models import Instance
from compute.models.instance import KIND
from operations.models import Operation, State
from portal.models import AuditEntry
from scheduling.models import Placement

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

LATEST = 100
ASKED: dict[str, StrOrPromise] = {
    "launch": gettext_lazy("%(who)s launched it"),
    "start": gettext_lazy("%(who)s asked to start it"),
    "stop": gettext_lazy("%(who)s asked to stop it"),
    "reboot": gettext_lazy("%(who)s asked to reboot it"),
    "terminate": gettext_lazy("%(who)s asked to terminate it"),
    "restart": gettext_lazy("%(who)s had it shut down and started again for snapshots"),
    "modify": gettext_lazy("%(who)s changed its settings"),
    "tag": gettext_lazy("%(who)s set tags"),
    "untag": gettext_lazy("%(who)s removed a tag"),
}
DOORS: dict[str, StrOrPromise] = {
    "portal": gettext_lazy("in the portal"),
    "api": gettext_lazy("by the EC2 API"),
    "admin": gettext_lazy("in the admin site"),
    "command": gettext_lazy("by a command of the operator"),
    "cloud": gettext_lazy("by itself"),
}
VERBS: dict[str, StrOrPromise] = {
    "start": gettext_lazy("Start"),
    "stop": gettext_lazy("Stop"),
    "reboot": gettext_lazy("Reboot"),
    "terminate": gettext_lazy("Termination"),
    "restart": gettext_lazy("Restart for snapshots"),
}
BECAME: dict[str, StrOrPromise] = {
    State.OPEN: gettext_lazy("%(verb)s under way"),
    State.DONE: gettext_lazy("%(verb)s finished after %(seconds)s s"),
    State.FAILED: gettext_lazy("%(verb)s failed"),
    State.SUPERSEDED: gettext_lazy("%(verb)s given up for what was asked later"),
}


@dataclass(frozen=True, slots=True)
class Event:
    at: datetime
    text: str
    detail: str = ""
    log: str = ""
    is_bad: bool = False


def events_of(instance: Instance, hosts: Iterable[str] = (), *, with_addresses: bool = True) -> list[Event]:
    """The latest first; two queries.  ``hosts`` are names that tenants need not know; where a colleague works from,
    only administrators see."""
    entries = AuditEntry.objects.filter(resource_id=instance.ec2_id, tenant_id=instance.tenant_id)[:LATEST]
    operations = Operation.objects.on(KIND, [instance.ec2_id])[:LATEST]
    found = [
        *(_asked(entry, with_addresses) for entry in entries),
        *(_became(operation, hosts) for operation in operations),
    ]
    return sorted(found, key=lambda event: event.at, reverse=True)[:LATEST]


def _asked(entry: AuditEntry, with_addresses: bool) -> Event:
    words = ASKED.get(entry.verb)
    text = str(words) % {"who": entry.who} if words else f"{entry.who}: {entry.verb}"
    where = [str(DOORS.get(entry.door, entry.door))]
    if entry.address and with_addresses:
        where.append(_("from %(address)s") % {"address": entry.address})
    detail = "; ".join([" ".join(where), *_details(entry.detail)])
    return Event(entry.at, text, detail)


def _details(detail: dict[str, object]) -> Iterator[str]:
    for name, value in detail.items():
        if isinstance(value, dict):
            yield from (f"{key}={inner}" for key, inner in value.items())
        elif value not in ("", None) and not (name == "force" and not value):
            yield f"{name.replace('_', ' ')}: {value}"


def unnamed(text: str, hosts: Iterable[str]) -> str:
    """Without the names of these hosts, which are the operator's business."""
    for host in hosts:
        text = re.sub(rf"\b{re.escape(host)}\b", _("its host"), text)
    return text


def _became(operation: Operation, hosts: Iterable[str]) -> Event:
    verb = str(VERBS.get(operation.verb, operation.verb))
    end = operation.closed_at or operation.created_at
    seconds = f"{(end - operation.created_at).total_seconds():.1f}"
    text = str(BECAME[operation.state]) % {"verb": verb, "seconds": seconds}
    error, log = unnamed(operation.error, hosts), unnamed(operation.log, hosts)
    return Event(end, text, error, log, operation.state == State.FAILED)


REASONS: dict[str, StrOrPromise] = {
    "Client.UserInitiatedShutdown": gettext_lazy("Somebody of the tenant, or an operator, asked for it."),
    "Client.InstanceInitiatedShutdown": gettext_lazy("Its guest shut itself down."),
    "Server.InsufficientInstanceCapacity": gettext_lazy(
        "No host has room for it now. Try again later, take a smaller size, or ask an operator."
    ),
}


def reason_words(instance: Instance, hosts: Iterable[str]) -> str:
    """Why it is in its state, in the reader's language where there are words for it; EC2's code stands behind."""
    if words := REASONS.get(instance.reason_code):
        return f"{words} ({instance.reason_code})"
    return unnamed(instance.reason, hosts)


REFUSED: dict[str, StrOrPromise] = {
    "down": gettext_lazy("did not answer"),
    "cordoned": gettext_lazy("take no new instances"),
    "zone": gettext_lazy("are in another zone"),
    "architecture": gettext_lazy("have another architecture"),
    "disks": gettext_lazy("do not reach its disks"),
    "vcpus": gettext_lazy("had too few vCPUs free"),
    "memory": gettext_lazy("had too little memory free"),
}
POLICIES: dict[str, StrOrPromise] = {
    "packing": gettext_lazy("the fullest one that still has room, so that others stay free for large instances"),
}


def placement_words(placement: Placement | None) -> list[str]:
    """Why it is where it is, or why nowhere.  Hosts are counted, not named: they are the operator's business."""
    if placement is None:
        return []
    refused = {str(reason): int(facts["count"]) for reason, facts in placement.refusals.items()}
    fit = placement.considered - sum(refused.values())
    values = {"fit": fit, "considered": placement.considered}
    if placement.host:
        policy = str(POLICIES.get(placement.policy, placement.policy))
        lines = [_("%(fit)s of %(considered)s hosts could take it.") % values]
        lines.append(_("Chosen: %(policy)s.") % {"policy": policy})
    else:
        lines = [_("None of %(considered)s hosts could take it.") % values]
    lines += [_("%(count)s %(why)s.") % {"count": n, "why": REFUSED.get(why, why)} for why, n in refused.items()]
    return lines
