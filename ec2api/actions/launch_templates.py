"""Launch templates and their versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import F, Q, QuerySet

from compute import launch_templates as services
from compute.launch_templates import DEFAULT, LATEST
from compute.models import LaunchTemplate, LaunchTemplateVersion
from compute.template_data import data_of
from ec2api import launches, template_data
from ec2api.actions.instances import named
from ec2api.filters import Filters, condition
from ec2api.kinds import check_ids
from ec2api.launch_template_filters import TEMPLATE_FILTERS, VERSION_FILTERS
from ec2api.pagination import Page
from ec2api.present.launch_templates import templates, version
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action, missing
from ec2api.tag_specifications import tags_for
from portal.audit import Actor
from portal.errors import CloudError
from portal.models import Tenant

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import TagSpecificationUnionTypeDef

MOST_RESULTS = 200
MOST_DELETED = 200
MAX_CLIENT_TOKEN = 128
WHICH = (
    "To describe the versions of all launch templates, specify '$Latest', '$Default' or both for Versions and no"
    " template; to describe those of one template, specify LaunchTemplateId or LaunchTemplateName, and for Versions"
    " '$Latest', '$Default' or numbers."
)


def _request(call: Call, client_token: str, asked: Mapping[str, object]) -> services.Request:
    if len(client_token) > MAX_CLIENT_TOKEN:
        raise ApiError("InvalidParameterValue", f"ClientToken is limited to {MAX_CLIENT_TOKEN} characters")
    return services.Request(call.actor, client_token or None, launches.digest(asked) if client_token else "")


@action()
def create_launch_template(
    call: Call,
    *,
    launch_template_name: str,
    launch_template_data: dict[str, Any] | None = None,
    version_description: str = "",
    client_token: str = "",
    tag_specifications: Sequence[TagSpecificationUnionTypeDef] = (),
) -> Reply:
    """With its version 1.  What would be refused at a launch is a warning here, as at Amazon."""
    data = launch_template_data or {}
    asked = [launch_template_name, data, version_description, tag_specifications]
    (tags,) = tags_for(tag_specifications, "launch-template")
    template_data.check(data)
    made = services.create_template(
        call.tenant,
        launch_template_name,
        data,
        request=_request(call, client_token, {"asked": asked}),
        description=version_description,
        tags=tags,
    )
    (described,) = templates(call.tenant, [made])
    return {"LaunchTemplate": described, "Warning": template_data.warnings(call, data)}


@action(ignores=["resolve_alias"])
def create_launch_template_version(
    call: Call,
    *,
    launch_template_id: str = "",
    launch_template_name: str = "",
    source_version: str = "",
    launch_template_data: dict[str, Any] | None = None,
    version_description: str = "",
    client_token: str = "",
) -> Reply:
    """Members of the data that are given replace those of the source version; the others are its own."""
    data = launch_template_data or {}
    template = services.template_of(call.tenant, launch_template_id, launch_template_name)
    template_data.check(data)
    made = services.create_version(
        template,
        data,
        request=_request(call, client_token, {"asked": [source_version, data, version_description]}),
        source=source_version,
        description=version_description,
    )
    return {"LaunchTemplateVersion": version(made), "Warning": template_data.warnings(call, made.data)}


@action(ignores=["include_managed_resources"])
def describe_launch_templates(
    call: Call,
    *,
    launch_template_ids: Sequence[str] = (),
    launch_template_names: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    page = Page(call, max_results, next_token, least=1)
    check_ids("lt", launch_template_ids)
    mine = LaunchTemplate.objects.filter(tenant=call.tenant)
    wanted = Q(ec2_id__in=launch_template_ids) | Q(name__in=launch_template_names)
    rows = mine.filter(condition(filters, TEMPLATE_FILTERS, call.tenant))
    if launch_template_ids or launch_template_names:
        _refuse_absent(mine.filter(wanted), launch_template_ids, launch_template_names)
        rows = rows.filter(wanted)
    shown, token = page.close(list(page.cut(rows)), lambda row: row.pk)
    return {"LaunchTemplates": templates(call.tenant, shown), "NextToken": token}


def _refuse_absent(rows: QuerySet[LaunchTemplate], ids: Sequence[str], names: Sequence[str]) -> None:
    there = {each for pair in rows.order_by().values_list("ec2_id", "name") for each in pair}
    message = "At least one of the launch templates specified in the request does not exist."
    if set(ids) - there:
        raise ApiError("InvalidLaunchTemplateId.NotFound", message)
    if set(names) - there:
        raise ApiError("InvalidLaunchTemplateName.NotFoundException", message)


@action(ignores=["include_managed_resources", "resolve_alias"])
def describe_launch_template_versions(
    call: Call,
    *,
    launch_template_id: str = "",
    launch_template_name: str = "",
    versions: Sequence[str] = (),
    min_version: str = "",
    max_version: str = "",
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    """Of one template; or the latest or default versions of all."""
    page = Page(call, max_results, next_token, least=1, most=MOST_RESULTS)
    rows = LaunchTemplateVersion.objects.filter(template__tenant=call.tenant).select_related("template")
    rows = rows.filter(condition(filters, VERSION_FILTERS, call.tenant, with_tags=False))
    if launch_template_id or launch_template_name:
        template = services.template_of(call.tenant, launch_template_id, launch_template_name)
        rows = rows.filter(_of_template(template, versions, min_version, max_version))
    else:
        rows = rows.filter(_of_all(versions))
    shown, token = page.close(list(page.cut(rows)), lambda row: row.pk)
    return {"LaunchTemplateVersions": [version(row) for row in shown], "NextToken": token}


def _of_template(template: LaunchTemplate, versions: Sequence[str], least: str, most: str) -> Q:
    if versions and (least or most):
        raise ApiError("InvalidParameterCombination", "Versions can't be used with MinVersion or MaxVersion")
    found = Q(template=template)
    if versions:
        numbers = {services.number_of(template, each): each for each in versions}
        there = set(template.versions.filter(number__in=numbers).values_list("number", flat=True))
        for number, name in numbers.items():
            if number not in there:
                raise services.no_such_version(template, name)
        found &= Q(number__in=numbers)
    if least:
        found &= Q(number__gte=services.number_of(template, least))
    if most:
        found &= Q(number__lte=services.number_of(template, most))
    return found


def _of_all(versions: Sequence[str]) -> Q:
    if not versions:
        raise ApiError("MissingParameter", WHICH)
    if set(versions) - {LATEST, DEFAULT}:
        raise ApiError("InvalidParameterValue", WHICH)
    fields = {LATEST: "template__latest_number", DEFAULT: "template__default_number"}
    found = Q(pk__in=())
    for name in set(versions):
        found |= Q(number=F(fields[name]))
    return found


@action(ignores=["client_token"])
def modify_launch_template(
    call: Call, *, launch_template_id: str = "", launch_template_name: str = "", default_version: str = ""
) -> Reply:
    """The same again changes nothing, which is what a client token is for."""
    template = services.template_of(call.tenant, launch_template_id, launch_template_name)
    if not default_version:
        raise missing("SetDefaultVersion")
    changed = services.set_default(template, default_version, actor=call.actor)
    (described,) = templates(call.tenant, [changed.template])
    return {"LaunchTemplate": described}


@action()
def delete_launch_template(call: Call, *, launch_template_id: str = "", launch_template_name: str = "") -> Reply:
    template = services.template_of(call.tenant, launch_template_id, launch_template_name)
    (described,) = templates(call.tenant, [template])
    services.delete_template(template, actor=call.actor)
    return {"LaunchTemplate": described}


@action()
def delete_launch_template_versions(
    call: Call, *, versions: Sequence[str], launch_template_id: str = "", launch_template_name: str = ""
) -> Reply:
    """What came of each of them."""
    template = services.template_of(call.tenant, launch_template_id, launch_template_name)
    if len(versions) > MOST_DELETED:
        raise ApiError("InvalidParameterValue", f"One call deletes at most {MOST_DELETED} versions")
    numbers = list(dict.fromkeys(services.number_of(template, each) for each in versions))
    gone = services.delete_versions(template, numbers, actor=call.actor)
    each = {"LaunchTemplateId": template.ec2_id, "LaunchTemplateName": template.name}
    kept = [number for number in numbers if number not in gone]
    return {
        "SuccessfullyDeletedLaunchTemplateVersions": [each | {"VersionNumber": number} for number in gone],
        "UnsuccessfullyDeletedLaunchTemplateVersions": [
            each | {"VersionNumber": number, "ResponseError": _why_kept(template, number)} for number in kept
        ],
    }


def _why_kept(template: LaunchTemplate, number: int) -> dict[str, str]:
    if number == template.default_number:
        text = "The default version can't be deleted: set another one as the default, or delete the template."
        return {"Code": "unexpectedError", "Message": text}
    return {"Code": "launchTemplateVersionDoesNotExist", "Message": "The launch template version does not exist."}


@action()
def get_launch_template_data(call: Call, *, instance_id: str) -> Reply:
    """What would launch another like it; without its addresses, which two can't have."""
    (instance,) = named(call, [instance_id])
    return {"LaunchTemplateData": data_of(instance)}


@services.launcher
def launch_from(tenant: Tenant, asked: services.TemplateLaunch, actor: Actor) -> list[str]:
    """What the portal launches from a template: by the same reading of its data as RunInstances."""
    assert actor.user is not None
    call = Call(tenant=tenant, user=actor.user, actor=actor, action="RunInstances", version="", request_id="")
    whole = {"min_count": asked.count, "max_count": asked.count, "client_token": asked.client_token}
    try:
        reply: Any = template_data.launched(call, asked.version, asked.data, **whole)
    except ApiError as error:
        raise CloudError(error.message, code=error.code) from error
    return [instance["InstanceId"] for instance in reply["Instances"]]
