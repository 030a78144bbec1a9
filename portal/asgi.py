"""The ASGI application."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
os.environ.setdefault("DATABASE_POOL", "20")  # each thread of the API keeps one of these
django.setup(set_prefix=False)

from ec2api.asgi import Ec2FrontDoor  # noqa: E402 - needs the apps to be ready
from storage.asgi import SiteHandler  # noqa: E402

application = Ec2FrontDoor(SiteHandler())
