"""Launching instances, looking at them and changing what they do, by boto3."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from compute.models import Instance
from ec2api.tests.cloud import Account, settle
from portal.models import Quota
from storage.models import Image


def only(ec2: Any, instance_id: str) -> Any:
    return ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]


def test_an_instance_goes_from_pending_to_running_to_terminated(ec2, launch):
    (instance_id,) = launch()
    assert only(ec2, instance_id)["State"] == {"Code": 0, "Name": "pending"}

    settle()

    ec2.get_waiter("instance_running").wait(InstanceIds=[instance_id])
    reply = ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"]
    assert reply == [
        {
            "InstanceId": instance_id,
            "PreviousState": {"Code": 16, "Name": "running"},
            "CurrentState": {"Code": 32, "Name": "shutting-down"},
        }
    ]
    settle()
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[instance_id])
    ended = only(ec2, instance_id)
    assert ended["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert ended["StateTransitionReason"].startswith("User initiated (")
    assert "PrivateIpAddress" not in ended
    assert ended["NetworkInterfaces"] == []


def test_what_was_launched_is_described_as_it_was_replied(ec2, image):
    asked = {
        "ImageId": image.ec2_id,
        "InstanceType": "t2.nano",
        "MinCount": 2,
        "MaxCount": 2,
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}]},
            {"ResourceType": "volume", "Tags": [{"Key": "v", "Value": "1"}]},
        ],
    }
    replied = ec2.run_instances(**asked)

    described = ec2.describe_instances()["Reservations"]

    replied.pop("ResponseMetadata")
    assert described == [replied]
    assert ec2.describe_tags(Filters=[{"Name": "resource-type", "Values": ["volume"]}])["Tags"][0]["Key"] == "v"


def test_a_description_has_what_clients_read(ec2, launch, account):
    (instance_id,) = launch()
    settle()

    instance = only(ec2, instance_id)

    assert instance["Placement"] == {
        "AvailabilityZone": "us-east-1a", "AvailabilityZoneId": "use1-az1", "GroupName": "", "Tenancy": "default",
    }  # fmt: skip
    address = instance["PrivateIpAddress"]
    assert instance["PrivateDnsName"] == f"ip-{address.replace('.', '-')}.ec2.internal"
    (interface,) = instance["NetworkInterfaces"]
    assert interface["OwnerId"] == account.tenant.account_id
    assert interface["Association"]["PublicIp"] == instance["PublicIpAddress"]
    assert interface["Groups"] == instance["SecurityGroups"]
    (device,) = instance["BlockDeviceMappings"]
    assert device["DeviceName"] == instance["RootDeviceName"] == "/dev/xvda"
    assert device["Ebs"]["Status"] == "attached"
    assert instance["Monitoring"] == {"State": "disabled"}
    assert instance["VirtualizationType"] == "hvm"
    assert instance["CpuOptions"] == {"CoreCount": 1, "ThreadsPerCore": 1}
    assert instance["MetadataOptions"]["HttpEndpoint"] == "enabled"


def test_stop_start_and_reboot(ec2, launch, refused):
    (instance_id,) = launch()
    assert refused(ec2.stop_instances, InstanceIds=[instance_id])[0] == "IncorrectInstanceState"
    settle()

    stopping = ec2.stop_instances(InstanceIds=[instance_id], Force=True)["StoppingInstances"][0]
    settle()

    assert stopping["CurrentState"]["Name"] == "stopping"
    assert only(ec2, instance_id)["State"]["Name"] == "stopped"
    assert refused(ec2.reboot_instances, InstanceIds=[instance_id])[0] == "IncorrectInstanceState"
    starting = ec2.start_instances(InstanceIds=[instance_id])["StartingInstances"][0]
    assert starting["PreviousState"]["Name"] == "stopped"
    settle()
    assert only(ec2, instance_id)["State"]["Name"] == "running"
    ec2.reboot_instances(InstanceIds=[instance_id])
    settle()
    assert only(ec2, instance_id)["State"]["Name"] == "running"


def test_a_protected_instance_is_not_terminated(ec2, launch, refused):
    (instance_id,) = launch(DisableApiTermination=True)
    settle()

    code, message = refused(ec2.terminate_instances, InstanceIds=[instance_id])

    assert code == "OperationNotPermitted"
    assert "disableApiTermination" in message
    ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[instance_id])


def test_none_is_stopped_unless_all_can_be(ec2, launch, refused):
    running = launch()
    settle()
    pending = launch()

    assert refused(ec2.stop_instances, InstanceIds=running + pending)[0] == "IncorrectInstanceState"

    assert only(ec2, running[0])["State"]["Name"] == "running"


def test_instances_that_are_not_there(ec2, refused, launch):
    absent = "i-0123456789abcdef0"

    code, message = refused(ec2.describe_instances, InstanceIds=[absent])

    assert code == "InvalidInstanceID.NotFound"
    assert message == f"The instance ID '{absent}' does not exist"
    assert refused(ec2.describe_instances, InstanceIds=["i-nonsense"])[0] == "InvalidInstanceID.Malformed"
    (there,) = launch()
    code, message = refused(ec2.stop_instances, InstanceIds=[there, absent])
    assert (code, absent in message) == ("InvalidInstanceID.NotFound", True)


def test_a_launch_beyond_quota_is_refused_naming_resource_limit_and_usage(ec2, launch, account, refused, image):
    Quota.objects.filter(tenant=account.tenant, resource="instances").update(limit=3)
    launch(2)

    code, message = refused(ec2.run_instances, ImageId=image.ec2_id, InstanceType="t2.nano", MinCount=2, MaxCount=2)

    assert code == "InstanceLimitExceeded"
    assert "2 of 3" in message
    assert len(launch(MinCount=1, MaxCount=5)) == 1


def test_a_client_token_used_again_finds_the_same_instances(ec2, launch, refused, image):
    first = launch(2, ClientToken="once")

    assert launch(2, ClientToken="once") == first

    assert Instance.objects.count() == 2
    code, _message = refused(
        ec2.run_instances, ImageId=image.ec2_id, InstanceType="t2.nano", MinCount=1, MaxCount=1, ClientToken="once"
    )
    assert code == "IdempotentParameterMismatch"


def test_a_dry_run_changes_nothing(ec2, launch, refused, image):
    asked = {"ImageId": image.ec2_id, "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1}

    assert refused(ec2.run_instances, DryRun=True, **asked)[0] == "DryRunOperation"

    assert Instance.objects.count() == 0
    (instance_id,) = launch()
    assert refused(ec2.terminate_instances, DryRun=True, InstanceIds=[instance_id])[0] == "DryRunOperation"
    assert only(ec2, instance_id)["State"]["Name"] == "pending"
    assert refused(ec2.describe_instances, DryRun=True)[0] == "DryRunOperation"
    asked["ImageId"] = "ami-0123456789abcdef0"
    assert refused(ec2.run_instances, DryRun=True, **asked)[0] == "InvalidAMIID.NotFound"


def test_a_root_disk_as_large_as_asked(ec2, launch):
    mapping = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20, "VolumeType": "gp2", "DeleteOnTermination": False}}
    (instance_id,) = launch(BlockDeviceMappings=[mapping])

    (volume,) = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [instance_id]}])["Volumes"]

    assert (volume["Size"], volume["VolumeType"]) == (20, "gp2")
    assert volume["Attachments"][0]["DeleteOnTermination"] is False


def test_an_interface_given_at_launch(ec2, launch, refused, image, account):
    subnet = account.tenant.subnets.get()
    group = ec2.create_security_group(GroupName="web", Description="web")["GroupId"]
    interface = {
        "DeviceIndex": 0,
        "SubnetId": subnet.ec2_id,
        "Groups": [group],
        "AssociatePublicIpAddress": False,
        "Description": "front",
    }

    instance = only(ec2, launch(NetworkInterfaces=[interface])[0])

    assert "PublicIpAddress" not in instance
    assert [each["GroupId"] for each in instance["SecurityGroups"]] == [group]
    assert instance["NetworkInterfaces"][0]["Description"] == "front"
    asked = {"ImageId": image.ec2_id, "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1}
    code, _ = refused(ec2.run_instances, NetworkInterfaces=[interface], SubnetId=subnet.ec2_id, **asked)
    assert code == "InvalidParameterCombination"


def test_forwarded_ports_are_told_where_they_do_no_harm(ec2, launch, account):
    (instance_id,) = launch()
    interface = account.tenant.network_interfaces.get()
    interface.forwards = [{"protocol": "tcp", "port": 8022, "guest_port": 22}]
    interface.save()

    described = only(ec2, instance_id)["NetworkInterfaces"][0]

    assert described["Description"] == f"ports: tcp 22 -> {interface.public_ip}:8022"


def test_hints_are_kept_and_shown(ec2, launch):
    (instance_id,) = launch(
        EbsOptimized=True,
        CreditSpecification={"CpuCredits": "unlimited"},
        MetadataOptions={"HttpTokens": "required", "HttpEndpoint": "enabled"},
        CpuOptions={"CoreCount": 1, "ThreadsPerCore": 1},
    )

    instance = only(ec2, instance_id)

    assert instance["EbsOptimized"] is True
    assert instance["MetadataOptions"]["HttpTokens"] == "required"


def test_what_would_change_what_the_caller_gets_is_refused_by_name(ec2, refused, image):
    asked = {"ImageId": image.ec2_id, "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1}
    cases: dict[str, Any] = {
        "IamInstanceProfile": {"Name": "x"},
        "KernelId": "aki-1",
        "Ipv6AddressCount": 1,
        "InstanceMarketOptions": {"MarketType": "spot"},
    }
    for name, value in cases.items():
        code, message = refused(ec2.run_instances, **asked, **{name: value})
        assert (code, name in message) == ("UnsupportedOperation", True), name
    assert refused(ec2.run_instances, **asked, CpuOptions={"CoreCount": 3})[0] == "InvalidParameterCombination"
    assert refused(ec2.run_instances, **asked, EnclaveOptions={"Enabled": True})[0] == "UnsupportedOperation"
    assert refused(ec2.run_instances, **asked, Placement={"AvailabilityZone": "eu-1a"})[0] == "InvalidParameterValue"
    assert refused(ec2.run_instances, **asked, Placement={"Tenancy": "host"})[0] == "UnsupportedOperation"


def test_things_named_at_launch_must_exist(ec2, refused, image):
    asked = {"ImageId": image.ec2_id, "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1}

    codes = [
        refused(ec2.run_instances, **(asked | wrong))[0]
        for wrong in (
            {"ImageId": "ami-0123456789abcdef0"},
            {"ImageId": "nonsense"},
            {"InstanceType": "m9.huge"},
            {"KeyName": "nobody"},
            {"SubnetId": "subnet-0123456789abcdef0"},
            {"SecurityGroupIds": ["sg-0123456789abcdef0"]},
            {"SecurityGroups": ["nothing"]},
            {"MinCount": 3},
            {"MinCount": 0},
            {"InstanceInitiatedShutdownBehavior": "explode"},
            {"TagSpecifications": [{"ResourceType": "vpc", "Tags": [{"Key": "a", "Value": "b"}]}]},
        )
    ]

    assert codes == [
        "InvalidAMIID.NotFound",
        "InvalidAMIID.Malformed",
        "InvalidParameterValue",
        "InvalidKeyPair.NotFound",
        "InvalidSubnetID.NotFound",
        "InvalidGroup.NotFound",
        "InvalidGroup.NotFound",
        "InvalidParameterValue",
        "InvalidParameterValue",
        "InvalidParameterValue",
        "InvalidParameterValue",
    ]


def test_monitoring_is_switched(ec2, launch):
    (instance_id,) = launch(Monitoring={"Enabled": True})
    assert only(ec2, instance_id)["Monitoring"]["State"] == "enabled"

    reply = ec2.unmonitor_instances(InstanceIds=[instance_id])["InstanceMonitorings"]

    assert reply == [{"InstanceId": instance_id, "Monitoring": {"State": "disabled"}}]
    assert only(ec2, instance_id)["Monitoring"]["State"] == "disabled"


def test_console_output_is_there_also_after_the_end(ec2, launch):
    (instance_id,) = launch()
    assert ec2.get_console_output(InstanceId=instance_id)["Output"] == ""
    settle()
    ec2.terminate_instances(InstanceIds=[instance_id])
    settle()

    reply = ec2.get_console_output(InstanceId=instance_id, Latest=True)

    assert f"simulated guest {instance_id} booting" in reply["Output"]


def test_an_instance_of_one_tenant_is_of_no_other(launch, neighbour: Account, image: Image):
    launch()

    assert neighbour.client().describe_instances()["Reservations"] == []


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"Placement": {"AvailabilityZoneId": "use1-az9"}}, "use1-az9"),
        ({"MetadataOptions": {"HttpTokens": "perhaps"}}, "MetadataOptions.HttpTokens"),
        ({"MetadataOptions": {"HttpPutResponseHopLimit": 65}}, "a number from 1 to 64"),
        ({"CreditSpecification": {"CpuCredits": "endless"}}, "standard or unlimited"),
        ({"MaintenanceOptions": {"AutoRecovery": "maybe"}}, "default or disabled"),
        ({"PrivateDnsNameOptions": {"HostnameType": "mine"}}, "ip-name or resource-name"),
        ({"CpuOptions": {"CoreCount": -1, "ThreadsPerCore": -1}}, "t2.nano has 1 vCPUs"),
        ({"CpuOptions": {"ThreadsPerCore": 2}}, "t2.nano has 1 vCPUs"),
        ({"NetworkInterfaces": [{"DeviceIndex": 0, "InterfaceType": "efa-only"}]}, "efa-only"),
        ({"NetworkInterfaces": [{"DeviceIndex": 0, "Description": "x" * 256}]}, "255 characters"),
        ({"SecurityGroupIds": ["web"]}, 'expecting "sg-..."'),
    ],
)
def test_a_launch_is_refused_rather_than_made_otherwise_than_asked(launch, asked, words):
    with pytest.raises(ClientError, match=re.escape(words)):
        launch(**asked)

    assert not Instance.objects.exists()


def test_the_zone_may_be_named_by_its_id(ec2, launch):
    (instance_id,) = launch(Placement={"AvailabilityZoneId": "use1-az1"})

    assert only(ec2, instance_id)["Placement"]["AvailabilityZoneId"] == "use1-az1"


def test_instances_of_launches_at_the_same_moment_are_listed_by_launch(ec2, launch, image):
    first = launch(2)
    second = launch(2)
    pks = dict(Instance.objects.values_list("ec2_id", "pk"))
    Instance.objects.filter(ec2_id=first[1]).update(id=-1)
    Instance.objects.filter(ec2_id=second[0]).update(id=pks[first[1]])
    Instance.objects.filter(ec2_id=first[1]).update(id=pks[second[0]])

    listed = [[i["InstanceId"] for i in r["Instances"]] for r in ec2.describe_instances()["Reservations"]]

    assert listed == [first, second]


def test_a_stop_of_what_has_ended_names_no_way_out_that_there_is_not(ec2, launch, refused):
    (instance_id,) = launch()
    ec2.terminate_instances(InstanceIds=[instance_id])
    settle()

    code, message = refused(ec2.stop_instances, InstanceIds=[instance_id])

    assert code == "IncorrectInstanceState"
    assert "it is terminated, for good" in message


def test_an_unsupported_parameter_that_says_nothing_is_passed_over(ec2, image, refused):
    asked = {"ImageId": image.ec2_id, "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1}

    launched = ec2.run_instances(**asked, IamInstanceProfile={"Name": ""}, KernelId="", RamdiskId="")

    assert launched["Instances"][0]["State"]["Name"] == "pending"
    code, message = refused(ec2.run_instances, **asked, IamInstanceProfile={"Name": "mine"})
    assert (code, "IamInstanceProfile" in message) == ("UnsupportedOperation", True)
