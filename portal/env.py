"""Every knob is an environment variable, read here, with a clear error when it makes no sense."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


def env_str(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def env_bool(name: str, default: bool = False) -> bool:
    value = os.environ.get(name)
    if value is None:
        return default
    if value.strip().lower() in TRUE:
        return True
    if value.strip().lower() in FALSE:
        return False
    raise ImproperlyConfigured(f"{name}={value!r} is neither yes nor no; use 1 or 0")


def env_int(name: str, default: int) -> int:
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number") from None


def env_float(name: str, default: float) -> float:
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    try:
        return float(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r} is not a number") from None


def env_list(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in env_str(name, default).split(",") if part.strip()]


def env_path(name: str, default: Path) -> Path:
    value = env_str(name)
    return Path(value).expanduser().resolve() if value else default


def env_secret(name: str, kept_in: Path) -> str:
    """The variable, or else a random secret made once and kept in ``kept_in``."""
    return env_str(name) or kept_secret(kept_in)


def kept_secret(kept_in: Path, length: int = 64) -> str:
    """A random secret, made on first use and kept in a file of mode 600."""
    try:
        return kept_in.read_text().strip()
    except FileNotFoundError:
        pass
    kept_in.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = kept_in.with_name(f".{kept_in.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(length)[:length])
    try:
        os.link(made, kept_in)  # the first of several starters wins, and all read what it wrote
    except FileExistsError:
        pass
    finally:
        made.unlink()
    return kept_in.read_text().strip()
