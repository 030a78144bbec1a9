from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from compute.localhost.daemon import configure, environment, privileges
from compute.localhost.paths import paths_for

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def paths(tmp_path):
    paths = paths_for(tmp_path / "data")
    yield paths
    shutil.rmtree(paths.short, ignore_errors=True)


def test_what_libvirt_noted_before_the_last_boot_is_forgotten(paths):
    configure(paths)
    noted = paths.piece("run") / "libvirt" / "qemu.pid"
    noted.parent.mkdir()
    noted.write_text("1")

    configure(paths)
    assert noted.exists()

    (paths.piece("run").parent / "boot").write_text("another boot")
    configure(paths)
    assert not noted.exists()


def test_libvirt_is_told_of_no_directory_but_ours(paths, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_DIRS", "/etc/xdg")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/user/1000/bus")
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "qemu:///system")

    told = environment(paths)

    assert {name for name in told if name.startswith(("XDG_", "LIBVIRT_", "DBUS_"))} == {
        "XDG_CONFIG_HOME",
        "XDG_CACHE_HOME",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
    }
    assert all(value.startswith(str(paths.short)) for name, value in told.items() if name.startswith("XDG_"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up privileges")
def test_root_keeps_nothing_but_the_right_to_bind_low_ports(paths):
    status = subprocess.run(
        [*privileges(paths), "cat", "/proc/self/status"], capture_output=True, text=True, check=True
    ).stdout
    found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)

    assert found["Uid"].split() == [str(paths.uid)] * 4
    assert {int(found[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {1 << 10}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes where libvirt writes too")
def test_libvirt_cannot_exchange_its_configuration_for_a_link(paths):
    configure(paths)
    rename = ["mv", str(paths.config / "qemu.conf"), str(paths.config / "x")]

    assert subprocess.run([*privileges(paths), *rename], capture_output=True, check=False).returncode != 0
    assert (paths.config / "qemu.conf").stat().st_uid == 0


def test_a_data_dir_whose_short_directory_is_somebody_elses_is_refused(paths):
    paths.short.symlink_to("/nowhere")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "compute.localhost.daemon"],
            cwd=PROJECT,
            env={**os.environ, "DATA_DIR": str(paths.data_dir)},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    finally:
        paths.short.unlink()

    assert done.returncode == 1
    assert str(paths.short) in done.stderr
    assert "Traceback" not in done.stderr
