from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ComputeConfig(AppConfig):
    name = "compute"
    verbose_name = _("Compute")

    def ready(self) -> None:
        # They register what counts usage, what performs operations, and whose files are whose.
        from compute import (  # noqa: F401
            change_tasks,
            compacting,
            directories,
            restarting,
            services,
            snapshot_tasks,
            tasks,
            volume_tasks,
        )
