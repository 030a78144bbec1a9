"""Requests: a list of fields as it came, into what an action takes, by a reader compiled from the operation's model.

Top-level keys are Python keywords (``instance_ids``); below them structures keep the model's names, as in boto3 and in
the TypedDicts of types-boto3-ec2.  Work is linear in the number of fields, whatever they are called.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import parse_qsl

from ec2api.protocol.errors import ApiError
from ec2api.protocol.model import Operation, Shape, snake
from ec2api.protocol.scalars import CONVERTERS, Convert, quoted

# The widest honest request is a thousand rules or block devices of some fields each.
MAX_FIELDS = 10_000
MAX_INDEX = 5_000
MAX_NAME = 255
MAX_VALUE = 200_000  # user data, the longest that an action takes, is a tenth of it

# Fields of the protocol itself, and of signatures in the query; no operation has a parameter of such a name.
PROTOCOL_FIELDS = frozenset(
    {
        "Action",
        "Version",
        "AWSAccessKeyId",
        "Expires",
        "SecurityToken",
        "Signature",
        "SignatureMethod",
        "SignatureVersion",
        "Timestamp",
    }
)

Raw = dict[str | int, object]
_UNNUMBERED = -1


@dataclass(eq=False)
class _Scalar:
    convert: Convert


@dataclass(eq=False)
class _List:
    element: _Node
    label: str | None  # STS writes PolicyArns.member.1, EC2 writes Tag.1


@dataclass(eq=False)
class _Structure:
    members: dict[str, tuple[str, _Node]] = field(default_factory=dict)  # by the name in requests
    required: list[tuple[str, str]] = field(default_factory=list)
    request_names: dict[str, str] = field(default_factory=dict)


_Node = _Scalar | _List | _Structure


def read_form(data: bytes | str) -> list[tuple[str, str]]:
    """The fields of a query string or of a form body, in order, duplicates and empty ones included."""
    try:
        text = data.decode() if isinstance(data, bytes) else data
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError:
        raise ApiError("MalformedQueryString", "The request is not UTF-8.") from None
    except ValueError:
        raise _too_many() from None


def parse(operation: Operation, fields: Sequence[tuple[str, str]]) -> dict[str, object]:
    """Keyword arguments for the action; ApiError for anything that the model does not allow.

    Only what was sent is there: no defaults, and no empty lists.
    """
    if len(fields) > MAX_FIELDS:
        raise _too_many()
    reader = _reader(operation)
    raw: Raw = {}
    for name, text in fields:
        if name not in PROTOCOL_FIELDS and not name.startswith("X-Amz-"):
            _place(reader, raw, name, text)
    return {str(key): value for key, value in _finish_structure(reader, raw, "").items()}


def _too_many() -> ApiError:
    return ApiError("InvalidParameterValue", f"The request has more than {MAX_FIELDS} parameters.")


def _unknown(name: str) -> ApiError:
    return ApiError("UnknownParameter", f"The parameter {quoted(name)} is not recognized")


def _place(node: _Node, spot: Raw, name: str, text: str) -> None:
    """Put one field where it belongs in the tree of raw values; leaves are converted on the way."""
    if len(name) > MAX_NAME:
        raise _unknown(name)
    if len(text) > MAX_VALUE:
        raise ApiError(
            "InvalidParameterValue", f"The value of parameter {quoted(name)} is longer than {MAX_VALUE} characters."
        )
    key: str | int = ""
    parts = name.split(".")
    last = len(parts) - 1
    for depth, part in enumerate(parts):
        if isinstance(node, _Structure):
            found = node.members.get(part)
            if found is None:
                raise _unknown(".".join(parts[: depth + 1]))
            key, node = found
        elif isinstance(node, _List):
            if part == node.label and depth < last:
                continue
            key, node = _index(part, parts[: depth + 1]), node.element
        else:
            raise _unknown(".".join(parts[: depth + 1]))
        if depth < last and not isinstance(node, _Scalar):
            spot = _descend(spot, key)
    if isinstance(node, _List):
        # A list without numbers: libcloud sends KeyName=one.  With no value, STS clients mean the empty list.
        spot = _descend(spot, key)
        if node.label and not text:
            return
        key, node = _UNNUMBERED, node.element
    if not isinstance(node, _Scalar):
        raise ApiError("InvalidParameterValue", f"The parameter {quoted(name)} has members; send those instead.")
    if key in spot:
        raise ApiError("InvalidParameterValue", f"The parameter {quoted(name)} was sent more than once.")
    spot[key] = node.convert(text, name)


def _descend(spot: Raw, key: str | int) -> Raw:
    inner = spot.get(key)
    if inner is None:
        inner = spot[key] = {}
    assert isinstance(inner, dict)
    return inner


def _index(part: str, path: list[str]) -> int:
    """Lists count from 1, libcloud's from 0, and gaps are no error; only the order matters."""
    if not (part.isascii() and part.isdecimal()):
        raise _unknown(".".join(path))
    if len(part) > 5 or int(part) > MAX_INDEX:
        raise ApiError("InvalidParameterValue", f"The number in {quoted('.'.join(path))} is beyond {MAX_INDEX}.")
    return int(part)


def _finish(node: _Node, raw: object, path: str) -> object:
    if isinstance(node, _Scalar) or not isinstance(raw, dict):
        return raw
    if isinstance(node, _Structure):
        return _finish_structure(node, raw, f"{path}.")
    if _UNNUMBERED in raw and len(raw) > 1:
        raise ApiError("InvalidParameterValue", f"The parameter {quoted(path)} was sent with and without a number.")
    element = node.element
    if isinstance(element, _Scalar):
        return [raw[index] for index in sorted(raw)]
    return [_finish(element, raw[index], f"{path}.{index}") for index in sorted(raw)]


def _finish_structure(node: _Structure, raw: Raw, prefix: str) -> Raw:
    for name, request_name in node.required:
        if name not in raw:
            raise ApiError("MissingParameter", f"The request must contain the parameter {prefix}{request_name}")
    for key, value in raw.items():
        if isinstance(value, dict):
            assert isinstance(key, str)
            request_name = node.request_names[key]
            raw[key] = _finish(node.members[request_name][1], value, prefix + request_name)
    return raw


@cache
def _reader(operation: Operation) -> _Structure:
    if operation.input is None:
        return _Structure()
    top = _structure(operation.input, operation.protocol, {})
    return _Structure(
        members={name: (snake(key), node) for name, (key, node) in top.members.items()},
        required=[(snake(key), name) for key, name in top.required],
        request_names={snake(key): name for key, name in top.request_names.items()},
    )


def _structure(shape: Shape, protocol: str, built: dict[str, _Node]) -> _Structure:
    node = _Structure()
    built[shape.name] = node
    for member in shape.members.values():
        node.members[member.request_name] = (member.name, _node(member.shape, protocol, built))
        node.request_names[member.name] = member.request_name
    node.required = [(name, shape.members[name].request_name) for name in shape.required]
    return node


def _node(shape: Shape, protocol: str, built: dict[str, _Node]) -> _Node:
    """Shared where a shape is used twice, which also ends the recursion should a model ever have one."""
    if shape.name in built:
        return built[shape.name]
    if shape.type == "structure":
        return _structure(shape, protocol, built)
    node: _Node
    if shape.type == "list":
        label = None if protocol == "ec2" else shape.element.request_name
        node = _List(_node(shape.element.shape, protocol, built), label)
    else:
        node = _Scalar(CONVERTERS[shape.type](shape))
    built[shape.name] = node
    return node
