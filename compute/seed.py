"""The NoCloud disk of an instance: who it is, who may log in, and the user data exactly as given."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable

import pycdlib

LABEL = "cidata"
# Type, base64, and a comment; the comment is cut down to what needs no quoting anywhere.
PUBLIC_KEY = re.compile(r"\s*([a-z0-9][a-z0-9@.-]{2,63}) ([A-Za-z0-9+/]{16,}={0,3})(?:[ \t]+([^\r\n]*))?\s*")
HOSTNAME = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
INSTANCE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def public_key_line(key: str) -> str:
    """An OpenSSH public key on one line, safe inside quotes; raises ValueError if it is none."""
    match = PUBLIC_KEY.fullmatch(key)
    if match is None:
        raise ValueError("not one OpenSSH public key: type, base64 and an optional comment on one line")
    comment = re.sub(r"[^A-Za-z0-9@._+:/=-]+", "_", (match[3] or "").strip()).strip("_")
    return f"{match[1]} {match[2]} {comment}".rstrip()


def meta_data(instance_id: str, hostname: str, public_keys: Iterable[str]) -> str:
    """NoCloud's meta-data; raises ValueError for an id, host name or key that is none.

    One member a line, each value quoted as JSON: YAML to cloud-init, and plain enough for a guest with only a shell.
    """
    if not INSTANCE_ID.fullmatch(instance_id):
        raise ValueError(f"{instance_id!r} is not an instance id")
    if len(hostname) > 253 or not HOSTNAME.fullmatch(hostname):
        raise ValueError(f"{hostname!r} is not a host name")
    lines = [f"instance-id: {json.dumps(instance_id)}", f"local-hostname: {json.dumps(hostname)}"]
    keys = [f"  - {json.dumps(public_key_line(key))}" for key in public_keys]
    lines += ["public-keys:", *keys] if keys else []
    return "\n".join(lines) + "\n"


def seed_iso(instance_id: str, hostname: str, public_keys: Iterable[str], user_data: bytes) -> bytes:
    """An ISO 9660 image labelled for NoCloud; the same arguments give an equivalent disk, not the same bytes."""
    files = {
        "meta-data": meta_data(instance_id, hostname, public_keys).encode(),
        # cloud-init takes a disk without user-data for no NoCloud disk at all.
        "user-data": user_data,
    }
    disk = pycdlib.PyCdlib()
    disk.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
    for name, content in files.items():
        iso_name = f"/{name.upper().replace('-', '_')}.;1"
        disk.add_fp(io.BytesIO(content), len(content), iso_name, rr_name=name, joliet_path=f"/{name}")
    result = io.BytesIO()
    disk.write_fp(result)
    disk.close()
    return result.getvalue()
