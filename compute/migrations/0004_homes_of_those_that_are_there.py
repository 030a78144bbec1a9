from django.db import migrations
from django.db.models import OuterRef, Subquery


def give_homes(apps, _editor):
    Instance, Volume = apps.get_model("compute", "Instance"), apps.get_model("storage", "Volume")
    theirs = Volume.objects.filter(instance_id=OuterRef("ec2_id")).order_by("pk").values("datastore")[:1]
    Instance.objects.filter(datastore=None).update(datastore=Subquery(theirs))


class Migration(migrations.Migration):

    dependencies = [
        ('compute', '0003_home_of_an_instance'),
        ('storage', '0003_layers_of_what_is_there'),
    ]

    operations = [
        migrations.RunPython(give_homes, migrations.RunPython.noop),
    ]
