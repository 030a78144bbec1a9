"""The data of launch templates: kept as JSON, shown again, put under what a launch says itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from compute import launch_templates
from compute.models import LaunchTemplateVersion
from ec2api import launches
from ec2api.protocol.errors import ApiError
from ec2api.protocol.model import Shape, model, snake
from ec2api.protocol.scalars import decode_base64
from ec2api.registry import ACTIONS, Call, Reply, unsupported
from ec2api.tag_specifications import tags_of_list
from portal.errors import CloudError
from portal.tags import check_tags

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import LaunchTemplateSpecificationTypeDef

Function = TypeVar("Function", bound=Callable[..., Reply])
Arguments = Mapping[str, Any]

# What makes two entries of a list the same thing, so that the request's is put over the template's.
KEYS = {
    "block_device_mappings": "DeviceName",
    "network_interfaces": "DeviceIndex",
    "tag_specifications": "ResourceType",
}
# Two ways to say one thing: saying it in one way replaces what the template says in the other.
SPELLINGS = (("security_group_ids", "security_groups"),)
PLACES = (("GroupName", "GroupId"), ("AvailabilityZone", "AvailabilityZoneId"))


def from_template(run: Function) -> Function:
    """RunInstances that takes ``launch_template``: what it gets is the template's data with the request's over it.

    The action then finds the template's id, and the number of the version that was meant, in ``launch_template``.
    """

    @wraps(run)
    def launch(call: Call, **asked: Any) -> Reply:
        named = asked.get("launch_template")
        return run(call, **(merged(call, named, asked) if named else asked))

    return launch  # type: ignore[return-value]


def merged(call: Call, named: LaunchTemplateSpecificationTypeDef, asked: Arguments) -> dict[str, Any]:
    """All arguments of the launch.  Raises ApiError for what of the template's RunInstances does not have here."""
    template = launch_templates.template_of(
        call.tenant, named.get("LaunchTemplateId", ""), named.get("LaunchTemplateName", "")
    )
    version = launch_templates.version_of(template, named.get("Version", ""))
    return {**over(_arguments(version, version.data), asked), "launch_template": _named(version)}


def launched(call: Call, version: LaunchTemplateVersion, data: Mapping[str, Any], **whole: Any) -> Reply:
    """What RunInstances replies to this data, which may no longer be the version's, and to the arguments beside it."""
    run: Callable[..., Reply] = ACTIONS["ec2", "RunInstances"].function.__wrapped__  # type: ignore[attr-defined]
    return run(call, **_arguments(version, data), **whole, launch_template=_named(version))


def _named(version: LaunchTemplateVersion) -> LaunchTemplateSpecificationTypeDef:
    return {"LaunchTemplateId": version.template.ec2_id, "Version": str(version.number)}


def _arguments(version: LaunchTemplateVersion, data: Mapping[str, Any]) -> dict[str, Any]:
    for name in unknown_members(data):
        raise unsupported(
            f"The parameter {name} of version {version.number} of launch template {version.template.ec2_id}"
        )
    supported = ACTIONS["ec2", "RunInstances"].supported
    return {snake(name): value for name, value in restored(data).items() if snake(name) in supported}


def unknown_members(data: Mapping[str, Any]) -> Iterator[str]:
    """What RunInstances would refuse by name; what is said to be nothing is none."""
    run = ACTIONS["ec2", "RunInstances"]
    return (name for name, value in data.items() if value and snake(name) not in run.supported | run.ignored)


def system_tags(named: LaunchTemplateSpecificationTypeDef | None) -> dict[str, str]:
    """What an instance says of the template that it was launched from, once ``from_template`` has resolved it."""
    return launch_templates.system_tags(named["LaunchTemplateId"], named["Version"]) if named else {}


def over(template: Arguments, asked: Arguments) -> dict[str, Any]:
    """The request's parameters over the template's: each overrides the corresponding one, and no other.

    Structures are put over each other member by member, and lists of things that have a name thing by thing; any other
    list is taken whole.
    """
    found = dict(template)
    for spellings in SPELLINGS:
        if any(name in asked for name in spellings):
            found = {name: value for name, value in found.items() if name not in spellings}
    for name, value in asked.items():
        before = found.get(name)
        if name in KEYS and before:
            found[name] = _lists(before, value, KEYS[name])
        elif isinstance(before, dict) and isinstance(value, dict):
            found[name] = _structures(before, value)
        else:
            found[name] = value
    return found


def _structures(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(before)
    for spellings in PLACES:
        if any(name in after for name in spellings):
            found = {name: value for name, value in found.items() if name not in spellings}
    for name, value in after.items():
        inner = found.get(name)
        found[name] = _structures(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return found


def _lists(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    found: dict[Any, Any] = {each.get(key): each for each in before}
    rest = []  # a thing that the request names twice is for the action to refuse
    for each in after:
        name = each.get(key)
        if any(name == other.get(key) for other in after if other is not each):
            rest.append(each)
            found.pop(name, None)
        elif key == "ResourceType":
            found[name] = {key: name, "Tags": _tags(found.get(name, {}), each)}
        elif name not in found or "NoDevice" in each or "VirtualName" in each:
            found[name] = each
        else:
            found[name] = _structures(found[name], each)
    return [*found.values(), *rest]


def _tags(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Mapping[str, str]]:
    new = after.get("Tags", [])
    keys = {tag.get("Key") for tag in new}
    return [*(tag for tag in before.get("Tags", ()) if tag.get("Key") not in keys), *new]


def restored(data: Mapping[str, Any]) -> dict[str, Any]:
    """As it was before it became JSON, which has no times."""
    found: dict[str, Any] = _restored(data, model("ec2").shape("RequestLaunchTemplateData"))
    return found


def _restored(value: Any, shape: Shape) -> Any:
    if shape.type == "structure":
        return {name: _restored(inner, shape.members[name].shape) for name, inner in value.items()}
    if shape.type == "list":
        return [_restored(inner, shape.element.shape) for inner in value]
    return datetime.fromisoformat(value) if shape.type == "timestamp" else value


def check(data: Mapping[str, Any]) -> None:
    """What Amazon refuses when a template is made; most is only looked at when something is launched from it."""
    if data.get("UserData"):
        try:
            decode_base64(data["UserData"])
        except ApiError as error:
            raise ApiError("InvalidUserData.Malformed", error.message) from None
    for specification in data.get("TagSpecifications", ()):
        check_tags(tags_of_list(specification.get("Tags", ())))


def warnings(call: Call, data: Mapping[str, Any]) -> dict[str, Any] | None:
    """What would be refused if an instance were launched from this now, as far as it stands in these members alone."""
    errors = list(_complaints(call, data))
    return {"Errors": [{"Code": error.code, "Message": error.message} for error in errors]} if errors else None


def _complaints(call: Call, data: Mapping[str, Any]) -> Iterator[ApiError | CloudError]:
    for name in unknown_members(data):
        yield unsupported(f"The parameter {name} of a launch template")
    looks: tuple[tuple[str, Callable[[str], object]], ...] = (
        ("ImageId", lambda text: launches.image_named(call.tenant, text)),
        ("InstanceType", launches.instance_type_named),
        ("KeyName", lambda text: launches.key_pair_named(call.tenant, text)),
    )
    for name, look in looks:
        try:
            if data.get(name):
                look(data[name])
        except (ApiError, CloudError) as error:
            yield error
