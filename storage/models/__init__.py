"""Datastores and what is in them: layers, and the volumes, snapshots and images that are made of layers."""

from storage.models.datastore import Datastore
from storage.models.image import Image, ImageDevice, ImageState, Upload, UploadState, launchable_by, new_image_id
from storage.models.layer import EncryptionKey, Layer
from storage.models.orphan import Orphan
from storage.models.snapshot import Snapshot, SnapshotState, new_snapshot_id, usable_by
from storage.models.volume import (
    AttachmentState,
    ModificationState,
    Volume,
    VolumeModification,
    VolumeState,
    new_volume_id,
)

__all__ = [
    "AttachmentState",
    "Datastore",
    "EncryptionKey",
    "Image",
    "ImageDevice",
    "ImageState",
    "Layer",
    "ModificationState",
    "Orphan",
    "Snapshot",
    "SnapshotState",
    "Upload",
    "UploadState",
    "Volume",
    "VolumeModification",
    "VolumeState",
    "launchable_by",
    "new_image_id",
    "new_snapshot_id",
    "new_volume_id",
    "usable_by",
]
