"""Launch templates and placement groups."""

from __future__ import annotations

from ec2api.tests.cloud import Account
from ec2api.tests.driving.tables import Things, exempt, needs, thing
from storage.models import Image


@thing("lt", "lt:name")
def launch_template(account: Account, made: Things) -> tuple[str, str]:
    name = f"{account.tenant.name}-template"
    image = Image.objects.filter(is_public=True).first()
    assert image is not None
    data = {"ImageId": image.ec2_id, "InstanceType": "t2.nano"}
    found = account.client().create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
    return found["LaunchTemplate"]["LaunchTemplateId"], name


@thing("pg", "pg:name")
def placement_group(account: Account, made: Things) -> tuple[str, str]:
    name = f"{account.tenant.name}-place"
    found = account.client().create_placement_group(GroupName=name, Strategy="spread")
    return found["PlacementGroup"]["GroupId"], name


for action in (
    "CreateLaunchTemplateVersion",
    "DescribeLaunchTemplateVersions",
    "ModifyLaunchTemplate",
    "DeleteLaunchTemplate",
    "DeleteLaunchTemplateVersions",
):
    needs(action, LaunchTemplateId="<lt>")
    needs(action, at="LaunchTemplateName", LaunchTemplateId=None)
needs("CreateLaunchTemplate", LaunchTemplateName="new-template", LaunchTemplateData={"InstanceType": "t2.nano"})
needs("CreateLaunchTemplateVersion", LaunchTemplateData={"InstanceType": "t2.nano"})
needs("ModifyLaunchTemplate", DefaultVersion="1")
needs("DeleteLaunchTemplateVersions", Versions=["1"])
needs("ModifyInstancePlacement", GroupName="")
needs("CreatePlacementGroup", GroupName="new-place", Strategy="spread")
for action in ("CreateLaunchTemplate", "CreateLaunchTemplateVersion"):
    exempt(action, "LaunchTemplateData", "what a template names is looked up when it is launched; until then a warning")
