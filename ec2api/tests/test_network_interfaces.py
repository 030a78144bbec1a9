"""Network interfaces that are made, attached and changed by themselves."""

from __future__ import annotations

import pytest

from ec2api.tests.cloud import settle
from networking.models import NetworkInterface
from portal.models import AuditEntry


@pytest.fixture
def subnet(account) -> str:
    return str(account.tenant.subnets.get().ec2_id)


@pytest.fixture
def create(ec2, subnet):
    def make(**options) -> str:
        return str(ec2.create_network_interface(SubnetId=subnet, **options)["NetworkInterface"]["NetworkInterfaceId"])

    return make


@pytest.fixture
def instance(launch) -> str:
    (instance_id,) = launch()
    settle()
    return instance_id


def only(ec2, instance_id: str):
    return ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]


def described(ec2, interface_id: str):
    return ec2.describe_network_interfaces(NetworkInterfaceIds=[interface_id])["NetworkInterfaces"][0]


def attribute(ec2, interface_id: str, name: str):
    return ec2.describe_network_interface_attribute(NetworkInterfaceId=interface_id, Attribute=name)


def test_a_new_interface_is_available_and_carries_what_was_asked(ec2, subnet, account):
    group = ec2.create_security_group(GroupName="web", Description="web")["GroupId"]
    tags = [{"ResourceType": "network-interface", "Tags": [{"Key": "Name", "Value": "second"}]}]

    made = ec2.create_network_interface(
        SubnetId=subnet, Groups=[group], Description="second", PrivateIpAddress="172.31.9.9", TagSpecifications=tags
    )["NetworkInterface"]

    assert made == described(ec2, made["NetworkInterfaceId"])
    assert (made["Status"], made["PrivateIpAddress"], made["Description"]) == ("available", "172.31.9.9", "second")
    assert made["Groups"] == [{"GroupId": group, "GroupName": "web"}]
    assert made["TagSet"] == [{"Key": "Name", "Value": "second"}]
    assert not {"Attachment", "Association"} & made.keys()


def test_an_interface_carries_the_default_group_unless_others_are_named(ec2, create):
    assert [group["GroupName"] for group in described(ec2, create())["Groups"]] == ["default"]


def test_a_client_token_makes_one_interface(ec2, create, refused, subnet):
    first = create(ClientToken="once", Description="a")

    assert create(ClientToken="once", Description="a") == first
    code, _message = refused(ec2.create_network_interface, SubnetId=subnet, ClientToken="once", Description="b")
    assert code == "IdempotentParameterMismatch"
    assert len(ec2.describe_network_interfaces()["NetworkInterfaces"]) == 1


def test_private_addresses_that_cannot_be_had(ec2, create, refused, subnet):
    taken = described(ec2, create())["PrivateIpAddress"]

    def refuse(**options) -> str:
        return str(refused(ec2.create_network_interface, SubnetId=subnet, **options)[0])

    assert refuse(PrivateIpAddress=taken) == "InvalidIPAddress.InUse"
    assert refuse(PrivateIpAddress="10.0.0.9") == "InvalidParameterValue"
    assert refuse(PrivateIpAddress="172.31.0.1") == "InvalidParameterValue"
    assert refuse(PrivateIpAddress="nowhere") == "InvalidParameterValue"
    secondary = [{"PrivateIpAddress": "172.31.7.7", "Primary": False}]
    assert refuse(PrivateIpAddresses=secondary) == "UnsupportedOperation"
    primary = [{"PrivateIpAddress": "172.31.7.7", "Primary": True}]
    assert refuse(PrivateIpAddresses=primary, PrivateIpAddress="172.31.7.8") == "InvalidParameterCombination"
    assert described(ec2, create(PrivateIpAddresses=primary))["PrivateIpAddress"] == "172.31.7.7"
    assert refuse(Ipv6AddressCount=1) == "UnsupportedOperation"
    assert refuse(InterfaceType="efa") == "UnsupportedOperation"


def test_an_interface_is_attached_to_a_running_instance_and_waits_for_its_next_start(ec2, create, instance):
    interface_id = create(Description="back")

    attachment = ec2.attach_network_interface(NetworkInterfaceId=interface_id, InstanceId=instance, DeviceIndex=1)

    found = described(ec2, interface_id)
    assert (found["Status"], found["Attachment"]["Status"]) == ("in-use", "attached")
    assert found["Attachment"]["AttachmentId"] == attachment["AttachmentId"]
    assert (found["Attachment"]["InstanceId"], found["Attachment"]["DeviceIndex"]) == (instance, 1)
    assert found["Attachment"]["DeleteOnTermination"] is False
    assert found["Description"] == "back; reaches the guest at its next start"
    inside = only(ec2, instance)["NetworkInterfaces"]
    assert [each["Attachment"]["DeviceIndex"] for each in inside] == [0, 1]
    ec2.stop_instances(InstanceIds=[instance])
    settle()
    ec2.start_instances(InstanceIds=[instance])
    settle()
    assert described(ec2, interface_id)["Description"] == "back"


def test_to_a_stopped_instance_an_interface_is_simply_attached(ec2, create, instance):
    ec2.stop_instances(InstanceIds=[instance])
    settle()
    interface_id = create()

    ec2.attach_network_interface(NetworkInterfaceId=interface_id, InstanceId=instance, DeviceIndex=1)

    assert described(ec2, interface_id)["Description"] == ""


def test_an_interface_is_detached_and_attached_by_another_id(ec2, create, instance, refused):
    interface_id = create()
    where = {"NetworkInterfaceId": interface_id, "InstanceId": instance, "DeviceIndex": 1}
    first = ec2.attach_network_interface(**where)["AttachmentId"]

    ec2.detach_network_interface(AttachmentId=first, Force=True)

    assert described(ec2, interface_id)["Status"] == "available"
    assert len(only(ec2, instance)["NetworkInterfaces"]) == 1
    second = ec2.attach_network_interface(**where)["AttachmentId"]
    assert second != first
    code, message = refused(ec2.detach_network_interface, AttachmentId=first)
    assert (code, message) == ("InvalidAttachmentID.NotFound", f"The attachment ID '{first}' does not exist")


def test_attachments_that_cannot_be(ec2, create, instance, launch, refused):
    interface_id, other = create(), create()
    ec2.attach_network_interface(NetworkInterfaceId=interface_id, InstanceId=instance, DeviceIndex=1)

    def refuse(interface: str, instance_id: str, index: int) -> str:
        asked = {"NetworkInterfaceId": interface, "InstanceId": instance_id, "DeviceIndex": index}
        return str(refused(ec2.attach_network_interface, **asked)[0])

    assert refuse(interface_id, instance, 2) == "InvalidNetworkInterface.InUse"
    assert refuse(other, instance, 1) == "InvalidParameterValue"
    assert refuse(other, instance, 0) == "InvalidParameterValue"
    assert refuse(other, instance, 8) == "InvalidParameterValue"
    assert refuse(other, instance, -1) == "InvalidParameterValue"
    (pending,) = launch()
    assert refuse(other, pending, 1) == "IncorrectInstanceState"
    assert refuse("eni-0123456789abcdef0", instance, 2) == "InvalidNetworkInterfaceID.NotFound"
    assert refuse(other, "i-0123456789abcdef0", 2) == "InvalidInstanceID.NotFound"


def test_an_instance_keeps_its_first_interface_as_long_as_it_lives(ec2, instance, refused):
    attachment = only(ec2, instance)["NetworkInterfaces"][0]["Attachment"]["AttachmentId"]

    code, _message = refused(ec2.detach_network_interface, AttachmentId=attachment)

    assert code == "OperationNotPermitted"


def test_an_interface_in_use_is_not_deleted(ec2, create, instance, refused):
    interface_id = create()
    attachment = ec2.attach_network_interface(NetworkInterfaceId=interface_id, InstanceId=instance, DeviceIndex=1)

    code, message = refused(ec2.delete_network_interface, NetworkInterfaceId=interface_id)
    assert (code, "currently in use" in message) == ("InvalidParameterValue", True)

    ec2.detach_network_interface(AttachmentId=attachment["AttachmentId"])
    ec2.create_tags(Resources=[interface_id], Tags=[{"Key": "a", "Value": "b"}])
    ec2.delete_network_interface(NetworkInterfaceId=interface_id)
    assert refused(ec2.describe_network_interfaces, NetworkInterfaceIds=[interface_id])[0] == (
        "InvalidNetworkInterfaceID.NotFound"
    )
    assert ec2.describe_tags()["Tags"] == []
    verbs = AuditEntry.objects.filter(resource_id=interface_id).values_list("verb", flat=True)
    assert sorted(verbs) == ["attach", "create", "delete", "detach", "tag"]


def test_an_elastic_address_goes_with_its_interface(ec2, create, instance):
    interface_id = create()
    allocation = ec2.allocate_address()
    ec2.associate_address(AllocationId=allocation["AllocationId"], NetworkInterfaceId=interface_id)
    where = {"NetworkInterfaceId": interface_id, "InstanceId": instance, "DeviceIndex": 1}
    attachment = ec2.attach_network_interface(**where)["AttachmentId"]
    assert ec2.describe_addresses()["Addresses"][0]["InstanceId"] == instance

    ec2.detach_network_interface(AttachmentId=attachment)

    assert described(ec2, interface_id)["Association"]["PublicIp"] == allocation["PublicIp"]
    ec2.delete_network_interface(NetworkInterfaceId=interface_id)
    (address,) = ec2.describe_addresses()["Addresses"]
    assert "AssociationId" not in address


def test_one_attribute_at_a_time_is_changed(ec2, create, instance, refused):
    interface_id = create()
    modify = ec2.modify_network_interface_attribute
    group = ec2.create_security_group(GroupName="web", Description="web")["GroupId"]
    where = {"NetworkInterfaceId": interface_id, "InstanceId": instance, "DeviceIndex": 1}
    attachment = ec2.attach_network_interface(**where)["AttachmentId"]

    modify(NetworkInterfaceId=interface_id, Description={"Value": "front"})
    modify(NetworkInterfaceId=interface_id, SourceDestCheck={"Value": False})
    modify(NetworkInterfaceId=interface_id, Groups=[group])
    lasting = {"AttachmentId": attachment, "DeleteOnTermination": True}
    modify(NetworkInterfaceId=interface_id, Attachment=lasting)

    assert attribute(ec2, interface_id, "description")["Description"] == {"Value": "front"}
    assert attribute(ec2, interface_id, "sourceDestCheck")["SourceDestCheck"] == {"Value": False}
    assert attribute(ec2, interface_id, "groupSet")["Groups"] == [{"GroupId": group, "GroupName": "web"}]
    attached = attribute(ec2, interface_id, "attachment")["Attachment"]
    assert (attached["AttachmentId"], attached["DeleteOnTermination"]) == (attachment, True)
    assert attribute(ec2, interface_id, "associatePublicIpAddress")["AssociatePublicIpAddress"] is False
    ec2.reset_network_interface_attribute(NetworkInterfaceId=interface_id, SourceDestCheck="sourceDestCheck")
    assert attribute(ec2, interface_id, "sourceDestCheck")["SourceDestCheck"] == {"Value": True}

    def refuse(**options) -> str:
        return str(refused(modify, NetworkInterfaceId=interface_id, **options)[0])

    assert refuse() == "InvalidParameterCombination"
    assert refuse(Description={"Value": "x"}, SourceDestCheck={"Value": True}) == "InvalidParameterCombination"
    assert refuse(Description={"Value": "x" * 256}) == "InvalidParameterValue"
    assert refuse(Attachment={"AttachmentId": attachment}) == "MissingParameter"
    stranger = {"AttachmentId": "eni-attach-0123456789abcdef0", "DeleteOnTermination": True}
    assert refuse(Attachment=stranger) == "InvalidAttachmentID.NotFound"
    assert refuse(Groups=["sg-0123456789abcdef0"]) == "InvalidGroup.NotFound"


def test_the_check_of_source_and_destination_is_the_instances_and_its_first_interfaces(ec2, instance, create, refused):
    first = only(ec2, instance)["NetworkInterfaces"][0]["NetworkInterfaceId"]

    ec2.modify_network_interface_attribute(NetworkInterfaceId=first, SourceDestCheck={"Value": False})
    assert only(ec2, instance)["SourceDestCheck"] is False
    ec2.modify_instance_attribute(InstanceId=instance, SourceDestCheck={"Value": True})
    assert described(ec2, first)["SourceDestCheck"] is True

    ec2.attach_network_interface(NetworkInterfaceId=create(), InstanceId=instance, DeviceIndex=1)
    for change in (
        {"SourceDestCheck": {"Value": False}},
        {"Groups": [only(ec2, instance)["SecurityGroups"][0]["GroupId"]]},
    ):
        code, message = refused(ec2.modify_instance_attribute, InstanceId=instance, **change)
        assert (code, "multiple interfaces" in message) == ("InvalidInstanceID", True)
    allocation = ec2.allocate_address()["AllocationId"]
    assert refused(ec2.associate_address, AllocationId=allocation, InstanceId=instance)[0] == "InvalidInstanceID"
    ec2.associate_address(AllocationId=allocation, NetworkInterfaceId=first)


def test_an_ended_instance_takes_along_only_what_shall_go_with_it(ec2, create, instance):
    stays, goes = create(), create()
    ec2.attach_network_interface(NetworkInterfaceId=stays, InstanceId=instance, DeviceIndex=1)
    attachment = ec2.attach_network_interface(NetworkInterfaceId=goes, InstanceId=instance, DeviceIndex=2)
    wish = {"AttachmentId": attachment["AttachmentId"], "DeleteOnTermination": True}
    ec2.modify_network_interface_attribute(NetworkInterfaceId=goes, Attachment=wish)

    ec2.terminate_instances(InstanceIds=[instance])
    settle()

    assert list(NetworkInterface.objects.values_list("ec2_id", flat=True)) == [stays]
    assert described(ec2, stays)["Status"] == "available"


def test_an_instance_is_launched_with_an_interface_that_is_there(ec2, create, launch, refused, image):
    group = ec2.create_security_group(GroupName="web", Description="web")["GroupId"]
    interface_id = create(Groups=[group], PrivateIpAddress="172.31.9.9")
    ec2.modify_network_interface_attribute(NetworkInterfaceId=interface_id, SourceDestCheck={"Value": False})
    allocation = ec2.allocate_address()
    ec2.associate_address(AllocationId=allocation["AllocationId"], NetworkInterfaceId=interface_id)
    specification = {"DeviceIndex": 0, "NetworkInterfaceId": interface_id}

    asked = {"ImageId": image.ec2_id, "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1}
    (made,) = ec2.run_instances(NetworkInterfaces=[specification], **asked)["Instances"]

    assert (made["PrivateIpAddress"], made["PublicIpAddress"]) == ("172.31.9.9", allocation["PublicIp"])
    assert (made["SecurityGroups"][0]["GroupId"], made["SourceDestCheck"]) == (group, False)
    settle()
    assert only(ec2, made["InstanceId"])["State"]["Name"] == "running"
    code, _message = refused(ec2.run_instances, NetworkInterfaces=[specification], **asked)
    assert code == "InvalidNetworkInterface.InUse"
    ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    settle()
    assert described(ec2, interface_id)["Association"]["PublicIp"] == allocation["PublicIp"]


def test_an_instance_is_launched_with_several_interfaces(ec2, create, launch, subnet):
    there = create()
    tags = [{"ResourceType": "network-interface", "Tags": [{"Key": "a", "Value": "b"}]}]

    (instance_id,) = launch(
        TagSpecifications=tags,
        NetworkInterfaces=[
            {"DeviceIndex": 2, "SubnetId": subnet, "Description": "third", "DeleteOnTermination": False},
            {"DeviceIndex": 0, "SubnetId": subnet, "PrivateIpAddress": "172.31.9.9"},
            {"DeviceIndex": 1, "NetworkInterfaceId": there, "DeleteOnTermination": True},
        ],
    )
    settle()

    instance = only(ec2, instance_id)
    first, second, third = instance["NetworkInterfaces"]
    assert instance["PrivateIpAddress"] == first["PrivateIpAddress"] == "172.31.9.9"
    assert "PublicIpAddress" not in instance
    assert (second["NetworkInterfaceId"], third["Description"]) == (there, "third")
    assert described(ec2, first["NetworkInterfaceId"])["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert described(ec2, there)["TagSet"] == []
    ec2.terminate_instances(InstanceIds=[instance_id])
    settle()
    assert [i["NetworkInterfaceId"] for i in ec2.describe_network_interfaces()["NetworkInterfaces"]] == [
        third["NetworkInterfaceId"]
    ]


def test_many_instances_with_two_interfaces_each(ec2, launch, subnet):
    two = [{"DeviceIndex": n, "SubnetId": subnet} for n in (0, 1)]

    ids = launch(3, NetworkInterfaces=two)

    settle()
    assert [len(only(ec2, each)["NetworkInterfaces"]) for each in ids] == [2, 2, 2]


def test_an_instance_is_launched_at_a_private_address(ec2, launch, refused, image):
    (instance_id,) = launch(PrivateIpAddress="172.31.9.9")

    assert only(ec2, instance_id)["PrivateIpAddress"] == "172.31.9.9"
    asked = {"ImageId": image.ec2_id, "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 2}
    assert refused(ec2.run_instances, PrivateIpAddress="172.31.9.10", **asked)[0] == "InvalidParameterCombination"
    assert refused(ec2.run_instances, PrivateIpAddress="172.31.9.9", **asked | {"MaxCount": 1})[0] == (
        "InvalidIPAddress.InUse"
    )


@pytest.mark.parametrize(
    ("specifications", "expected"),
    [
        ([{"DeviceIndex": 0}, {"DeviceIndex": 0}], "InvalidParameterValue"),
        ([{"DeviceIndex": 1}], "InvalidParameterCombination"),
        ([{"DeviceIndex": 9}], "InvalidParameterValue"),
        ([{"DeviceIndex": 0, "AssociatePublicIpAddress": True}, {"DeviceIndex": 1}], "InvalidParameterCombination"),
        ([{"DeviceIndex": 0}, {"DeviceIndex": 1, "AssociatePublicIpAddress": True}], "InvalidParameterCombination"),
        ([{"DeviceIndex": 0, "NetworkInterfaceId": "ENI", "SubnetId": "subnet-1"}], "InvalidParameterCombination"),
        ([{"DeviceIndex": 0, "NetworkInterfaceId": "ENI", "Groups": ["sg-1"]}], "InvalidParameterCombination"),
        ([{"DeviceIndex": 0, "NetworkInterfaceId": "eni-0123456789abcdef0"}], "InvalidNetworkInterfaceID.NotFound"),
        ([{"DeviceIndex": 0, "Ipv6AddressCount": 1}], "UnsupportedOperation"),
        ([{"SubnetId": "subnet-1"}], "MissingParameter"),
    ],
)
def test_specifications_that_do_not_go_together(ec2, create, launch, refused, image, specifications, expected):
    interface_id = create()
    filled = [{name: interface_id if value == "ENI" else value for name, value in s.items()} for s in specifications]
    asked = {"ImageId": image.ec2_id, "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1}

    code, _message = refused(ec2.run_instances, NetworkInterfaces=filled, **asked)

    assert code == expected
    assert ec2.describe_instances()["Reservations"] == []


def test_interfaces_are_found_by_their_state_and_attachment(ec2, create, instance):
    free = create(Description="free")
    attachment = only(ec2, instance)["NetworkInterfaces"][0]
    used = attachment["NetworkInterfaceId"]

    def found(name: str, value: str) -> list[str]:
        reply = ec2.describe_network_interfaces(Filters=[{"Name": name, "Values": [value]}])
        return [each["NetworkInterfaceId"] for each in reply["NetworkInterfaces"]]

    assert found("status", "available") == [free]
    assert found("status", "in-use") == [used]
    assert found("attachment.attachment-id", attachment["Attachment"]["AttachmentId"]) == [used]
    assert found("attachment.status", "attached") == [used]
    assert found("description", "fr*") == [free]
