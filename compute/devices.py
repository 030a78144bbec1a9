"""Device names, as EC2 has them, and the disks that a domain gives them to."""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.utils.translation import gettext as _

from portal.errors import CloudError
from storage.models import Volume

NAME = re.compile(r"(?:/dev/)?(?:sd(?P<sd>[b-z])(?:[1-9]|1[0-5])?|xvd(?P<xvd>[b-z]|[b-c][a-z])|vd(?P<vd>[b-z]))\Z")
ROOT_NAMES = {"/dev/sda1", "/dev/sda", "/dev/xvda", "/dev/vda", "sda1", "sda", "xvda", "vda"}
ROOT = "a"
SUGGESTED = [f"/dev/sd{letter}" for letter in "fghijklmnopbcde"]


def place_of(device: str, root_device: str) -> str:
    """What is one and the same place in a domain, whatever it is called: /dev/sdf and xvdf are both "f".

    Raises CloudError for what is no name of a device.
    """
    if device == root_device or device in ROOT_NAMES:
        return ROOT
    match = NAME.match(device)
    if match is None:
        text = _("Value (%(name)s) for parameter device is invalid. %(name)s is not a valid EBS device name.")
        raise CloudError(text % {"name": device[:40]})
    return next(place for place in match.groups() if place)


def check_free(device: str, root_device: str, taken: Iterable[str]) -> None:
    """Raises CloudError if the name is none, or the place is taken by another device."""
    place = place_of(device, root_device)
    if place in {place_of(other, root_device) for other in taken}:
        text = _("Invalid value '%(name)s' for unixDevice. Attachment point %(name)s is already in use")
        raise CloudError(text % {"name": device})


def free_name(root_device: str, taken: Iterable[str]) -> str:
    """A name for one more disk; empty if there is none left."""
    places = {place_of(other, root_device) for other in taken}
    return next((name for name in SUGGESTED if place_of(name, root_device) not in places), "")


def target_of(volume: Volume, root_device: str) -> str:
    """The name that a domain gives the disk: one of its own, which it keeps as long as it is attached."""
    return f"vd{place_of(volume.device, root_device)}"
