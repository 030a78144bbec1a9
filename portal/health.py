"""GET /healthz: is everything alive that must be?"""

from __future__ import annotations

from datetime import datetime

from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from compute.models import Host
from compute.watch import WATCHER
from operations.models import Heartbeat
from operations.tasks import COPIER, WORKER

ALIVE_S = 30


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 once the database, workers of both queues and the watcher are alive, else 503; the same JSON in both."""
    try:
        beats = dict(Heartbeat.objects.values_list("name", "at"))
        hosts = dict(Host.objects.values_list("name", "seen_at"))
    except DatabaseError:
        parts: dict[str, object] = {"database": False, "worker": False, "copier": False, "watcher": False, "hosts": {}}
        return JsonResponse({"status": "unavailable", **parts}, status=503)
    ages = {name: _age(beats.get(name)) for name in (WORKER, COPIER, WATCHER)}
    alive = {name: age is not None and age < ALIVE_S for name, age in ages.items()}
    healthy = all(alive.values())
    body = {
        "status": "ok" if healthy else "unavailable",
        "database": True,
        **alive,
        "ages_s": ages,
        "hosts": {name: {"report_age_s": _age(seen_at)} for name, seen_at in sorted(hosts.items())},
    }
    return JsonResponse(body, status=200 if healthy else 503)


def _age(at: datetime | None) -> float | None:
    return None if at is None else round((timezone.now() - at).total_seconds(), 1)
