"""Whatever a template holds, launching from it and looking at it is answered; nothing of it is trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compute.models import LaunchTemplate
from conftest import examples
from ec2api.protocol.model import model
from ec2api.protocol.tests.shapes import pruned, values

DATA = model("ec2").shape("RequestLaunchTemplateData")
LIKELY = [
    "BlockDeviceMappings", "NetworkInterfaces", "Placement", "TagSpecifications", "UserData", "MetadataOptions",
    "SecurityGroupIds", "SecurityGroups", "KeyName", "Monitoring", "CpuOptions", "HibernationOptions",
]  # fmt: skip


@st.composite
def likely(draw: st.DrawFn) -> dict[str, object]:
    """Of members that RunInstances knows, so that it gets further than to what it does not have."""
    names = draw(st.lists(st.sampled_from(LIKELY), min_size=1, max_size=3, unique=True))
    return {name: draw(values(DATA.members[name].shape)) for name in names}


def status_of(function: Callable[..., Any], **options: Any) -> int:
    try:
        return int(function(**options)["ResponseMetadata"]["HTTPStatusCode"])
    except ClientError as error:
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


@pytest.mark.parametrize("kind", ["any", "likely"])
def test_no_template_is_our_fault(account, ec2, image, kind):
    browser = Client()
    browser.force_login(account.user)

    @settings(
        max_examples=examples(60),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    @given(values(DATA) if kind == "any" else likely())
    def check(data):
        LaunchTemplate.objects.all().delete()
        asked = {"LaunchTemplateName": "odd", "LaunchTemplateData": pruned(data)}
        whole = {"ImageId": image.ec2_id, "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1}
        made = status_of(ec2.create_launch_template, **asked)
        assert made < 500
        if made != 200:
            return
        assert status_of(ec2.create_launch_template_version, SourceVersion="1", **asked) == 200
        for named in ({"LaunchTemplateName": "odd"}, {"LaunchTemplateName": "odd", "Version": "2"}):
            assert status_of(ec2.run_instances, LaunchTemplate=named, **whole) < 500
        versions = ec2.describe_launch_template_versions(LaunchTemplateName="odd")["LaunchTemplateVersions"]
        template_id = versions[0]["LaunchTemplateId"]
        assert browser.get(reverse("launch-template", args=[template_id])).status_code == 200
        form = browser.get(reverse("launch"), {"template": template_id}).context["form"]
        filled = {name: form[name].value() for name in form.fields if name != "user_data_file"}
        filled |= {"image": image.pk, "instance_type": form.fields["instance_type"].queryset.first().pk}
        sent = {name: "" if value is None else value for name, value in filled.items()}
        for address in (reverse("launch"), reverse("launch-template-save")):
            assert browser.post(address, sent | {"save": "version"}).status_code in (200, 302, 422)

    check()
