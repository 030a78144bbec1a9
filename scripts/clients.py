"""Clients that live beside our own packages: Ansible and the AWS SDK for JavaScript, each in a directory of its own.

They are dear to fetch, so they are kept in the cache of the tests, under the hash of what says which they are.
`python -m scripts.clients` makes those that are missing.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.check import cache
from scripts.console import Stop, complain, quietly, say
from scripts.options import ROOT

RECIPES = ROOT / "tests" / "clients"
COLLECTION = "ansible_collections/amazon/aws/"
Run = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class Client:
    name: str
    recipe: Path
    files: Sequence[str]  # what names the versions
    make: Callable[["Client", Path, Run], None]

    def directory(self) -> Path:
        """Where it is, or is to be."""
        python = f"{sys.version_info[:2]}".encode()  # a virtual environment is of one Python
        digest = hashlib.sha256(python + b"".join((self.recipe / name).read_bytes() for name in self.files))
        return cache() / f"{self.recipe.name}-{digest.hexdigest()[:16]}"

    @property
    def stamp(self) -> Path:
        return self.directory() / ".made"

    def installed(self) -> Path:
        """Its directory; raises Stop, saying what to do, if it is not there."""
        if not self.stamp.exists():
            raise Stop(f"{self.name} is not installed in {self.directory()}; `make test-setup` installs it.")
        return self.directory()


def _ansible(client: Client, directory: Path, run: Run) -> None:
    """Of the 80 collections of PyPI's ansible only Amazon's is unpacked: the others are half a gigabyte."""
    pip = [str(directory / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    run([sys.executable, "-m", "venv", str(directory)])
    run([*pip, "install", "-r", str(client.recipe / "requirements.txt")])
    run([*pip, "download", "--no-deps", "-d", str(directory / "wheels"), "-r", str(client.recipe / "collection.txt")])
    for wheel in (directory / "wheels").glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(directory, [name for name in archive.namelist() if name.startswith(COLLECTION)])
    shutil.rmtree(directory / "wheels")


def _javascript(client: Client, directory: Path, run: Run) -> None:
    for name in client.files:
        shutil.copy(client.recipe / name, directory)
    run(["npm", "ci", "--prefix", str(directory), "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])


ANSIBLE = Client("Ansible", RECIPES / "ansible", ["requirements.txt", "collection.txt"], _ansible)
JAVASCRIPT = Client(
    "The AWS SDK for JavaScript", RECIPES / "javascript", ["package.json", "package-lock.json"], _javascript
)
CLIENTS = (ANSIBLE, JAVASCRIPT)


def install(client: Client, log: Path) -> None:
    """Make it anew; without the stamp it counts as absent, however far a set-up that was stopped had come."""
    say(f"{client.name} (for the tests; half a minute the first time)")
    directory = client.directory()
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    client.make(client, directory, lambda command: quietly(command, log=log, cwd=directory, env=os.environ))
    client.stamp.touch()


def main() -> int:
    log = ROOT / os.environ.get("DATA_DIR", "var") / "logs" / "setup.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / ".clients.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the cache belongs to all checkouts
        try:
            for client in CLIENTS:
                if not client.stamp.exists():
                    install(client, log)
        except Stop as stop:
            complain(str(stop))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
