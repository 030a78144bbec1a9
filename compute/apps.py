from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ComputeConfig(AppConfig):
    name = "compute"
    verbose_name = _("Compute")

    def ready(self) -> None:
        # what counts usage, and what performs operations
        from compute import change_tasks, compacting, restarting, services, snapshot_tasks, tasks, volume_tasks  # noqa: F401  # noqa: F401
