"""Tags as EC2 keeps them: checked, replaced by key, at most fifty on one resource."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_

from django.db.models import Count, Q
from django.utils.translation import gettext as _

from portal.errors import CloudError
from portal.inserting import insert
from portal.models import Tag, Tenant
from portal.models.tag import MAX_KEY, MAX_TAGS, MAX_VALUE
from portal.prepared import Prepared, slots

SYSTEM = "aws:"  # keys that begin so are the cloud's own: shown to tenants, but not theirs to make, change or delete


def check_tags(tags: Mapping[str, str]) -> None:
    """Raise what EC2 would say of a bad key or value."""
    if len(tags) > MAX_TAGS:
        text = _("%(count)s tags given; a resource takes %(most)s")
        raise CloudError(text % {"count": len(tags), "most": MAX_TAGS}, code="TagLimitExceeded")
    for key, value in tags.items():
        if not key or len(key) > MAX_KEY:
            text = _("Tag key '%(key)s' must have between 1 and %(most)s characters")
            raise CloudError(text % {"key": key[:40], "most": MAX_KEY})
        _check_own(key)
        if len(value) > MAX_VALUE:
            text = _("The value of tag '%(key)s' has %(length)s characters; at most %(most)s are allowed")
            raise CloudError(text % {"key": key, "length": len(value), "most": MAX_VALUE})


def _check_own(key: str) -> None:
    if key.lower().startswith(SYSTEM):
        text = _("Tag keys starting with 'aws:' are reserved for internal use: '%(key)s'")
        raise CloudError(text % {"key": key[:40]})


def add_tags(tenant: Tenant, resource_type: str, resource_ids: Iterable[str], tags: Mapping[str, str]) -> None:
    """Tag resources that were made a moment ago, in the same transaction: no old tags to look for.

    What tenants ask for is checked by ``check_tags`` before; the cloud's own keys are taken, too.
    """
    insert(
        Tag(tenant=tenant, resource_type=resource_type, resource_id=resource_id, key=key, value=value)
        for resource_id in resource_ids
        for key, value in tags.items()
    )


_COUNTED = Prepared(
    lambda: (
        Tag.objects.filter(resource_id__in=slots("ids"))
        .exclude(key__startswith=SYSTEM)
        .order_by()
        .values_list("resource_id")
        .annotate(Count("pk"))
    )
)


def set_tags(tenant: Tenant, resources: Sequence[tuple[str, str]], tags: Mapping[str, str]) -> None:
    """Set tags on resources given as (type, id), replacing values of keys that are there.  In a transaction."""
    check_tags(tags)
    ids = [resource_id for _kind, resource_id in resources]
    insert(
        [
            Tag(tenant=tenant, resource_type=kind, resource_id=resource_id, key=key, value=value)
            for kind, resource_id in sorted(resources)  # in one order, or two at once could wait for each other
            for key, value in sorted(tags.items())
        ],
        unique=["resource_id", "key"],
        update=["value"],
    )
    for resource_id, count in sorted(_COUNTED(ids=ids)):
        if count > MAX_TAGS:
            text = _("%(id)s would have %(count)s tags; a resource takes %(most)s: delete some first")
            values = {"id": resource_id, "count": count, "most": MAX_TAGS}
            raise CloudError(text % values, code="TagLimitExceeded")


def delete_tags(tenant: Tenant, resource_ids: Sequence[str], tags: Mapping[str, str | None] | None) -> None:
    """Delete tags by key, or by key and value; all of them where ``tags`` is None.  The cloud's own stay.

    Raises CloudError for a key that is the cloud's.
    """
    rows = Tag.objects.filter(tenant=tenant, resource_id__in=resource_ids).exclude(key__startswith=SYSTEM)
    if tags is not None:
        for key in tags:
            _check_own(key)
        conditions = (Q(key=key) if value is None else Q(key=key, value=value) for key, value in tags.items())
        rows = rows.filter(reduce(or_, conditions, Q(pk__in=())))
    rows.delete()


def tags_of(resource_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Tags by resource id, in one query."""
    found: dict[str, dict[str, str]] = {}
    rows = Tag.objects.filter(resource_id__in=resource_ids) if resource_ids else Tag.objects.none()
    for resource_id, key, value in rows.values_list("resource_id", "key", "value"):
        found.setdefault(resource_id, {})[key] = value
    return found
