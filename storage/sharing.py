"""Who else may use an image or a snapshot: everybody, or tenants by their account ids."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from portal import audit
from portal.audit import Actor
from portal.errors import CloudError
from portal.models import Tenant
from storage.models import Image, ImageState, Snapshot

EVERYBODY = "all"


@dataclass(frozen=True, slots=True)
class Change:
    """Account ids that come and go, and whether everybody may from now on; None leaves that as it is."""

    add: Collection[str] = ()
    remove: Collection[str] = ()
    public: bool | None = None


@transaction.atomic
def share_image(image: Image, change: Change, *, actor: Actor) -> None:
    """Who loses it keeps what was launched from it.  Raises CloudError, and changes nothing, for an unknown account."""
    if image.state not in (ImageState.AVAILABLE, ImageState.PENDING):
        text = _("image %(id)s is %(state)s; only one that is available can be shared")
        raise CloudError(text % {"id": image.ec2_id, "state": image.state}, code="InvalidAMIID.Unavailable")
    if change.public and image.devices.filter(snapshot__is_encrypted=True).exists():
        text = _("image %(id)s has encrypted snapshots; it can be shared with accounts, but not with everybody")
        raise CloudError(text % {"id": image.ec2_id}, code="InvalidParameter")
    _share(image, change, "InvalidAMIAttributeItemValue")
    _record(image, "image", change, actor)


@transaction.atomic
def share_snapshot(snapshot: Snapshot, change: Change, *, actor: Actor) -> None:
    """Who loses it keeps the volumes made from it.  Raises CloudError, and changes nothing, for an unknown account."""
    if change.public and snapshot.is_encrypted:
        text = _("snapshot %(id)s is encrypted; it can be shared with accounts, but not with everybody")
        raise CloudError(text % {"id": snapshot.ec2_id}, code="OperationNotPermitted")
    _share(snapshot, change, "InvalidUserID.Malformed")
    _record(snapshot, "snapshot", change, actor)


def _share(row: Image | Snapshot, change: Change, code: str) -> None:
    row.shared_with.add(*_tenants(change.add, code))
    row.shared_with.remove(*_tenants(change.remove, code))
    if change.public is not None and change.public != row.is_public:
        row.is_public = change.public
        row.save(update_fields=["is_public"])


def _record(row: Image | Snapshot, kind: str, change: Change, actor: Actor) -> None:
    detail = {"add": list(change.add), "remove": list(change.remove), "public": change.public}
    detail = {name: value for name, value in detail.items() if value not in ([], None)}
    audit.record(actor, "share", kind, [row.ec2_id], tenant=row.tenant, **detail)


def _tenants(account_ids: Iterable[str], code: str) -> list[Tenant]:
    wanted = list(dict.fromkeys(account_ids))
    if not wanted:
        return []
    found = {tenant.account_id: tenant for tenant in Tenant.objects.filter(account_id__in=wanted)}
    for account_id in wanted:
        if account_id not in found:
            text = _("There is no account %(id)s here; it is twelve digits that its members see in the portal")
            raise CloudError(text % {"id": account_id[:40]}, code=code)
    return list(found.values())
