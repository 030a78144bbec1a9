"""Read the files of images and compare them with their checksums."""

from typing import Any

from django.core.management.base import BaseCommand

from storage.backends.base import StorageError
from storage.verifying import checked_layers, images_without, what_differs


class Command(BaseCommand):
    help = (
        "Read every file of images that has a checksum and report each that differs or cannot be read (exit status 1)."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        count = bad = 0
        for layer in checked_layers():
            count += 1
            try:
                words = what_differs(layer)
            except StorageError as error:
                words = str(error)
            if words:
                bad += 1
                self.stdout.write(words)
        self.stdout.write(f"{count - bad} of {count} files are as they were")
        if without := images_without():
            self.stdout.write(f"images made of snapshots, whose files have no checksum: {without}")
        if bad:
            raise SystemExit(1)
