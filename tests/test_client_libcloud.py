"""Apache libcloud unmodified: GET requests, lists numbered from 0, and its own reading of our XML."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from libcloud.common.exceptions import BaseHTTPError
from libcloud.compute.types import NodeState, StorageVolumeState, VolumeSnapshotState

from tests.clients import needs, snippet
from tests.clients.leftovers import left_in
from tests.cloud import Cloud

pytestmark = pytest.mark.live

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl libcloud"


@pytest.fixture
def driver(tidy_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Made by the documented lines."""
    for name, value in tidy_cloud.tenant().items():
        monkeypatch.setenv(name, value)
    names: dict[str, Any] = {}
    exec(compile(snippet("python", 1), "docs/clients.md", "exec"), names)
    return names["driver"]


def until(what: Callable[[], object], within_s: float = 40) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def launch(driver: Any, image: Any = None, **options: Any) -> Any:
    (size,) = [size for size in driver.list_sizes() if size.id == "t2.nano"]
    return driver.create_node("libcloud", size, image or driver.list_images(ex_owner="amazon")[0], **options)


def state_of(driver: Any, node: Any) -> str:
    return str(driver.list_nodes(ex_node_ids=[node.id])[0].state)


def end(driver: Any, node: Any) -> None:
    assert driver.destroy_node(node)
    until(lambda: state_of(driver, node) == NodeState.TERMINATED)


def test_libcloud_makes_keys_groups_and_tags(tidy_cloud, driver):
    assert [location.name for location in driver.list_locations()] == ["us-east-1a"]
    made = driver.create_key_pair("libcloud-made")
    assert made.private_key.startswith("-----BEGIN")
    imported = driver.import_key_pair_from_string("libcloud", PUBLIC_KEY)
    assert {key.name for key in driver.list_key_pairs()} == {"libcloud", "libcloud-made"}
    assert driver.get_key_pair("libcloud").fingerprint == imported.fingerprint

    group = driver.ex_create_security_group("libcloud", "SSH")["group_id"]
    assert driver.ex_authorize_security_group_ingress(group, 22, 22, cidr_ips=["0.0.0.0/0"])
    (found,) = driver.ex_get_security_groups(group_ids=[group])
    assert [(rule["from_port"], rule["cidr_ips"]) for rule in found.ingress_rules] == [("22", ["0.0.0.0/0"])]
    assert driver.ex_revoke_security_group_ingress(group, 22, 22, cidr_ips=["0.0.0.0/0"])
    (default,) = driver.ex_get_security_groups(group_names=["default"])
    with pytest.raises(BaseHTTPError, match=r"InvalidGroup\.NotFound"):
        driver.ex_get_security_groups(group_ids=["sg-0123456789abcdef0"])

    assert driver.ex_create_tags(default, {"stage": "試 é", "gone": "soon"})
    assert driver.ex_delete_tags(default, {"gone": "soon"})
    assert driver.ex_describe_tags(default) == {"stage": "試 é"}
    assert driver.ex_delete_tags(default, {"stage": "試 é"})

    assert driver.ex_delete_security_group_by_id(group)
    assert driver.delete_key_pair(made)
    assert driver.delete_key_pair(imported)
    assert left_in(tidy_cloud) == {}


def test_libcloud_launches_a_node_and_destroys_it(tidy_cloud, driver):
    needs("DescribeAddresses")  # libcloud asks for them at every listing of nodes
    node = launch(driver, ex_metadata={"stage": "試 é"})
    until(lambda: state_of(driver, node) == NodeState.RUNNING)
    (found,) = driver.list_nodes(ex_node_ids=[node.id])
    assert found.name == "libcloud"
    assert found.extra["tags"] == {"Name": "libcloud", "stage": "試 é"}
    assert found.public_ips
    assert found.private_ips

    assert driver.reboot_node(node)
    assert driver.stop_node(node)
    until(lambda: state_of(driver, node) == NodeState.STOPPED)
    assert driver.start_node(node)
    until(lambda: state_of(driver, node) == NodeState.RUNNING)

    end(driver, node)
    assert left_in(tidy_cloud) == {}


def test_libcloud_keeps_data_in_volumes_snapshots_and_images(tidy_cloud, driver):
    needs("DescribeAddresses", "CreateVolume", "AttachVolume", "DetachVolume", "DeleteVolume")
    needs("CreateSnapshot", "DescribeSnapshots", "DeleteSnapshot", "CreateImage", "DeregisterImage")
    disks = [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 2}},
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": "true"}},
    ]
    node = launch(driver, ex_blockdevicemappings=disks)
    until(lambda: state_of(driver, node) == NodeState.RUNNING)
    assert sorted(volume.size for volume in driver.list_volumes(node=node)) == [1, 2]

    volume = driver.create_volume(1, "libcloud", location=driver.list_locations()[0])
    until(lambda: volume_state(driver, volume) == StorageVolumeState.AVAILABLE)
    assert driver.attach_volume(node, volume, "/dev/sdg")
    until(lambda: volume_state(driver, volume) == StorageVolumeState.INUSE)
    snapshot = driver.create_volume_snapshot(volume, "libcloud")
    until(lambda: snapshot_state(driver, snapshot) == VolumeSnapshotState.AVAILABLE)
    assert driver.detach_volume(volume)
    until(lambda: volume_state(driver, volume) == StorageVolumeState.AVAILABLE)
    assert driver.destroy_volume(volume)
    again = driver.create_volume(1, "again", location=driver.list_locations()[0], snapshot=snapshot)
    until(lambda: volume_state(driver, again) == StorageVolumeState.AVAILABLE)
    assert driver.destroy_volume(again)
    assert driver.destroy_volume_snapshot(snapshot)

    image = driver.create_image(node, "libcloud", reboot=False)
    until(lambda: driver.get_image(image.id).extra["state"] == "available")
    copy = launch(driver, driver.get_image(image.id))
    until(lambda: state_of(driver, copy) == NodeState.RUNNING)
    end(driver, node)
    end(driver, copy)
    devices = driver.get_image(image.id).extra["block_device_mapping"]
    assert driver.delete_image(image)
    snapshots = {each.id: each for each in driver.list_snapshots(owner="self")}
    assert all(driver.destroy_volume_snapshot(snapshots[each["ebs"]["snapshot_id"]]) for each in devices)
    until(lambda: left_in(tidy_cloud) == {})


def volume_state(driver: Any, volume: Any) -> str:
    return next((str(each.state) for each in driver.list_volumes() if each.id == volume.id), "gone")


def snapshot_state(driver: Any, snapshot: Any) -> str:
    return next((str(each.state) for each in driver.list_snapshots(snapshot=snapshot)), "absent")


def test_libcloud_gives_a_node_an_address(tidy_cloud, driver):
    needs("AllocateAddress", "AssociateAddress", "DescribeAddresses", "DisassociateAddress", "ReleaseAddress")
    node = launch(driver)
    until(lambda: state_of(driver, node) == NodeState.RUNNING)

    address = driver.ex_allocate_address(domain="vpc")
    assert driver.ex_associate_address_with_node(node, address, domain="vpc")
    (found,) = driver.list_nodes(ex_node_ids=[node.id])
    assert address.ip in found.public_ips
    (held,) = driver.ex_describe_all_addresses(only_associated=True)
    assert driver.ex_disassociate_address(held, domain="vpc")
    assert driver.ex_release_address(held, domain="vpc")

    end(driver, node)
    assert left_in(tidy_cloud) == {}
