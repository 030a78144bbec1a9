"""Launch and createVolume permissions: EC2's two ways of writing them, as a change of ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ec2api.protocol.errors import ApiError
from ec2api.registry import unsupported
from storage.models import Image, Snapshot
from storage.sharing import EVERYBODY, Change

ACCOUNT = re.compile(r"\d{12}")
Modifications = Mapping[str, Sequence[Mapping[str, str]]]


def listed_permissions(row: Image | Snapshot) -> list[dict[str, str]]:
    found = [{"UserId": account} for account in row.shared_with.order_by("pk").values_list("account_id", flat=True)]
    return [{"Group": EVERYBODY}, *found] if row.is_public else found


def change_of(
    modifications: Modifications | None, kind: str, user_ids: Sequence[str], groups: Sequence[str], code: str
) -> Change:
    """From Add and Remove, or from OperationType with users and groups.  ``code`` is of an item that cannot be."""
    if modifications is not None and kind:  # packer names users and groups both ways, and no OperationType
        raise ApiError("InvalidParameterCombination", "Give Add and Remove, or OperationType with users and groups")
    if modifications is None:
        if kind not in ("add", "remove"):
            raise ApiError("InvalidParameterValue", f"Invalid OperationType '{kind[:20]}'; it is add or remove")
        items = [*({"UserId": each} for each in user_ids), *({"Group": each} for each in groups)]
        modifications = {kind.capitalize(): items}
    add, remove = list(modifications.get("Add", ())), list(modifications.get("Remove", ()))
    if not add and not remove:
        raise ApiError("MissingParameter", "Name at least one user or group to add or remove")
    added, is_added = _parts(add, code)
    removed, is_removed = _parts(remove, code)
    public = True if is_added else False if is_removed else None
    return Change(added, removed, public)


def _parts(items: Iterable[Mapping[str, str]], code: str) -> tuple[list[str], bool]:
    """Account ids, and whether everybody is named."""
    accounts, everybody = [], False
    for item in items:
        for member in item.keys() - {"UserId", "Group"}:
            raise unsupported(f"A permission by {member}")
        if "Group" in item:
            if item["Group"] != EVERYBODY:
                raise ApiError(code, f'Invalid attribute item value "{item["Group"][:40]}" for group item type.')
            everybody = True
        if "UserId" in item:
            if not ACCOUNT.fullmatch(item["UserId"]):
                raise ApiError(code, f'Invalid attribute item value "{item["UserId"][:40]}" for userId item type.')
            accounts.append(item["UserId"])
    return accounts, everybody
