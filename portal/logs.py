"""What logs must not say."""

from __future__ import annotations

import logging
import re

LINK = re.compile(r"/(invitations|password/reset)/[^\s?]+")


class WithoutLinks(logging.Filter):
    """Whoever has the link of an invitation or of a new password gets in, so logs name neither."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(LINK.sub(r"/\1/...", arg) if isinstance(arg, str) else arg for arg in record.args)
        return True
