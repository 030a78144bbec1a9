"""Layers: the files that volumes, snapshots and images are made of."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.ids import new_id
from portal.sealing import seal, unseal
from storage.backends.base import LayerFile
from storage.models.datastore import Datastore

DEPTH_LIMIT = 200  # of a chain; far beyond what is let grow, only so that a loop in the rows ends


def new_layer_name() -> str:
    return new_id("layer")


def new_passphrase() -> str:
    return seal(secrets.token_urlsafe(32))


class EncryptionKey(models.Model):
    """The passphrase of encrypted layers, sealed.  A volume's snapshots, and what is made from them, have the same."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    sealed = models.TextField(default=new_passphrase, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("encryption key")
        verbose_name_plural = _("encryption keys")

    def __str__(self) -> str:
        return str(self.uuid)

    @property
    def passphrase(self) -> str:
        return unseal(self.sealed)


class LayerQuerySet(models.QuerySet["Layer"]):
    def unused(self) -> LayerQuerySet:
        """Those that nothing refers to: no volume, no snapshot, no layer that stands on them."""
        from storage.models.snapshot import Snapshot
        from storage.models.volume import Volume

        mine = OuterRef("pk")
        return self.exclude(
            Exists(Layer.objects.filter(parent=mine))
            | Exists(Volume.objects.filter(layer=mine))
            | Exists(Volume.objects.filter(next_layer=mine))
            | Exists(Volume.objects.filter(origin=mine))
            | Exists(Snapshot.objects.filter(layer=mine))
        )

    def only_of(self, volumes: Iterable[int] | models.QuerySet[Any, Any]) -> LayerQuerySet:
        """The layers that these volumes, by key, are or will be written to, and that nothing else refers to."""
        mine = self.filter(Q(volume__in=volumes) | Q(volume_next__in=volumes), snapshots=None, volumes_begun=None)
        return mine.filter(Q(children=None) | Q(children__volume_next__in=volumes)).order_by()


class Layer(models.Model):
    """A qcow2 file.  The one on top of a volume is written to; once another layer or a snapshot refers to it, it is
    frozen for ever.
    """

    name = models.CharField(max_length=40, unique=True, default=new_layer_name, editable=False)
    datastore = models.ForeignKey(Datastore, on_delete=models.PROTECT, related_name="layers")
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="children")
    key = models.ForeignKey(EncryptionKey, null=True, blank=True, on_delete=models.PROTECT, related_name="layers")
    path = models.CharField(max_length=200, blank=True)  # in the datastore; empty: by its name
    size_gib = models.PositiveIntegerField(_("size (GiB)"))
    promised_gib = models.PositiveIntegerField(default=0)  # of the datastore, as long as the row is there
    used_bytes = models.PositiveBigIntegerField(_("space taken"), default=0)
    measured_at = models.DateTimeField(null=True, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)  # of the file of a frozen layer, where it was taken
    made_at = models.DateTimeField(null=True, blank=True)  # None: the file is still to be made
    unused_since = models.DateTimeField(null=True, blank=True, db_index=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = LayerQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        verbose_name = _("layer")
        verbose_name_plural = _("layers")

    def __str__(self) -> str:
        return self.name

    @property
    def file_name(self) -> str:
        return self.path or f"layers/{self.name}.qcow2"

    @property
    def file(self) -> LayerFile:
        """As its backend knows it."""
        return LayerFile(self.file_name, self.key.passphrase if self.key else None)

    def chain(self) -> list[Layer]:
        """This layer and all that it stands on, the top first; a query for each."""
        found = [self]
        while found[-1].parent_id is not None and len(found) < DEPTH_LIMIT:
            found.append(Layer.objects.select_related("key").get(pk=found[-1].parent_id))
        return found

    @property
    def files(self) -> list[LayerFile]:
        """The chain as its backend knows it."""
        return [layer.file for layer in self.chain()]
