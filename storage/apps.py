from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class StorageConfig(AppConfig):
    name = "storage"
    verbose_name = _("Storage")

    def ready(self) -> None:
        # they register what counts usage and what is performed
        from storage import collecting, registering, services, uploads  # noqa: F401
