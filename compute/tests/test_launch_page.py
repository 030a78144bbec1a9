"""Launching from the portal."""

import subprocess

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from compute.command_lines import LaunchLine, run_instances_line
from compute.models import Instance, KeyPair
from networking.models import NetworkInterface, SecurityGroup
from portal.models import Quota, Resource
from portal.tags import tags_of
from storage.models import Volume

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ann@laptop"
LAUNCH = "/instances/launch/"


@pytest.fixture
def key(tenant) -> KeyPair:
    return KeyPair.objects.create(tenant=tenant, name="mine", key_type="ed25519", public_key=PUBLIC, fingerprint="f")


@pytest.fixture
def filled(page, image, types, host, key) -> dict[str, object]:
    """What a browser sends if nothing is changed on the page."""
    form = page.get(LAUNCH).context["form"]
    return {
        "image": image.pk,
        "instance_type": types["t2.nano"].pk,
        "count": 1,
        "key_pair": form["key_pair"].initial,
        "group": form["group"].initial,
        "client_token": form["client_token"].initial,
        "name": "",
        "root_size_gib": "",
        "user_data": "",
    }


def test_a_launch_makes_an_instance_that_admits_ssh_with_the_key(page, filled, settle, tenant):
    response = page.post(LAUNCH, {**filled, "name": "web"})
    settle()

    instance = Instance.objects.get()
    assert response["Location"] == reverse("instance", args=[instance.ec2_id])
    assert (instance.state, instance.key_name) == ("running", "mine")
    assert tags_of([instance.ec2_id]) == {instance.ec2_id: {"Name": "web"}}
    [group] = NetworkInterface.objects.get(instance_id=instance.ec2_id).groups.all()
    [rule] = group.rules.filter(is_egress=False)
    assert (rule.protocol, rule.from_port, rule.to_port, rule.cidr_ipv4) == ("tcp", 22, 22, "0.0.0.0/0")


def test_a_newcomer_has_to_say_that_nobody_shall_log_in(page, filled, key):
    key.delete()

    asked = page.post(LAUNCH, {**filled, "key_pair": ""})
    page.post(LAUNCH, {**filled, "key_pair": "none"})

    assert "Make a key pair" in asked.context["form"].errors["key_pair"][0]
    assert Instance.objects.get().key_pair is None


def test_the_group_that_opens_ssh_is_made_once(page, filled):
    page.post(LAUNCH, filled)
    form = page.get(LAUNCH).context["form"]
    page.post(LAUNCH, {**filled, "group": form["group"].initial, "client_token": form["client_token"].initial})

    assert Instance.objects.count() == 2
    assert SecurityGroup.objects.filter(name="ssh").count() == 1


def test_several_get_the_same_name_and_lead_to_the_list(page, filled):
    response = page.post(LAUNCH, {**filled, "count": 3, "name": "worker"})

    assert response["Location"] == reverse("instances")
    names = [tags["Name"] for tags in tags_of(list(Instance.objects.values_list("ec2_id", flat=True))).values()]
    assert names == ["worker"] * 3


def test_sending_the_form_twice_launches_once(page, filled):
    first, second = page.post(LAUNCH, filled), page.post(LAUNCH, filled)

    assert Instance.objects.count() == 1
    assert first["Location"] == second["Location"]


def test_a_form_that_has_launched_and_was_changed_asks_again(page, filled):
    page.post(LAUNCH, filled)

    refused = page.post(LAUNCH, {**filled, "count": 2})
    token = refused.context["form"]["client_token"].value()
    page.post(LAUNCH, {**filled, "count": 2, "client_token": token})

    assert refused.status_code == 422
    assert token != filled["client_token"]
    assert Instance.objects.count() == 3


def test_a_launch_beyond_quota_says_beside_the_field_what_lacks(page, filled, tenant):
    Quota.objects.filter(tenant=tenant, resource=Resource.INSTANCES).update(limit=2)

    response = page.post(LAUNCH, {**filled, "count": 5})

    assert response.status_code == 422
    [error] = response.context["form"].errors["count"]
    assert error.startswith("Quota of instances: this needs 5 more, 0 of 2 are in use: 3 too many.")
    assert not Instance.objects.exists()
    assert not SecurityGroup.objects.filter(name="ssh").exists()


def test_a_quota_that_is_used_up_is_said_before_anything_is_filled_in(page, filled, tenant):
    before = page.get(LAUNCH).content.decode()
    Quota.objects.filter(tenant=tenant, resource=Resource.INSTANCES).update(limit=0)

    words = "This launch does not fit into your quota."
    assert words not in before
    assert words in page.get(LAUNCH).content.decode()


def test_a_large_file_is_refused_as_user_data(page, filled):
    large = SimpleUploadedFile("disk.img", b"x" * 3_000_000)

    response = page.post(LAUNCH, {**filled, "user_data_file": large})

    assert response.status_code == 422
    assert "This is 3000000 bytes" in response.content.decode()


def test_user_data_keeps_its_bytes_and_unix_line_ends(page, filled):
    page.post(LAUNCH, {**filled, "user_data": "#!/bin/sh\r\necho 山 > /etc/motd\r\n"})

    assert bytes(Instance.objects.get().user_data).decode() == "#!/bin/sh\necho 山 > /etc/motd\n"


def test_user_data_comes_from_a_file(page, filled):
    content = b"\x1f\x8b\x00binary\r\n"

    page.post(LAUNCH, {**filled, "user_data_file": SimpleUploadedFile("init.gz", content)})

    assert bytes(Instance.objects.get().user_data) == content


def test_too_much_user_data_is_refused_beside_its_field(page, filled):
    response = page.post(LAUNCH, {**filled, "user_data": "x" * 16385})

    assert "16385 bytes" in response.context["form"].errors["user_data"][0]


def test_the_root_disk_may_be_larger_but_not_smaller_than_the_image(page, filled, image):
    image.size_gib = 4
    image.save()

    refused = page.post(LAUNCH, {**filled, "root_size_gib": 2})
    page.post(LAUNCH, {**filled, "root_size_gib": 30})

    assert "needs 4 GiB" in refused.context["form"].errors["root_size_gib"][0]
    assert Volume.objects.get().size_gib == 30


def test_groups_and_keys_of_another_tenant_cannot_be_chosen(page, filled, neighbour):
    theirs = SecurityGroup.objects.get(tenant=neighbour, name="default")
    key = KeyPair.objects.create(
        tenant=neighbour, name="theirs", key_type="rsa", public_key="ssh-rsa A", fingerprint="f"
    )

    response = page.post(LAUNCH, {**filled, "group": theirs.ec2_id, "key_pair": key.ec2_id})

    assert set(response.context["form"].errors) == {"group", "key_pair"}
    assert not Instance.objects.exists()


def test_the_preview_tells_what_is_left_after_this_launch(page, filled, tenant):
    Quota.objects.filter(tenant=tenant, resource=Resource.INSTANCES).update(limit=10)

    body = page.post(reverse("launch-preview"), {**filled, "count": 4}).content.decode()
    beyond = page.post(reverse("launch-preview"), {**filled, "count": 12}).content.decode()

    assert "6 of 10 left" in body
    assert "2 too many" in beyond
    assert not Instance.objects.exists()


def words_of(script: str) -> list[list[str]]:
    """How a shell takes lines apart, with ``aws`` replaced by something that prints its arguments."""
    shell = f"aws() {{ printf '%s\\0' \"$@\"; printf '\\1'; }}\n{script}\n"
    output = subprocess.run(["sh", "-c", shell], capture_output=True, check=True).stdout.decode()
    return [line.split("\0")[:-1] for line in output.split("\1")[:-1]]


def test_the_command_line_is_what_a_shell_takes_apart_again():
    user_data = '#!/bin/sh\necho "it\'s $HOME" `date` \\\n'
    line = LaunchLine(
        image_id="ami-1",
        instance_type="t2.nano",
        count=2,
        key_name="it's mine; rm -rf /",
        group_id="sg-1",
        user_data=user_data,
        root_device="/dev/xvda",
        root_size_gib=20,
        tags={"Name": "a,b={c} 'd'"},
    )

    [words] = words_of(run_instances_line(line))

    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert words[:2] == ["ec2", "run-instances"]
    assert options["--key-name"] == "it's mine; rm -rf /"
    assert options["--user-data"] == user_data
    assert options["--count"] == "2"
    assert options["--block-device-mappings"] == '[{"DeviceName":"/dev/xvda","Ebs":{"VolumeSize":20}}]'
    assert options["--tag-specifications"] == (
        '[{"ResourceType":"instance","Tags":[{"Key":"Name","Value":"a,b={c} \'d\'"}]}]'
    )


def test_a_value_that_begins_with_a_hyphen_is_no_option():
    [words] = words_of(run_instances_line(LaunchLine("ami-1", "t2.nano", key_name="-x", group_id="sg-1")))

    assert "--key-name=-x" in words


def test_the_command_line_makes_the_group_first_if_there_is_none():
    lines = words_of(run_instances_line(LaunchLine("ami-1", "t2.nano", tags={"Name": "web"})))

    assert [words[1] for words in lines] == [
        "create-security-group",
        "authorize-security-group-ingress",
        "run-instances",
    ]
    assert lines[-1][-4:] == [
        "--security-groups",
        "ssh",
        "--tag-specifications",
        "ResourceType=instance,Tags=[{Key=Name,Value=web}]",
    ]


def test_more_disks_are_launched_with_it(page, filled, settle):
    answer = page.post(LAUNCH, {**filled, "more_disks": "10, 2"})
    assert answer.status_code == 302
    settle()

    sizes = dict(Volume.objects.values_list("device", "size_gib"))
    assert {name: sizes[name] for name in ("/dev/sdf", "/dev/sdg")} == {"/dev/sdf": 10, "/dev/sdg": 2}
    preview = page.post(reverse("launch-preview"), {**filled, "more_disks": "10 2"}).content.decode()
    assert "/dev/sdg" in preview


@pytest.mark.parametrize("asked", ["ten", "0", "1 2 3 4 5 6 7 8 9", "-1"])
def test_disks_that_cannot_be_are_refused_beside_the_field(page, filled, asked):
    answer = page.post(LAUNCH, {**filled, "more_disks": asked})

    assert answer.status_code == 422
    assert 'id="id_more_disks_error"' in answer.content.decode()
