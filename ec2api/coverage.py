"""What of EC2's API there is here and what not, and why: the page docs/ec2-coverage.md, written from the registry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from ec2api.protocol.model import operation_names
from ec2api.registry import ACTIONS, Action, load_actions

PAGE = Path(settings.BASE_DIR) / "docs" / "ec2-coverage.md"
HEAD = """\
# What of the EC2 API there is

Written by `manage.py ec2_coverage` from the actions and from botocore's model; a test holds it to them. The line of an
action that there is has the parameters that it knows, those that are taken and change nothing here, and those that are
refused by name (`UnsupportedOperation`). `DryRun` goes with all of them. What there is not is answered by
`InvalidAction`. STS's `GetCallerIdentity` is answered at the same address.
"""


@dataclass(frozen=True, slots=True)
class Group:
    """Actions whose names match; ``reason`` is why those of them that are not here are not."""

    title: str
    words: str
    reason: str


# The first that matches is an action's own.
GROUPS = (
    Group("EC2-Classic", r"Classic|MoveAddressToVpc|MovingAddresses", "Amazon itself ended EC2-Classic in 2022"),
    Group("Outposts and local gateways", r"LocalGateway|Outpost|Coip|ServiceLink", "this cloud stands in one place"),
    Group(
        "Address plans and own address ranges",
        r"Ipam|Byoip|Byoasn|Ipv4Pool|Ipv6Pool",
        "operators give address ranges in the admin site",
    ),
    Group("Transit gateways", r"TransitGateway", "networks of tenants are not routed to one another"),
    Group("VPN", r"Vpn|CustomerGateway|Vgw", "no way from tenants' networks to sites of theirs"),
    Group("Verified Access", r"VerifiedAccess", "a service of Amazon's, beside EC2"),
    Group(
        "Watching networks",
        r"TrafficMirror|NetworkInsights|ReachabilityAnalyzer|AwsNetworkPerformance|FlowLog",
        "nothing of guests' traffic is recorded",
    ),
    Group(
        "Route servers, trunks, second networks",
        r"RouteServer|Secondary(Network|Subnet|Interface)|Trunk|CarrierGateway|FlexCost|EncryptionControl"
        r"|EncryptionEnforcement",
        "no such devices here",
    ),
    Group("Endpoints", r"VpcEndpoint", "no other services of Amazon's here to reach by them"),
    Group(
        "Spot instances and fleets",
        r"Spot|(?<!Reservation)Fleet(s|Instances|History)?$",
        "comes with leases, as best-effort instances",
    ),
    Group(
        "Reserved capacity",
        r"CapacityReservation|CapacityBlock|CapacityManager|ReservedInstances|ScheduledInstance|HostReservation",
        "comes with leases, as advance reservations",
    ),
    Group("Dedicated hosts and Macs", r"Hosts$|Mac[A-Z]", "hosts belong to operators, who see them in the admin site"),
    Group("FPGAs and other devices", r"Fpga|ElasticGpu", "no such devices here"),
    Group(
        "Bundles, imports and exports",
        r"Bundle|ConversionTask|Export(Image|Task)|InstanceExport|Import(Image|Snapshot|Instance|Volume|Task)"
        r"|CancelImportTask|StoreImage|RestoreImageTask",
        "no S3 to read from or write to; images are uploaded in the portal",
    ),
    Group(
        "Recycle bin, tiers, locks",
        r"RecycleBin|SnapshotTier|Lock(ed)?Snapshot|UnlockSnapshot",
        "what is deleted is gone",
    ),
    Group(
        "Settings of accounts for images and snapshots",
        r"AllowedImages|BlockPublicAccess|FastLaunch|FastSnapshot|ImageCriteria|EbsEncryptionByDefault|EbsDefaultKmsKey",
        "not set for each account here",
    ),
    Group("Images", r"Image", "not yet"),
    Group("Snapshots", r"Snapshot", "not yet"),
    Group("Volumes", r"Volume", "not yet"),
    Group("Launch templates", r"LaunchTemplate", "not yet"),
    Group("Placement groups", r"PlacementGroup", "not yet"),
    Group("Key pairs", r"KeyPair", "not yet"),
    Group("Security groups", r"SecurityGroup", "comes with networking"),
    Group("Addresses", r"Address(es)?(Attribute|Transfers?)?$|PublicIpDns", "comes with networking"),
    Group(
        "Network interfaces",
        r"NetworkInterface|Ipv6Addresses|PrivateIpAddresses|NatGatewayAddress",
        "comes with networking",
    ),
    Group(
        "Networks",
        r"Vpc|Subnet|Route|InternetGateway|NatGateway|NetworkAcl|DhcpOptions|PrefixList",
        "comes with networking",
    ),
    Group("Tags", r"Tags$", "not yet"),
    Group("IAM and certificates", r"Iam|Enclave|KmsKey", "no IAM, certificates or key management of Amazon's here"),
    Group(
        "Events and health",
        r"Event|ApplicationStatus|SqlHa|MetricCategor|DeclarativePolicies|ManagedResource|ReportInstanceStatus",
        "no such service here",
    ),
    Group(
        "Regions, zones and the account",
        r"Region|AvailabilityZone|Account|IdFormat|SerialConsoleAccess|ProductInstance",
        "not set for each account here",
    ),
    Group("Instance types", r"InstanceType", "operators make instance types in the admin site"),
    Group("Instances", r"Instance|Console|PasswordData|PrivateDnsName|CreditSpecification|Diagnostic", "not yet"),
    Group("Others", r"", "no such thing here"),
)

# Why parameters of actions that there are are refused, by a pattern of their names; the first that matches.
REFUSED = (
    (r"Outpost|LocalGateway|Coip|CustomerOwned", "no Outposts here"),
    (r"^(LinkedGroupId|ParentGroupId)$", "placement groups stand by themselves here"),
    (r"^(Affinity|HostId|HostResourceGroupArn)$", "hosts belong to operators; placement groups say what is wished"),
    (r"^DestinationAvailabilityZone|SnapshotLocation", "images and snapshots are in every zone"),
    (r"CompletionDurationMinutes$", "copies are as fast as the datastore is"),
    (r"^(BootMode|BootModeOverride|ImdsSupport)$", "guests boot by BIOS; the instance says how metadata is asked for"),
    (r"ProductCode", "nothing is sold here"),
    (r"Ipam|Byoip|PublicIpv4Pool|^Address$|NetworkBorderGroup", "operators give address ranges in the admin site"),
    (r"Prefix(es|Count)$", "interfaces have addresses, not blocks of them"),
    (r"^(AssociatePublicIpAddress|AssociatedSubnetIds|SecondaryPrivateIp|EnaQueueCount)", "not yet"),
    (r"^(InstanceIds|PublicIps)$", "of EC2-Classic there is nothing to name"),
    (r"^AdditionalInfo$", "for Amazon's own use"),
    (r"Elastic(Gpu|Inference)", "Amazon itself ended it"),
    (r"Ipv6|EnaSrd|SecondaryInterfaces|ConnectionTracking", "comes with networking"),
    (r"Enclave|Nitro|Tpm|UefiData", "no enclaves or trusted modules here"),
    (r"IamInstanceProfile", "no IAM here; keys are made in the portal"),
    (r"InstanceMarketOptions", "comes with leases, as best-effort instances"),
    (r"CapacityReservation", "comes with leases, as advance reservations"),
    (r"Kernel|Ram[dD]isk", "images boot by themselves"),
    (r"License|BillingProduct", "nothing is licensed by the instance here"),
    (r"MetricCategor", "no metrics of guests by category here"),
    (r"NetworkPerformance", "the network's bandwidth is not divided"),
    (r"Operator|ManagedResource", "no services that run instances in others' accounts here"),
    (r"^GroupNames$", "hosts are not shown to tenants"),
    (r"^PrivateIpAddress", "comes with networking"),
    (r"SriovNetSupport|EnaSupport", "guests have virtio"),
    (r"KmsKey|Encrypted", "no key management service here"),
    (r"Region|PresignedUrl|StsEndpoint", "there is one region"),
    (r"^(Parent|Linked)GroupId$", "groups are not nested here"),
    (r"MultiAttach", "a volume is attached to one instance at a time"),
    (r"EbsCardIndex", "disks have no cards of their own here"),
    (r"Arn", "no such service of Amazon's here"),
    (r"UserGroups|Organization", "no organizations of accounts here"),
)


def group_of(name: str) -> Group:
    return next(group for group in GROUPS if re.search(group.words, name))


def reason_for(parameter: str) -> str:
    """Why a parameter is refused; empty if nobody has said."""
    return next((reason for words, reason in REFUSED if re.search(words, parameter)), "")


def refused(action: Action) -> list[str]:
    """Parameters of the model, by its names, that the action has no use for."""
    known = action.supported | action.ignored | {"dry_run"}
    return sorted(m.name for keyword, m in action.operation.parameters.items() if keyword not in known)


def page() -> str:
    load_actions()
    names: dict[Group, list[str]] = {group: [] for group in GROUPS}
    for name in operation_names("ec2"):
        names[group_of(name)].append(name)
    sections = [_section(group, found) for group, found in names.items() if found]
    return "\n".join([HEAD, *sections, _reasons()])


def _section(group: Group, names: Iterable[str]) -> str:
    lines = [f"| {name} | {_line(name, group)} |" for name in names]
    return "\n".join([f"## {group.title}", "| action | |", "| --- | --- |", *lines, ""])


def _line(name: str, group: Group) -> str:
    action = ACTIONS.get(("ec2", name))
    if action is None:
        return f"no: {group.reason}"
    parameters = action.operation.parameters
    known = sorted(parameters[keyword].name for keyword in action.supported)
    hints = sorted(parameters[keyword].name for keyword in action.ignored)
    parts = (("**yes**", known), ("changes nothing", hints), ("refused", refused(action)))
    return "; ".join(_part(*part) for part in parts if part[1] or part[0] == "**yes**")


def _part(word: str, names: list[str]) -> str:
    return f"{word}: {', '.join(f'`{name}`' for name in names)}" if names else word


def _reasons() -> str:
    lines = [f"| `{name}` | {reason_for(name)} |" for name in sorted(set(_all_refused()))]
    return "\n".join(["## Why parameters are refused", "| parameter | |", "| --- | --- |", *lines, ""])


def _all_refused() -> Iterator[str]:
    for (service, _name), action in ACTIONS.items():
        if service == "ec2":
            yield from refused(action)
