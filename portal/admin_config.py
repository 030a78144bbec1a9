"""The admin site with our own site object; in a module of its own, because apps.py holds the portal's configuration."""

from django.contrib.admin.apps import AdminConfig


class OperatorAdminConfig(AdminConfig):
    default_site = "portal.admin_site.OperatorSite"
