"""Quotas as pages show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.template.defaultfilters import floatformat
from django.utils.translation import gettext as _

from portal.models import Quota, Resource, Tenant

SHOWN = (Resource.INSTANCES, Resource.VCPUS, Resource.MEMORY_MIB, Resource.VOLUME_GIB)


@dataclass(frozen=True, slots=True)
class Meter:
    """One resource: what is used, what would come to it, what may be."""

    resource: str
    label: str
    used: int
    limit: int
    more: int = 0

    def words(self, amount: int) -> str:
        """An amount in the unit of the label."""
        if self.resource == Resource.MEMORY_MIB:
            return floatformat(amount / 1024, "-1g")
        return floatformat(amount, "0g")

    @property
    def used_words(self) -> str:
        return self.words(self.used)

    @property
    def limit_words(self) -> str:
        return self.words(self.limit)

    @property
    def left_words(self) -> str:
        return self.words(self.left)

    @property
    def lacking_words(self) -> str:
        return self.words(self.lacking)

    @property
    def left(self) -> int:
        return self.limit - self.used - self.more

    @property
    def is_over(self) -> bool:
        return self.more > 0 and self.left < 0

    @property
    def lacking(self) -> int:
        return max(0, -self.left)


def label_of(resource: str) -> str:
    return _("memory (GiB)") if resource == Resource.MEMORY_MIB else str(Resource(resource).label)


def meters(tenant: Tenant, more: Mapping[str, int] | None = None, shown: Sequence[Resource] = SHOWN) -> list[Meter]:
    """The tenant's quotas in one query; ``more`` is what is about to be asked."""
    ledger = {quota.resource: quota for quota in Quota.objects.filter(tenant=tenant, resource__in=shown)}
    return [
        Meter(
            resource,
            label_of(resource),
            used=ledger[resource].used,
            limit=ledger[resource].limit,
            more=(more or {}).get(resource, 0),
        )
        for resource in shown
        if resource in ledger
    ]
