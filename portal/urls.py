"""Every address of the site."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from ec2api.views import front_door
from portal.health import healthz

urlpatterns = [
    path("", front_door(RedirectView.as_view(url="/admin/")), name="home"),
    path("healthz", healthz, name="healthz"),
    path("admin/", admin.site.urls),
]
