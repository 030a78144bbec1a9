"""What EC2 and STS look like: operations and shapes, read from the data files of the installed botocore.

Only the data is used; botocore's own model classes would cost ten times the memory and start-up time, and know
nothing of reading a request.  Each service is loaded when first asked for, in about 50 ms.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TypedDict

import botocore
from botocore import xform_name

from ec2api.protocol.errors import ApiError, invalid_action

API_VERSIONS = {"ec2": "2016-11-15", "sts": "2011-06-15"}
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class _MemberData(TypedDict, total=False):
    shape: str
    locationName: str
    queryName: str
    documentation: str


class _ShapeData(TypedDict, total=False):
    type: str
    members: dict[str, _MemberData]
    member: _MemberData
    required: list[str]
    min: float
    max: float
    enum: list[str]


class _OutputData(TypedDict, total=False):
    shape: str
    resultWrapper: str


class _OperationData(TypedDict, total=False):
    input: _OutputData
    output: _OutputData


class _Metadata(TypedDict):
    protocol: str


class _ServiceData(TypedDict):
    metadata: _Metadata
    operations: dict[str, _OperationData]
    shapes: dict[str, _ShapeData]


@dataclass(frozen=True, eq=False)
class Member:
    """A named place in a structure, or the one kind of element of a list."""

    name: str
    shape: Shape
    request_name: str
    reply_name: str
    documentation: str


class Shape:
    """A type of the model.  Members resolve when first looked at, so that a service costs only what is used."""

    def __init__(self, model: Model, name: str, data: _ShapeData) -> None:
        self.name = name
        self.type = data["type"]
        self.required = tuple(data.get("required", ()))
        self.minimum = data.get("min")
        self.maximum = data.get("max")
        self.words = tuple(data.get("enum", ()))  # of an enumeration
        self._model = model
        self._data = data

    def __repr__(self) -> str:
        return f"<{self.type} {self.name}>"

    @cached_property
    def members(self) -> dict[str, Member]:
        """Of a structure, by the model's name (``ImageId``), which is boto3's too."""
        return {name: self._model.member(name, data) for name, data in self._data.get("members", {}).items()}

    @cached_property
    def element(self) -> Member:
        """Of a list."""
        return self._model.member("item" if self._model.protocol == "ec2" else "member", self._data["member"])


@dataclass(frozen=True, eq=False)
class Operation:
    """One action of a service."""

    service: str
    name: str
    protocol: str
    input: Shape | None
    output: Shape | None
    result_wrapper: str | None

    @cached_property
    def parameters(self) -> dict[str, Member]:
        """The input's members by their Python keyword: ``instance_ids`` is ``InstanceIds``."""
        return {snake(name): member for name, member in self.input.members.items()} if self.input else {}


class Model:
    """One service."""

    def __init__(self, service: str) -> None:
        self.service = service
        data = _load(service, API_VERSIONS[service])
        self.protocol = data["metadata"]["protocol"]
        self.operations = data["operations"]
        self._data = data["shapes"]
        self._shapes: dict[str, Shape] = {}

    def shape(self, name: str) -> Shape:
        shape = self._shapes.get(name)
        if shape is None:
            shape = self._shapes[name] = Shape(self, name, self._data[name])
        return shape

    def member(self, name: str, data: _MemberData) -> Member:
        return Member(
            name,
            self.shape(data["shape"]),
            self._request_name(name, data),
            data.get("locationName") or name,
            data.get("documentation", ""),
        )

    def _request_name(self, name: str, data: _MemberData) -> str:
        location = data.get("locationName") or name
        if self.protocol != "ec2":
            return location
        # EC2 writes the reply's name with a capital in requests, unless the model has a name for requests alone.
        return data.get("queryName") or location[:1].upper() + location[1:]

    def operation(self, name: str) -> Operation:
        """Raises KeyError for one that the service does not have."""
        data = self.operations[name]
        ins, outs = data.get("input"), data.get("output")
        return Operation(
            service=self.service,
            name=name,
            protocol=self.protocol,
            input=self.shape(ins["shape"]) if ins else None,
            output=self.shape(outs["shape"]) if outs else None,
            result_wrapper=outs.get("resultWrapper") if outs else None,
        )


def _load(service: str, version: str) -> _ServiceData:
    path = Path(botocore.__file__).parent / "data" / service / version / "service-2.json"
    packed = path.with_suffix(".json.gz")
    raw = gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()
    loaded: _ServiceData = json.loads(raw)
    return loaded


@cache
def model(service: str) -> Model:
    """``ec2`` or ``sts``."""
    return Model(service)


@cache
def _operation(service: str, name: str) -> Operation:
    return model(service).operation(name)


def operation(service: str, name: str) -> Operation | None:
    """The operation, or None when there is no such service or action."""
    # What does not exist must not reach the cache, which strangers could fill with names of their own.
    if service not in API_VERSIONS or name not in model(service).operations:
        return None
    return _operation(service, name)


def find_operation(service: str, name: str) -> Operation:
    """The operation, or the error that Amazon answers for an action that the service does not have."""
    found = operation(service, name)
    if found is None:
        raise (
            ApiError("MissingAction", "The request must contain the parameter Action.")
            if not name
            else (invalid_action(name))
        )
    return found


def operation_names(service: str) -> list[str]:
    """Every action that the service has, sorted."""
    return sorted(model(service).operations)


def check_version(service: str, version: str) -> str:
    """The version to answer in: the client's own if it is a date (euca2ools says 2015-10-01), ours if it sent none."""
    if not version:
        return API_VERSIONS[service]
    if not _VERSION.fullmatch(version):
        raise ApiError("NoSuchVersion", f"The requested version ({version[:32]}) of service {service} does not exist")
    return version


@cache
def snake(name: str) -> str:
    """The Python keyword of a member: ``InstanceIds`` is ``instance_ids``, as botocore has it."""
    return str(xform_name(name))
