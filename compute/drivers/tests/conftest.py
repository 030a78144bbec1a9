"""A private libvirtd of a temporary DATA_DIR, and guests for it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from compute.drivers.base import Backing, Disk, DomainSpec, HostSettings, Interface, Secret
from compute.drivers.kvm import KvmDriver
from compute.drivers.tests.contract import wait_until
from compute.localhost.paths import Paths, paths_for
from compute.seed import seed_iso
from networking.backends.usermode import Ingress, loopback_address, plan
from networking.forwards import PortForward
from storage.backends.base import Chain, LayerFile, Limits
from storage.backends.directory import DirectoryBackend

PROJECT = Path(__file__).resolve().parents[3]
GIB = 2**30
IMAGE = LayerFile("images/ami-tiny.qcow2")
SSH = (Ingress("tcp", 22, 22, cidr="0.0.0.0/0"),)


@dataclass
class LocalHost:
    """The daemon, and what it takes to make a DomainSpec for it."""

    paths: Paths
    image: LayerFile = IMAGE
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    daemon: subprocess.Popen[bytes] | None = None
    made: int = 0

    @property
    def backend(self) -> DirectoryBackend:
        return DirectoryBackend(self.paths.datastore, give=self.paths.give)

    @property
    def public_key(self) -> str:
        public = self.key.public_key()
        return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()

    def start(self) -> None:
        log = (self.paths.data_dir / "daemon.log").open("ab")
        environment = {**os.environ, "DATA_DIR": str(self.paths.data_dir)}
        command = [sys.executable, "-m", "compute.localhost.daemon"]
        daemon = self.daemon = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log)
        probe = self.driver("probe")

        def answers():
            assert daemon.poll() is None, (self.paths.data_dir / "daemon.log").read_text()
            try:
                return probe.report()
            except Exception:
                return None

        wait_until(answers, 20, "libvirtd")
        probe.close()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.daemon is not None
        self.daemon.send_signal(how)
        return self.daemon.wait(20)

    def driver(self, installation: str) -> KvmDriver:
        options = {"installation": installation, "accelerator": "tcg"}
        return KvmDriver(HostSettings("local", self.paths.uri, options))

    def spec(self, installation: str, name: str = "", rules: tuple[Ingress, ...] = (), **changes) -> DomainSpec:
        self.made += 1
        name = name or f"i-{uuid.uuid4().hex[:17]}"
        volume = self.layer(backing=[self.image])
        user_data = b"#!/bin/sh\necho ran-user-data >/dev/console\n"
        seed = self.backend.write_instance_file(
            name, "seed.iso", seed_iso(name, f"host-{self.made}", [self.public_key], user_data)
        )
        forwards = plan(rules, loopback_address(self.made, str(self.paths.data_dir))).forwards
        number = self.made
        interface = Interface(
            f"02:00:00:00:00:{number:02x}", f"172.31.0.{number + 3}", "172.31.0.0/17", "172.31.0.1", forwards=forwards
        )
        values = {
            "name": name,
            "uuid": str(uuid.uuid4()),
            "installation": installation,
            "vcpus": 1,
            "memory_mib": 128,
            "disks": (
                self.disk(volume, target="vda", backing=[self.image]),
                Disk(self.paths.inside(seed), "raw", "hdc", cdrom=True),
            ),
            "interfaces": (interface,),
            "console_log": self.paths.inside(f"{self.backend.instance_dir(name)}/console.log"),
        }
        return DomainSpec(**{**values, **changes})

    def layer(self, key: str | None = None, backing: Chain = (), size_bytes: int = GIB) -> LayerFile:
        """A new layer in the datastore."""
        layer = LayerFile(f"layers/layer-{uuid.uuid4().hex[:17]}.qcow2", key)
        self.backend.create(layer, size_bytes, backing)
        return layer

    def seen(self, layer: LayerFile) -> str:
        """A layer's path as libvirt knows it."""
        return self.paths.inside(self.backend.path(layer.name))

    def disk(self, layer: LayerFile, serial: str = "", backing: Chain = (), target: str = "") -> Disk:
        """A layer and what it stands on as a disk; its serial is by its name unless given."""
        serial = serial or Path(layer.name).stem.replace("layer-", "vol")[:20]
        below = tuple(Backing(self.seen(each), secret(each)) for each in backing)
        return Disk(self.seen(layer), "qcow2", target, serial=serial, secret=secret(layer), backing=below)

    @staticmethod
    def ssh(spec: DomainSpec) -> PortForward:
        return next(forward for forward in spec.interfaces[0].forwards if forward.guest_port == 22)


def secret(layer: LayerFile) -> Secret | None:
    return Secret(str(uuid.uuid5(uuid.NAMESPACE_URL, layer.key)), layer.key) if layer.key else None


@pytest.fixture(scope="session")
def guest_image() -> Path:
    directory = Path(os.environ.get("GUEST_IMAGE_DIR") or PROJECT / "var" / "guest-image")
    build = subprocess.run([PROJECT / "guest-image" / "build.sh", directory], stdout=subprocess.PIPE, check=True)
    return Path(build.stdout.decode().splitlines()[-1])


@pytest.fixture(scope="session")
def local_host(tmp_path_factory, guest_image):
    data_dir = tmp_path_factory.mktemp("host") / ("long-" * 25)  # longer than a socket's path may be
    data_dir.mkdir(mode=0o700)
    host = LocalHost(paths_for(data_dir))
    host.paths.prepare()
    host.backend.take(str(guest_image), host.image, Limits(GIB))
    host.start()
    yield host
    sweeper = host.driver("")
    for domain in sweeper.report().domains:
        host.driver(domain.installation).destroy(domain.name)
    assert host.stop() == 0
    shutil.rmtree(host.paths.short)


@pytest.fixture
def driver(local_host):
    driver = local_host.driver("ours")
    yield driver
    driver.close()


@pytest.fixture
def stranger(local_host):
    stranger = local_host.driver("theirs")
    yield stranger
    stranger.close()


@pytest.fixture
def new_spec(local_host):
    return local_host.spec


@pytest.fixture
def layers(local_host):
    return local_host
