"""Watch all hosts until told to stop."""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from compute.watch import Watcher


class Command(BaseCommand):
    help = "Watch all hosts: their events, reports and consoles. One process for each installation."

    def handle(self, *args: Any, **options: Any) -> None:
        watcher = Watcher()
        signal.signal(signal.SIGTERM, watcher.stop)
        signal.signal(signal.SIGINT, watcher.stop)
        watcher.run()
