"""Who is let in, and what leaves when something is wrong: always an EC2 envelope."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone

from ec2api.exceptions import translate
from ec2api.tests.cloud import signed
from portal.models import AccessKey, Membership

DESCRIBE = {"Action": "DescribeRegions", "Version": "2016-11-15"}


def code_of(response) -> str:
    found = re.search(rb"<Code>(\w[\w.]*)</Code>", response.content)
    assert found, response.content
    return found[1].decode()


def test_post_and_get_signed_in_header_and_in_query(account):
    for method, presigned in (("POST", False), ("GET", False), ("GET", True)):
        response = signed(account, DESCRIBE, method=method, presigned=presigned)

        assert response.status_code == 200, response.content
        assert response["Content-Type"] == "text/xml;charset=UTF-8"
        assert b'xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"' in response.content
        assert uuid.UUID(response["x-amzn-requestid"]).hex
        assert f"<requestId>{response['x-amzn-requestid']}</requestId>".encode() in response.content


def test_a_browser_gets_the_portal(db):
    response = Client().get("/")

    assert b"<Response>" not in response.content
    assert response.status_code in (200, 302)


@pytest.mark.parametrize(
    "request_",
    [
        {"method": "POST"},
        {"method": "POST", "data": b"\xff\xfe{", "content_type": "application/json"},
        {"method": "GET", "path": "/?Action=DescribeInstances"},
        {"method": "GET", "path": "/?X-Amz-Algorithm=AWS4-HMAC-SHA256"},
        {"method": "GET", "HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256 nonsense"},
        {"method": "GET", "HTTP_AUTHORIZATION": "AWS key:signature"},
        {"method": "PUT", "HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256 nonsense"},
        {"method": "POST", "data": b"Action=DescribeInstances&SignatureVersion=2"},
        {"method": "POST", "path": "/?Action=DescribeInstances&format=json", "HTTP_ACCEPT": "image/png"},
    ],
)
def test_what_is_not_signed_is_refused_in_an_envelope(db, request_):
    request_ = {"path": "/", **request_}

    response = Client(enforce_csrf_checks=True).generic(request_.pop("method"), request_.pop("path"), **request_)

    assert 400 <= response.status_code < 500
    assert response["Content-Type"] == "text/xml;charset=UTF-8"
    assert code_of(response)
    assert b"<RequestID>" in response.content


def test_a_wrong_secret_an_unknown_key_and_an_inactive_one(account, ec2, refused):
    assert refused(account.client(secret="wrong").describe_regions)[0] == "SignatureDoesNotMatch"
    AccessKey.objects.update(is_active=False)
    assert refused(ec2.describe_regions)[0] == "AuthFailure"
    AccessKey.objects.all().delete()
    assert refused(ec2.describe_regions)[0] == "AuthFailure"
    assert refused(account.client("sts").get_caller_identity)[0] == "InvalidClientTokenId"


def test_a_user_who_left_the_tenant_is_not_let_in(account, ec2, refused):
    Membership.objects.all().delete()

    assert refused(ec2.describe_regions)[0] == "AuthFailure"


def test_a_user_who_was_deactivated_is_not_let_in(account, ec2, refused):
    account.user.is_active = False
    account.user.save()

    assert refused(ec2.describe_regions)[0] == "AuthFailure"


def test_the_last_use_of_a_key_is_written_once_a_minute(account, ec2):
    ec2.describe_regions()
    first = AccessKey.objects.get().last_used_at
    ec2.describe_regions()
    assert AccessKey.objects.get().last_used_at == first
    AccessKey.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))

    ec2.describe_regions()

    last = AccessKey.objects.get().last_used_at
    assert first
    assert last
    assert last >= first


def test_sts_tells_who_asks(account):
    identity = account.client("sts").get_caller_identity()

    assert identity["Account"] == account.tenant.account_id
    assert identity["Arn"] == f"arn:aws:iam::{account.tenant.account_id}:user/alice"


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"Action": "CreateFleet"}, "InvalidAction", "The action CreateFleet is not valid for this web service."),
        ({"Action": "Nonsense"}, "InvalidAction", "The action Nonsense is not valid for this web service."),
        ({"Version": "2016-11-15"}, "MissingAction", ""),
        ({"Action": "DescribeInstances", "Nonsense.1": "x"}, "UnknownParameter", "Nonsense"),
        ({"Action": "RunInstances", "MinCount": "1"}, "MissingParameter", "MaxCount"),
        ({"Action": "RunInstances", "MinCount": "one", "MaxCount": "1"}, "InvalidParameterValue", "MinCount"),
        ({"Action": "DescribeInstances", "Version": "yesterday"}, "NoSuchVersion", "yesterday"),
        ({"Action": "StartInstances"}, "MissingParameter", "InstanceId"),
        ({"Action": "DescribeInstances", "Filter.1.Name": "tag:a"}, "InvalidParameterValue", "tag:a"),
    ],
)
def test_requests_that_make_no_sense(account, fields, code, words):
    response = signed(account, fields)

    assert code_of(response) == code
    assert words.encode() in response.content
    assert response.status_code == 400


@pytest.mark.parametrize("name", ["Action", "Version"])
def test_what_is_asked_is_asked_once(account, name):
    fields = [*DESCRIBE.items(), (name, DESCRIBE[name])]
    assert signed(account, fields).status_code == 200

    response = signed(account, [*DESCRIBE.items(), (name, "2015-10-01")])

    assert code_of(response) == "InvalidParameterValue"
    assert name.encode() in response.content


def test_an_id_with_a_line_break_is_malformed(account):
    response = signed(account, {"Action": "DescribeInstances", "InstanceId.1": "i-0123456789abcdef0\n"})

    assert code_of(response) == "InvalidInstanceID.Malformed"


def test_who_loses_a_race_for_the_same_row_is_asked_to_try_again():
    error = translate(IntegrityError("UNIQUE constraint failed"))

    assert (error.code, error.status) == ("Unavailable", 503)
    assert "UNIQUE" not in error.message


@pytest.mark.parametrize(
    ("action", "name", "code"),
    [
        ("DescribeSecurityGroups", "GroupId.1", "InvalidGroupId.Malformed"),
        ("DescribeVolumes", "VolumeId.1", "InvalidVolumeID.Malformed"),
        ("DescribeVpcs", "VpcId.1", "InvalidVpcId.Malformed"),
        ("DescribeNetworkInterfaces", "NetworkInterfaceId.1", "InvalidNetworkInterfaceId.Malformed"),
    ],
)
def test_malformed_ids_have_amazons_codes(account, action, name, code):
    assert code_of(signed(account, {"Action": action, name: "nonsense"})) == code


def test_user_data_must_be_base64(account, image):
    fields = {"Action": "RunInstances", "ImageId": image.ec2_id, "InstanceType": "t2.nano"}

    response = signed(account, fields | {"MinCount": "1", "MaxCount": "1", "UserData": "not base64!"})

    assert code_of(response) == "InvalidParameterValue"


def test_a_request_too_large_is_refused(account, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000

    response = signed(account, DESCRIBE | {"RegionName.1": "x" * 2000})

    assert (response.status_code, code_of(response)) == (413, "RequestEntityTooLarge")


def test_the_older_version_of_euca2ools_is_answered_in_its_namespace(account):
    response = signed(account, {"Action": "DescribeRegions", "Version": "2015-10-01"})

    assert b"http://ec2.amazonaws.com/doc/2015-10-01/" in response.content


def test_lists_that_count_from_zero_and_lists_without_numbers(account, ec2):
    key = ec2.create_key_pair(KeyName="one", KeyType="ed25519")["KeyPairId"]

    response = signed(account, {"Action": "CreateTags", "ResourceId.0": key, "Tag.0.Key": "a", "Tag.0.Value": "b"})

    assert b"<return>true</return>" in response.content
    found = signed(account, {"Action": "DescribeKeyPairs", "KeyName": "one"})
    assert b"<key>a</key><value>b</value>" in found.content
