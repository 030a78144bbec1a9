"""What the supervisor runs: its configuration, as text."""

import os
from dataclasses import dataclass

# Their parent's death ends them too, so that killing the supervisor leaves nothing behind.
TIED = "/usr/bin/setpriv --pdeathsig TERM"
PYTHON = f'{TIED} "%(ENV_YUSHAN_PYTHON)s"'
LOG_BYTES, LOG_COPIES = "10MB", 3


@dataclass(frozen=True)
class Program:
    """One line of the supervisor's work.  The signal is the one on which the program ends by itself in good order."""

    name: str
    command: str
    stop_signal: str = "TERM"
    stop_wait_s: int = 6
    whole_group: bool = True
    environment: str = ""


WEB = Program(
    "web",
    f"{PYTHON} -m uvicorn portal.asgi:application --host %(ENV_BIND)s --port %(ENV_PORT)s"
    " --no-access-log --no-server-header --timeout-graceful-shutdown 3",
)
# Only the cluster's first process may get the signal: it then lets its workers finish what they are at.
WORKER = Program("worker", f"{PYTHON} manage.py qcluster", stop_signal="INT", whole_group=False)
COPIER = Program(
    "copier",
    f"{PYTHON} manage.py qcluster",
    stop_signal="INT",
    whole_group=False,
    environment=',Q_CLUSTER_NAME="copies"',
)
WATCHER = Program("watcher", f"{PYTHON} manage.py watch")
LIBVIRTD = Program("libvirtd", f"{PYTHON} -m compute.localhost.daemon", stop_wait_s=3)


def configuration(*, local_host: bool) -> str:
    """Paths come from the environment or are relative to DATA_DIR, where the supervisor starts: none needs quoting.

    libvirtd is outside the group: the supervisor stops the group at once, and only then what it talks to.
    """
    together = (WEB, WORKER, COPIER, WATCHER)
    parts = [supervisord_section()]
    if local_host:
        parts.append(program_section(LIBVIRTD, priority=10))
    parts += [program_section(program, priority=20) for program in together]
    parts.append(f"[group:cloud]\nprograms={','.join(program.name for program in together)}\npriority=20\n")
    return "\n".join(parts)


def supervisord_section() -> str:
    user = "user=root\n" if os.geteuid() == 0 else ""  # else it warns that it was not told to be root
    return (
        "[supervisord]\n"
        "nodaemon=true\n"
        "logfile=logs/supervisord.log\n"
        "logfile_maxbytes=5MB\n"
        "logfile_backups=2\n"
        "pidfile=run/supervisord.pid\n"
        f"{user}"
    )


def program_section(program: Program, *, priority: int) -> str:
    """Started again whenever it ends, for as long as it takes; each try that fails at once waits a second longer."""
    return (
        f"[program:{program.name}]\n"
        f"command={program.command}\n"
        "directory=%(ENV_YUSHAN_ROOT)s\n"
        f'environment=YUSHAN_PROGRAM="{program.name}"{program.environment}\n'
        f"priority={priority}\n"
        "autostart=true\n"
        "autorestart=true\n"
        "startsecs=1\n"
        "startretries=1000000\n"
        f"stopsignal={program.stop_signal}\n"
        f"stopwaitsecs={program.stop_wait_s}\n"
        f"stopasgroup={str(program.whole_group).lower()}\n"
        "killasgroup=true\n"
        "redirect_stderr=true\n"
        f"stdout_logfile=logs/{program.name}.log\n"
        f"stdout_logfile_maxbytes={LOG_BYTES}\n"
        f"stdout_logfile_backups={LOG_COPIES}\n"
    )
