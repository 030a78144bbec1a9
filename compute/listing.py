"""Instances with what stands beside them, in a constant number of queries, and the search over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from compute.models import Instance, InstanceQuerySet
from compute.states import InstanceState
from networking.models import NetworkInterface
from portal.models import Tag, Tenant
from portal.tags import tags_of

S = InstanceState
BADGES = {
    S.PENDING: "busy",
    S.RUNNING: "ok",
    S.STOPPING: "busy",
    S.STOPPED: "off",
    S.SHUTTING_DOWN: "busy",
    S.TERMINATED: "ended",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One instance as pages show it."""

    instance: Instance
    tags: Mapping[str, str] = field(default_factory=dict)
    interfaces: tuple[NetworkInterface, ...] = ()

    @property
    def ec2_id(self) -> str:
        return self.instance.ec2_id

    @property
    def name(self) -> str:
        return self.tags.get("Name", "")

    @property
    def called(self) -> str:
        """What messages call it."""
        return f"{self.name} ({self.ec2_id})" if self.name else self.ec2_id

    @property
    def badge(self) -> str:
        return BADGES[S(self.instance.state)]

    @property
    def private_ip(self) -> str:
        return self.interfaces[0].private_ip if self.interfaces else ""

    @property
    def public_ip(self) -> str:
        return (self.interfaces[0].public_ip or "") if self.interfaces else ""

    @property
    def seen(self) -> str:
        """What a page that shows this row knows of it."""
        return f"{self.ec2_id}:{self.instance.state}"


def shown(instances: Iterable[Instance]) -> list[Shown]:
    """These, with tags and addresses: two queries however many there are."""
    rows = list(instances)
    ids = [instance.ec2_id for instance in rows]
    tags = tags_of(ids)
    interfaces: dict[str, list[NetworkInterface]] = {}
    for interface in NetworkInterface.objects.filter(instance_id__in=ids) if ids else ():
        interfaces.setdefault(interface.instance_id, []).append(interface)
    return [Shown(i, tags.get(i.ec2_id, {}), tuple(interfaces.get(i.ec2_id, ()))) for i in rows]


@dataclass(frozen=True, slots=True)
class Search:
    """What a tenant looks for; empty is everything."""

    text: str = ""
    state: str = ""
    instance_type: str = ""
    tag: str = ""

    def __bool__(self) -> bool:
        return any((self.text, self.state, self.instance_type, self.tag))

    def among(self, tenant: Tenant) -> InstanceQuerySet:
        """The tenant's instances that match, newest first."""
        found: InstanceQuerySet = tenant.instances.visible().select_related("instance_type", "image")
        if self.state:
            found = found.filter(state=self.state)
        if self.instance_type:
            found = found.filter(instance_type__name=self.instance_type)
        if self.tag:
            found = found.filter(ec2_id__in=_tagged(tenant, self.tag))
        if self.text:
            found = found.filter(_mentions(tenant, self.text))
        return found.order_by("-pk")


def _tagged(tenant: Tenant, wanted: str) -> QuerySet[Tag, Any]:
    """Ids of what carries a tag: "key", or "key=value"."""
    key, equals, value = (part.strip() for part in wanted.partition("="))
    tags = Tag.objects.filter(tenant=tenant, resource_type="instance", key__iexact=key)
    return (tags.filter(value__iexact=value) if equals else tags).values("resource_id")


def _mentions(tenant: Tenant, text: str) -> Q:
    named = Tag.objects.filter(tenant=tenant, resource_type="instance", key="Name", value__icontains=text)
    at = NetworkInterface.objects.filter(Q(private_ip__icontains=text) | Q(public_ip__icontains=text), tenant=tenant)
    return (
        Q(ec2_id__icontains=text) | Q(ec2_id__in=named.values("resource_id")) | Q(ec2_id__in=at.values("instance_id"))
    )


def announcement(row: Shown) -> str:
    """A change of state, for a screen reader."""
    return _("%(instance)s is now %(state)s.") % {
        "instance": row.name or row.ec2_id,
        "state": row.instance.get_state_display(),
    }
