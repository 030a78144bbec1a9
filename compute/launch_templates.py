"""Launch templates: made, given new versions, deleted.  A version never changes; another takes its place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, transaction
from django.db.models import Max, QuerySet
from django.utils.translation import gettext as _

from compute.errors import IdempotentParameterMismatch
from compute.models import LaunchTemplate, LaunchTemplateVersion
from compute.models.launch_template import KIND
from portal import audit
from portal.audit import Actor
from portal.errors import CloudError
from portal.ids import looks_like
from portal.models import Tag, Tenant
from portal.tags import add_tags, check_tags

NAME = re.compile(r"[a-zA-Z0-9().\-/_]{3,128}")
MAX_TEMPLATES = 5000  # as Amazon has it, of one account
MAX_VERSIONS = 10_000
MAX_DATA = 64 * 1024  # characters of JSON: user data takes 22,000 of them at most
MAX_DESCRIPTION = 255
DEFAULT, LATEST = "$Default", "$Latest"
Data = Mapping[str, Any]
Launcher = Callable[[Tenant, "TemplateLaunch", Actor], Sequence[str]]
Made = TypeVar("Made", LaunchTemplate, LaunchTemplateVersion)


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks to make something, and the token by which the same request is known again."""

    actor: Actor
    client_token: str | None = None
    digest: str = ""

    def made_by(self, tenant: Tenant) -> str:
        """Who it is, as EC2 says it."""
        name = self.actor.user.username if self.actor.user else "yushan"
        return f"arn:aws:iam::{tenant.account_id}:user/{name}"


@dataclass(frozen=True, slots=True)
class TemplateLaunch:
    """What is launched from a version of a template, whose data may have been changed for this once."""

    version: LaunchTemplateVersion
    data: Data
    count: int = 1
    client_token: str = ""


_launchers: list[Launcher] = []


def launcher(launch: Launcher) -> Launcher:
    """Register who knows EC2's words, and so what the data of a template means; apps above this one do."""
    _launchers[:] = [launch]
    return launch


def launch_from(tenant: Tenant, asked: TemplateLaunch, *, actor: Actor) -> Sequence[str]:
    """The ids of the new instances, as RunInstances would launch them.  Raises CloudError for what it refuses."""
    return _launchers[0](tenant, asked, actor)


def create_template(
    tenant: Tenant,
    name: str,
    data: Data,
    *,
    request: Request,
    description: str = "",
    tags: Mapping[str, str] | None = None,
) -> LaunchTemplate:
    """A new template with its version 1; or, for a client token that was used before, the one it made then."""
    _check_name(name)
    data = _checked(data, description)
    check_tags(tags or {})
    if (again := _made_before(LaunchTemplate.objects.filter(tenant=tenant), request)) is not None:
        return again
    if LaunchTemplate.objects.filter(tenant=tenant, name=name).exists():
        raise _name_taken(name)
    if LaunchTemplate.objects.filter(tenant=tenant).count() >= MAX_TEMPLATES:
        text = _("a tenant has %(most)s launch templates at most; delete some first")
        raise CloudError(text % {"most": MAX_TEMPLATES}, code="ResourceCountExceeded")
    try:
        with transaction.atomic():
            return _create(tenant, name, data, description, tags or {}, request)
    except IntegrityError:  # somebody made one of this name, or by this token, meanwhile
        if (again := _made_before(LaunchTemplate.objects.filter(tenant=tenant), request)) is not None:
            return again
        raise _name_taken(name) from None


def _create(
    tenant: Tenant, name: str, data: Data, description: str, tags: Mapping[str, str], request: Request
) -> LaunchTemplate:
    author = request.made_by(tenant)
    template = LaunchTemplate.objects.create(
        tenant=tenant, name=name, client_token=request.client_token, digest=request.digest, created_by=author
    )
    LaunchTemplateVersion.objects.create(
        template=template, number=1, description=description, data=data, created_by=author
    )
    add_tags(tenant, KIND, [template.ec2_id], tags)
    audit.record(request.actor, "create", KIND, [template.ec2_id], tenant=tenant, name=name)
    return template


@transaction.atomic
def create_version(
    template: LaunchTemplate, data: Data, *, request: Request, source: str = "", description: str = ""
) -> LaunchTemplateVersion:
    """The next version: ``data`` over that of the version ``source``, if one is named.

    A snapshot of the source's disks is left out, as at Amazon: it belongs to the image that the source was made with.
    """
    template = _locked(template)
    if (again := _made_before(template.versions.all(), request)) is not None:
        return again
    data = _checked(data, description)
    if source:
        data = _as_json({**_without_snapshots(version_of(template, source).data), **data})
    if template.versions.count() >= MAX_VERSIONS:
        text = _("launch template %(name)s has %(most)s versions, which is as many as there can be; delete some first")
        raise CloudError(text % {"name": template, "most": MAX_VERSIONS}, code="VersionLimitExceeded")
    template.last_number += 1
    template.latest_number = template.last_number
    template.save(update_fields=["last_number", "latest_number"])
    version = LaunchTemplateVersion.objects.create(
        template=template,
        number=template.last_number,
        description=description,
        data=data,
        client_token=request.client_token,
        digest=request.digest,
        created_by=request.made_by(template.tenant),
    )
    _record(request.actor, "create version", template, version=version.number)
    return version


def _without_snapshots(data: Data) -> dict[str, Any]:
    kept = dict(data)
    if "BlockDeviceMappings" in kept:
        kept["BlockDeviceMappings"] = [
            {**each, "Ebs": {k: v for k, v in each["Ebs"].items() if k != "SnapshotId"}} if each.get("Ebs") else each
            for each in kept["BlockDeviceMappings"]
        ]
    return kept


@transaction.atomic
def set_default(template: LaunchTemplate, version: str, *, actor: Actor) -> LaunchTemplateVersion:
    """What is launched from it when no version is named."""
    template = _locked(template)
    found = version_of(template, version)
    template.default_number = found.number
    template.save(update_fields=["default_number"])
    _record(actor, "set default", template, version=found.number)
    return found


@transaction.atomic
def delete_template(template: LaunchTemplate, *, actor: Actor) -> None:
    """With all versions and tags.  Instances that were launched from it stay as they are."""
    _record(actor, "delete", template, name=template.name)
    Tag.objects.filter(tenant=template.tenant_id, resource_id=template.ec2_id).delete()
    template.versions.all().delete()
    LaunchTemplate.objects.filter(pk=template.pk).delete()


@transaction.atomic
def delete_versions(template: LaunchTemplate, numbers: Iterable[int], *, actor: Actor) -> list[int]:
    """Those of them that were there and are deleted.  The default version stays: set another one first."""
    template = _locked(template)
    rows = template.versions.filter(number__in=set(numbers) - {template.default_number})
    gone = sorted(rows.values_list("number", flat=True))
    if gone:
        rows.delete()
        template.latest_number = template.versions.aggregate(latest=Max("number"))["latest"]
        template.save(update_fields=["latest_number"])
        _record(actor, "delete versions", template, versions=gone)
    return gone


def _locked(template: LaunchTemplate) -> LaunchTemplate:
    """The row as it is now, for one writer at a time."""
    rows = LaunchTemplate.objects.select_for_update(of=("self",)).select_related("tenant")
    found = rows.filter(pk=template.pk).order_by().first()
    if found is None:
        raise _absent(template.ec2_id)
    return found


def template_of(tenant: Tenant, ec2_id: str = "", name: str = "") -> LaunchTemplate:
    """By id or by name.  Raises CloudError if the tenant has none of them."""
    if ec2_id and name:
        raise CloudError(
            _("Name a launch template by LaunchTemplateId or by LaunchTemplateName, not by both."),
            code="InvalidParameterCombination",
        )
    if not ec2_id and not name:
        raise CloudError(_("The request must contain LaunchTemplateId or LaunchTemplateName."), code="MissingParameter")
    if ec2_id and not looks_like("lt", ec2_id):
        raise CloudError(f'Invalid id: "{ec2_id[:60]}" (expecting "lt-...")', code="InvalidLaunchTemplateId.Malformed")
    rows = LaunchTemplate.objects.filter(tenant=tenant).select_related("tenant")
    found = (rows.filter(ec2_id=ec2_id) if ec2_id else rows.filter(name=name)).order_by().first()
    if found is None and ec2_id:
        raise _absent(ec2_id)
    if found is None:
        text = _("The specified launch template, with template name %(name)s, does not exist.")
        raise CloudError(text % {"name": name[:MAX_DESCRIPTION]}, code="InvalidLaunchTemplateName.NotFoundException")
    return found


def _absent(ec2_id: str) -> CloudError:
    text = _("The specified launch template, with template ID %(id)s, does not exist.")
    return CloudError(text % {"id": ec2_id}, code="InvalidLaunchTemplateId.NotFound")


def number_of(template: LaunchTemplate, version: str) -> int:
    """The number that a version's name means.  Raises CloudError for what cannot be one."""
    if not version or version == DEFAULT:
        return template.default_number
    if version == LATEST:
        return template.latest_number
    if not re.fullmatch(r"[0-9]{1,9}", version, re.ASCII):
        text = _("Invalid launch template version: %(version)s. It is a number, $Default or $Latest.")
        raise CloudError(text % {"version": version[:40]}, code="InvalidParameterValue")
    return int(version)


def version_of(template: LaunchTemplate, version: str) -> LaunchTemplateVersion:
    """The version of this number, or of the name ``$Default`` or ``$Latest``; the default one if it is empty."""
    found = template.versions.filter(number=number_of(template, version)).first()
    if found is None:
        raise no_such_version(template, version)
    found.template = template
    return found


def no_such_version(template: LaunchTemplate, version: str) -> CloudError:
    text = _("Could not find the specified version %(version)s for the launch template with ID %(id)s.")
    values = {"version": version[:40], "id": template.ec2_id}
    return CloudError(text % values, code="InvalidLaunchTemplateId.VersionNotFound")


def system_tags(template_id: str, version: str) -> dict[str, str]:
    """What an instance says of the template it was launched from."""
    return {"aws:ec2launchtemplate:id": template_id, "aws:ec2launchtemplate:version": version}


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        text = _(
            "A launch template name must be between 3 and 128 characters, and may contain letters, numbers, and the"
            " following characters: - ( ) . / _; '%(name)s' is not one."
        )
        raise CloudError(text % {"name": name[:MAX_DESCRIPTION]}, code="InvalidLaunchTemplateName.MalformedException")


def _name_taken(name: str) -> CloudError:
    text = _("Launch template name already in use: %(name)s")
    return CloudError(text % {"name": name}, code="InvalidLaunchTemplateName.AlreadyExistsException")


def _checked(data: Data, description: str) -> dict[str, Any]:
    if len(description) > MAX_DESCRIPTION:
        text = _("A version's description takes %(most)s characters; %(given)s were given")
        raise CloudError(text % {"most": MAX_DESCRIPTION, "given": len(description)})
    if not data:
        raise CloudError(
            _("The request must contain at least one launch parameter in LaunchTemplateData."), code="MissingParameter"
        )
    return _as_json(data)


def _as_json(data: Data) -> dict[str, Any]:
    """As it will be read again: times are texts."""
    text = json.dumps(data, cls=DjangoJSONEncoder)
    if len(text) > MAX_DATA:
        words = _("The data of a launch template takes %(most)s characters; %(given)s were given")
        raise CloudError(words % {"most": MAX_DATA, "given": len(text)})
    found: dict[str, Any] = json.loads(text)
    return found


def _made_before(rows: QuerySet[Made], request: Request) -> Made | None:
    """What the same request made before.  Raises IdempotentParameterMismatch if another one used its token."""
    if not request.client_token:
        return None
    before = rows.filter(client_token=request.client_token).first()
    if before is not None and before.digest != request.digest:
        raise IdempotentParameterMismatch(
            f"client token {request.client_token} was used for another request, which made {before}; use a new token"
        )
    return before


def _record(actor: Actor, verb: str, template: LaunchTemplate, **detail: object) -> None:
    audit.record(actor, verb, KIND, [template.ec2_id], tenant=template.tenant, **detail)
