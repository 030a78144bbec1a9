"""Compare the quota ledger with the rows it counts."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from portal import quotas
from portal.models import Quota


class Command(BaseCommand):
    help = "Recount every tenant's usage and report any difference from the ledger; --repair writes what was counted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true", help="correct the ledger")

    @transaction.atomic
    def handle(self, *args: Any, repair: bool = False, **options: Any) -> None:
        differing = quotas.recount()
        for quota, counted in differing:
            self.stdout.write(f"{quota.tenant} {quota.resource}: ledger says {quota.used}, rows say {counted}")
            if repair:
                Quota.objects.filter(pk=quota.pk).update(used=counted)
        if not differing:
            self.stdout.write("no difference")
        elif not repair:
            raise SystemExit(1)
