"""What each network comes with, and what there is none of."""

from __future__ import annotations

import pytest

from compute.models import Host
from ec2api.actions.nothing import NOTHING
from ec2api.protocol.model import snake
from ec2api.tests.cloud import new_account, settle
from portal.models import AuditEntry


@pytest.fixture
def vpc(account) -> str:
    return str(account.tenant.vpcs.get().ec2_id)


@pytest.fixture
def subnet(account) -> str:
    return str(account.tenant.subnets.get().ec2_id)


def test_the_main_route_table_leads_inside_and_out(ec2, vpc, account):
    (table,) = ec2.describe_route_tables()["RouteTables"]
    (gateway,) = ec2.describe_internet_gateways()["InternetGateways"]

    assert table["VpcId"] == vpc
    assert [(route["DestinationCidrBlock"], route["GatewayId"], route["State"]) for route in table["Routes"]] == [
        ("172.31.0.0/16", "local", "active"),
        ("0.0.0.0/0", gateway["InternetGatewayId"], "active"),
    ]
    (association,) = table["Associations"]
    assert (association["Main"], association["RouteTableId"]) == (True, table["RouteTableId"])
    assert association["RouteTableAssociationId"].startswith("rtbassoc-")
    assert gateway["Attachments"] == [{"State": "available", "VpcId": vpc}]
    assert gateway["OwnerId"] == table["OwnerId"] == account.tenant.account_id


def test_the_default_acl_lets_everything_through(ec2, vpc, subnet):
    (acl,) = ec2.describe_network_acls()["NetworkAcls"]

    assert (acl["VpcId"], acl["IsDefault"]) == (vpc, True)
    assert [association["SubnetId"] for association in acl["Associations"]] == [subnet]
    entries = {(e["Egress"], e["RuleNumber"], e["RuleAction"]) for e in acl["Entries"]}
    assert entries == {(way, *rule) for way in (True, False) for rule in ((100, "allow"), (32767, "deny"))}


def test_a_network_has_dhcp_options(ec2, vpc):
    (options,) = ec2.describe_dhcp_options()["DhcpOptions"]

    found = {each["Key"]: each["Values"][0]["Value"] for each in options["DhcpConfigurations"]}
    assert found == {"domain-name": "ec2.internal", "domain-name-servers": "AmazonProvidedDNS"}
    assert ec2.describe_vpcs()["Vpcs"][0]["DhcpOptionsId"] == options["DhcpOptionsId"]
    by_options = [{"Name": "dhcp-options-id", "Values": [options["DhcpOptionsId"]]}]
    assert [each["VpcId"] for each in ec2.describe_vpcs(Filters=by_options)["Vpcs"]] == [vpc]


def test_every_filter_finds_what_the_description_says(ec2, vpc, subnet, account):
    (table,) = ec2.describe_route_tables()["RouteTables"]
    (gateway,) = ec2.describe_internet_gateways()["InternetGateways"]
    (acl,) = ec2.describe_network_acls()["NetworkAcls"]
    (options,) = ec2.describe_dhcp_options()["DhcpOptions"]
    owner = account.tenant.account_id
    cases = {
        ("describe_route_tables", "RouteTables"): {
            "association.main": "true",
            "association.route-table-association-id": table["Associations"][0]["RouteTableAssociationId"],
            "association.route-table-id": table["RouteTableId"],
            "owner-id": owner,
            "route-table-id": table["RouteTableId"],
            "route.destination-cidr-block": "0.0.0.0/0",
            "route.gateway-id": gateway["InternetGatewayId"],
            "route.origin": "CreateRoute",
            "route.state": "active",
            "vpc-id": vpc,
        },
        ("describe_internet_gateways", "InternetGateways"): {
            "attachment.state": "available",
            "attachment.vpc-id": vpc,
            "internet-gateway-id": gateway["InternetGatewayId"],
            "owner-id": owner,
        },
        ("describe_network_acls", "NetworkAcls"): {
            "association.association-id": acl["Associations"][0]["NetworkAclAssociationId"],
            "association.network-acl-id": acl["NetworkAclId"],
            "association.subnet-id": subnet,
            "default": "true",
            "entry.cidr": "0.0.0.0/0",
            "entry.egress": "false",
            "entry.protocol": "-1",
            "entry.rule-action": "deny",
            "entry.rule-number": "100",
            "network-acl-id": acl["NetworkAclId"],
            "owner-id": owner,
            "vpc-id": vpc,
        },
        ("describe_dhcp_options", "DhcpOptions"): {
            "dhcp-options-id": options["DhcpOptionsId"],
            "key": "domain-name",
            "value": "ec2.internal",
            "owner-id": owner,
        },
    }
    for (action, member), values in cases.items():
        for name, value in values.items():
            ask = getattr(ec2, action)
            assert len(ask(Filters=[{"Name": name, "Values": [value]}])[member]) == 1, (action, name)
            assert ask(Filters=[{"Name": name, "Values": ["nonsense"]}])[member] == [], (action, name)
    by_subnet = [{"Name": "association.subnet-id", "Values": [subnet]}]
    assert ec2.describe_route_tables(Filters=by_subnet)["RouteTables"] == []  # it uses the main one


def test_they_are_tagged_and_named_by_id(ec2, refused):
    (table,) = ec2.describe_route_tables()["RouteTables"]
    ids = [
        table["RouteTableId"],
        ec2.describe_internet_gateways()["InternetGateways"][0]["InternetGatewayId"],
        ec2.describe_network_acls()["NetworkAcls"][0]["NetworkAclId"],
        ec2.describe_dhcp_options()["DhcpOptions"][0]["DhcpOptionsId"],
    ]
    tags = [{"Key": "Name", "Value": "main"}]

    ec2.create_tags(Resources=ids, Tags=tags)

    assert ec2.describe_route_tables(RouteTableIds=ids[:1])["RouteTables"][0]["Tags"] == tags
    assert ec2.describe_internet_gateways(InternetGatewayIds=ids[1:2])["InternetGateways"][0]["Tags"] == tags
    assert ec2.describe_network_acls(NetworkAclIds=ids[2:3])["NetworkAcls"][0]["Tags"] == tags
    assert ec2.describe_dhcp_options(DhcpOptionsIds=ids[3:])["DhcpOptions"][0]["Tags"] == tags
    absent = "0123456789abcdef0"
    assert refused(ec2.describe_route_tables, RouteTableIds=[f"rtb-{absent}"])[0] == "InvalidRouteTableID.NotFound"
    assert refused(ec2.describe_dhcp_options, DhcpOptionsIds=[f"dopt-{absent}"])[0] == "InvalidDhcpOptionID.NotFound"
    assert refused(ec2.describe_network_acls, NetworkAclIds=[f"acl-{absent}"])[0] == "InvalidNetworkAclID.NotFound"
    gone = refused(ec2.describe_internet_gateways, InternetGatewayIds=[f"igw-{absent}"])
    assert gone[0] == "InvalidInternetGatewayID.NotFound"


def test_attributes_of_a_network(ec2, vpc, refused):
    assert ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsSupport")["EnableDnsSupport"]["Value"] is True
    names = ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsHostnames")
    assert names["EnableDnsHostnames"]["Value"] is False
    assert refused(ec2.describe_vpc_attribute, VpcId=vpc, Attribute="colour")[0] == "InvalidParameterValue"
    assert ec2.describe_vpc_classic_link(VpcIds=[vpc])["Vpcs"] == [
        {"VpcId": vpc, "ClassicLinkEnabled": False, "Tags": []}
    ]
    assert ec2.describe_vpc_classic_link_dns_support()["Vpcs"] == [{"VpcId": vpc, "ClassicLinkDnsSupported": False}]


def test_a_second_default_network_is_refused(ec2, vpc, subnet, refused):
    code, message = refused(ec2.create_default_vpc)
    assert (code, vpc in message) == ("DefaultVpcAlreadyExists", True)
    code, message = refused(ec2.create_default_subnet, AvailabilityZone="us-east-1a")
    assert (code, subnet in message) == ("DefaultSubnetAlreadyExistsInAvailabilityZone", True)
    assert refused(ec2.create_default_subnet, AvailabilityZone="us-east-1z")[0] == "InvalidParameterValue"
    assert refused(ec2.create_default_subnet)[0] == "MissingParameter"


def test_a_zone_with_hosts_of_its_own_gets_a_default_subnet_and_instances(ec2, launch):
    Host.objects.filter(name="sim1").update(zone="us-east-1b")

    made = ec2.create_default_subnet(AvailabilityZone="us-east-1b")["Subnet"]

    assert (made["CidrBlock"], made["DefaultForAz"]) == ("172.31.128.0/20", True)
    assert AuditEntry.objects.filter(verb="create", resource_id=made["SubnetId"]).exists()
    (there,) = launch(Placement={"AvailabilityZone": "us-east-1b"})
    (here,) = launch()
    settle()
    instances = {
        instance["InstanceId"]: instance
        for reservation in ec2.describe_instances()["Reservations"]
        for instance in reservation["Instances"]
    }
    assert instances[there]["SubnetId"] == made["SubnetId"]
    assert instances[here]["SubnetId"] != made["SubnetId"]
    assert {instance["State"]["Name"] for instance in instances.values()} == {"running"}


@pytest.mark.parametrize(("action", "member", "ids", "code"), NOTHING)
def test_what_there_is_none_of_is_an_empty_list(ec2, refused, action, member, ids, code):
    ask = getattr(ec2, snake(action))

    assert ask()[member] == []
    if ids:
        assert refused(ask, **{ids: ["x-0123456789abcdef0"]})[0] == code


def test_lists_of_nothing_are_asked_like_others(ec2, refused):
    filters = [{"Name": "vpc-id", "Values": ["vpc-0123456789abcdef0"]}]

    assert ec2.describe_nat_gateways(Filter=filters, MaxResults=5)["NatGateways"] == []
    assert ec2.describe_vpc_endpoints(Filters=filters)["VpcEndpoints"] == []
    assert refused(ec2.describe_vpc_endpoints, NextToken="x")[0] == "InvalidNextToken"
    assert refused(ec2.describe_vpc_endpoints, Filters=[{"Name": "vpc-id"}])[0] == "InvalidParameterValue"


def test_networks_that_are_made_later_come_with_all_of_it(image):
    client = new_account("late").client()

    assert len(client.describe_route_tables()["RouteTables"]) == 1
    assert len(client.describe_internet_gateways()["InternetGateways"]) == 1
    assert len(client.describe_network_acls()["NetworkAcls"]) == 1
    assert len(client.describe_dhcp_options()["DhcpOptions"]) == 1
