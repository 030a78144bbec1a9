"""The private PostgreSQL of the tests."""

import subprocess
import sys
from pathlib import Path


def test_it_serves_one_command_hands_on_its_status_and_leaves_nothing() -> None:
    code = (
        "import os, sys, psycopg\n"
        "directory = os.environ['DATABASE_URL'].partition('host=')[2]\n"
        "psycopg.connect(host=directory, user='yushan', dbname='yushan').execute('SELECT 1')\n"
        "print(directory)\n"
        "sys.exit(3)"
    )

    done = subprocess.run(
        [sys.executable, "-m", "scripts.postgres", "--", sys.executable, "-c", code], capture_output=True, text=True
    )

    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("/tmp/yushan-pg-")
    assert not Path(done.stdout.strip()).exists()
