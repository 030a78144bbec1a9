"""Values made from shapes of the model, and botocore's own reading and writing of them, to hold ours against."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode

from botocore.model import OperationModel, ServiceModel
from botocore.parsers import ResponseParser, create_parser
from botocore.serialize import Serializer, create_serializer
from botocore.session import get_session
from hypothesis import strategies as st

from ec2api.protocol.model import Operation, Shape, operation, operation_names, snake
from ec2api.protocol.text import is_fit

OPERATIONS = [(service, name) for service in ("ec2", "sts") for name in operation_names(service)]

texts = st.text(max_size=12).filter(is_fit)
times = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC))


def known(name: str, service: str = "ec2") -> Operation:
    found = operation(service, name)
    assert found is not None
    return found


@cache
def _service(service: str) -> tuple[ServiceModel, Serializer, ResponseParser]:
    model = get_session().get_service_model(service)
    return (
        model,
        create_serializer(model.metadata["protocol"], include_validation=False),
        create_parser(model.metadata["protocol"]),
    )


def theirs(op: Operation) -> OperationModel:
    return _service(op.service)[0].operation_model(op.name)


def sent_by_botocore(op: Operation, values: dict[str, object]) -> str:
    """The form body that a boto3 client would send."""
    body = _service(op.service)[1].serialize_to_request(values, theirs(op))["body"]
    return urlencode(body)


def read_by_botocore(op: Operation, document: bytes, status: int = 200) -> dict[str, Any]:
    """What a boto3 client would return for our reply."""
    response = {"body": document, "headers": {}, "status_code": status}
    return dict(_service(op.service)[2].parse(response, theirs(op).output_shape))


def full(shape: Shape, length: int = 2) -> Any:
    """A value with every member there is, each scalar different from its default."""
    if shape.type == "structure":
        return {name: full(member.shape, length) for name, member in shape.members.items()}
    if shape.type == "list":
        return [full(shape.element.shape, 1) for _ in range(length)]
    number = int(shape.minimum or 7)
    moment = datetime(2026, 11, 23, 9, 15, 46, tzinfo=UTC)
    return {
        "string": f"{shape.name} <&> \r\n 雲",
        "integer": number,
        "long": number,
        "float": 1.5,
        "double": 1.5,
        "boolean": True,
        "timestamp": moment,
        "blob": b"\x00\xff",
    }[shape.type]


def values(shape: Shape, *, milliseconds: bool = False) -> st.SearchStrategy[object]:
    """Values with what is required and a few other members, lists of up to three."""
    if shape.type == "structure":
        return st.deferred(lambda: _structures(shape, milliseconds))
    if shape.type == "list":
        return st.lists(values(shape.element.shape, milliseconds=milliseconds), max_size=3)
    if shape.type in ("integer", "long"):
        bits = 31 if shape.type == "integer" else 63
        low = int(shape.minimum) if shape.minimum is not None else -(2**bits)
        high = int(shape.maximum) if shape.maximum is not None else 2**bits - 1
        return st.integers(low, high)
    scalars: dict[str, st.SearchStrategy[object]] = {
        "string": texts,
        "float": st.floats(allow_nan=False, allow_infinity=False),
        "double": st.floats(allow_nan=False, allow_infinity=False),
        "boolean": st.booleans(),
        "timestamp": times.map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000))
        if milliseconds
        else times,
        "blob": st.binary(max_size=20),
    }
    return scalars[shape.type]


@st.composite
def _structures(draw: st.DrawFn, shape: Shape, milliseconds: bool) -> dict[str, object]:
    names = list(shape.required)
    if shape.members:
        names += draw(st.lists(st.sampled_from(sorted(shape.members)), max_size=4))
    return {name: draw(values(shape.members[name].shape, milliseconds=milliseconds)) for name in dict.fromkeys(names)}


def as_arguments(given: dict[str, object]) -> dict[str, object]:
    """What a request for ``given`` parses to: the EC2 protocol cannot say that something is there but empty."""
    return {snake(name): value for name, value in pruned(given).items()}


def pruned(structure: dict[str, object]) -> dict[str, object]:
    return {name: kept for name, value in structure.items() if (kept := _prune(value)) not in ([], {})}


def _prune(value: object) -> object:
    if isinstance(value, dict):
        return pruned(value)
    if isinstance(value, list):
        return [kept for element in value if (kept := _prune(element)) not in ([], {})]
    return value
