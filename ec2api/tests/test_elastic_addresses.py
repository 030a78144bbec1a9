"""Elastic addresses."""

from __future__ import annotations

import pytest

from compute.models import Host
from ec2api.tests.cloud import settle
from portal.models import AuditEntry, Quota
from portal.quotas import recount

ABSENT = "eipalloc-0123456789abcdef0"


@pytest.fixture
def instance(launch) -> str:
    (instance_id,) = launch()
    settle()
    return instance_id


def only(ec2, instance_id: str):
    return ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]


def allocate(ec2, **options) -> tuple[str, str]:
    reply = ec2.allocate_address(**options)
    return reply["AllocationId"], reply["PublicIp"]


def described(ec2, allocation_id: str):
    return ec2.describe_addresses(AllocationIds=[allocation_id])["Addresses"][0]


def test_an_address_is_allocated_described_and_released(ec2, account, refused):
    tags = [{"ResourceType": "elastic-ip", "Tags": [{"Key": "Name", "Value": "front"}]}]

    allocation_id, public_ip = allocate(ec2, Domain="vpc", TagSpecifications=tags)

    assert public_ip.startswith("127.")
    assert described(ec2, allocation_id) == {
        "AllocationId": allocation_id,
        "PublicIp": public_ip,
        "Domain": "vpc",
        "PublicIpv4Pool": "amazon",
        "NetworkBorderGroup": "us-east-1",
        "Tags": [{"Key": "Name", "Value": "front"}],
    }
    assert Quota.objects.get(tenant=account.tenant, resource="addresses").used == 1
    ec2.release_address(AllocationId=allocation_id)
    assert ec2.describe_addresses()["Addresses"] == []
    assert refused(ec2.describe_addresses, AllocationIds=[allocation_id])[0] == "InvalidAllocationID.NotFound"
    assert refused(ec2.release_address, AllocationId=allocation_id)[0] == "InvalidAllocationID.NotFound"
    assert recount() == []
    assert ec2.describe_tags()["Tags"] == []
    verbs = AuditEntry.objects.filter(resource_id=allocation_id).values_list("verb", flat=True)
    assert sorted(verbs) == ["allocate", "release"]


def test_an_associated_address_is_the_instances_public_one_until_it_is_disassociated(ec2, instance, account):
    before = only(ec2, instance)["PublicIpAddress"]
    allocation_id, public_ip = allocate(ec2)

    association = ec2.associate_address(AllocationId=allocation_id, InstanceId=instance)["AssociationId"]

    assert association.startswith("eipassoc-")
    found = only(ec2, instance)
    interface = found["NetworkInterfaces"][0]
    assert found["PublicIpAddress"] == public_ip
    owner = account.tenant.account_id
    assert interface["Association"] == {"IpOwnerId": owner, "PublicDnsName": "", "PublicIp": public_ip}
    assert interface["PrivateIpAddresses"][0]["Association"]["PublicIp"] == public_ip
    address = described(ec2, allocation_id)
    assert (address["InstanceId"], address["AssociationId"]) == (instance, association)
    assert address["NetworkInterfaceId"] == interface["NetworkInterfaceId"]
    assert (address["NetworkInterfaceOwnerId"], address["PrivateIpAddress"]) == (owner, found["PrivateIpAddress"])
    itself = ec2.describe_network_interfaces()["NetworkInterfaces"][0]["Association"]
    assert (itself["AllocationId"], itself["AssociationId"]) == (allocation_id, association)
    ec2.disassociate_address(AssociationId=association)
    assert only(ec2, instance)["PublicIpAddress"] == before
    assert "InstanceId" not in described(ec2, allocation_id)
    assert only(ec2, instance)["NetworkInterfaces"][0]["Association"]["IpOwnerId"] == "amazon"


def test_disassociating_again_is_no_error_by_address_and_one_by_association(ec2, instance, refused):
    allocation_id, public_ip = allocate(ec2)
    association = ec2.associate_address(PublicIp=public_ip, InstanceId=instance)["AssociationId"]

    ec2.disassociate_address(PublicIp=public_ip)
    ec2.disassociate_address(PublicIp=public_ip)

    code, message = refused(ec2.disassociate_address, AssociationId=association)
    assert (code, message) == ("InvalidAssociationID.NotFound", f"The association ID '{association}' does not exist")
    again = ec2.associate_address(AllocationId=allocation_id, InstanceId=instance)["AssociationId"]
    assert again != association


def test_the_same_association_again_changes_nothing(ec2, instance):
    allocation_id, _public_ip = allocate(ec2)
    first = ec2.associate_address(AllocationId=allocation_id, InstanceId=instance)["AssociationId"]

    assert ec2.associate_address(AllocationId=allocation_id, InstanceId=instance)["AssociationId"] == first


def test_an_address_moves_to_another_instance_unless_that_is_forbidden(ec2, launch, refused):
    one, other = launch(2)
    settle()
    automatic = [only(ec2, each)["PublicIpAddress"] for each in (one, other)]
    allocation_id, public_ip = allocate(ec2)
    ec2.associate_address(AllocationId=allocation_id, InstanceId=one)

    code, _message = refused(
        ec2.associate_address, AllocationId=allocation_id, InstanceId=other, AllowReassociation=False
    )
    assert code == "Resource.AlreadyAssociated"
    assert only(ec2, one)["PublicIpAddress"] == public_ip

    ec2.associate_address(AllocationId=allocation_id, InstanceId=other)
    assert [only(ec2, each)["PublicIpAddress"] for each in (one, other)] == [automatic[0], public_ip]


def test_an_instance_gives_up_the_elastic_address_that_it_had(ec2, instance):
    automatic = only(ec2, instance)["PublicIpAddress"]
    old, _old_ip = allocate(ec2)
    new, new_ip = allocate(ec2)
    ec2.associate_address(AllocationId=old, InstanceId=instance)

    ec2.associate_address(AllocationId=new, InstanceId=instance)

    assert only(ec2, instance)["PublicIpAddress"] == new_ip
    assert "InstanceId" not in described(ec2, old)
    ec2.release_address(AllocationId=new)
    assert only(ec2, instance)["PublicIpAddress"] == automatic


def test_an_instance_without_a_public_address_has_none_again_afterwards(ec2, launch):
    (instance_id,) = launch(NetworkInterfaces=[{"DeviceIndex": 0, "AssociatePublicIpAddress": False}])
    settle()
    allocation_id, public_ip = allocate(ec2)
    ec2.associate_address(AllocationId=allocation_id, InstanceId=instance_id)
    assert only(ec2, instance_id)["PublicIpAddress"] == public_ip

    ec2.release_address(AllocationId=allocation_id)

    assert "PublicIpAddress" not in only(ec2, instance_id)
    assert "Association" not in only(ec2, instance_id)["NetworkInterfaces"][0]


def test_an_ended_instance_leaves_its_address_allocated_and_free(ec2, instance, account):
    allocation_id, public_ip = allocate(ec2)
    ec2.associate_address(AllocationId=allocation_id, InstanceId=instance)

    ec2.terminate_instances(InstanceIds=[instance])
    settle()

    address = described(ec2, allocation_id)
    assert (address["PublicIp"], "AssociationId" in address, "InstanceId" in address) == (public_ip, False, False)
    assert Quota.objects.get(tenant=account.tenant, resource="addresses").used == 1


def test_an_address_is_for_an_instance_that_has_begun_and_not_ended(ec2, launch, refused):
    (instance_id,) = launch()
    allocation_id, _public_ip = allocate(ec2)

    code, message = refused(ec2.associate_address, AllocationId=allocation_id, InstanceId=instance_id)
    assert (code, "pending instance" in message) == ("InvalidInstanceID", True)

    settle()
    ec2.terminate_instances(InstanceIds=[instance_id])
    assert refused(ec2.associate_address, AllocationId=allocation_id, InstanceId=instance_id)[0] == "InvalidInstanceID"
    absent = "i-0123456789abcdef0"
    assert refused(ec2.associate_address, AllocationId=allocation_id, InstanceId=absent)[0] == (
        "InvalidInstanceID.NotFound"
    )


def test_the_quota_of_addresses(ec2, account, refused):
    Quota.objects.filter(tenant=account.tenant, resource="addresses").update(limit=2)
    allocate(ec2)
    allocate(ec2)

    code, message = refused(ec2.allocate_address)

    assert (code, "elastic addresses" in message) == ("AddressLimitExceeded", True)
    assert len(ec2.describe_addresses()["Addresses"]) == 2


def test_no_part_of_a_request_is_passed_over(ec2, instance, refused):
    allocation_id, public_ip = allocate(ec2)
    interface = only(ec2, instance)["NetworkInterfaces"][0]["NetworkInterfaceId"]

    def refuse(function, **options) -> str:
        return str(refused(function, **options)[0])

    associate = ec2.associate_address
    assert refuse(associate, AllocationId=allocation_id) == "MissingParameter"
    assert refuse(associate, InstanceId=instance) == "MissingParameter"
    both = {"AllocationId": allocation_id, "PublicIp": public_ip}
    assert refuse(associate, InstanceId=instance, **both) == "InvalidParameterCombination"
    two = {"InstanceId": instance, "NetworkInterfaceId": interface}
    assert refuse(associate, AllocationId=allocation_id, **two) == "InvalidParameterCombination"
    wrong = {"AllocationId": allocation_id, "InstanceId": instance, "PrivateIpAddress": "172.31.9.9"}
    assert refuse(associate, **wrong) == "InvalidParameterValue"
    assert refuse(associate, PublicIp="192.0.2.1", InstanceId=instance) == "InvalidAddress.NotFound"
    assert refuse(associate, AllocationId="x", InstanceId=instance) == "InvalidParameterValue"
    assert refuse(ec2.disassociate_address) == "MissingParameter"
    assert refuse(ec2.release_address) == "MissingParameter"
    assert refuse(ec2.release_address, AllocationId=allocation_id, NetworkBorderGroup="mars") == (
        "InvalidAddress.NotFound"
    )
    assert refuse(ec2.allocate_address, Domain="standard") == "UnsupportedOperation"
    assert refuse(ec2.allocate_address, PublicIpv4Pool="mine") == "InvalidPublicIpv4PoolID.NotFound"
    assert refuse(ec2.allocate_address, Address="192.0.2.1") == "UnsupportedOperation"
    assert refuse(ec2.describe_addresses, PublicIps=["192.0.2.1"]) == "InvalidAddress.NotFound"
    assert refuse(ec2.describe_addresses, AllocationIds=[ABSENT]) == "InvalidAllocationID.NotFound"


def test_dry_runs_change_nothing(ec2, instance, refused):
    allocation_id, _public_ip = allocate(ec2)
    before = only(ec2, instance)["PublicIpAddress"]

    assert refused(ec2.allocate_address, DryRun=True)[0] == "DryRunOperation"
    dry = {"AllocationId": allocation_id, "InstanceId": instance, "DryRun": True}
    assert refused(ec2.associate_address, **dry)[0] == "DryRunOperation"
    assert refused(ec2.release_address, AllocationId=allocation_id, DryRun=True)[0] == "DryRunOperation"

    assert only(ec2, instance)["PublicIpAddress"] == before
    assert len(ec2.describe_addresses()["Addresses"]) == 1


def test_every_filter_finds_what_the_description_says(ec2, instance, account):
    free, _free_ip = allocate(ec2)
    tags = [{"ResourceType": "elastic-ip", "Tags": [{"Key": "Role", "Value": "front"}]}]
    allocation_id, public_ip = allocate(ec2, TagSpecifications=tags)
    ec2.associate_address(AllocationId=allocation_id, InstanceId=instance)
    address = described(ec2, allocation_id)
    distinct = {
        "allocation-id": allocation_id,
        "association-id": address["AssociationId"],
        "instance-id": instance,
        "network-interface-id": address["NetworkInterfaceId"],
        "network-interface-owner-id": account.tenant.account_id,
        "private-ip-address": address["PrivateIpAddress"],
        "public-ip": public_ip,
        "tag:Role": "fr*",
        "tag-key": "Role",
    }

    def found(name: str, value: str) -> list[str]:
        reply = ec2.describe_addresses(Filters=[{"Name": name, "Values": [value]}])
        return [each["AllocationId"] for each in reply["Addresses"]]

    for name, value in distinct.items():
        assert found(name, value) == [allocation_id], name
        assert found(name, "nonsense") == [], name
    assert found("domain", "vpc") == found("network-border-group", "us-east-1") == [free, allocation_id]
    interfaces = ec2.describe_network_interfaces(
        Filters=[
            {"Name": "association.allocation-id", "Values": [allocation_id]},
            {"Name": "association.ip-owner-id", "Values": [account.tenant.account_id]},
        ]
    )["NetworkInterfaces"]
    assert [each["NetworkInterfaceId"] for each in interfaces] == [address["NetworkInterfaceId"]]
    by_instance = ec2.describe_instances(
        Filters=[{"Name": "network-interface.association.association-id", "Values": [address["AssociationId"]]}]
    )
    assert by_instance["Reservations"][0]["Instances"][0]["InstanceId"] == instance


def test_no_address_has_a_name_in_the_reverse_dns(ec2, refused):
    allocation_id, _public_ip = allocate(ec2)

    reply = ec2.describe_addresses_attribute(AllocationIds=[allocation_id], Attribute="domain-name")

    assert reply["Addresses"] == []
    code, _message = refused(ec2.describe_addresses_attribute, AllocationIds=[ABSENT], Attribute="domain-name")
    assert code == "InvalidAllocationID.NotFound"


def test_ports_are_forwarded_on_the_elastic_address_from_the_next_start_on(ec2, launch):
    Host.objects.update(options={"network": "usermode"})
    group = ec2.create_security_group(GroupName="web", Description="d")["GroupId"]
    high = {"IpProtocol": "tcp", "FromPort": 48123, "ToPort": 48123, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[high])
    (instance_id,) = launch(SecurityGroupIds=[group])
    settle()
    automatic = only(ec2, instance_id)["PublicIpAddress"]
    allocation_id, public_ip = allocate(ec2)

    ec2.associate_address(AllocationId=allocation_id, InstanceId=instance_id)

    waiting = only(ec2, instance_id)["NetworkInterfaces"][0]["Description"]
    assert waiting == f"ports: tcp 48123 -> {automatic}:48123; {public_ip} from the next start"
    ec2.stop_instances(InstanceIds=[instance_id])
    settle()
    ec2.start_instances(InstanceIds=[instance_id])
    settle()
    assert only(ec2, instance_id)["NetworkInterfaces"][0]["Description"] == f"ports: tcp 48123 -> {public_ip}:48123"
