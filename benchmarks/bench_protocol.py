"""How long it takes to read requests, check signatures and write replies, without any server; prints JSON.

Measured against botocore's own parser reading the same reply, which is what a client spends on it.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.parsers import EC2QueryParser
from botocore.session import get_session

from ec2api.protocol.model import Operation, operation
from ec2api.protocol.request import parse, read_form
from ec2api.protocol.response import render
from ec2api.protocol.signature import SignedRequest, read_credential, verify

ROUNDS = 9
NOW = datetime(2026, 11, 23, 9, 15, 46, tzinfo=UTC)


def instance(number: int) -> dict[str, object]:
    """One as DescribeInstances gives it, with every part that a client may look at."""
    ec2_id = f"i-{number:017x}"
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    group = {"GroupId": f"sg-{number % 7:017x}", "GroupName": "default"}
    launched_at = NOW - timedelta(minutes=number)
    return {
        "AmiLaunchIndex": 0,
        "ImageId": "ami-0123456789abcdef0",
        "InstanceId": ec2_id,
        "InstanceType": "t3.micro",
        "KernelId": "aki-0123456789abcdef0",
        "KeyName": f"key {number % 10}",
        "LaunchTime": launched_at,
        "Monitoring": {"State": "disabled"},
        "Placement": {"AvailabilityZone": "yushan-1a", "GroupName": "", "Tenancy": "default", "HostId": "h-1"},
        "PrivateDnsName": f"ip-{address.replace('.', '-')}.internal",
        "PrivateIpAddress": address,
        "ProductCodes": [],
        "PublicDnsName": "",
        "PublicIpAddress": f"127.1.{number >> 8 & 255}.{number & 255}",
        "State": {"Code": 16, "Name": "running"},
        "StateTransitionReason": "",
        "SubnetId": "subnet-0123456789abcdef0",
        "VpcId": "vpc-0123456789abcdef0",
        "Architecture": "x86_64",
        "BlockDeviceMappings": [
            {
                "DeviceName": name,
                "Ebs": {
                    "AttachTime": launched_at,
                    "DeleteOnTermination": True,
                    "Status": "attached",
                    "VolumeId": f"vol-{number:016x}{disk}",
                },
            }
            for disk, name in enumerate(("/dev/xvda", "/dev/sdf"))
        ],
        "ClientToken": f"7f3c2a10-8d4b-4f5e-9a6b-{number:012x}",
        "EbsOptimized": False,
        "EnaSupport": True,
        "Hypervisor": "xen",
        "RootDeviceName": "/dev/xvda",
        "RootDeviceType": "ebs",
        "SecurityGroups": [group],
        "SourceDestCheck": True,
        "SpotInstanceRequestId": "sir-01234567",
        "SriovNetSupport": "simple",
        "InstanceLifecycle": "spot",
        "StateReason": {"Code": "pending", "Message": "pending"},
        "Tags": [{"Key": "Name", "Value": f"web & app {number}"}, {"Key": "owner", "Value": "physics"}],
        "VirtualizationType": "hvm",
        "CpuOptions": {"CoreCount": 1, "ThreadsPerCore": 2},
        "CapacityReservationId": "cr-0123456789abcdef0",
        "CapacityReservationSpecification": {"CapacityReservationPreference": "open"},
        "HibernationOptions": {"Configured": False},
        "MetadataOptions": {
            "State": "applied",
            "HttpTokens": "optional",
            "HttpPutResponseHopLimit": 1,
            "HttpEndpoint": "enabled",
            "HttpProtocolIpv6": "disabled",
            "InstanceMetadataTags": "disabled",
        },
        "EnclaveOptions": {"Enabled": False},
        "BootMode": "uefi",
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "UsageOperationUpdateTime": launched_at,
        "PrivateDnsNameOptions": {
            "HostnameType": "ip-name",
            "EnableResourceNameDnsARecord": False,
            "EnableResourceNameDnsAAAARecord": False,
        },
        "MaintenanceOptions": {"AutoRecovery": "default"},
        "CurrentInstanceBootMode": "uefi",
        "NetworkInterfaces": [
            {
                "Attachment": {
                    "AttachTime": launched_at,
                    "AttachmentId": f"eni-attach-{number:017x}",
                    "DeleteOnTermination": True,
                    "DeviceIndex": 0,
                    "Status": "attached",
                    "NetworkCardIndex": 0,
                },
                "Description": "",
                "Groups": [group],
                "Ipv6Addresses": [],
                "MacAddress": f"02:00:00:00:{number >> 8 & 255:02x}:{number & 255:02x}",
                "NetworkInterfaceId": f"eni-{number:017x}",
                "OwnerId": "123456789012",
                "PrivateDnsName": f"ip-{address.replace('.', '-')}.internal",
                "PrivateIpAddress": address,
                "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": address}],
                "SourceDestCheck": True,
                "Status": "in-use",
                "SubnetId": "subnet-0123456789abcdef0",
                "VpcId": "vpc-0123456789abcdef0",
                "InterfaceType": "interface",
            }
        ],
    }


def reservations(count: int) -> dict[str, object]:
    return {
        "Reservations": [
            {"ReservationId": f"r-{n:017x}", "OwnerId": "123456789012", "Groups": [], "Instances": [instance(n)]}
            for n in range(count)
        ]
    }


def median_ms(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return round(statistics.median(times) * 1000, 3)


def signed(body: bytes) -> SignedRequest:
    request = AWSRequest("POST", "http://localhost:8000/", headers={"Content-Type": "text/plain"}, data=body)
    SigV4Auth(Credentials("AKIAEXAMPLE", "secret"), "ec2", "us-east-1").add_auth(request)
    return SignedRequest("POST", "/", "", [("Host", "localhost:8000"), *request.headers.items()], body)


def check(request: SignedRequest) -> None:
    verify(request, read_credential(request), "secret", datetime.now(UTC))


def known(name: str) -> Operation:
    found = operation("ec2", name)
    assert found is not None
    return found


def main() -> None:
    describe, run = known("DescribeInstances"), known("RunInstances")
    one, thousand = reservations(1), reservations(1000)
    body = render(describe, thousand, "r-1", "2016-11-15")
    output_shape = get_session().get_service_model("ec2").operation_model("DescribeInstances").output_shape
    ids = "&".join(f"InstanceId.{n}=i-{n:017x}" for n in range(1, 1001))
    launch = (
        "Action=RunInstances&Version=2016-11-15&ImageId=ami-0123456789abcdef0&InstanceType=t3.micro&MinCount=1"
        "&MaxCount=1&KeyName=one&SecurityGroupId.1=sg-1&SubnetId=subnet-1&ClientToken=7f3c2a10-8d4b-4f5e-9a6b"
        "&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=x"
        "&BlockDeviceMapping.1.DeviceName=%2Fdev%2Fxvda&BlockDeviceMapping.1.Ebs.VolumeSize=8"
    )
    request = signed(launch.encode())
    result = {
        "verify_signature_ms": median_ms(lambda: check(request)),
        "render_1_instance_ms": median_ms(lambda: render(describe, one, "r-1", "2016-11-15")),
        "render_1000_instances_ms": median_ms(lambda: render(describe, thousand, "r-1", "2016-11-15")),
        "render_1000_instances_bytes": len(body),
        "botocore_parses_1000_instances_ms": median_ms(
            lambda: EC2QueryParser().parse({"body": body, "headers": {}, "status_code": 200}, output_shape)
        ),
        "parse_run_instances_ms": median_ms(lambda: parse(run, read_form(launch))),
        "parse_describe_1000_ids_ms": median_ms(lambda: parse(describe, read_form(ids))),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
