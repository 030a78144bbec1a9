"""Command lines to copy: quoted for a POSIX shell, so that what a tenant typed stays one word."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from networking.services import SSH_GROUP

PLAIN = re.compile(r"^[A-Za-z0-9_.:@/-]+$")  # needs no quoting inside the AWS CLI's shorthand


@dataclass(frozen=True, slots=True)
class LaunchLine:
    """What the launch form holds.  ``group_id`` is empty for the group that the launch will make."""

    image_id: str
    instance_type: str
    count: int = 1
    key_name: str = ""
    group_id: str = ""
    user_data: str = ""
    user_data_file: str = ""
    root_device: str = ""
    root_size_gib: int | None = None
    more_disks: Mapping[str, int] = field(default_factory=dict)  # sizes by device
    tags: Mapping[str, str] = field(default_factory=dict)
    placement_group: str = ""
    template_id: str = ""  # what is said beside it goes over what the template says
    template_version: int | None = None


def run_instances_line(launch: LaunchLine) -> str:
    """The AWS CLI line that launches the same, after those that make the group if it does not exist yet."""
    options = [_option("--image-id", launch.image_id), _option("--instance-type", launch.instance_type)]
    if launch.template_id:
        options.insert(0, _option("--launch-template", _template(launch.template_id, launch.template_version)))
    if launch.count != 1:
        options.append(_option("--count", str(launch.count)))
    if launch.key_name:
        options.append(_option("--key-name", launch.key_name))
    if launch.group_id:
        options.append(_option("--security-group-ids", launch.group_id))
    else:
        options.append(_option("--security-groups", SSH_GROUP))
    root = {launch.root_device: launch.root_size_gib} if launch.root_size_gib else {}
    if sizes := {**root, **launch.more_disks}:
        mapping = [{"DeviceName": name, "Ebs": {"VolumeSize": size}} for name, size in sizes.items()]
        options.append(_option("--block-device-mappings", json.dumps(mapping, separators=(",", ":"))))
    if launch.user_data_file:
        options.append(_option("--user-data", f"fileb://{launch.user_data_file}"))
    elif launch.user_data:
        options.append(_option("--user-data", launch.user_data))
    if launch.placement_group:
        options.append(_option("--placement", json.dumps({"GroupName": launch.placement_group}, separators=(",", ":"))))
    if launch.tags:
        options.append(_option("--tag-specifications", _tag_specification(launch.tags)))
    line = " \\\n  ".join(["aws ec2 run-instances", *options])
    return line if launch.group_id else "\n".join([*_group_lines(), line])


def template_line(template_id: str, number: int) -> str:
    """The line that launches one instance from a version of a launch template."""
    return f"aws ec2 run-instances \\\n  {_option('--launch-template', _template(template_id, number))}"


def _template(template_id: str, number: int | None) -> str:
    return f"LaunchTemplateId={template_id}" + (f",Version={number}" if number else "")


def _option(name: str, value: str) -> str:
    """Both as one shell word each; with an equals sign where the value could be taken for an option."""
    return shlex.join([f"{name}={value}"] if value.startswith("-") else [name, value])


def _tag_specification(tags: Mapping[str, str]) -> str:
    if all(PLAIN.match(text) for pair in tags.items() for text in pair):
        listed = ",".join(f"{{Key={key},Value={value}}}" for key, value in tags.items())
        return f"ResourceType=instance,Tags=[{listed}]"
    rows = [{"Key": key, "Value": value} for key, value in tags.items()]
    return json.dumps([{"ResourceType": "instance", "Tags": rows}], ensure_ascii=False, separators=(",", ":"))


def _group_lines() -> Sequence[str]:
    return (
        f"aws ec2 create-security-group --group-name {SSH_GROUP} --description 'Opens SSH'",
        f"aws ec2 authorize-security-group-ingress --group-name {SSH_GROUP} \\",
        "  --protocol tcp --port 22 --cidr 0.0.0.0/0",
    )


def key_file(key_name: str) -> str:
    """The file that a key pair's private half is saved as."""
    return (re.sub(r"[^\w.-]+", "-", key_name).strip("-.") or "key") + ".pem"


def ssh_line(address: str, user: str, *, key_name: str = "", port: int = 22) -> str:
    words = ["ssh"]
    if key_name:
        words += ["-i", key_file(key_name)]
    if port != 22:
        words += ["-p", str(port)]
    return shlex.join([*words, f"{user}@{address}"])
