"""A private PostgreSQL for as long as one command runs: no port, no system service, nothing left behind.

    python -m scripts.postgres [--durable] -- COMMAND...

The command finds it by DATABASE_URL.  It forgets what a crash would lose, unless it is asked to be durable.
"""

import argparse
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from scripts.console import Stop, complain, tail

NAME = "yushan"
STARTS_WITHIN_S = 30
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def server_programs() -> Path:
    """Where initdb and postgres are: Debian keeps them out of PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    for directory in [*reversed(versions), *map(Path, os.get_exec_path())]:
        if (directory / "initdb").exists() and (directory / "postgres").exists():
            return directory
    raise Stop("There is no PostgreSQL server on this machine. On Debian: apt-get install postgresql")


def unprivileged(directory: Path) -> list[str]:
    """What to put before a command: PostgreSQL refuses to run as root, so root lends it another user."""
    ties = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() != 0:
        return ties
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    os.chown(directory, user.pw_uid, user.pw_gid)
    return [*ties, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


@contextlib.contextmanager
def private_cluster(*, durable: bool = False) -> Iterator[str]:
    """The DATABASE_URL of a fresh cluster, which ends with the block; raises Stop when it does not come up."""
    programs = server_programs()
    directory = Path(tempfile.mkdtemp(prefix="yushan-pg-", dir="/tmp"))
    try:
        before, log = unprivileged(directory), directory / "log"
        create = ["initdb", "--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", f"--username={NAME}"]
        with log.open("wb") as output:
            initdb = [*before, str(programs / create[0]), *create[1:], "-D", str(directory / "data")]
            if subprocess.run(initdb, stdout=output, stderr=output, cwd=directory).returncode:
                raise Stop(f"{tail(log)}\n\nPostgreSQL could not make a cluster in {directory}")
            settings = ["listen_addresses=", f"unix_socket_directories={directory}", *(() if durable else FAST)]
            options = [part for setting in settings for part in ("-c", setting)]
            serve = [*before, str(programs / "postgres"), "-D", str(directory / "data"), *options]
            server = subprocess.Popen(serve, stdout=output, stderr=output, cwd=directory, start_new_session=True)
        try:
            create_database(server, directory, log)
            yield f"postgres://{NAME}@/{NAME}?host={directory}"
        finally:
            stop(server)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def create_database(server: subprocess.Popen[bytes], directory: Path, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with psycopg.connect(host=str(directory), user=NAME, dbname="postgres", autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {NAME}")
                return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise Stop(f"{tail(log)}\n\nPostgreSQL did not come up within {STARTS_WITHIN_S} s")


def stop(server: subprocess.Popen[bytes]) -> None:
    """Close the connections and end; kill it if that takes long, for nothing in it is kept."""
    server.send_signal(signal.SIGINT)
    try:
        server.wait(timeout=10)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGQUIT)
        server.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--durable", action="store_true", help="keep fsync on, for measurements")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    command = asked.command[1:] if asked.command[:1] == ["--"] else asked.command
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with private_cluster(durable=asked.durable) as url:
            return subprocess.run(command, env={**os.environ, "DATABASE_URL": url}).returncode
    except Stop as reason:
        complain(str(reason))
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
