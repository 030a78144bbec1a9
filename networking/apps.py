from django.apps import AppConfig
from django.db.models.signals import post_save
from django.utils.translation import gettext_lazy as _


class NetworkingConfig(AppConfig):
    name = "networking"
    verbose_name = _("Networking")

    def ready(self) -> None:
        from networking import elastic  # noqa: F401 - it registers what counts usage
        from networking.services import give_default_network

        post_save.connect(give_default_network, sender="portal.Tenant", dispatch_uid="default-network")
