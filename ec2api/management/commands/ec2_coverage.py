"""manage.py ec2_coverage: write docs/ec2-coverage.md, the page of what of the EC2 API there is."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from ec2api.coverage import PAGE, page


class Command(BaseCommand):
    help = "Write docs/ec2-coverage.md from the actions that there are and botocore's model."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        PAGE.write_text(page())
        self.stdout.write(f"{PAGE} is written\n")
