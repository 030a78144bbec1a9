"""Addresses of the pages about instances and key pairs."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from portal.decorators import tenant_required


@tenant_required
def instances(request: HttpRequest) -> HttpResponse:
    return render(request, "base.html")


urlpatterns = [path("instances/", instances, name="instances")]
