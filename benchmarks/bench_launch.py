"""How much longer RunInstances takes to a running domain than virsh takes with the same domain; prints JSON.

Both start the same kind of domain on the same private libvirt, in turns, on an idle queue: the same memory, an overlay
of the same image, the same forwarded port.  Yushan's time is from the call to the moment the domain is seen to run by
libvirt itself; virsh's is from its start to its end, with the overlay made before (Yushan makes its own within).
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import time
import uuid
from pathlib import Path

import libvirt

from compute.localhost.paths import paths_for
from tests.clients import ec2_of
from tests.cloud import Cloud

ROUNDS = 5
ENDS_WITHIN_S = 30


class Bench:
    """One cloud, and both ways to start a domain on it."""

    def __init__(self, cloud: Cloud, directory: Path) -> None:
        self.cloud, self.directory = cloud, directory
        self.paths = paths_for(cloud.data_dir)
        self.ec2 = ec2_of(cloud)
        self.image = self.ec2.describe_images()["Images"][0]["ImageId"]
        self.libvirt = libvirt.open(self.paths.uri)
        self.xml = ""

    def by_yushan(self) -> float:
        """Seconds from RunInstances to the domain that runs; the domain's description is kept for virsh."""
        began = time.perf_counter()
        made = self.ec2.run_instances(ImageId=self.image, InstanceType="t2.nano", MinCount=1, MaxCount=1)
        name = made["Instances"][0]["InstanceId"]
        while name not in self.running():
            time.sleep(0.005)
        took = time.perf_counter() - began
        self.xml = self.libvirt.lookupByName(name).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        self.ec2.get_waiter("instance_running").wait(InstanceIds=[name], WaiterConfig={"Delay": 1})
        self.ec2.terminate_instances(InstanceIds=[name])
        self.ec2.get_waiter("instance_terminated").wait(InstanceIds=[name], WaiterConfig={"Delay": 1})
        return took

    def running(self) -> set[str]:
        return {domain.name() for domain in self.libvirt.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING)}

    def by_virsh(self) -> float:
        """Seconds that `virsh create` takes with the same domain, under another name and without our mark."""
        disk, seed = self.copies()
        xml = re.sub(r"<metadata>.*?</metadata>", "", self.xml, flags=re.S)
        xml = re.sub(r"<uuid>.*?</uuid>", f"<uuid>{uuid.uuid4()}</uuid>", xml)
        xml = re.sub(r"<name>.*?</name>", "<name>by-virsh</name>", xml)
        xml = re.sub(r"file='[^']*\.qcow2'", f"file='{disk}'", xml, count=1)
        xml = re.sub(r"<backingStore.*?</backingStore>", "", xml, flags=re.S)
        xml = re.sub(r"file='[^']*seed\.iso'", f"file='{seed}'", xml)
        xml = re.sub(r"<log file='[^']*'[^>]*/>", "", xml)
        file = self.directory / "domain.xml"
        file.write_text(xml)
        began = time.perf_counter()
        done = subprocess.run(
            ["virsh", "-q", "-c", self.paths.uri, "create", str(file)], capture_output=True, text=True
        )
        took = time.perf_counter() - began
        if done.returncode:
            raise RuntimeError(f"virsh: {done.stderr}\n{xml}")
        self.libvirt.lookupByName("by-virsh").destroy()
        return took

    def copies(self) -> tuple[str, str]:
        """An overlay of the image and an empty seed disk, where QEMU may read them; as libvirt knows them."""
        image = next((self.paths.datastore / "images").glob("*.qcow2"))
        disk = self.paths.datastore / "volumes" / "by-virsh.qcow2"
        disk.unlink(missing_ok=True)
        line = [
            "qemu-img",
            "create",
            "-q",
            "-f",
            "qcow2",
            "-F",
            "qcow2",
            "-b",
            f"../images/{image.name}",
            str(disk),
            "8G",
        ]
        subprocess.run(line, check=True)
        seed = self.paths.datastore / "volumes" / "seed.iso"
        seed.write_bytes(b"\0" * 65536)
        for path in (disk, seed):
            self.paths.give(path)
        return self.paths.inside(disk), self.paths.inside(seed)


def main() -> None:
    cloud = Cloud(hosts="local")
    try:
        cloud.start()
        bench = Bench(cloud, cloud.directory)
        bench.by_yushan()  # a first launch, which is not counted: QEMU's files come into the page cache
        pairs = [(bench.by_yushan(), bench.by_virsh()) for _ in range(ROUNDS)]
    finally:
        cloud.destroy()
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(
        json.dumps(
            {
                "benchmark": "launch",
                "rounds": ROUNDS,
                "run_instances_to_running_s": round(ours, 3),
                "virsh_create_s": round(theirs, 3),
                "overhead_s": round(statistics.median(a - b for a, b in pairs), 3),
                "limit_s": 1.0,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
