"""The shapes of what we serve, as botocore's model has them, and what another botocore changed in them, in words.

The model is where our requests are read and our replies written from, so that a new botocore can change both without a
line of ours being touched.  What it said is therefore committed, for the actions that we serve: the members of what we
read and write, their types and which are required, and the words of enumerations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ec2api.protocol.model import Shape
from ec2api.registry import ACTIONS, Action, load_actions

SNAPSHOT = Path(__file__).parent / "protocol" / "served-shapes.txt"
HEAD = "# Written by manage.py ec2_shapes --write; what botocore's model says of the actions that we serve.\n"
LEFT_OUT = {"InstanceType"}  # a thousand words that change with every botocore; instance types are rows here

Shapes = dict[str, str]  # by "ec2 Instance.ImageId", "ec2 VolumeState" or "ec2 RunInstances": what it is


def served() -> Shapes:
    load_actions()
    found: Shapes = {}
    for (service, name), action in sorted(ACTIONS.items()):
        ins, outs = action.operation.input, action.operation.output
        found[f"{service} {name}"] = f"takes {ins.name if ins else 'nothing'}, gives {outs.name if outs else 'nothing'}"
        for shape in _reached(action):
            found |= {f"{service} {key}": value for key, value in _described(shape)}
    return dict(sorted(found.items()))


def _reached(action: Action) -> Iterator[Shape]:
    """The request with all its parameters, what is in those that we support, and all of the reply."""
    seen: set[str] = set()
    if action.operation.input:
        yield action.operation.input
        for keyword in action.supported:
            yield from _below(action.operation.parameters[keyword].shape, seen)
    if action.operation.output:
        yield from _below(action.operation.output, seen)


def _below(shape: Shape, seen: set[str]) -> Iterator[Shape]:
    if shape.name in seen:
        return
    seen.add(shape.name)
    yield shape
    if shape.type == "structure":
        for member in shape.members.values():
            yield from _below(member.shape, seen)
    elif shape.type == "list":
        yield from _below(shape.element.shape, seen)


def _described(shape: Shape) -> Iterator[tuple[str, str]]:
    if shape.type == "structure":
        for member in shape.members.values():
            required = ", required" if member.name in shape.required else ""
            names = f"{member.request_name}/{member.reply_name}"
            yield f"{shape.name}.{member.name}", f"{_type(member.shape)} as {names}{required}"
    elif shape.words and shape.name not in LEFT_OUT:
        yield shape.name, f"one of {' '.join(sorted(shape.words))}"


def _type(shape: Shape) -> str:
    if shape.type == "list":
        return f"list of {_type(shape.element.shape)} ({shape.element.reply_name})"
    bounds = f" {shape.minimum}..{shape.maximum}" if (shape.minimum, shape.maximum) != (None, None) else ""
    return (shape.name if shape.type == "structure" or shape.words else shape.type) + bounds


def text() -> str:
    return HEAD + "".join(f"{key}: {value}\n" for key, value in served().items())


def accepted() -> Shapes:
    """What was written."""
    lines = SNAPSHOT.read_text().splitlines() if SNAPSHOT.exists() else []
    pairs: Iterator[list[str]] = (line.split(": ", 1) for line in lines if not line.startswith("#"))
    return dict(pairs)


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Sentences on what differs; a whole action or structure that comes or goes is one of them."""
    fresh = _fresh(before, now)
    return [
        *(f"{each} is served now, or reached by what is" for each in sorted(fresh)),
        *(f"{each} is not served any more, or was renamed" for each in sorted(_fresh(now, before))),
        *(f"{k} is new: {v}" for k, v in now.items() if k not in before and _whole(k) not in fresh),
        *(f"{k} is gone: {v}" for k, v in before.items() if k not in now and _whole(k) not in _fresh(now, before)),
        *(_changed(k, before[k], v) for k, v in now.items() if k in before and before[k] != v),
    ]


def _whole(key: str) -> str:
    return key.split(".")[0]


def _fresh(before: Iterable[str], now: Iterable[str]) -> set[str]:
    return {_whole(key) for key in now} - {_whole(key) for key in before}


def _changed(key: str, before: str, now: str) -> str:
    if not (before.startswith("one of ") and now.startswith("one of ")):
        return f"{key} was: {before}; it is: {now}"
    old, new = set(before.split()[2:]), set(now.split()[2:])
    parts = [f"has the new words {', '.join(sorted(new - old))}"] if new - old else []
    parts += [f"lost the words {', '.join(sorted(old - new))}"] if old - new else []
    return f"{key} {' and '.join(parts)}"
