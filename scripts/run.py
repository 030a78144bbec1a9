"""Run the cloud in the foreground: `make run`.  Ctrl-C stops it; guests go on running."""

import contextlib
import errno
import fcntl
import http
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import IO

from scripts import processes
from scripts.console import Stop, complain, say, show, tail
from scripts.options import Options
from scripts.steps import prepare
from scripts.supervision import TIED, configuration

HEALTHY_WITHIN_S = 120
STOP_WITHIN_S = 12
END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    for number in END_SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        options = Options.read()
        make_directories(options)
        os.umask(0o077)  # database, logs and passwords are nobody else's
        with only_run(options):
            end_leftovers(options)
            check_port(options)
            prepare(options)
            return Run(options).until_stopped()
    except Stop as reason:
        complain(str(reason))
        return 1
    except KeyboardInterrupt:
        complain("Stopped before it was ready; the next `make run` goes on from here.")
        return 130


def make_directories(options: Options) -> None:
    try:
        for directory in (options.data_dir, options.logs, options.runtime):
            directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Stop(
            f"DATA_DIR is {options.data_dir}, and it cannot be used: {error}. Choose another DATA_DIR."
        ) from error


@contextlib.contextmanager
def only_run(options: Options) -> Iterator[None]:
    """Hold this DATA_DIR; the kernel lets go of it when we die, however that happens."""
    with (options.runtime / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Stop(
                f"Yushan runs on {options.data_dir} already ({lock.read().strip()}).\n"
                "Stop it there with Ctrl-C, or start a second one with another DATA_DIR and PORT."
            ) from None
        lock.truncate(0)
        print(f"process {os.getpid()}, {options.url}", file=lock, flush=True)
        yield


def end_leftovers(options: Options) -> None:
    """Whatever an earlier run on this DATA_DIR left behind when it was killed."""
    if leftovers := processes.marked(options.data_dir):
        say(f"Stopping {len(leftovers)} processes that an earlier run left behind")
        processes.end(leftovers)


def check_port(options: Options) -> None:
    family = socket.AF_INET6 if ":" in options.bind else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((options.bind, options.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Stop(
                    f"Port {options.port} of {options.bind} is taken by another program.\n"
                    f"Choose another one: PORT={options.port + 1} make run"
                ) from None
            raise Stop(
                f"Nothing can be served at port {options.port} of {options.bind}: {error.strerror}.\n"
                "Choose another one with PORT, or another address with BIND."
            ) from None


class Run:
    """The supervisor and our watch over it."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.stopping = threading.Event()
        self.is_forced = False
        self.said: deque[str] = deque(maxlen=5)  # the supervisor's last words

    def until_stopped(self) -> int:
        for number in END_SIGNALS:
            signal.signal(number, self.on_signal)
        processes.adopt_orphans()
        supervisor = self.start_supervisor()
        threading.Thread(target=self.report_health, daemon=True).start()
        while supervisor.poll() is None and not self.stopping.wait(0.5):
            self.end_orphans(supervisor.pid)
        died = not self.stopping.is_set()
        self.stopping.set()
        self.stop(supervisor)
        if died:
            last_words = "\n".join(self.said)
            raise Stop(
                f"{last_words}\n\nThe supervisor died (status {supervisor.returncode}), so everything was stopped;"
                f" start again with `make run`.\nIts log is {self.options.logs}/supervisord.log"
            )
        say("Stopped. Guests go on running; `make run` finds them again.")
        return 0

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.stopping.is_set():
            self.is_forced = True
        self.stopping.set()

    def start_supervisor(self) -> subprocess.Popen[str]:
        """In a session of its own: a Ctrl-C in the terminal reaches us only, and we stop it in order."""
        say(
            "Starting web server, worker, copier and watcher"
            + (", and this machine's libvirt" if self.options.is_local else "")
        )
        file = Path("run", "supervisord.conf")
        (self.options.data_dir / file).write_text(configuration(local_host=self.options.is_local))
        supervisor = subprocess.Popen(
            [*TIED.split(), sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "-c", str(file)],
            cwd=self.options.data_dir,
            env=self.options.environment(sys.executable),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert supervisor.stdout is not None
        threading.Thread(target=self.report_restarts, args=(supervisor.stdout,), daemon=True).start()
        return supervisor

    def report_restarts(self, lines: IO[str]) -> None:
        """Show what the supervisor says about programs that ended by themselves."""
        for line in lines:
            self.said.append(line.rstrip())
            _, found, what = line.partition("exited: ")
            if found and not self.stopping.is_set():
                program, _, how = what.strip().partition(" ")
                say(f"{program} ended {how} and is started again; see {self.options.logs}/{program}.log")

    def end_orphans(self, supervisor: int) -> None:
        """A worker whose cluster was killed would go on beside the new cluster's."""
        processes.reap(keep=[supervisor])
        ours = set(processes.children()) & set(processes.marked(self.options.data_dir))
        processes.end(ours - {supervisor}, patience_s=1)

    def stop(self, supervisor: subprocess.Popen[str]) -> None:
        if supervisor.poll() is None:
            say("Stopping (once more to stop at once)")
            supervisor.terminate()
        deadline = time.monotonic() + STOP_WITHIN_S
        while supervisor.poll() is None and time.monotonic() < deadline and not self.is_forced:
            time.sleep(0.1)
        if supervisor.poll() is None:
            supervisor.kill()
        supervisor.wait()
        while left := processes.marked(self.options.data_dir):
            processes.end(left, patience_s=0 if self.is_forced else 1)
            processes.reap()

    def report_health(self) -> None:
        """Once everything is alive show the way in; say what is lacking if that takes long."""
        answer, deadline = "nothing", time.monotonic() + HEALTHY_WITHIN_S
        while not self.stopping.wait(0.3):
            is_healthy, answer = ask_health(self.options.url)
            if is_healthy:
                show(f"\n{tail(self.options.data_dir / 'welcome.txt', lines=100)}\n")
                return
            if time.monotonic() > deadline:
                say(f"Not healthy after {HEALTHY_WITHIN_S} s: {self.options.url}/healthz says {answer}")
                say(f"The logs are in {self.options.logs}; still trying.")
                deadline = float("inf")


def ask_health(url: str) -> tuple[bool, str]:
    """Whether everything is alive, and what the server said.  Asked directly, whatever proxy is set."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=5)
    try:
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        return response.status == http.HTTPStatus.OK, response.read(10_000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return False, str(error)
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
