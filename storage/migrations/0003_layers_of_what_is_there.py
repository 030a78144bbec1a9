"""What is there already becomes layers: a file of each image, and of each volume that has one."""

from django.db import migrations
from django.db.models import F, Sum
from django.utils import timezone


def inside(datastore, path):
    return path.removeprefix(datastore.path.rstrip("/") + "/")


def make_layers(apps, _editor):
    Image, Volume, Layer = (apps.get_model("storage", name) for name in ("Image", "Volume", "Layer"))
    Snapshot, Device = apps.get_model("storage", "Snapshot"), apps.get_model("storage", "ImageDevice")
    Datastore = apps.get_model("storage", "Datastore")
    now, of_image = timezone.now(), {}
    for image in Image.objects.select_related("datastore"):
        layer = Layer.objects.create(
            datastore=image.datastore, path=inside(image.datastore, image.path), size_gib=image.size_gib,
            sha256=image.sha256, made_at=now,
        )  # fmt: skip
        snapshot = Snapshot.objects.create(
            ec2_id=image.old_root_snapshot, tenant=image.tenant, layer=layer, size_gib=image.size_gib,
            state="completed", progress=100, is_public=image.is_public, completed_at=now,
        )  # fmt: skip
        Device.objects.create(
            image=image, device_name=image.root_device_name, snapshot=snapshot, size_gib=image.size_gib
        )
        Image.objects.filter(pk=image.pk).update(root_snapshot=snapshot)
        of_image[image.pk] = snapshot
    for volume in Volume.objects.select_related("datastore"):
        snapshot = of_image.get(volume.image_id)
        origin = snapshot and snapshot.layer
        layer = volume.path and Layer.objects.create(
            datastore=volume.datastore, path=inside(volume.datastore, volume.path), size_gib=volume.size_gib,
            parent=origin, made_at=now,
        )  # fmt: skip
        Volume.objects.filter(pk=volume.pk).update(
            origin=origin, layer=layer or None, snapshot_id=snapshot.ec2_id if snapshot else "",
            promised_gib=volume.size_gib, attachment_state="attached" if volume.instance_id else "",
        )  # fmt: skip
    for datastore in Datastore.objects.annotate(sum=Sum("volumes__size_gib")):
        Datastore.objects.filter(pk=datastore.pk).update(promised_gib=F("promised_gib") + (datastore.sum or 0))


def forget_layers(apps, _editor):
    """Back to one file for each image and volume; raises if there is what could not be said so."""
    Image, Volume, Layer = (apps.get_model("storage", name) for name in ("Image", "Volume", "Layer"))
    Snapshot, Device = apps.get_model("storage", "Snapshot"), apps.get_model("storage", "ImageDevice")
    if Snapshot.objects.exclude(pk__in=Image.objects.values("root_snapshot")).exists():
        raise RuntimeError("there are snapshots of volumes, which the older version does not know; delete them first")
    for image in Image.objects.select_related("root_snapshot__layer__datastore"):
        layer = image.root_snapshot.layer
        Image.objects.filter(pk=image.pk).update(
            datastore=layer.datastore, path=f"{layer.datastore.path}/{layer.path}", sha256=layer.sha256,
            old_root_snapshot=image.root_snapshot.ec2_id, root_snapshot=None,
        )  # fmt: skip
    images = {image.old_root_snapshot: image.pk for image in Image.objects.all()}
    for volume in Volume.objects.select_related("datastore", "layer"):
        path = f"{volume.datastore.path}/{volume.layer.path or f'layers/{volume.layer.name}.qcow2'}" if volume.layer else ""
        Volume.objects.filter(pk=volume.pk).update(
            image=images.get(volume.snapshot_id), path=path, origin=None, layer=None
        )
    Device.objects.all().delete()
    Snapshot.objects.all().delete()
    while (leaves := Layer.objects.filter(children=None)).exists():
        leaves.delete()


class Migration(migrations.Migration):

    dependencies = [
        ('storage', '0002_layers'),
    ]

    operations = [
        migrations.RunPython(make_layers, forget_layers),
    ]
