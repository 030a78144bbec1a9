"""Options that are kept and shown, each by its own action."""

from __future__ import annotations

from typing import Any

import pytest

from compute.models import Instance, InstanceType
from ec2api.tests.cloud import settle
from portal.models import AuditEntry


@pytest.fixture
def instance(launch) -> str:
    (found,) = launch()
    return found


def described(ec2, instance: str) -> dict[str, Any]:
    return ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]


def test_metadata_options_are_changed_one_by_one(ec2, instance):
    ec2.modify_instance_metadata_options(InstanceId=instance, HttpTokens="required")
    reply = ec2.modify_instance_metadata_options(InstanceId=instance, HttpPutResponseHopLimit=3)

    assert reply["InstanceMetadataOptions"]["State"] == "pending"
    assert reply["InstanceMetadataOptions"]["HttpTokens"] == "required"
    options = described(ec2, instance)["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"], options["State"]) == ("required", 3, "applied")
    assert AuditEntry.objects.filter(resource_id=instance, verb="modify").count() == 2


def test_maintenance_and_host_names_are_kept(ec2, instance):
    reply = ec2.modify_instance_maintenance_options(InstanceId=instance, AutoRecovery="disabled")
    assert ec2.modify_private_dns_name_options(InstanceId=instance, EnableResourceNameDnsARecord=True)["Return"]

    assert (reply["AutoRecovery"], reply["RebootMigration"]) == ("disabled", "default")
    found = described(ec2, instance)
    assert found["MaintenanceOptions"]["AutoRecovery"] == "disabled"
    assert found["PrivateDnsNameOptions"]["EnableResourceNameDnsARecord"] is True


def test_the_kind_of_host_name_is_changed_while_stopped(ec2, instance, refused):
    settle()
    change = {"InstanceId": instance, "PrivateDnsHostnameType": "resource-name"}
    assert refused(ec2.modify_private_dns_name_options, **change)[0] == "IncorrectInstanceState"
    ec2.stop_instances(InstanceIds=[instance])
    settle()

    ec2.modify_private_dns_name_options(**change)

    assert described(ec2, instance)["PrivateDnsNameOptions"]["HostnameType"] == "resource-name"


@pytest.mark.parametrize(
    ("method", "options", "code"),
    [
        ("modify_instance_metadata_options", {}, "MissingParameter"),
        ("modify_instance_metadata_options", {"HttpTokens": "sometimes"}, "InvalidParameterValue"),
        ("modify_instance_metadata_options", {"HttpPutResponseHopLimit": 65}, "InvalidParameterValue"),
        ("modify_instance_maintenance_options", {"AutoRecovery": "x"}, "InvalidParameterValue"),
        ("modify_private_dns_name_options", {"PrivateDnsHostnameType": "x"}, "InvalidParameterValue"),
    ],
)
def test_options_that_make_no_sense_are_refused(ec2, instance, refused, method, options, code):
    assert refused(getattr(ec2, method), InstanceId=instance, **options)[0] == code


def test_options_of_an_ended_instance_stay_as_they_are(ec2, instance, refused):
    ec2.terminate_instances(InstanceIds=[instance])

    code, _message = refused(ec2.modify_instance_metadata_options, InstanceId=instance, HttpTokens="required")

    assert code == "IncorrectInstanceState"


def test_credits_are_standard_for_t2_and_unlimited_later_unless_asked_otherwise(ec2, launch):
    InstanceType.objects.create(name="t3.nano", vcpus=1, memory_mib=512)
    (old,) = launch()
    (new,) = launch(InstanceType="t3.nano")
    (asked,) = launch(InstanceType="t3.nano", CreditSpecification={"CpuCredits": "standard"})

    def found(**options) -> dict[str, str]:
        reply = ec2.describe_instance_credit_specifications(**options)
        return {each["InstanceId"]: each["CpuCredits"] for each in reply["InstanceCreditSpecifications"]}

    assert found(InstanceIds=[old, new, asked]) == {old: "standard", new: "unlimited", asked: "standard"}
    assert found() == {new: "unlimited"}
    assert found(Filters=[{"Name": "instance-id", "Values": [old]}]) == {}
    ec2.modify_instance_credit_specification(
        InstanceCreditSpecifications=[{"InstanceId": each, "CpuCredits": "unlimited"} for each in (old, asked)]
    )
    assert found() == {old: "unlimited", new: "unlimited", asked: "unlimited"}


def test_credits_that_cannot_be_changed_are_told_beside_those_that_were(ec2, launch, refused):
    InstanceType.objects.create(name="m1.nano", vcpus=1, memory_mib=512)
    (good,) = launch()
    (other,) = launch(InstanceType="m1.nano")
    wishes = [{"InstanceId": each, "CpuCredits": "unlimited"} for each in (good, other, "i-0123456789abcdef0", "x")]

    reply = ec2.modify_instance_credit_specification(InstanceCreditSpecifications=wishes)

    assert reply["SuccessfulInstanceCreditSpecifications"] == [{"InstanceId": good}]
    codes = [each["Error"]["Code"] for each in reply["UnsuccessfulInstanceCreditSpecifications"]]
    assert codes == [
        "InstanceCreditSpecification.NotSupported", "InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed",
    ]  # fmt: skip
    code, _message = refused(ec2.describe_instance_credit_specifications, InstanceIds=[other])
    assert code == "InstanceCreditSpecification.NotSupported"
    assert Instance.objects.get(ec2_id=other).hints == {}


def test_credits_are_told_in_pages_by_a_constant_number_of_queries(ec2, launch, django_assert_num_queries):
    InstanceType.objects.create(name="t3.nano", vcpus=1, memory_mib=512)
    launch(7, InstanceType="t3.nano")
    pages = ec2.get_paginator("describe_instance_credit_specifications").paginate(PaginationConfig={"PageSize": 5})

    assert [len(page["InstanceCreditSpecifications"]) for page in pages] == [5, 2]
    with django_assert_num_queries(2):  # the access key; the rows
        ec2.describe_instance_credit_specifications()


def test_there_is_no_password_to_get(ec2, instance):
    reply = ec2.get_password_data(InstanceId=instance)

    assert (reply["InstanceId"], reply["PasswordData"]) == (instance, "")
    assert reply["Timestamp"]
