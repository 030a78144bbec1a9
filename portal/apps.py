from django.apps import AppConfig
from django.db.models.signals import post_save
from django.utils.translation import gettext_lazy as _


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = _("Tenants and users")

    def ready(self) -> None:
        from portal import sign_ins
        from portal.tenants import give_default_quotas

        sign_ins.connect()

        post_save.connect(give_default_quotas, sender="portal.Tenant", dispatch_uid="default-quotas")
