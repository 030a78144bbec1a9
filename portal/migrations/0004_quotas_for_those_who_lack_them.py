from django.db import migrations

LIMITS = {"snapshots": 200, "images": 50}


def give_quotas(apps, _editor):
    Tenant, Quota = apps.get_model("portal", "Tenant"), apps.get_model("portal", "Quota")
    for resource, limit in LIMITS.items():
        lacking = Tenant.objects.exclude(quotas__resource=resource)
        Quota.objects.bulk_create(Quota(tenant=tenant, resource=resource, limit=limit) for tenant in lacking)


def take_quotas(apps, _editor):
    apps.get_model("portal", "Quota").objects.filter(resource__in=LIMITS).delete()


class Migration(migrations.Migration):

    dependencies = [
        ('portal', '0003_quota_of_snapshots_and_images'),
    ]

    operations = [
        migrations.RunPython(give_quotas, take_quotas),
    ]
