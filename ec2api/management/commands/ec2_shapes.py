"""manage.py ec2_shapes: what another botocore changed in the shapes of what we serve; --write accepts it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ec2api import shapes


class Command(BaseCommand):
    help = "Say what differs between botocore's model and the shapes that were accepted; --write accepts it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--write", action="store_true", help="accept what botocore's model says")

    def handle(self, *args: Any, write: bool = False, **options: Any) -> None:
        found = shapes.changes(shapes.accepted(), shapes.served())
        for each in found:
            self.stdout.write(each)
        if write:
            shapes.SNAPSHOT.write_text(shapes.text())
            self.stdout.write(f"{shapes.SNAPSHOT} is written")
        elif found:
            raise SystemExit(1)
