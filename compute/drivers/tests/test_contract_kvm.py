"""The KVM driver against a real libvirtd with real QEMU guests."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import paramiko
import pytest

from compute.drivers.base import Disk, DomainSpec, DriverError, HostSettings, HostUnreachable, PortTaken, Power
from compute.drivers.kvm import KvmDriver
from compute.drivers.tests.conftest import PROJECT, SSH, LocalHost
from compute.drivers.tests.contract import DriverContract, wait_until
from networking.forwards import PortForward

pytestmark = pytest.mark.host


def login(host: LocalHost, spec: DomainSpec, user: str = "root", limit_s: float = 60.0) -> paramiko.SSHClient:
    """An SSH client logged in by the forwarded port, as soon as the guest lets it."""
    forward = host.ssh(spec)
    deadline = time.monotonic() + limit_s
    while True:
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        try:
            client.connect(
                forward.address,
                forward.port,
                user,
                pkey=paramiko.RSAKey(key=host.key),
                allow_agent=False,
                look_for_keys=False,
                timeout=10,
                banner_timeout=10,
            )
            return client
        except (OSError, paramiko.SSHException, EOFError):
            client.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def say(client: paramiko.SSHClient, command: str) -> str:
    # All three are kept until the end: paramiko half-closes the channel when it forgets the first.
    _stdin, stdout, _stderr = client.exec_command(command, timeout=20)
    said: str = stdout.read().decode().strip()
    assert stdout.channel.recv_exit_status() == 0
    return said


@pytest.fixture(autouse=True)
def quiet_paramiko():
    paramiko.util.logging.getLogger("paramiko").setLevel("CRITICAL")  # it logs each try before the guest is up


class TestKvm(DriverContract):
    """The suite every driver passes."""


@pytest.fixture(scope="module")
def guest(local_host):
    driver = local_host.driver("ours")
    spec = local_host.spec("ours", rules=SSH)
    driver.create(spec)
    yield spec
    driver.destroy(spec.name)
    driver.close()


@pytest.mark.parametrize("user", ["root", "cloud"])
def test_the_injected_key_logs_in_at_the_forwarded_port(local_host, guest, user):
    with login(local_host, guest, user) as client:
        assert say(client, "id -un") == user
        assert say(client, "hostname").startswith("host-")
        assert f"inet {guest.interfaces[0].private_ip}/17 " in say(client, "ip -4 addr show dev eth0")


def test_user_data_runs_once_and_says_so_on_the_console(local_host, driver, guest):
    wait_until(lambda: b"login:" in driver.console_output(guest.name, guest.console_log))

    assert driver.console_output(guest.name, guest.console_log).count(b"ran-user-data") == 1


def test_root_gets_port_22_and_anybody_else_8022(local_host, guest):
    unprivileged = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())

    assert local_host.ssh(guest).port == (22 if os.geteuid() == 0 or unprivileged <= 22 else 8022)


def test_the_serial_log_can_be_cut_while_the_guest_writes(local_host, driver, guest):
    with login(local_host, guest) as client:
        log = local_host.paths.datastore / "instances" / guest.name / "console.log"
        os.truncate(log, 0)
        say(client, "echo after-the-cut > /dev/console")

        wait_until(lambda: driver.console_output(guest.name, guest.console_log).strip() == b"after-the-cut", 5)


def test_a_guest_that_powers_itself_off_is_gone_and_said_to_be_within_two_seconds(local_host, driver):
    spec = local_host.spec("ours", rules=SSH)
    heard = []
    driver.listen(lambda name, power: heard.append((name, power)))
    driver.create(spec)
    with login(local_host, spec) as client:
        client.exec_command("sync; poweroff -f")

        took = wait_until(lambda: (spec.name, Power.OFF) in heard, 10)

    assert took < 2
    assert driver.power(spec.name) is Power.OFF
    assert spec.name not in [domain.name for domain in driver.report().domains]


def test_a_port_in_use_is_named(local_host, driver):
    spec = local_host.spec("ours")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        forward = PortForward("tcp", "127.0.0.1", port, 22)
        interface = dataclasses.replace(spec.interfaces[0], forwards=(forward,))

        with pytest.raises(PortTaken, match=f"port {port} of 127.0.0.1") as caught:
            driver.create(dataclasses.replace(spec, interfaces=(interface,)))

    assert (caught.value.address, caught.value.port) == ("127.0.0.1", port)
    assert driver.power(spec.name) is Power.OFF


def test_a_missing_disk_is_named(local_host, driver):
    spec = local_host.spec("ours", disks=(Disk(local_host.paths.inside("datastore/layers/no.qcow2"), "qcow2", "vda"),))

    with pytest.raises(DriverError, match=r"no\.qcow2"):
        driver.create(spec)

    assert driver.power(spec.name) is Power.OFF


def test_too_much_memory_is_an_error_and_leaves_nothing(local_host, driver):
    spec = local_host.spec("ours", memory_mib=4_000_000)

    with pytest.raises(DriverError, match="memory") as caught:
        driver.create(spec)

    assert not isinstance(caught.value, HostUnreachable)
    assert driver.power(spec.name) is Power.OFF


def test_an_unknown_accelerator_is_refused_before_anything_starts(local_host, new_spec):
    driver = KvmDriver(HostSettings("local", local_host.paths.uri, {"installation": "ours", "accelerator": "xyz"}))

    with pytest.raises(DriverError, match="xyz"):
        driver.create(new_spec("ours"))


def test_a_forked_child_leaves_its_parents_connection_alone(local_host, driver, guest):
    assert driver.power(guest.name) is Power.RUNNING

    child = os.fork()
    if child == 0:
        fine = driver.power(guest.name) is Power.RUNNING
        driver.close()
        os._exit(0 if fine else 1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert driver.power(guest.name) is Power.RUNNING
    assert driver.report().domains


def test_no_daemon_means_unreachable_at_once(tmp_path):
    driver = KvmDriver(HostSettings("gone", f"qemu+unix:///session?socket={tmp_path}/none", {"installation": "ours"}))

    begun = time.monotonic()
    with pytest.raises(HostUnreachable, match="gone"):
        driver.report()

    assert time.monotonic() - begun < 2


def test_a_second_daemon_for_the_same_data_dir_says_so(local_host):
    second = subprocess.run(
        [sys.executable, "-m", "compute.localhost.daemon"],
        cwd=PROJECT,
        env={**os.environ, "DATA_DIR": str(local_host.paths.data_dir)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert second.returncode != 0
    assert "running already" in second.stderr
    assert str(local_host.daemon.pid) in second.stderr


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_guests_survive_the_end_of_the_daemon_and_listeners_hear_again_after_it(local_host, driver, guest, how):
    heard = []
    driver.listen(lambda name, power: heard.append((name, power)))
    with login(local_host, guest) as client:
        say(client, "echo kept > /run/kept")
        local_host.stop(how)
        with pytest.raises(HostUnreachable):
            driver.report()
        assert say(client, "cat /run/kept") == "kept"

        local_host.start()

        assert driver.power(guest.name) is Power.RUNNING
        assert say(client, "cat /run/kept") == "kept"
    other = local_host.spec("ours")
    driver.create(other)
    driver.destroy(other.name)
    wait_until(lambda: (other.name, Power.OFF) in heard, 3)


def test_a_domain_that_was_being_started_when_the_daemon_was_killed_can_be_started_again(local_host, driver, new_spec):
    """libvirt 9.0 itself shows it as paused for ever, and cannot even destroy it."""
    spec = new_spec("ours")
    driver.create(spec)
    local_host.stop(signal.SIGKILL)
    [status] = local_host.paths.piece("run").glob(f"libvirt/qemu/run/{spec.name}.xml")
    written = status.read_text()
    half = re.sub(
        "<domstatus state='running' reason='[a-z]+'", "<domstatus state='paused' reason='starting up'", written
    )
    assert half != written
    status.write_text(half)

    local_host.start()

    assert driver.power(spec.name) is Power.OFF
    driver.create(spec)
    assert driver.power(spec.name) is Power.RUNNING
    driver.destroy(spec.name)


def test_a_hung_daemon_is_unreachable_within_ten_seconds_and_found_again(local_host, driver, guest):
    assert driver.power(guest.name) is Power.RUNNING
    pids = subprocess.run(["pgrep", "-P", str(local_host.daemon.pid)], capture_output=True, text=True, check=True)
    libvirtd = next(int(pid) for pid in pids.stdout.split() if "libvirtd" in Path(f"/proc/{pid}/comm").read_text())
    os.kill(libvirtd, signal.SIGSTOP)
    try:
        for _ in range(2):  # the call on the open connection, then the opening of the next
            begun = time.monotonic()
            with pytest.raises(HostUnreachable):
                driver.power(guest.name)
            assert time.monotonic() - begun < 12
    finally:
        os.kill(libvirtd, signal.SIGCONT)

    wait_until(lambda: driver.power(guest.name) is Power.RUNNING, 5)
