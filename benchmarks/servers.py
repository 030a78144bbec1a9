"""Servers to measure: this cloud with simulated hosts on a database, and moto."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from scripts.console import Stop
from scripts.postgres import private_cluster

ROOT = Path(__file__).resolve().parent.parent
BENCH_ENV = ROOT / ".venv-bench"
REQUIREMENTS = ROOT / "benchmarks" / "requirements.txt"
STARTS_WITHIN_S = 60


@dataclass(frozen=True)
class Server:
    """Where it listens, and with what to sign for it."""

    name: str
    port: int
    access_key: str
    secret: str


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, env: dict[str, str], log: Path) -> Iterator[None]:
    """The process, once it answers, until the block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + STARTS_WITHIN_S
            while not _answers(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command[0]} did not come up:\n{log.read_text()[-2000:]}")
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(timeout=20)


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()
    return True


@contextmanager
def this_cloud(name: str, database_url: str = "", *, hosts: int = 100) -> Iterator[Server]:
    """One web process, simulated hosts, no worker: rows are made, nothing is carried out."""
    with tempfile.TemporaryDirectory(prefix="yushan-bench-") as directory:
        port = free_port()
        env = {**os.environ, "DATA_DIR": directory, "PORT": str(port), "HOSTS": f"simulated:{hosts}"}
        env |= {"DEMO": "1", "DEMO_INSTANCES": "20000", "DATABASE_URL": database_url, "LOG_LEVEL": "WARNING"}
        env |= {"API_READS_PER_S": "0", "API_WRITES_PER_S": "0", "API_INSTANCES_PER_S": "0"}  # no limits
        for step in (["migrate", "-v0"], ["bootstrap"]):
            subprocess.run([sys.executable, "manage.py", *step], cwd=ROOT, env=env, check=True, capture_output=True)
        lines = (Path(directory) / "demo.env").read_text().splitlines()
        keys = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        command = [sys.executable, "-m", "uvicorn", "portal.asgi:application", "--port", str(port)]
        with running([*command, "--log-level", "warning"], port, env, Path(directory) / "web.log"):
            yield Server(name, port, keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"])


@contextmanager
def all_three(*, hosts: int = 100) -> Iterator[list[Server]]:
    """moto; this cloud on SQLite; on PostgreSQL where there is one: DATABASE_URL, or a durable cluster of its own."""
    with ExitStack() as stack:
        servers = [stack.enter_context(moto()), stack.enter_context(this_cloud("yushan on SQLite", hosts=hosts))]
        try:
            url = os.environ.get("DATABASE_URL") or stack.enter_context(private_cluster(durable=True))
            servers.append(stack.enter_context(this_cloud("yushan on PostgreSQL", url, hosts=hosts)))
        except Stop as reason:
            print(f"# without PostgreSQL: {reason}")
        yield servers


@contextmanager
def moto() -> Iterator[Server]:
    """moto's server, from an environment of its own."""
    stamp = BENCH_ENV / "installed"
    if not stamp.exists() or stamp.read_text() != REQUIREMENTS.read_text():
        venv.create(BENCH_ENV, with_pip=True)
        subprocess.run([BENCH_ENV / "bin" / "pip", "install", "-q", "-r", REQUIREMENTS], check=True)
        stamp.write_text(REQUIREMENTS.read_text())
    with tempfile.TemporaryDirectory(prefix="moto-bench-") as directory:
        port = free_port()
        command = [str(BENCH_ENV / "bin" / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
        with running(command, port, dict(os.environ), Path(directory) / "log"):
            yield Server("moto", port, "AKIAIOSFODNN7EXAMPLE", "secret")
