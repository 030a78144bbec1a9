from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class StorageConfig(AppConfig):
    name = "storage"
    verbose_name = _("Storage")

    def ready(self) -> None:
        # They register what counts usage, what performs operations, and what is an orphan.
        from storage import collecting, orphans, registering, services, snapshots, tasks, uploads, verifying  # noqa: F401
