from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('storage', '0003_layers_of_what_is_there'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='image',
            name='datastore',
        ),
        migrations.RemoveField(
            model_name='image',
            name='path',
        ),
        migrations.RemoveField(
            model_name='image',
            name='old_root_snapshot',
        ),
        migrations.RemoveField(
            model_name='image',
            name='sha256',
        ),
        migrations.RemoveField(
            model_name='volume',
            name='image',
        ),
        migrations.RemoveField(
            model_name='volume',
            name='path',
        ),
    ]
