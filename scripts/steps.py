"""What comes before the servers: each step is passed over, or quick, when nothing it depends on has changed."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import django

from scripts.console import quietly, say
from scripts.options import ROOT, Options


def prepare(options: Options) -> None:
    """Database, static files, guest image and first rows; raises Stop when one of them fails."""
    if options.is_local:
        build_guest_image(options)
    say("Database")
    manage(options, "migrate", "--no-input")
    collect_static(options)
    say("First rows")
    manage(options, "bootstrap")


def manage(options: Options, *arguments: str) -> None:
    quietly(
        [sys.executable, "manage.py", *arguments],
        log=options.logs / "setup.log",
        cwd=ROOT,
        env=options.environment(sys.executable),
    )


def collect_static(options: Options) -> None:
    stamp, now = options.runtime / "static.stamp", static_fingerprint()
    if (options.data_dir / "static").is_dir() and stamp.exists() and stamp.read_text() == now:
        return
    say("Static files")
    manage(options, "collectstatic", "--no-input", "--clear")
    stamp.write_text(now)


def static_fingerprint() -> str:
    """Changes with any file below a static directory of ours, and with the packages that bring their own."""
    digest = hashlib.sha256(django.__version__.encode() + (ROOT / "requirements.txt").read_bytes())
    for path in sorted(static_files()):
        facts = path.stat()
        digest.update(f"{path.relative_to(ROOT)} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def static_files() -> Iterator[Path]:
    apps = (path.with_name("static") for path in ROOT.glob("*/__init__.py"))  # not DATA_DIR, where they are collected
    for directory in (ROOT / "static", *apps):
        yield from (path for path in directory.rglob("*") if path.is_file())


def build_guest_image(options: Options) -> None:
    """The recipe itself knows whether its product is current, and lets only one of us build at a time."""
    say("Guest image (half a minute the first time)")
    quietly(
        [str(ROOT / "guest-image" / "build.sh"), str(options.guest_images)],
        log=options.logs / "setup.log",
        cwd=ROOT,
        env=options.environment(sys.executable),
    )
