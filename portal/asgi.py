"""The ASGI application."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
os.environ.setdefault("DATABASE_POOL", "20")  # each thread of the API keeps one of these
site = get_asgi_application()

from ec2api.asgi import Ec2FrontDoor  # noqa: E402 - needs the apps to be ready

application = Ec2FrontDoor(site)
