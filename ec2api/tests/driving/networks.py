"""Networks, interfaces and security groups."""

from __future__ import annotations

from ec2api.tests.cloud import Account
from ec2api.tests.driving.tables import Things, exempt, needs, thing

RULE = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1}
PERMISSION = RULE | {"IpRanges": [{"CidrIp": "10.77.0.0/24"}]}


@thing("vpc")
def vpc(account: Account, made: Things) -> str:
    return str(account.tenant.vpcs.get(is_default=True).ec2_id)


@thing("subnet")
def subnet(account: Account, made: Things) -> str:
    return str(account.tenant.subnets.get(is_default_for_zone=True).ec2_id)


@thing("eni")
def network_interface(account: Account, made: Things) -> str:
    return str(account.tenant.network_interfaces.get(instance_id=made["i"]).ec2_id)


@thing("sg", "sg:name")
def security_group(account: Account, made: Things) -> tuple[str, str]:
    name = f"{account.tenant.name}-group"
    found: str = account.client().create_security_group(GroupName=name, Description="d")["GroupId"]
    return found, name


@thing("sgr")
def security_group_rule(account: Account, made: Things) -> str:
    made_rules = account.client().authorize_security_group_ingress(GroupId=made["sg"], IpPermissions=[PERMISSION])
    found: str = made_rules["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    return found


for action in (
    "AuthorizeSecurityGroupIngress",
    "AuthorizeSecurityGroupEgress",
    "RevokeSecurityGroupIngress",
    "RevokeSecurityGroupEgress",
):
    needs(action, GroupId="<sg>", IpPermissions=[PERMISSION])
    for at in ("SecurityGroupRuleIds", "SourceSecurityGroupName"):
        needs(action, at=at, IpPermissions=None)
    for at in ("VpcId", "VpcPeeringConnectionId"):
        pair = {"GroupId": "<sg>"}
        needs(action, at=f"IpPermissions.UserIdGroupPairs.{at}", IpPermissions=[{"UserIdGroupPairs": [pair]}])
    exempt(action, "IpPermissions.UserIdGroupPairs.VpcId", "the group beside it says which network is meant")
for action in ("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"):
    needs(action, at="GroupName", GroupId=None)
needs("DeleteSecurityGroup", GroupId="<sg>")
needs("DeleteSecurityGroup", at="GroupName", GroupId=None)
