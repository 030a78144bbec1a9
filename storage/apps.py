from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class StorageConfig(AppConfig):
    name = "storage"
    verbose_name = _("Storage")

    def ready(self) -> None:
        # what they count and perform, they register
        from storage import collecting, registering, services, snapshots, uploads  # noqa: F401
