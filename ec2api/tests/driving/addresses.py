"""Elastic addresses, network interfaces by themselves, and rules of groups that are there."""

from __future__ import annotations

from ec2api.kinds import KINDS
from ec2api.tests.cloud import Account
from ec2api.tests.driving.networks import PERMISSION, RULE
from ec2api.tests.driving.tables import Make, Things, exempt, needs, thing


@thing("eipalloc", "eipalloc:address")
def elastic_address(account: Account, made: Things) -> tuple[str, str]:
    """One that is free."""
    found = account.client().allocate_address(Domain="vpc")
    return str(found["AllocationId"]), str(found["PublicIp"])


@thing("eipassoc")
def association(account: Account, made: Things) -> str:
    """Of another address with the instance."""
    client = account.client()
    address = client.allocate_address(Domain="vpc")["AllocationId"]
    return str(client.associate_address(AllocationId=address, InstanceId=made["i"])["AssociationId"])


@thing("eni:free")
def free_interface(account: Account, made: Things) -> str:
    found = account.client().create_network_interface(SubnetId=made["subnet"])
    return str(found["NetworkInterface"]["NetworkInterfaceId"])


@thing("eni-attach")
def attachment(account: Account, made: Things) -> str:
    return made["eni"].replace("eni-", "eni-attach-")


needs("AssociateAddress", AllocationId="<eipalloc>", InstanceId="<i>", AllowReassociation=True)
needs("AssociateAddress", at="PublicIp", AllocationId=None)
needs("AssociateAddress", at="NetworkInterfaceId", InstanceId=None)
needs("DisassociateAddress", AssociationId="<eipassoc>")
needs("DisassociateAddress", at="PublicIp", AssociationId=None)
needs("ReleaseAddress", AllocationId="<eipalloc>")
needs("ReleaseAddress", at="PublicIp", AllocationId=None)
needs("AttachNetworkInterface", NetworkInterfaceId="<eni:free>", DeviceIndex=1)
needs("DeleteNetworkInterface", NetworkInterfaceId="<eni:free>")
needs("ModifyNetworkInterfaceAttribute", Description={"Value": "x"})
needs("ModifyNetworkInterfaceAttribute", at="Groups", Description=None)
needs("ModifyNetworkInterfaceAttribute", at="Attachment", Description=None, Attachment={"DeleteOnTermination": True})
needs("ResetNetworkInterfaceAttribute", SourceDestCheck="true")


def _of_default_vpc(kind: str) -> Make:
    """The first that the tenant has."""
    return lambda account, made: str(KINDS[kind].own(account.tenant).order_by("pk").values_list("ec2_id", flat=True)[0])


for kind in ("rtb", "igw", "acl", "dopt"):
    thing(kind)(_of_default_vpc(kind))

needs("ModifySecurityGroupRules", SecurityGroupRules=[{"SecurityGroupRule": RULE | {"CidrIpv4": "10.78.0.0/24"}}])
for at in ("ReferencedGroupId", "PrefixListId"):
    place = f"SecurityGroupRules.SecurityGroupRule.{at}"
    needs("ModifySecurityGroupRules", at=place, SecurityGroupRules=[{"SecurityGroupRule": {"CidrIpv4": None}}])
for action in ("UpdateSecurityGroupRuleDescriptionsIngress", "UpdateSecurityGroupRuleDescriptionsEgress"):
    needs(action, GroupId="<sg>", IpPermissions=[PERMISSION])
    needs(action, at="GroupName", GroupId=None)
    needs(action, at="SecurityGroupRuleDescriptions", IpPermissions=None)
    for at in ("VpcId", "VpcPeeringConnectionId"):
        pair = {"GroupId": "<sg>"}
        needs(action, at=f"IpPermissions.UserIdGroupPairs.{at}", IpPermissions=[{"UserIdGroupPairs": [pair]}])
    exempt(action, "IpPermissions.UserIdGroupPairs.VpcId", "the group beside it says which network is meant")
needs("CreateDefaultSubnet", AvailabilityZone="us-east-1a")
