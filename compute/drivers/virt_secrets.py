"""Passphrases of encrypted layers, handed to libvirt for as long as a call takes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import libvirt

from compute.drivers.base import Disk, Secret
from compute.drivers.domain_xml import secret_xml

logger = logging.getLogger(__name__)

TRIES = 5  # while other workers forget what we need


def secrets_of(disks: Iterable[Disk]) -> list[Secret]:
    """The passphrases of these disks and of all that they stand on, each once."""
    found = {}
    for disk in disks:
        for secret in (disk.secret, *(backing.secret for backing in disk.backing)):
            if secret is not None:
                found[secret.uuid] = secret
    return list(found.values())


def with_secrets(connection: Any, secrets: Sequence[Secret], call: Callable[[], object]) -> None:
    """Call while libvirt knows these passphrases; it forgets them afterwards, for QEMU has them by then.

    Another worker may need the same ones, and forget them in the midst of ours: then it is done again.
    """
    for attempt in range(TRIES):
        try:
            for secret in secrets:
                connection.secretDefineXML(secret_xml(secret)).setValue(secret.value.encode(), 0)
            call()
            return
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_SECRET or attempt == TRIES - 1:
                raise
        finally:
            for secret in secrets:
                _forget(connection, secret)


def _forget(connection: Any, secret: Secret) -> None:
    try:
        connection.secretLookupByUUIDString(secret.uuid).undefine()
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SECRET:
            logger.warning("libvirt still has secret %s: %s", secret.uuid, error)
