"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

from ec2api.views import front_door
from portal.health import healthz
from portal.views.shell import bad_request, home, switch_language, switch_tenant

urlpatterns = [
    path("", front_door(home), name="home"),
    path("healthz", healthz, name="healthz"),
    path("switch-tenant/", switch_tenant, name="switch-tenant"),
    path("switch-language/", switch_language, name="switch-language"),
    path("", include("portal.account_urls")),
    path("", include("compute.urls")),
    path("", include("storage.urls")),
    path("admin/", admin.site.urls),
]
handler400 = bad_request
