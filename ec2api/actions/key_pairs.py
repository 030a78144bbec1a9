"""Key pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from compute import key_pairs
from compute.models import KeyPair
from ec2api.filters import Filters, Table, condition
from ec2api.kinds import KINDS, check_ids, not_found
from ec2api.present.words import tags_by_id
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action, missing
from ec2api.tag_specifications import tags_for

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import TagSpecificationUnionTypeDef

KEY_PAIR_FILTERS: Table = {
    "fingerprint": "fingerprint",
    "key-name": "name",
    "key-pair-id": "ec2_id",
    "key-type": "key_type",
}


@action()
def create_key_pair(
    call: Call,
    *,
    key_name: str,
    key_type: str = "rsa",
    key_format: str = "pem",
    tag_specifications: Sequence[TagSpecificationUnionTypeDef] = (),
) -> Reply:
    """The private key is in this reply and nowhere else."""
    if key_format != "pem":
        raise ApiError(
            "InvalidParameterValue",
            f"KeyFormat '{key_format[:40]}' is not offered; ask for pem, which puttygen turns into ppk",
        )
    (tags,) = tags_for(tag_specifications, "key-pair")
    made, private_key = key_pairs.create_key_pair(call.tenant, key_name, key_type, actor=call.actor, tags=tags)
    return {
        "KeyName": made.name,
        "KeyFingerprint": made.fingerprint,
        "KeyMaterial": private_key,
        "KeyPairId": made.ec2_id,
        "Tags": tags_by_id(call.tenant, "key-pair", [made.ec2_id]).get(made.ec2_id, []),
    }


@action()
def import_key_pair(
    call: Call,
    *,
    key_name: str,
    public_key_material: bytes,
    tag_specifications: Sequence[TagSpecificationUnionTypeDef] = (),
) -> Reply:
    (tags,) = tags_for(tag_specifications, "key-pair")
    made = key_pairs.import_key_pair(call.tenant, key_name, public_key_material, actor=call.actor, tags=tags)
    return {
        "KeyName": made.name,
        "KeyFingerprint": made.fingerprint,
        "KeyPairId": made.ec2_id,
        "Tags": tags_by_id(call.tenant, "key-pair", [made.ec2_id]).get(made.ec2_id, []),
    }


@action()
def describe_key_pairs(
    call: Call,
    *,
    key_names: Sequence[str] = (),
    key_pair_ids: Sequence[str] = (),
    filters: Filters = (),
    include_public_key: bool = False,
) -> Reply:
    mine = KeyPair.objects.filter(tenant=call.tenant)
    rows = mine.filter(condition(filters, KEY_PAIR_FILTERS, call.tenant))
    if key_names:
        rows = rows.filter(name__in=key_names)
    if key_pair_ids:
        check_ids("key", key_pair_ids)
        rows = rows.filter(ec2_id__in=key_pair_ids)
    found = list(rows)
    if len(found) < max(len(set(key_names)), len(set(key_pair_ids))):
        _refuse_absent(call, key_names, key_pair_ids)
    tags = tags_by_id(call.tenant, "key-pair", [key.ec2_id for key in found])
    return {
        "KeyPairs": [
            {
                "KeyPairId": key.ec2_id,
                "KeyName": key.name,
                "KeyFingerprint": key.fingerprint,
                "KeyType": key.key_type,
                "CreateTime": key.created_at,
                "PublicKey": key.public_key if include_public_key else None,
                "Tags": tags.get(key.ec2_id, []),
            }
            for key in found
        ]
    }


def _refuse_absent(call: Call, names: Sequence[str], ids: Sequence[str]) -> None:
    mine = KeyPair.objects.filter(tenant=call.tenant)
    known = set(mine.filter(name__in=names).values_list("name", flat=True))
    for name in names:
        if name not in known:
            raise ApiError("InvalidKeyPair.NotFound", f"The key pair '{name[:255]}' does not exist")
    there = set(mine.filter(ec2_id__in=ids).values_list("ec2_id", flat=True))
    absent = [each for each in ids if each not in there]
    if absent:
        raise not_found(KINDS["key"], absent)


@action()
def delete_key_pair(call: Call, *, key_name: str = "", key_pair_id: str = "") -> Reply:
    """One that is not there is no error, as at Amazon."""
    if not key_name and not key_pair_id:
        raise missing("KeyName")
    rows = KeyPair.objects.filter(tenant=call.tenant).select_related("tenant")
    if key_pair_id:
        check_ids("key", [key_pair_id])
    found = list(rows.filter(ec2_id=key_pair_id) if key_pair_id else rows.filter(name=key_name))
    key_pairs.delete_key_pairs(found, actor=call.actor)
    return {"Return": True, "KeyPairId": found[0].ec2_id if found else None}
