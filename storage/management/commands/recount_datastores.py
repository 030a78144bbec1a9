"""Compare what datastores were promised with the rows it was promised to."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from storage.models import Datastore
from storage.promises import recount


class Command(BaseCommand):
    help = "Recount what each datastore was promised and report any difference; --repair writes what was counted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true", help="correct the ledger")

    @transaction.atomic
    def handle(self, *args: Any, repair: bool = False, **options: Any) -> None:
        differing = recount()
        for datastore, counted in differing:
            self.stdout.write(f"{datastore}: ledger says {datastore.promised_gib} GiB, rows say {counted} GiB")
            if repair:
                Datastore.objects.filter(pk=datastore.pk).update(promised_gib=counted)
        if not differing:
            self.stdout.write("no difference")
        elif not repair:
            raise SystemExit(1)
