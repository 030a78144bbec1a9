"""What storage's services refuse."""

from __future__ import annotations

from portal.errors import CloudError


class IncorrectVolumeState(CloudError):
    """The volume or snapshot is not in a state in which this can be done."""

    code = "IncorrectState"


class VolumeInUse(CloudError):
    """It is attached to an instance."""

    code = "VolumeInUse"


class SnapshotInUse(CloudError):
    """An image is made of it."""

    code = "InvalidSnapshot.InUse"
