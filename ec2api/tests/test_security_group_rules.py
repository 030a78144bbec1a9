"""Rules of security groups that are there: changed, described, found."""

from __future__ import annotations

import pytest

SSH = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "old"}]}
HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIpv4": "10.0.0.0/8"}
ABSENT = "sgr-0123456789abcdef0"


@pytest.fixture
def group(ec2) -> str:
    return ec2.create_security_group(GroupName="web", Description="for the web")["GroupId"]


@pytest.fixture
def rule(ec2, group) -> str:
    made = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[SSH])["SecurityGroupRules"]
    return made[0]["SecurityGroupRuleId"]


def described(ec2, rule_id: str):
    return ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule_id])["SecurityGroupRules"][0]


def test_a_rule_is_changed_and_keeps_its_id_and_tags(ec2, group, rule):
    ec2.create_tags(Resources=[rule], Tags=[{"Key": "a", "Value": "b"}])

    ec2.modify_security_group_rules(
        GroupId=group,
        SecurityGroupRules=[{"SecurityGroupRuleId": rule, "SecurityGroupRule": {**HTTPS, "Description": "new"}}],
    )

    found = described(ec2, rule)
    assert (found["FromPort"], found["ToPort"], found["CidrIpv4"]) == (443, 443, "10.0.0.0/8")
    assert (found["Description"], found["IsEgress"]) == ("new", False)
    assert found["Tags"] == [{"Key": "a", "Value": "b"}]


def test_rules_are_changed_all_or_none(ec2, group, rule, refused):
    def refuse(*updates) -> str:
        asked = [{"SecurityGroupRuleId": rule_id, "SecurityGroupRule": change} for rule_id, change in updates]
        return str(refused(ec2.modify_security_group_rules, GroupId=group, SecurityGroupRules=asked)[0])

    other = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[other])
    egress = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
    (out,) = [each["SecurityGroupRuleId"] for each in egress["SecurityGroupRules"] if each["IsEgress"]]

    assert refuse((rule, HTTPS)) == "InvalidPermission.Duplicate"
    assert refuse((rule, {**HTTPS, "ToPort": 444}), (ABSENT, HTTPS)) == "InvalidSecurityGroupRuleId.NotFound"
    assert refuse((rule, {**HTTPS, "ToPort": 70000})) == "InvalidParameterValue"
    assert refuse((rule, {**HTTPS, "CidrIpv6": "::/0"})) == "InvalidParameterCombination"
    ipv6 = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIpv6": "::/0"}
    assert refuse((rule, ipv6)) == "InvalidParameterValue"
    assert refuse((rule, {"FromPort": 1})) == "MissingParameter"
    assert refuse((rule, HTTPS), (rule, HTTPS)) == "InvalidParameterValue"
    assert refuse() == "MissingParameter"
    assert refuse((rule, {"IpProtocol": "-1", "ReferencedGroupId": "sg-0123456789abcdef0"})) == "InvalidGroup.NotFound"
    assert described(ec2, rule)["FromPort"] == 22
    change = [{"SecurityGroupRuleId": out, "SecurityGroupRule": HTTPS}]
    ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=change)  # the other way is no twin
    assert described(ec2, out)["IsEgress"] is True


def test_descriptions_are_changed_by_permission_and_by_id(ec2, group, rule, refused):
    update = ec2.update_security_group_rule_descriptions_ingress
    new = {**SSH, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "new"}]}

    update(GroupName="web", IpPermissions=[new])
    assert described(ec2, rule)["Description"] == "new"
    update(GroupId=group, SecurityGroupRuleDescriptions=[{"SecurityGroupRuleId": rule, "Description": "newer"}])
    assert described(ec2, rule)["Description"] == "newer"
    update(GroupId=group, SecurityGroupRuleDescriptions=[{"SecurityGroupRuleId": rule}])
    assert "Description" not in described(ec2, rule)

    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "all"}]}
    ec2.update_security_group_rule_descriptions_egress(GroupId=group, IpPermissions=[everything])
    (permission,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissionsEgress"]
    assert permission["IpRanges"][0]["Description"] == "all"

    def refuse(function=update, **asked) -> str:
        return str(refused(function, GroupId=group, **asked)[0])

    by_id = [{"SecurityGroupRuleId": rule, "Description": "x"}]
    egress = ec2.update_security_group_rule_descriptions_egress
    assert refuse() == "MissingParameter"
    assert refuse(IpPermissions=[everything]) == "InvalidPermission.NotFound"
    assert refuse(egress, SecurityGroupRuleDescriptions=by_id) == "InvalidParameterValue"
    absent = [{"SecurityGroupRuleId": ABSENT, "Description": "x"}]
    assert refuse(SecurityGroupRuleDescriptions=absent) == "InvalidSecurityGroupRuleId.NotFound"
    wrong = [{"SecurityGroupRuleId": rule, "Description": "<b>"}]
    assert refuse(SecurityGroupRuleDescriptions=wrong) == "InvalidParameterValue"


def test_rules_are_found_by_their_tags(ec2, group, rule):
    tags = [{"ResourceType": "security-group-rule", "Tags": [{"Key": "Role", "Value": "web"}]}]
    other = {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    made = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[other], TagSpecifications=tags)

    def found(name: str, value: str) -> list[str]:
        reply = ec2.describe_security_group_rules(Filters=[{"Name": name, "Values": [value]}])
        return [each["SecurityGroupRuleId"] for each in reply["SecurityGroupRules"]]

    tagged = [made["SecurityGroupRules"][0]["SecurityGroupRuleId"]]
    assert found("tag:Role", "w*") == found("tag-key", "Role") == tagged
    assert found("tag:Role", "db") == []


def test_no_rule_is_stale(ec2, account, refused):
    assert ec2.describe_stale_security_groups(VpcId=account.tenant.vpcs.get().ec2_id)["StaleSecurityGroupSet"] == []
    absent = "vpc-0123456789abcdef0"
    assert refused(ec2.describe_stale_security_groups, VpcId=absent)[0] == "InvalidVpcID.NotFound"
    assert refused(ec2.describe_stale_security_groups)[0] == "MissingParameter"
