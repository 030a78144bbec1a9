"""Secrets at rest: sealed with the installation's key, unsealed only where they are used."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class CannotUnseal(Exception):
    """The sealing key is not the one that sealed this; put the old one into OLD_SEALING_KEYS."""


@lru_cache(maxsize=1)
def _box() -> MultiFernet:
    digests = (hashlib.sha256(key.encode()).digest() for key in settings.SEALING_KEYS)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


def seal(secret: str) -> str:
    return _box().encrypt(secret.encode()).decode()


@lru_cache(maxsize=4096)
def unseal(sealed: str) -> str:
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise CannotUnseal("sealed with another key: add the old one to OLD_SEALING_KEYS") from None
