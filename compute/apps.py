from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ComputeConfig(AppConfig):
    name = "compute"
    verbose_name = _("Compute")

    def ready(self) -> None:
        from compute import restarting, services, snapshot_tasks, tasks  # noqa: F401 - what they do, they register
