"""Hosts' reports against rows: the only place where what a host says becomes a state."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from compute import drivers
from compute.drivers.base import DomainReport, DriverError, HostReport, Power
from compute.errors import IncorrectState
from compute.models import Host, Instance, ShutdownBehavior
from compute.models.instance import KIND
from compute.placing import unplace
from compute.states import WANTS_DOMAIN, InstanceState
from compute.verbs import HostVerb, Verb
from operations.models import Operation
from operations.tasks import ring
from portal import audit, quotas
from portal.models import Resource

logger = logging.getLogger(__name__)
S = InstanceState

BY_GUEST = "Client.InstanceInitiatedShutdown"
HOST = "host"
DOWN = (Power.OFF, Power.CRASHED)


def settle_running(instance: Instance) -> None:
    """The domain runs as it should."""
    Instance.objects.filter(pk=instance.pk).update(power=Power.RUNNING)
    if instance.state == S.PENDING:
        instance.move_to(S.RUNNING)


def settle_stopped(instance: Instance, *, reason_code: str = "", reason: str = "") -> None:
    """There is no domain any more and none is wanted: the host's capacity is free again.  In a transaction."""
    unplace(instance)
    Instance.objects.filter(pk=instance.pk).update(power=Power.OFF)
    if instance.state == S.RUNNING:
        instance.move_to(S.STOPPING)
    instance.move_to(S.STOPPED, reason_code=reason_code or instance.reason_code, reason=reason or instance.reason)


def settle_terminated(instance: Instance, *, reason_code: str = "", reason: str = "") -> None:
    """Nothing of it is left: host and quota are free again.  In a transaction, exactly once."""
    unplace(instance)
    Instance.objects.filter(pk=instance.pk).update(power=Power.OFF)
    instance.move_to(S.TERMINATED, reason_code=reason_code or instance.reason_code, reason=reason or instance.reason)
    given_back: dict[str, int] = {
        Resource.INSTANCES: 1,
        Resource.VCPUS: instance.vcpus_reserved,
        Resource.MEMORY_MIB: instance.memory_reserved_mib,
    }
    quotas.release(instance.tenant, given_back)


def reconcile(reports: Mapping[Host, Iterable[DomainReport]]) -> None:
    """Compare all that hosts report with all that rows say is there; one query, however many agree."""
    expected: dict[int, dict[str, tuple[str, str]]] = {host.pk: {} for host in reports}
    rows = Instance.objects.filter(host__in=expected).order_by()
    for host_id, name, state, power in rows.values_list("host_id", "ec2_id", "state", "power"):
        if host_id is not None:
            expected[host_id][name] = state, power
    for host, domains in reports.items():
        _reconcile_host(host, domains, expected[host.pk])


def _reconcile_host(host: Host, domains: Iterable[DomainReport], expected: Mapping[str, tuple[str, str]]) -> None:
    ours = {d.name: d.power for d in domains if d.installation == settings.INSTALLATION}
    for name, (state, known) in expected.items():
        power = ours.get(name, Power.OFF)
        if power != Power.UNKNOWN and (power != known or _disagree(state, power)):
            observe(Instance.objects.get(ec2_id=name), power)
    for name in ours.keys() - expected.keys():
        _remove(host, name)


def _disagree(state: str, power: Power) -> bool:
    runs = power not in DOWN
    return state not in (S.STOPPING, S.SHUTTING_DOWN) and runs != (state == S.RUNNING)


def observe(instance: Instance, power: Power) -> None:
    """Take note of what the host says of one instance, and act on it unless an open operation owns it.

    What it says may be late: a report or an event from before the last start must not end what runs since.  So an end
    is believed only if the host, asked again, says the same, and nothing has happened to the row meanwhile.
    """
    if Operation.objects.open().on(KIND, [instance.ec2_id]).exists():
        changed = Instance.objects.filter(pk=instance.pk).exclude(power=power).update(power=power)
        if changed and power == Power.OFF and Operation.objects.wake(KIND, [instance.ec2_id]):
            ring()
        return
    if power in DOWN and instance.state == S.RUNNING and not _is_down(instance):
        return
    try:
        with transaction.atomic():
            now = Instance.objects.select_for_update(of=("self",)).select_related("tenant").get(pk=instance.pk)
            if now.state_changed_at == instance.state_changed_at:
                _settle(now, power)
    except (IncorrectState, IntegrityError):  # a request came between; the next report finds what it left
        logger.info("left %s alone: it changed meanwhile", instance)


def _is_down(instance: Instance) -> bool:
    """Whether its host says so now; if it does not answer, its next report will be heard."""
    host = instance.host
    if host is None:
        return True
    try:
        return drivers.driver_for(host.driver, host.settings()).power(instance.ec2_id) in DOWN
    except DriverError:
        return False


def _settle(instance: Instance, power: Power) -> None:
    off = power in DOWN
    Instance.objects.filter(pk=instance.pk).exclude(power=power).update(power=power)
    if instance.state == S.RUNNING and off:
        _guest_ended(instance, power)
    elif instance.state == S.PENDING and not off:
        settle_running(instance)
    elif instance.state == S.PENDING:
        _owe(Verb.START, instance)
    elif instance.state not in WANTS_DOMAIN and not off:
        _owe(Verb.TERMINATE if instance.state in (S.SHUTTING_DOWN, S.TERMINATED) else Verb.STOP, instance)
    elif instance.state == S.STOPPING:
        _owe(Verb.STOP, instance)
    elif instance.state == S.SHUTTING_DOWN:
        _owe(Verb.TERMINATE, instance)


def _guest_ended(instance: Instance, power: Power) -> None:
    """The guest shut itself down, or died: its shutdown behaviour says what follows."""
    if power == Power.CRASHED:
        code, reason = "Server.InternalError", "Server.InternalError: the domain crashed on its host"
    else:
        code, reason = BY_GUEST, f"{BY_GUEST}: Instance initiated shutdown"
    audit.record(audit.CLOUD, "guest shut down", KIND, [instance.ec2_id], tenant=instance.tenant, power=power)
    if power == Power.OFF and instance.shutdown_behavior == ShutdownBehavior.TERMINATE:
        instance.move_to(S.SHUTTING_DOWN, reason_code=code, reason=reason)
        _owe(Verb.TERMINATE, instance)
    else:
        settle_stopped(instance, reason_code=code, reason=reason)


def _owe(verb: Verb, instance: Instance) -> None:
    Operation.objects.owe(verb, KIND, [instance.ec2_id], actor_name=audit.CLOUD.name)
    ring()


def _remove(host: Host, name: str) -> None:
    """A domain with our mark that no row expects on this host: see that it goes, unless it has gone by itself."""
    instance = Instance.objects.filter(ec2_id=name).first()
    if instance is not None and Operation.objects.open().on(KIND, [name]).exists():
        return  # somebody is at it; look again with the next report
    resource = leftover_of(host, name)
    if Operation.objects.open().on(HOST, [resource]).exists():
        return
    logger.warning("domain %s on %s is ours, but no row expects it there: removing it", name, host)
    try:
        with transaction.atomic():
            Operation.objects.owe(
                HostVerb.REMOVE_DOMAIN, HOST, [resource], actor_name=audit.CLOUD.name, params={"host": host.pk}
            )
            ring()
    except IntegrityError:
        pass  # another watcher was faster


def restarted(names: Iterable[str]) -> None:
    """The guests of these have restarted, or nobody can say that they have not: no reset is due any more."""
    asked = Operation.objects.filter(verb=Verb.REBOOT, params__has_key="asked_at", progress_done=0)
    done = list(asked.open().on(KIND, names).values_list("resource_id", flat=True))
    if asked.open().on(KIND, done).update(progress_done=1) and Operation.objects.wake(KIND, done):
        ring()


def leftover_of(host: Host, name: str) -> str:
    """What the removal of a domain from a host is owed to.  A start there waits for it: it could hit what it starts."""
    return f"{host.name}/{name}"


def saw(reports: Mapping[Host, HostReport]) -> None:
    """These hosts have reported just now; one statement, however many."""
    Host.objects.filter(pk__in=[host.pk for host in reports]).update(seen_at=timezone.now(), last_error="")
    for host, report in reports.items():
        if host.hypervisor != report.hypervisor[:200]:
            host.hypervisor = report.hypervisor[:200]
            host.save(update_fields=["hypervisor"])
