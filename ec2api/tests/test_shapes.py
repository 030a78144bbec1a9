"""A new botocore must not change unnoticed what we read and write."""

from __future__ import annotations

import botocore

from ec2api.shapes import SNAPSHOT, accepted, changes, served, text

HOWTO = """
Either an action was added or changed, or botocore {version} changed what it says of one that we serve.  Look at what
follows: new members of requests are refused by name until an action supports them, new ones of replies are left out,
and names that are gone break the action.  Then accept it:
    .venv/bin/python manage.py ec2_shapes --write      and commit ec2api/protocol/served-shapes.txt
After a merge, too: take either side and run the command.
"""


def test_the_shapes_that_we_serve_are_those_that_were_accepted():
    found = changes(accepted(), served())

    howto = HOWTO.format(version=botocore.__version__)
    assert not found, howto + "\n".join(found)
    assert SNAPSHOT.read_text() == text(), howto


BEFORE = {
    "ec2 DescribeThings": "takes A, gives B",
    "ec2 Thing.Name": "string as Name/name",
    "ec2 Thing.Old": "string as Old/old",
    "ec2 State": "one of gone here",
    "ec2 Left.Member": "string as Member/member",
}


def test_what_changed_is_said_in_words():
    now = {
        "ec2 DescribeThings": "takes A, gives B",
        "ec2 Thing.Name": "integer as Name/name, required",
        "ec2 Thing.New": "boolean as New/new",
        "ec2 State": "one of here lost",
        "ec2 Fresh.One": "string as One/one",
        "ec2 Fresh.Two": "string as Two/two",
    }

    assert changes(BEFORE, now) == [
        "ec2 Fresh is served now, or reached by what is",
        "ec2 Left is not served any more, or was renamed",
        "ec2 Thing.New is new: boolean as New/new",
        "ec2 Thing.Old is gone: string as Old/old",
        "ec2 Thing.Name was: string as Name/name; it is: integer as Name/name, required",
        "ec2 State has the new words lost and lost the words gone",
    ]
    assert changes(BEFORE, BEFORE) == []


def test_what_is_served_has_requests_replies_and_words():
    shapes = served()

    assert shapes["ec2 DescribeInstances"] == "takes DescribeInstancesRequest, gives DescribeInstancesResult"
    assert (
        shapes["ec2 StopInstancesRequest.InstanceIds"]
        == "list of string (InstanceId) as InstanceId/InstanceId, required"
    )
    assert "stopped" in shapes["ec2 InstanceStateName"]
    assert "sts GetCallerIdentity" in shapes
    assert not [key for key in shapes if key.startswith("ec2 CreateVerifiedAccess")]
