"""Hosts, and the instances on them."""

from compute.models.group_member import GroupMember
from compute.models.host import Host, HostState
from compute.models.instance import ConsoleOutput, Instance, InstanceQuerySet, Reservation, ShutdownBehavior
from compute.models.instance_type import InstanceType
from compute.models.key_pair import KeyPair
from compute.models.launch_template import LaunchTemplate, LaunchTemplateVersion

__all__ = [
    "ConsoleOutput",
    "GroupMember",
    "Host",
    "HostState",
    "Instance",
    "InstanceQuerySet",
    "InstanceType",
    "KeyPair",
    "LaunchTemplate",
    "LaunchTemplateVersion",
    "Reservation",
    "ShutdownBehavior",
]
