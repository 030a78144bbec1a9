"""Which parameters of an action take ids or names of things, and of which kind; found from names in the model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ec2api.kinds import KINDS
from ec2api.protocol.model import Shape
from ec2api.registry import Action

# The model's words for kinds, as they stand before Id or Ids in names of shapes and members.
WORDS: dict[str, str] = {
    "Allocation": "eipalloc",
    "DhcpOptions": "dopt",
    "EgressOnlyInternetGateway": "eigw",
    "ElasticIpAssociation": "eipassoc",
    "Group": "sg",
    "Image": "ami",
    "Instance": "i",
    "InternetGateway": "igw",
    "KeyPair": "key",
    "LaunchTemplate": "lt",
    "NatGateway": "nat",
    "NetworkAcl": "acl",
    "NetworkAclAssociation": "aclassoc",
    "NetworkInterface": "eni",
    "NetworkInterfaceAttachment": "eni-attach",
    "PlacementGroup": "pg",
    "PrefixList": "pl",
    "PrefixListResource": "pl",
    "RouteGateway": "igw",
    "RouteTable": "rtb",
    "RouteTableAssociation": "rtbassoc",
    "SecurityGroup": "sg",
    "SecurityGroupRule": "sgr",
    "Snapshot": "snap",
    "Subnet": "subnet",
    "SubnetCidrAssociation": "subnet-cidr-assoc",
    "Volume": "vol",
    "Vpc": "vpc",
    "VpcCidrAssociation": "vpc-cidr-assoc",
    "VpcEndpoint": "vpce",
    "VpcPeeringConnection": "pcx",
}
# And those that stand before Name or Names.
NAMES: dict[str, str] = {
    "Group": "sg:name",
    "Key": "key:name",
    "KeyPair": "key:name",
    "LaunchTemplate": "lt:name",
    "PlacementGroup": "pg:name",
    "SecurityGroup": "sg:name",
    "SourceSecurityGroup": "sg:name",
}
OTHER_SHAPES: dict[str, str] = {"TaggableResourceId": "*", "EipAllocationPublicIp": "eipalloc:address"}
OTHER_MEMBERS: dict[str, str] = {"PublicIps": "eipalloc:address"}

# Ids of what no tenant of ours can have, so that there is no foreign one.
NOBODYS = {
    "Account": "an account is no secret; it is named to share things with it",
    "ApplicationStatusCheck": "no application status checks here",
    "Asset": "no outposts here",
    "AvailabilityZone": "zones are everybody's",
    "AwsAccount": "an account is no secret",
    "CapacityReservation": "no capacity reservations here",
    "CarrierGateway": "no carrier gateways here",
    "CoreNetwork": "no core networks here",
    "DedicatedHost": "hosts are everybody's here",
    "DestinationAvailabilityZone": "zones are everybody's",
    "ElasticGpu": "no such devices here",
    "Host": "hosts are everybody's here",
    "IamInstanceProfileAssociation": "no instance profiles here",
    "InstanceEventWindow": "no event windows here",
    "Ipv4PoolCoip": "no such pools here",
    "Ipv4PoolEc2": "no such pools here",
    "Ipv6PoolEc2": "no such pools here",
    "Kernel": "images boot by themselves",
    "KmsKey": "no key management service here",
    "LocalGateway": "no outposts here",
    "MetricCategory": "no metrics of guests are kept by category here",
    "Owner": "an account is no secret",
    "PeerOwner": "an account is no secret",
    "Ramdisk": "images boot by themselves",
    "RestorableByUser": "an account is no secret",
    "SourceSecurityGroupOwner": "an account is no secret",
    "TransitGateway": "no transit gateways here",
    "User": "an account is no secret",
    "Zone": "zones are everybody's",
}

_ID = re.compile(r"(\w*?)(?:Ids?)(?:(?:With|For)\w*)?", re.ASCII)
_NAME = re.compile(r"(\w*?)(?:Names?)(?:(?:With|For)\w*)?", re.ASCII)
_LEADING = re.compile(r"^(?:[A-Z][a-z0-9]*)")


@dataclass(frozen=True, slots=True)
class Reference:
    """A parameter, or a member of one, that takes ids of a kind; ``?Word`` is a kind that nothing is known of."""

    action: str
    path: tuple[str, ...]
    kind: str

    def __str__(self) -> str:
        return ".".join(self.path)


def references(action: Action) -> Iterator[Reference]:
    """Of what the action supports, at any depth."""
    name = action.operation.name
    for keyword in sorted(action.supported):
        member = action.operation.parameters[keyword]
        for path, shape in leaves(member.shape, (member.name,)):
            kind = _kind(name, path, shape)
            if kind == "*":
                yield from (Reference(name, path, each) for each in KINDS)
            elif kind:
                yield Reference(name, path, kind)


def leaves(
    shape: Shape, path: tuple[str, ...], above: frozenset[str] = frozenset()
) -> Iterator[tuple[tuple[str, ...], Shape]]:
    """Paths of scalars; a list counts as its element."""
    if shape.type == "list":
        yield from leaves(shape.element.shape, path, above)
    elif shape.type != "structure":
        yield path, shape
    elif shape.name not in above:
        for member in shape.members.values():
            yield from leaves(member.shape, (*path, member.name), above | {shape.name})


def _kind(action: str, path: tuple[str, ...], shape: Shape) -> str:
    if shape.type != "string" or shape.words:
        return ""
    if shape.name in OTHER_SHAPES or path[-1] in OTHER_MEMBERS:
        return OTHER_SHAPES.get(shape.name) or OTHER_MEMBERS[path[-1]]
    if _names_what_it_makes(action, path):
        return ""
    return _in_its_place(action, path, _by_words(shape.name, path[-1]))


def _by_words(shape: str, member: str) -> str:
    """The shape's name says most, unless it is one for texts of any kind."""
    for name in (shape, member):
        found = _NAME.fullmatch(name)
        if found and found[1] in NAMES:
            return NAMES[found[1]]
    for name in (shape, member):
        found = _ID.fullmatch(name)
        if found and found[1]:
            return _of_word(found[1])
    return ""


def _of_word(word: str) -> str:
    """``SourceSnapshot`` and ``PeerVpc`` are what stands at their ends."""
    rest = word
    while rest:
        if rest in WORDS:
            return WORDS[rest]
        if rest in NOBODYS:
            return ""
        rest = _LEADING.sub("", rest, count=1) if _LEADING.match(rest) else ""
    return f"?{word}"


def _in_its_place(action: str, path: tuple[str, ...], kind: str) -> str:
    """Placement groups are called groups, too, where nothing else can be meant."""
    if kind.startswith("sg") and ("Placement" in path or "PlacementGroup" in action):
        return kind.replace("sg", "pg")
    return kind


def _names_what_it_makes(action: str, path: tuple[str, ...]) -> bool:
    makes = action.startswith(("Create", "Import", "Register", "Copy")) and not action.endswith("Version")
    return makes and len(path) == 1 and path[0].endswith("Name")
