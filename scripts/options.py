"""Where and how `make run` runs, read from the environment once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.console import Stop
from scripts.processes import MARK

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Options:
    data_dir: Path
    bind: str
    port: int
    hosts: str
    guest_images: Path

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> "Options":
        """What the environment asks for; raises Stop naming the knob that makes no sense."""
        data_dir = (ROOT / environ.get("DATA_DIR", "var")).resolve()
        hosts = environ.get("HOSTS", "local")
        if hosts != "local" and not hosts.removeprefix("simulated:").isdecimal():
            raise Stop(f"HOSTS is {hosts!r}; it can be 'local' or 'simulated:' and a number, such as simulated:100.")
        return cls(
            data_dir=data_dir,
            bind=environ.get("BIND", "127.0.0.1"),
            port=read_port(environ.get("PORT", "8000")),
            hosts=hosts,
            guest_images=(ROOT / environ.get("GUEST_IMAGE_DIR", data_dir / "guest-image")).resolve(),
        )

    @property
    def is_local(self) -> bool:
        return self.hosts == "local"

    @property
    def logs(self) -> Path:
        return self.data_dir / "logs"

    @property
    def runtime(self) -> Path:
        return self.data_dir / "run"

    @property
    def url(self) -> str:
        """How this machine itself reaches the web server."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.bind, self.bind)  # noqa: S104 - only compared with
        return f"http://{host}:{self.port}"

    def environment(self, python: str) -> dict[str, str]:
        """What every process of this run is started with; MARK is how they are found again."""
        ours = {
            "DATA_DIR": str(self.data_dir),
            "BIND": self.bind,
            "PORT": str(self.port),
            "HOSTS": self.hosts,
            "GUEST_IMAGE_DIR": str(self.guest_images),
            "PYTHONUNBUFFERED": "1",
            "YUSHAN_PYTHON": python,
            "YUSHAN_ROOT": str(ROOT),
            MARK: str(self.data_dir),
        }
        return {**os.environ, **ours}


def read_port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise Stop(f"PORT is {text!r}; it must be a number from 1 to 65535.")
    return int(text)
