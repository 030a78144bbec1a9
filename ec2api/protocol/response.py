"""Replies: what an action returns, into XML, by writers compiled from the model.

The writers are Python source, one function a structure, generated from the model and executed.  Interpreting the model
for every value instead makes a listing of a thousand instances several times slower, and that is the most frequent
large reply.  Nothing but the model of the installed botocore gets into that source, and its names are checked to be
plain identifiers first.

A writer of a structure looks like this::

    def Tag(v, a):
        if not v.keys() <= K_Tag: raise KeyError
        x = v.get("Key")
        if x is not None: a("<key>" + (x if x.isprintable() and "<" not in x and ... else escape(x)) + "</key>")
        ...
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from threading import Lock

from ec2api.protocol.model import API_VERSIONS, Member, Operation, Shape
from ec2api.protocol.text import escape

Reply = Mapping[str, object]
Append = Callable[[str], None]
Write = Callable[[Reply, Append], None]

# Amazon's replies to these carry <return>true</return>, as its API reference shows, although the model leaves it out;
# libcloud takes a reply without it for a failure.  Operations with no output at all have it too.
RETURN_UNMODELLED = frozenset({"AssociateAddress", "CreateSecurityGroup"})

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class ReplyError(Exception):
    """An action returned what the model does not know: a bug of ours, never of the client's."""


def render(operation: Operation, reply: Reply, request_id: str, version: str = "") -> bytes:
    """The XML document that answers ``operation``, in the namespace of the ``version`` that the client sent.

    ``reply`` has the model's names, as boto3 returns them.  A member that is None is left out, an empty list is an
    empty element.  Raises ReplyError for a member that the model does not have, or of another type.
    """
    parts: list[str] = []
    try:
        _write_body(operation, reply, parts.append)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        found = next(_faults(operation.output, reply, operation.name), f"{operation.name}: {error!r}")
        raise ReplyError(found) from error
    head, tail = _envelope(operation, escape(request_id), version)
    return (head + "".join(parts) + tail).encode()


def _write_body(operation: Operation, reply: Reply, append: Append) -> None:
    if operation.output is None:
        if reply:
            raise ValueError("there is nothing to return")
        append("<return>true</return>")
        return
    default = _default_return(operation)
    if default is not None and reply.get("Return") is None:
        reply = {**reply, "Return": default}
    if operation.name in RETURN_UNMODELLED:
        append("<return>true</return>")
    _writer(operation)(reply, append)


def _default_return(operation: Operation) -> object:
    member = operation.output.members.get("Return") if operation.output else None
    if member is None:
        return None
    return True if member.shape.type == "boolean" else "true"


def _envelope(operation: Operation, request_id: str, version: str) -> tuple[str, str]:
    name = operation.name
    declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
    if operation.service == "sts":
        wrapper = operation.result_wrapper or f"{name}Result"
        return (
            f'{declaration}<{name}Response xmlns="https://sts.amazonaws.com/doc/{API_VERSIONS["sts"]}/"><{wrapper}>',
            f"</{wrapper}><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>",
        )
    if not _VERSION.fullmatch(version):
        version = API_VERSIONS["ec2"]
    # The final slash of the namespace matters: libcloud finds nothing without it.
    return (
        f'{declaration}<{name}Response xmlns="http://ec2.amazonaws.com/doc/{version}/">'
        f"<requestId>{request_id}</requestId>",
        f"</{name}Response>",
    )


# Scalars.  Each is an expression of x, the value, and raises for one of another type.

_TEXT = 'x if x.isprintable() and "<" not in x and "&" not in x and ">" not in x else escape(x)'
_SCALARS = {
    # Pieces are joined with + because an f-string would ask a str enumeration for its own idea of its text.
    "string": f"({_TEXT})",
    "integer": 'f"{x:d}"',
    "long": 'f"{x:d}"',
    "float": "number(x)",
    "double": "number(x)",
    "boolean": "BOOLEAN[x]",
    "timestamp": "time(x)",
    "blob": "blob(x)",
}


def _number(value: float) -> str:
    return f"{value:d}" if isinstance(value, int) else repr(float(value))


def _time(value: datetime) -> str:
    """ISO 8601 in UTC, to the millisecond as Amazon has it; a time without its zone is a bug."""
    if value.tzinfo is not UTC:
        if value.tzinfo is None:
            raise ValueError("a time without its zone")
        value = value.astimezone(UTC)
    return value.isoformat(timespec="milliseconds")[:-6] + "Z"


def _blob(value: bytes) -> str:
    return b64encode(value).decode()


def _listed(values: object) -> object:
    """Guards lists of strings: a lone string would otherwise be written letter by letter."""
    if isinstance(values, str | bytes):
        raise TypeError("a string where a list belongs")
    return values


# Compilation.

_namespaces: dict[str, dict[str, object]] = {}
_compiled: dict[tuple[str, str], Write] = {}
_compiling = Lock()


def _writer(operation: Operation) -> Write:
    """The function for the operation's output."""
    assert operation.output is not None
    key = (operation.service, operation.output.name)
    found = _compiled.get(key)
    if found is None:
        # One at a time: functions call one another, and a second thread must not find half of them.
        with _compiling:
            found = _compiled[key] = _compile(operation.service, operation.output)
    return found


def _compile(service: str, shape: Shape) -> Write:
    fresh: dict[str, object] = {
        "escape": escape,
        "number": _number,
        "time": _time,
        "blob": _blob,
        "listed": _listed,
        "BOOLEAN": {True: "true", False: "false"},
    }
    shared = _namespaces.setdefault(service, fresh)
    wanted: dict[str, Shape] = {}
    _reachable(shape, shared, wanted)
    source = "\n".join(line for needed in wanted.values() for line in _function(needed))
    exec(compile(source, f"<{service} replies: {shape.name}>", "exec"), shared)  # noqa: S102 - see the module's docstring
    write: Write = shared[f"S_{shape.name}"]  # type: ignore[assignment]
    return write


def _reachable(shape: Shape, known: Mapping[str, object], found: dict[str, Shape]) -> None:
    if shape.type == "list":
        _reachable(shape.element.shape, known, found)
    elif shape.type == "structure" and shape.name not in found and f"S_{shape.name}" not in known:
        found[shape.name] = shape
        for member in shape.members.values():
            _reachable(member.shape, known, found)


def _function(shape: Shape) -> Iterator[str]:
    name = _checked(shape.name)
    yield f"K_{name} = frozenset({sorted(shape.members)!r})"
    yield f"def S_{name}(v, a):"
    yield f"    if not v.keys() <= K_{name}: raise KeyError"
    for member in shape.members.values():
        yield f"    x = v.get({_checked(member.name)!r})"
        yield "    if x is not None:"
        for line in _member(member):
            yield f"        {line}"


def _member(member: Member) -> Iterator[str]:
    tag, shape = _checked(member.reply_name), member.shape
    if shape.type == "structure":
        yield f'a("<{tag}>"); S_{_checked(shape.name)}(x, a); a("</{tag}>")'
    elif shape.type == "list":
        element, item = shape.element.shape, _checked(shape.element.reply_name)
        yield f'if not x: a("<{tag}/>")'
        yield "else:"
        yield f'    a("<{tag}>")'
        if element.type == "structure":
            yield f'    for i in x: a("<{item}>"); S_{_checked(element.name)}(i, a); a("</{item}>")'
        else:
            yield f'    for x in listed(x): a("<{item}>" + {_SCALARS[element.type]} + "</{item}>")'
        yield f'    a("</{tag}>")'
    else:
        yield f'a("<{tag}>" + {_SCALARS[shape.type]} + "</{tag}>")'


def _checked(name: str) -> str:
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError(f"the model has a name that is no identifier: {name!r}")
    return name


# Faults: only looked for once writing has failed, so they may take their time.

_TYPES: dict[str, type | tuple[type, ...]] = {
    "structure": Mapping,
    "list": (list, tuple),
    "string": str,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool, int),
    "timestamp": datetime,
    "blob": bytes,
}


def _faults(shape: Shape | None, value: object, path: str) -> Iterator[str]:
    """What in ``value`` does not fit ``shape``, in words that name the place."""
    if shape is None:
        yield f"{path} has no output in the model, but was given {value!r:.200}"
    elif not isinstance(value, _TYPES[shape.type]):
        yield f"{path} is a {shape.type} in the model, but was given {value!r:.200}"
    elif isinstance(value, Mapping):
        for name in value:
            if name not in shape.members:
                yield f"{path} has no member {name!r} in the model; it has {', '.join(shape.members)}"
            elif value[name] is not None:
                yield from _faults(shape.members[name].shape, value[name], f"{path}.{name}")
    elif isinstance(value, list | tuple):
        for index, element in enumerate(value):
            yield from _faults(shape.element.shape, element, f"{path}[{index}]")
    elif isinstance(value, datetime) and value.tzinfo is None:
        yield f"{path} is a time without its zone: {value}"
