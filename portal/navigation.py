"""What the portal's menu leads to.  A page is listed once its address exists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from portal.models import Membership

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True)
class Entry:
    """``name`` is of the address and, as ``section`` in a page's context, says where one is."""

    name: str
    label: StrOrPromise
    for_administrators: bool = False


GROUPS: tuple[tuple[StrOrPromise, tuple[Entry, ...]], ...] = (
    (
        _("Compute"),
        (
            Entry("instances", _("Instances")),
            Entry("images", _("Images")),
            Entry("launch-templates", _("Launch templates")),
            Entry("placement-groups", _("Placement groups")),
            Entry("key-pairs", _("Key pairs")),
        ),
    ),
    (_("Storage"), (Entry("volumes", _("Volumes")), Entry("snapshots", _("Snapshots")))),
    (
        _("Network"),
        (Entry("security-groups", _("Security groups")), Entry("addresses", _("Elastic addresses"))),
    ),
    (
        _("Tenant"),
        (
            Entry("access-keys", _("Access keys")),
            Entry("members", _("Members"), for_administrators=True),
            Entry("activity", _("Activity")),
        ),
    ),
)


def menu(membership: Membership) -> list[tuple[StrOrPromise, list[tuple[Entry, str]]]]:
    """Groups of entries with their addresses, as this member may see them."""
    found = []
    for heading, entries in GROUPS:
        shown = [
            (entry, address)
            for entry in entries
            if (address := _address(entry.name)) and (membership.is_administrator or not entry.for_administrators)
        ]
        if shown:
            found.append((heading, shown))
    return found


def _address(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
