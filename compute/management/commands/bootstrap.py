"""Make the rows a new installation begins with; run again, it changes nothing that is there."""

from typing import Any

from django.core.management.base import BaseCommand

from compute.bootstrap import bootstrap


class Command(BaseCommand):
    help = "Make zone, instance types, datastore, image, hosts (HOSTS=local or simulated:N) and the demo tenants."

    def handle(self, *args: Any, **options: Any) -> None:
        for line in bootstrap():
            self.stdout.write(line)
