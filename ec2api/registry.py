"""Which actions there are: typed functions, checked against botocore's model when they are imported."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeVar

from django.db import transaction

from ec2api.protocol.errors import ApiError, invalid_action
from ec2api.protocol.model import Operation, find_operation, operation, operation_names, snake
from ec2api.protocol.request import parse
from ec2api.protocol.response import render
from portal.audit import Actor
from portal.models import Tenant, User

Reply = Mapping[str, object]
Function = TypeVar("Function", bound=Callable[..., Reply])
Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, for which tenant, in which version; handed to every action."""

    tenant: Tenant
    user: User
    actor: Actor
    action: str
    version: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Action:
    """One action that we have.  ``ignored`` are hints that change nothing of what the caller gets."""

    operation: Operation
    function: Callable[..., Reply]
    supported: frozenset[str]
    ignored: frozenset[str]
    required: frozenset[str]


ACTIONS: dict[tuple[str, str], Action] = {}


class DryRunSucceeded(Exception):
    """Rolls back what a dry run did."""


@cache
def _names(service: str) -> dict[str, str]:
    return {snake(name): name for name in operation_names(service)}


def action(*, service: str = "ec2", ignores: Collection[str] = ()) -> Callable[[Function], Function]:
    """Register a function as the action of its name.

    Its keyword-only parameters are what the action supports; each must be one of the model's.  ``ignores`` names
    parameters that are taken and make no difference here.
    """

    def register(function: Function) -> Function:
        name = _names(service)[function.__name__]
        found = operation(service, name)
        assert found is not None, name
        parameters = inspect.signature(function).parameters.values()
        keywords = {p.name: p for p in parameters if p.kind == p.KEYWORD_ONLY}
        unknown = (keywords.keys() | set(ignores)) - found.parameters.keys()
        if unknown:
            raise TypeError(f"{name} has no parameter {', '.join(sorted(unknown))} in the model")
        if (service, name) in ACTIONS:
            raise TypeError(f"{name} is registered twice, the second time in {function.__module__}")
        required = frozenset(p.name for p in keywords.values() if p.default is p.empty)
        ACTIONS[service, name] = Action(found, function, frozenset(keywords), frozenset(ignores), required)
        return function

    return register


def load_actions() -> None:
    """Import every module of actions, so that all are registered."""
    package = import_module("ec2api.actions")
    for module in iter_modules(package.__path__):
        import_module(f"ec2api.actions.{module.name}")


def find_action(service: str, name: str) -> Action:
    """Raises InvalidAction for one that the service lacks, or that we do."""
    found = ACTIONS.get((service, name))
    if found is None:
        find_operation(service, name)
        raise invalid_action(name)
    return found


def perform(found: Action, call: Call, fields: Fields) -> bytes:
    """Run the action and write its reply."""
    arguments = parse(found.operation, fields)
    dry_run = arguments.pop("dry_run", False)
    for name in arguments.keys() - found.supported:
        if name not in found.ignored and not _says_nothing(arguments[name]):
            raise unsupported(f"The parameter {found.operation.parameters[name].request_name} of {call.action}")
        del arguments[name]
    for name in found.required - arguments.keys():
        raise missing(found.operation.parameters[name].request_name)
    reply = _dry_run(found, call, arguments) if dry_run else found.function(call, **arguments)
    return render(found.operation, reply, call.request_id, call.version)


def _says_nothing(value: object) -> bool:
    """packer sends IamInstanceProfile.Name and KernelId even when it has none to name; EC2 takes them for unsaid."""
    if isinstance(value, Mapping):
        return all(_says_nothing(each) for each in value.values())
    return value in ("", [], ())


def _dry_run(found: Action, call: Call, arguments: dict[str, Any]) -> Reply:
    """Do it all and roll it back: exact, because services touch nothing but the database."""
    try:
        with transaction.atomic():
            found.function(call, **arguments)
            raise DryRunSucceeded
    except DryRunSucceeded:
        raise ApiError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.") from None


def missing(request_name: str) -> ApiError:
    return ApiError("MissingParameter", f"The request must contain the parameter {request_name}")


def unsupported(what: str) -> ApiError:
    return ApiError("UnsupportedOperation", f"{what} is not supported here; leave it out.")
