"""Valid parameters of an action, built from the model, and their fields in a request."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings

from ec2api.protocol.model import Shape
from ec2api.registry import Action
from ec2api.tests.driving.references import Reference, references
from ec2api.tests.driving.tables import Options, Things, needed

# Texts that must be more than any text, by the end of the member's name.
TEXTS = {
    "AvailabilityZone": settings.DEFAULT_ZONE,
    "AvailabilityZones": settings.DEFAULT_ZONE,
    "CidrBlock": "10.77.0.0/24",
    "Cidr": "10.77.0.0/24",
    "CidrIp": "10.77.0.0/24",
    "Device": "/dev/sdf",
    "DeviceName": "/dev/sdf",
    "InstanceType": "t2.nano",
    "PrivateIpAddress": "172.31.0.77",
    "Region": settings.REGION,
    "UserData": b64encode(b"x").decode(),
}
SCALARS = {"boolean": False, "float": 1.0, "double": 1.0, "timestamp": "2030-01-01T00:00:00Z", "blob": "eA=="}


def options_for(action: Action, own: Things, *, at: Reference | None = None, value: str = "") -> Options:
    """What the action needs, with the caller's own things; ``value`` at the reference, if one is given."""
    name = action.operation.name
    kinds = {each.path: each.kind for each in references(action)}
    found: Options = {}
    for keyword in sorted(_required(action)):
        member = action.operation.parameters[keyword]
        found[member.name] = example(member.shape, (member.name,), own, kinds)
    if at:
        member = next(m for m in action.operation.parameters.values() if m.name == at.path[0])
        holder = _holding(member.shape, at.path, 1, value, own, kinds)
        found = merged(found, {member.name: holder})
    for options in needed(name, str(at or "")):
        found = merged(found, _own(options, own))
    return merged(found, {at.path[0]: holder}) if at else found


def _required(action: Action) -> set[str]:
    parameters = action.operation.parameters
    modelled = {keyword for keyword, member in parameters.items() if member.name in _input(action).required}
    return modelled | set(action.required)


def _input(action: Action) -> Shape:
    assert action.operation.input is not None
    return action.operation.input


def example(shape: Shape, path: tuple[str, ...], own: Things, kinds: Mapping[tuple[str, ...], str]) -> Any:
    """A valid value; structures have what the model requires, or all their scalars where it requires nothing."""
    if shape.type == "list":
        return [example(shape.element.shape, path, own, kinds)]
    if shape.type == "structure":
        names = shape.required or [
            name for name, m in shape.members.items() if m.shape.type not in ("structure", "list")
        ]
        return {name: example(shape.members[name].shape, (*path, name), own, kinds) for name in names}
    return own.get(kinds.get(path, ""), "") or scalar(shape, path[-1])


def scalar(shape: Shape, name: str) -> Any:
    if shape.words:
        return shape.words[0]
    if shape.type in ("integer", "long"):
        return max(1, int(shape.minimum or 0))
    return SCALARS.get(shape.type, TEXTS.get(name, "x"))


def _holding(
    shape: Shape,
    path: tuple[str, ...],
    depth: int,
    value: str,
    own: Things,
    kinds: Mapping[tuple[str, ...], str],
) -> Any:
    """The value at the end of the path, and on the way what the model requires beside it."""
    if shape.type == "list":
        return [_holding(shape.element.shape, path, depth, value, own, kinds)]
    if shape.type != "structure":
        return value
    beside = {n: example(shape.members[n].shape, (*path[:depth], n), own, kinds) for n in shape.required}
    inner = _holding(shape.members[path[depth]].shape, path, depth + 1, value, own, kinds)
    return beside | {path[depth]: inner}


def merged(under: Any, over: Any) -> Any:
    """``over`` on top of ``under``, structures by member, lists by element; None takes away."""
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        both = {**under, **{name: merged(under.get(name), value) for name, value in over.items()}}
        return {name: value for name, value in both.items() if value is not None}
    if isinstance(under, list) and isinstance(over, list) and len(under) == len(over):
        return [merged(one, other) for one, other in zip(under, over, strict=True)]
    return over


def _own(options: Any, own: Things) -> Any:
    if isinstance(options, Mapping):
        return {name: _own(value, own) for name, value in options.items()}
    if isinstance(options, list):
        return [_own(value, own) for value in options]
    if isinstance(options, str) and options.startswith("<") and options.endswith(">"):
        return own[options[1:-1]]
    return options


def fields(action: Action, options: Options) -> list[tuple[str, str]]:
    """As a client writes them into a request."""
    found = [("Action", action.operation.name)]
    for name, value in options.items():
        member = _input(action).members[name]
        found += _written(member.shape, member.request_name, value)
    return found


def _written(shape: Shape, prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if shape.type == "list":
        for number, each in enumerate(value, 1):
            yield from _written(shape.element.shape, f"{prefix}.{number}", each)
    elif shape.type == "structure":
        for name, each in value.items():
            member = shape.members[name]
            yield from _written(member.shape, f"{prefix}.{member.request_name}", each)
    else:
        yield prefix, str(value).lower() if isinstance(value, bool) else str(value)
