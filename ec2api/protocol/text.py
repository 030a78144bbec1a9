"""Which characters XML can carry, and how text is written into it."""

from __future__ import annotations

import re

# XML 1.0 has no way, escaped or not, to carry these; lone surrogates are not characters at all.
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def is_fit(text: str) -> bool:
    """Whether XML 1.0 can carry ``text``."""
    return text.isprintable() or _UNFIT.search(text) is None


def escape(text: str) -> str:
    """``text`` as XML character data; what XML cannot carry becomes U+FFFD, so that a reply is always well-formed.

    A carriage return goes as a reference, or the client's parser would turn it into a line feed.
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if text.isprintable():
        return text
    return _UNFIT.sub("\ufffd", text).replace("\r", "&#13;")
