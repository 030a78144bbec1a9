"""Make a tenant from the command line."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.urls import reverse

from portal.accounts import invite
from portal.audit import Actor, Door
from portal.models import Role, Tenant, User
from portal.tenants import add_member, create_tenant


class Command(BaseCommand):
    help = "Make a tenant, with an administrator or with a link that invites one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the tenant's name")
        parser.add_argument("--administrator", metavar="USER", help="a user who is there already")
        parser.add_argument(
            "--invite", metavar="E-MAIL", nargs="?", const="", help="print a link for its administrator"
        )

    @transaction.atomic
    def handle(self, *args: Any, name: str, **options: Any) -> None:
        actor = Actor(None, Door.COMMAND)
        if Tenant.objects.filter(name=name).exists():
            raise CommandError(f"there is a tenant {name} already")
        user = self._administrator(options["administrator"])
        tenant = create_tenant(name, actor=actor)
        self.stdout.write(f"tenant {tenant}, account {tenant.account_id}")
        if user is not None:
            add_member(tenant, user, Role.ADMINISTRATOR, actor=actor)
            self.stdout.write(f"administrator {user}")
        if options["invite"] is not None:
            _made, token = invite(tenant, email=options["invite"], role=Role.ADMINISTRATOR, actor=actor)
            self.stdout.write(f"link for its administrator: {settings.PUBLIC_URL}{reverse('invitation', args=[token])}")

    @staticmethod
    def _administrator(username: str | None) -> User | None:
        if username is None:
            return None
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"there is no user {username}; make one with createsuperuser, or use --invite")
        return user
