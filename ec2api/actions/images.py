"""Images, as a tenant sees them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from django.conf import settings
from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from ec2api.filters import NOTHING, Filters, Table, Values, always, among, matches, moment, number, truth
from ec2api.kinds import KINDS, listed
from ec2api.pagination import Page
from ec2api.present.images import CLOUD_ALIAS, CLOUD_OWNER, image
from ec2api.present.words import tags_by_id
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action
from portal.models import Tenant
from storage.models import Image, ImageDevice, ImageState

ACCOUNT = re.compile(r"\d{12}")
ALIASES = {"aws-marketplace", "aws-backup-vault"}  # whose images there are none of here
WITH_DEVICES = Prefetch("devices", ImageDevice.objects.select_related("snapshot"))


def _owner_id(values: Values, _tenant: Tenant) -> Q:
    return among("tenant__account_id", values) | (Q(tenant=None) if matches(CLOUD_OWNER, values) else NOTHING)


def _owner_alias(values: Values, _tenant: Tenant) -> Q:
    return Q(tenant=None) if matches(CLOUD_ALIAS, values) else NOTHING


def _of_device(build: str | Callable[[Values, Tenant], Q]) -> Callable[[Values, Tenant], Q]:
    """A condition that one of the image's disks fulfils."""

    def found(values: Values, tenant: Tenant) -> Q:
        condition = among(build, values) if isinstance(build, str) else build(values, tenant)
        return Q(pk__in=ImageDevice.objects.filter(condition).values("image_id"))

    return found


def _encrypted(values: Values, _tenant: Tenant) -> Q:
    is_so = Q(is_encrypted=True) | Q(snapshot__is_encrypted=True)
    found = is_so if matches("true", values) else NOTHING
    return found | Q(is_encrypted=False) & ~Q(snapshot__is_encrypted=True) if matches("false", values) else found


IMAGE_FILTERS: Table = {
    "architecture": "architecture",
    "block-device-mapping.delete-on-termination": _of_device(truth("delete_on_termination")),
    "block-device-mapping.device-name": _of_device("device_name"),
    "block-device-mapping.encrypted": _of_device(_encrypted),
    "block-device-mapping.snapshot-id": _of_device("snapshot__ec2_id"),
    "block-device-mapping.volume-size": _of_device(number("size_gib")),
    "block-device-mapping.volume-type": _of_device("volume_type"),
    "boot-mode": "boot_mode",
    "creation-date": moment("created_at"),
    "description": "description",
    "ena-support": always("true"),
    "hypervisor": always("xen"),
    "image-id": "ec2_id",
    "image-type": always("machine"),
    "is-public": truth("is_public"),
    "kernel-id": always(""),
    "manifest-location": always(""),
    "name": "name",
    "owner-alias": _owner_alias,
    "owner-id": _owner_id,
    "platform": always(""),
    "platform-details": always("Linux/UNIX"),
    "product-code": always(""),
    "product-code.type": always(""),
    "ramdisk-id": always(""),
    "root-device-name": "root_device_name",
    "root-device-type": always("ebs"),
    "source-image-id": "source_image_id",
    "source-image-region": lambda values, _tenant: (
        ~Q(source_image_id="") if matches(settings.REGION, values) else NOTHING
    ),
    "source-instance-id": "source_instance_id",
    "sriov-net-support": always(""),
    "state": "state",
    "state-reason-code": "state_code",
    "state-reason-message": "state_message",
    "virtualization-type": "virtualization",
}


@action()
def describe_images(
    call: Call,
    *,
    image_ids: Sequence[str] = (),
    owners: Sequence[str] = (),
    executable_users: Sequence[str] = (),
    filters: Filters = (),
    include_deprecated: bool = False,
    include_disabled: bool = False,
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    """The tenant's own, those shared with it, and the public ones.

    Deprecated ones of others are left out unless they are asked for, by IncludeDeprecated or by their ids.
    """
    page = Page(call, max_results, next_token, ids=image_ids, ids_name="ImageIds", least=1)
    rows: QuerySet[Image] = KINDS["ami"].rows(call.tenant).select_related("tenant").prefetch_related(WITH_DEVICES)
    if owners or executable_users:
        rows = rows.filter(_owned_by(owners, call.tenant), _executable_by(executable_users, call.tenant))
    if not include_deprecated and not image_ids:
        old = Q(deprecation_at__isnull=False, deprecation_at__lte=timezone.now())
        rows = rows.filter(Q(tenant=call.tenant) | ~old)
    if not include_disabled and not image_ids:
        rows = rows.exclude(state=ImageState.DISABLED)
    found, token = listed(call, "ami", ids=image_ids, filters=filters, table=IMAGE_FILTERS, page=page, rows=rows)
    tags = tags_by_id(call.tenant, "image", [each.ec2_id for each in found])
    return {"Images": [image(each, tags, region=settings.REGION) for each in found], "NextToken": token}


def _account(text: str, name: str) -> str:
    if not ACCOUNT.fullmatch(text):
        raise ApiError("InvalidUserID.Malformed", f'Invalid user id: "{text[:40]}" of {name}: it is twelve digits')
    return text


def _owned_by(owners: Sequence[str], tenant: Tenant) -> Q:
    if not owners:
        return Q()
    found = NOTHING
    for owner in owners:
        if owner == "self":
            found |= Q(tenant=tenant)
        elif owner in (CLOUD_ALIAS, CLOUD_OWNER):
            found |= Q(tenant=None)
        elif owner not in ALIASES:
            found |= Q(tenant__account_id=_account(owner, "Owner"))
    return found


def _executable_by(users: Sequence[str], tenant: Tenant) -> Q:
    """Those with a launch permission for everybody (all), for the tenant (self), or given by the tenant to another."""
    if not users:
        return Q()
    found = NOTHING
    for user in users:
        if user == "all":
            found |= Q(is_public=True)
        elif user == "self" or _account(user, "ExecutableBy") == tenant.account_id:
            shared = Image.shared_with.through.objects.filter(tenant=tenant)
            found |= Q(pk__in=shared.values("image_id")) | Q(tenant=tenant)
        else:
            given = Image.shared_with.through.objects.filter(tenant__account_id=user, image__tenant=tenant)
            found |= Q(pk__in=given.values("image_id"))
    return found
