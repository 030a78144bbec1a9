"""Serial output as plain text: what a terminal would show, without its escape sequences."""

from __future__ import annotations

import re

SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*(?:[@-~]|$)"  # CSI: colours, cursor, clearing
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)"  # OSC and other strings, up to their end
    r"|\x1b[ -/]*[0-~]?"  # two-character escapes, and one cut off at the end
    r"|[\x80-\x9f]"
)
REST = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def plain_text(raw: bytes) -> str:
    """What was printed; a line that was overwritten after a carriage return shows its last text."""
    text = SEQUENCE.sub("", raw.decode("utf-8", errors="replace")).replace("\r\n", "\n")
    return "\n".join(_overwritten(line) for line in text.split("\n"))


def _overwritten(line: str) -> str:
    shown = ""
    for piece in line.split("\r"):
        piece = REST.sub("", _erased(piece))
        shown = piece + shown[len(piece) :]
    return shown


def _erased(piece: str) -> str:
    if "\b" not in piece:
        return piece
    kept: list[str] = []
    for character in piece:
        if character != "\b":
            kept.append(character)
        elif kept:
            kept.pop()
    return "".join(kept)
