"""Security groups and their rules."""

from __future__ import annotations

import pytest

SSH = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


@pytest.fixture
def group(ec2) -> str:
    return ec2.create_security_group(GroupName="web", Description="for the web")["GroupId"]


def described(ec2, group_id: str):
    return ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]


def test_a_new_group_lets_everything_out_and_nothing_in(ec2, group, account):
    found = described(ec2, group)

    assert found["IpPermissions"] == []
    assert found["IpPermissionsEgress"] == [
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [], "PrefixListIds": [],
         "UserIdGroupPairs": []}
    ]  # fmt: skip
    assert found["OwnerId"] == account.tenant.account_id
    assert found["VpcId"] == account.tenant.vpcs.get().ec2_id


def test_rules_are_added_described_and_removed(ec2, group):
    permissions = [
        {
            "IpProtocol": "tcp",
            "FromPort": 80,
            "ToPort": 443,
            "IpRanges": [{"CidrIp": "10.1.2.3/8", "Description": "inside"}],
            "Ipv6Ranges": [{"CidrIpv6": "::/0"}],
        },
        {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "UserIdGroupPairs": [{"GroupId": group}]},
    ]

    made = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permissions)["SecurityGroupRules"]

    assert len(made) == 3
    assert made[0]["CidrIpv4"] == "10.0.0.0/8"
    web, ping = described(ec2, group)["IpPermissions"]
    assert (web["FromPort"], web["ToPort"]) == (80, 443)
    assert web["IpRanges"] == [{"CidrIp": "10.0.0.0/8", "Description": "inside"}]
    assert web["Ipv6Ranges"] == [{"CidrIpv6": "::/0"}]
    assert ping["UserIdGroupPairs"][0]["GroupId"] == group
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[made[1]["SecurityGroupRuleId"]])
    gone = ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[permissions[1]])
    assert gone["RevokedSecurityGroupRules"][0]["ReferencedGroupId"] == group
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    assert [rule.get("CidrIpv4") for rule in rules] == ["0.0.0.0/0", "10.0.0.0/8"]


def test_flat_parameters_as_older_clients_send_them(ec2, group):
    flat = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}
    ec2.authorize_security_group_ingress(GroupName="web", **flat)

    assert described(ec2, group)["IpPermissions"][0]["FromPort"] == 22

    ec2.revoke_security_group_ingress(GroupName="web", **flat)
    assert described(ec2, group)["IpPermissions"] == []


def test_terraform_takes_away_the_rule_that_each_group_begins_with(ec2, group, refused):
    everything = {"IpProtocol": "-1", "FromPort": 0, "ToPort": 0}

    ec2.revoke_security_group_egress(
        GroupId=group, IpPermissions=[everything | {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    )
    code, _message = refused(
        ec2.revoke_security_group_egress,
        GroupId=group,
        IpPermissions=[everything | {"Ipv6Ranges": [{"CidrIpv6": "::/0"}]}],
    )

    assert code == "InvalidPermission.NotFound"
    assert described(ec2, group)["IpPermissionsEgress"] == []
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[SSH])
    assert described(ec2, group)["IpPermissionsEgress"][0]["FromPort"] == 22


def test_a_rule_is_not_added_twice(ec2, group, refused):
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[SSH])

    other = {**SSH, "FromPort": 80, "ToPort": 80}
    code, message = refused(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[other, SSH])

    assert (code, "already exists" in message) == ("InvalidPermission.Duplicate", True)
    assert len(described(ec2, group)["IpPermissions"]) == 1
    assert refused(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[other, other])[0] == code


def test_a_group_in_use_is_not_deleted(ec2, group, launch, refused):
    (instance,) = launch(SecurityGroupIds=[group])
    other = ec2.create_security_group(GroupName="other", Description="other")["GroupId"]
    assert refused(ec2.delete_security_group, GroupId=group)[0] == "DependencyViolation"
    ec2.modify_instance_attribute(InstanceId=instance, Groups=[other])
    rule = {**SSH, "IpRanges": [], "UserIdGroupPairs": [{"GroupName": "web"}]}
    ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[rule])
    assert refused(ec2.delete_security_group, GroupId=group)[0] == "DependencyViolation"
    ec2.revoke_security_group_ingress(GroupId=other, IpPermissions=[rule])

    assert ec2.delete_security_group(GroupId=group)["GroupId"] == group

    assert refused(ec2.describe_security_groups, GroupIds=[group])[0] == "InvalidGroup.NotFound"
    default = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
    assert refused(ec2.delete_security_group, GroupId=default)[0] == "CannotDelete"


@pytest.mark.parametrize(
    "wrong",
    [
        {"FromPort": 23},
        {"ToPort": 70000},
        {"IpProtocol": "nonsense"},
        {"IpProtocol": "256"},
        {"IpRanges": [{"CidrIp": "300.0.0.0/8"}]},
        {"IpRanges": [{"CidrIp": "10.0.0.1"}]},
        {"IpRanges": [{"CidrIp": "::/0"}]},
        {"IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "<script>"}]},
    ],
)
def test_rules_that_make_no_sense(ec2, group, refused, wrong):
    code, _message = refused(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[SSH | wrong])

    assert code == "InvalidParameterValue"


def test_groups_that_make_no_sense(ec2, group, refused):
    def refuse(name: str, description: str = "d") -> str:
        return str(refused(ec2.create_security_group, GroupName=name, Description=description)[0])

    assert refuse("web") == "InvalidGroup.Duplicate"
    assert refuse("default") == "InvalidParameterValue"
    assert refuse("sg-x") == "InvalidParameterValue"
    assert refuse("x" * 256) == "InvalidParameterValue"
    assert refuse("x", "<b>") == "InvalidParameterValue"
    assert refused(ec2.authorize_security_group_ingress, GroupId=group)[0] == "MissingParameter"
    assert refused(ec2.authorize_security_group_ingress, IpPermissions=[SSH])[0] == "MissingParameter"
    stranger = {**SSH, "UserIdGroupPairs": [{"GroupId": "sg-0123456789abcdef0"}]}
    assert refused(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[stranger])[0] == (
        "InvalidGroup.NotFound"
    )


def test_groups_are_found_by_their_rules(ec2, group):
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[SSH])

    def found(name: str, value: str) -> list[str]:
        reply = ec2.describe_security_groups(Filters=[{"Name": name, "Values": [value]}])
        return [each["GroupName"] for each in reply["SecurityGroups"]]

    assert found("ip-permission.from-port", "22") == ["web"]
    assert found("ip-permission.cidr", "0.0.0.0/0") == ["web"]
    assert found("egress.ip-permission.protocol", "-1") == ["default", "web"]
    assert found("group-name", "w*") == ["web"]
    assert found("description", "*the web") == ["web"]


@pytest.mark.parametrize(
    ("protocol", "kept"),
    [("6", "tcp"), ("TCP", "tcp"), ("006", "tcp"), ("17", "udp"), ("58", "icmpv6"), ("050", "50"), ("all", "-1")],
)
def test_protocols_have_one_spelling(ec2, group, protocol, kept):
    rule = {**SSH, "IpProtocol": protocol}

    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])

    assert described(ec2, group)["IpPermissions"][0]["IpProtocol"] == kept


@pytest.mark.parametrize("protocol", ["", "256", "-2", "tcp6", "0" * 20 + "6", "9" * 5000])
def test_what_is_no_protocol_is_refused(ec2, group, refused, protocol):
    rule = {**SSH, "IpProtocol": protocol}

    code, message = refused(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[rule])

    assert code == "InvalidParameterValue"
    assert len(message) < 200


@pytest.mark.parametrize(
    "peer",
    [
        {"IpRanges": [{"CidrIp": "10.0.0.0/255.0.0.0"}]},
        {"IpRanges": [{"CidrIp": "10.0.0.0/0.0.0.255"}]},
        {"IpRanges": [{"CidrIp": "10.0.0.0"}]},
        {"Ipv6Ranges": [{"CidrIpv6": "fe80::1%eth0/64"}]},
        {"Ipv6Ranges": [{"CidrIpv6": "fe80::1%" + "a" * 100 + "/128"}]},
        {"Ipv6Ranges": [{"CidrIpv6": "10.0.0.0/8"}]},
    ],
)
def test_what_is_no_cidr_block_is_refused(ec2, group, refused, peer):
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22} | peer

    code, message = refused(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[rule])

    assert (code, "malformed" in message) == ("InvalidParameterValue", True)


def test_no_part_of_a_rule_is_passed_over(ec2, group, refused):
    def refuse(**asked) -> str:
        return str(refused(ec2.authorize_security_group_ingress, GroupId=group, **asked)[0])

    assert refuse(CidrIp="10.0.0.0/8", FromPort=22, ToPort=22) == "MissingParameter"
    assert refuse(CidrIp="10.0.0.0/8") == "MissingParameter"
    assert refuse(IpPermissions=[SSH], FromPort=22) == "InvalidParameterCombination"
    rule = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"][0]
    code, _message = refused(
        ec2.revoke_security_group_egress,
        GroupId=group,
        SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]],
        IpProtocol="tcp",
    )
    assert code == "InvalidParameterCombination"
    assert described(ec2, group)["IpPermissions"] == []


@pytest.mark.parametrize("port", ["--5", "-", "\u00b2", "9" * 30, "", "x"])
def test_a_filter_by_what_is_no_port_finds_nothing(ec2, group, port):
    filters = [{"Name": "ip-permission.from-port", "Values": [port]}]

    assert ec2.describe_security_groups(Filters=filters)["SecurityGroups"] == []
