from django.apps import AppConfig


class ComputeConfig(AppConfig):
    name = "compute"
    verbose_name = "Compute"

    def ready(self) -> None:
        from compute import services, tasks  # noqa: F401 - they register what counts usage and what performs operations
