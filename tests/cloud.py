"""A cloud of its own for tests that need one: what `make run` starts, in a new DATA_DIR, on a free port."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from compute.localhost.paths import paths_for
from scripts import processes
from scripts.console import tail
from scripts.options import ROOT
from scripts.run import ask_health

STARTS_WITHIN_S = 180
STOPS_WITHIN_S = 20


class Cloud:
    """Started and stopped as often as a test likes; ``destroy`` ends its guests and forgets it."""

    def __init__(self, *, hosts: str = "local", **knobs: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="yu-", dir="/tmp"))  # socket paths must be short
        self.directory.chmod(0o711)  # a system user that root drops to must come through
        self.data_dir = self.directory / "my data"  # a path as people have them
        self.short = paths_for(self.data_dir).short
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.knobs = {"DATA_DIR": str(self.data_dir), "PORT": str(self.port), "HOSTS": hosts, **knobs}
        self.output = self.directory / "run.out"
        self.runner: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return once /healthz says 200; raise with what was printed if the run ends or takes too long."""
        with self.output.open("ab") as output:
            self.runner = subprocess.Popen(
                [sys.executable, "-m", "scripts.run"],
                cwd=ROOT,
                env={**os.environ, **self.knobs},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + STARTS_WITHIN_S
        health = "nothing"
        while self.runner.poll() is None and time.monotonic() < deadline:
            is_healthy, health = ask_health(self.url)
            if is_healthy:
                return
            time.sleep(0.2)
        self.stop()
        raise AssertionError(f"the cloud did not come up; /healthz said {health}\n{self.logs()}")

    def stop(self) -> None:
        """As Ctrl-C does.  Guests go on running."""
        if self.runner is None:
            return
        self.runner.send_signal(signal.SIGINT)
        try:
            self.runner.wait(timeout=STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.runner.kill()
            self.runner.wait()
            processes.end(self.pids())
            raise AssertionError(f"the cloud did not stop within {STOPS_WITHIN_S} s\n{self.logs()}") from None
        finally:
            self.runner = None

    def destroy(self) -> None:
        """Stop it, end its guests and remove its directory, unless KEEP_DATA is set."""
        try:
            self.stop()
        finally:
            processes.end(self.pids(), patience_s=2)
            processes.end(self.guest_pids(), patience_s=2)
            if not os.environ.get("KEEP_DATA"):
                shutil.rmtree(self.directory, ignore_errors=True)
                shutil.rmtree(self.short, ignore_errors=True)

    def pids(self, program: str = "") -> list[int]:
        """Its processes: all, or those of one program (scripts/processes.py); the first of them leads the others."""
        return sorted(processes.marked(self.data_dir.resolve(), program))

    def guest_pids(self) -> list[int]:
        """Whatever else has a path of ours in its command line: QEMU, which knows the datastore by a short path."""
        mine = [os.fsencode(f"{directory}/") for directory in (self.data_dir, self.short)]
        found = ((pid, processes.command_line_of(pid)) for pid in processes.all_pids())
        return [pid for pid, line in found if any(path in line for path in mine)]

    def tenant(self, name: str = "demo") -> dict[str, str]:
        """The environment of a demo tenant's EC2 client, from its file."""
        return read_environment(self.data_dir / f"{name}.env")

    def client_environment(self, name: str = "demo") -> Mapping[str, str]:
        """For a program such as the AWS CLI: ours without other keys, with those of the tenant."""
        ours = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        return {**ours, "AWS_CONFIG_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true", **self.tenant(name)}

    def logs(self, lines: int = 40) -> str:
        files = [self.output, *sorted((self.data_dir / "logs").glob("*.log"))]
        return "\n".join(f"--- {file}\n{tail(file, lines)}" for file in files)


def read_environment(file: Path) -> dict[str, str]:
    """The variables that a shell would get by sourcing it."""
    words = shlex.split(file.read_text(), comments=True)
    return dict(word.split("=", 1) for word in words if "=" in word)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
