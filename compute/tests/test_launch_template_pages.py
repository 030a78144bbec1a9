"""Launch templates in the portal: saved from the launch page and from an instance, launched from, looked after."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from django.urls import reverse

from compute.launch_templates import Request, create_template, create_version, version_of
from compute.models import Instance, KeyPair, LaunchTemplate, LaunchTemplateVersion
from compute.placement_groups import create_group
from networking.models import NetworkInterface
from networking.services import create_group as create_security_group
from networking.services import default_network
from portal.models import Quota, Resource
from portal.tags import tags_of
from storage.models import Volume

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ann@laptop"
LAUNCH = "/instances/launch/"
SAVE = "/launch-templates/save/"


@pytest.fixture
def key(tenant) -> KeyPair:
    return KeyPair.objects.create(tenant=tenant, name="mine", key_type="ed25519", public_key=PUBLIC, fingerprint="f")


@pytest.fixture
def template(tenant, actor, image, types, host, key) -> LaunchTemplate:
    data = {
        "ImageId": image.ec2_id,
        "InstanceType": "t2.micro",
        "KeyName": "mine",
        "UserData": b64encode(b"#!/bin/sh\necho hi\n").decode(),
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 12, "VolumeType": "gp2"}}],
        "MetadataOptions": {"HttpTokens": "required"},
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}, {"Key": "a", "Value": "b"}]}
        ],
    }
    return create_template(tenant, "web", data, request=Request(actor))


def filled(page, **changed: Any) -> dict[str, Any]:
    """What a browser sends from the launch page that this address opens, with some fields changed."""
    query = changed.pop("query", "")
    form = page.get(f"{LAUNCH}?{query}").context["form"]
    values = {name: form[name].value() for name in form.fields if name != "user_data_file"}
    values["image"] = values["image"] or form.fields["image"].queryset.first().pk
    values["instance_type"] = values["instance_type"] or form.fields["instance_type"].queryset.first().pk
    return {name: "" if value is None else value for name, value in (values | changed).items()}


def data_of_latest() -> dict[str, Any]:
    data: dict[str, Any] = LaunchTemplateVersion.objects.latest("pk").data
    return data


def test_what_is_filled_in_on_the_launch_page_is_saved_and_nothing_launched(
    page, tenant, actor, image, types, host, key
):
    group = create_group(tenant, "apart", "spread", actor=actor)
    values = filled(
        page,
        save="template",
        save_name="web",
        save_description="first",
        name="w",
        root_size_gib=9,
        user_data="#!/bin/sh\r\n",
        placement_group=group.ec2_id,
    )

    response = page.post(SAVE, values)

    made = LaunchTemplate.objects.get()
    assert response["Location"] == f"{reverse('launch-template', args=[made.ec2_id])}?version=1"
    data = data_of_latest()
    ssh = default_network(tenant).vpc.security_groups.get(name="ssh").ec2_id
    assert data == {
        "ImageId": image.ec2_id,
        "InstanceType": "t2.nano",
        "KeyName": "mine",
        "SecurityGroupIds": [ssh],
        "UserData": b64encode(b"#!/bin/sh\n").decode(),
        "BlockDeviceMappings": [{"DeviceName": image.root_device_name, "Ebs": {"VolumeSize": 9}}],
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "w"}]}],
        "Placement": {"GroupName": "apart"},
    }
    assert (made.name, made.versions.get().description) == ("web", "first")
    assert not Instance.objects.exists()


def test_a_template_can_be_saved_by_who_has_no_quota_left(page, tenant, image, types, host, key):
    Quota.objects.filter(tenant=tenant, resource=Resource.INSTANCES).update(limit=0)

    page.post(SAVE, filled(page, save="template", save_name="web"))

    assert LaunchTemplate.objects.get().name == "web"


@pytest.mark.parametrize(("name", "said"), [("web", "already in use"), ("a b", "between 3 and 128"), ("", "required")])
def test_a_name_that_will_not_do_is_refused_beside_its_field(page, template, name, said):
    response = page.post(SAVE, filled(page, save="template", save_name=name))

    assert response.status_code == 422
    assert said in str(response.context["template_form"].errors["save_name"])
    assert "Nothing was saved" in response.content.decode()
    assert LaunchTemplate.objects.count() == 1


def test_the_launch_page_is_filled_in_from_a_template(page, template, types, key):
    form = page.get(f"{LAUNCH}?template={template.ec2_id}").context["form"]

    assert form["name"].value() == "web"
    assert form["instance_type"].value() == types["t2.micro"].pk
    assert form["key_pair"].value() == key.ec2_id
    assert form["root_size_gib"].value() == 12
    assert form["user_data"].value() == "#!/bin/sh\necho hi\n"
    assert page.get(f"{LAUNCH}?template={template.ec2_id}&version=9").status_code == 404


def test_a_launch_from_a_template_keeps_what_the_page_does_not_show(page, template, settle):
    response = page.post(LAUNCH, filled(page, query=f"template={template.ec2_id}", root_size_gib=14))
    settle()

    instance = Instance.objects.get()
    assert response["Location"] == reverse("instance", args=[instance.ec2_id])
    assert instance.hints["MetadataOptions"] == {"HttpTokens": "required"}
    assert bytes(instance.user_data) == b"#!/bin/sh\necho hi\n"
    volume = Volume.objects.get()
    assert (volume.size_gib, volume.volume_type) == (14, "gp2")
    assert tags_of([instance.ec2_id])[instance.ec2_id] == {
        "Name": "web",
        "a": "b",
        "aws:ec2launchtemplate:id": template.ec2_id,
        "aws:ec2launchtemplate:version": "1",
    }


def test_sent_twice_it_launches_once(page, template):
    values = filled(page, query=f"template={template.ec2_id}")

    page.post(LAUNCH, values)
    page.post(LAUNCH, values)

    assert Instance.objects.count() == 1


def test_what_was_emptied_on_the_page_is_not_taken_from_the_template(page, template):
    emptied = {"name": "", "user_data": "", "root_size_gib": "", "key_pair": "none"}
    page.post(LAUNCH, filled(page, query=f"template={template.ec2_id}", **emptied))

    instance = Instance.objects.get()
    assert (bytes(instance.user_data), instance.key_name) == (b"", "")
    assert Volume.objects.get().size_gib == 8
    assert "Name" not in tags_of([instance.ec2_id])[instance.ec2_id]


def test_what_a_template_asks_and_is_not_offered_is_refused_on_the_page(page, template, actor):
    create_version(template, {"IamInstanceProfile": {"Name": "x"}}, request=Request(actor), source="1")

    response = page.post(LAUNCH, filled(page, query=f"template={template.ec2_id}&version=2"))

    assert response.status_code == 422
    assert "IamInstanceProfile" in response.content.decode()
    assert not Instance.objects.exists()


def test_groups_stay_as_the_template_has_them_unless_another_is_chosen(page, tenant, template, actor):
    vpc = default_network(tenant).vpc
    one, two, three = (create_security_group(vpc, name, "d") for name in ("one", "two", "three"))
    data = {"NetworkInterfaces": [{"DeviceIndex": 0, "Groups": [one.ec2_id, two.ec2_id]}]}
    create_version(template, data, request=Request(actor), source="1")
    query = f"template={template.ec2_id}&version=2"

    page.post(LAUNCH, filled(page, query=query))
    page.post(LAUNCH, filled(page, query=query, group=three.ec2_id))

    first, second = NetworkInterface.objects.order_by("pk")
    assert set(first.groups.all()) == {one, two}
    assert set(second.groups.all()) == {three}


def test_a_new_version_holds_the_change_and_all_the_rest(page, template, types):
    values = filled(page, query=f"template={template.ec2_id}", instance_type=types["t2.nano"].pk)

    response = page.post(SAVE, {**values, "save": "version", "save_description": "smaller"})

    version = version_of(LaunchTemplate.objects.get(), "2")
    assert response["Location"].endswith("?version=2")
    assert version.description == "smaller"
    group = {"SecurityGroupIds": version.data["SecurityGroupIds"]}  # which the page showed as chosen
    assert version.data == version_of(template, "1").data | {"InstanceType": "t2.nano"} | group


def test_an_instance_makes_a_template_that_launches_another_like_it(page, running, settle):
    response = page.post(reverse("instance-template", args=[running.ec2_id]), {"save_name": "copy"})
    template = LaunchTemplate.objects.get()
    page.post(LAUNCH, filled(page, query=f"template={template.ec2_id}"))

    assert response["Location"] == reverse("launch-template", args=[template.ec2_id])
    assert Instance.objects.count() == 2
    again = page.post(reverse("instance-template", args=[running.ec2_id]), {"save_name": "copy"})
    assert again.status_code == 422
    assert "already in use" in again.content.decode()


def test_the_page_of_a_template_shows_its_versions_and_what_one_says(page, template, actor):
    create_version(template, {"KeyName": "other"}, request=Request(actor), description="two")
    address = reverse("launch-template", args=[template.ec2_id])

    first, second = page.get(address), page.get(f"{address}?version=2")

    assert ("Size", "t2.micro") in first.context["facts"]
    assert ("MetadataOptions", '{"HttpTokens": "required"}') in first.context["facts"]
    assert second.context["facts"] == [("Key pair", "other")]
    assert f"LaunchTemplateId={template.ec2_id},Version=2" in second.content.decode()
    assert page.get(f"{address}?version=9").status_code == 404
    assert page.get(f"{address}?version=x").status_code == 404


def test_the_default_is_set_and_versions_are_deleted(page, template, actor):
    create_version(template, {"KeyName": "other"}, request=Request(actor))
    default, prune = (reverse(f"launch-template-{name}", args=[template.ec2_id]) for name in ("default", "prune"))

    page.post(default, {"version": "2"})
    kept = page.post(prune, {"version": "2"}, follow=True)
    page.post(prune, {"version": "1"})
    again = page.post(prune, {"version": "1"}, follow=True)
    odd = page.post(default, {"version": "first"}, follow=True)

    template.refresh_from_db()
    assert template.default_number == 2
    assert list(template.versions.values_list("number", flat=True)) == [2]
    assert "The default version stays" in kept.content.decode()
    assert "deleted already" in again.content.decode()
    assert "Invalid launch template version" in odd.content.decode()


def test_a_deleted_template_is_gone_from_the_list(page, template):
    assert "web" in page.get(reverse("launch-templates")).content.decode()

    response = page.post(reverse("launch-template-delete", args=[template.ec2_id]), follow=True)

    assert not LaunchTemplate.objects.exists()
    assert "No launch template yet" in response.content.decode()


def test_lists_take_constant_queries(page, template, actor, tenant, django_assert_max_num_queries):
    for number in range(5):
        create_template(tenant, f"more-{number}", {"KeyName": "k"}, request=Request(actor))
        create_version(template, {"KeyName": "k"}, request=Request(actor))

    with django_assert_max_num_queries(5):
        page.get(reverse("launch-templates"))
    with django_assert_max_num_queries(8):
        page.get(reverse("launch-template", args=[template.ec2_id]))


def test_the_clouds_own_tags_have_no_button_and_stay(page, template, settle):
    page.post(LAUNCH, filled(page, query=f"template={template.ec2_id}"))
    instance, key = Instance.objects.get(), "aws:ec2launchtemplate:id"

    body = page.get(reverse("instance", args=[instance.ec2_id])).content.decode()
    page.post(reverse("instance-remove-tag", args=[instance.ec2_id]), {"key": key})

    assert f'value="{key}"' not in body
    assert key in body
    assert key in tags_of([instance.ec2_id])[instance.ec2_id]


def test_a_browser_launches_without_a_name_for_a_template(page, image, types, host):
    field = page.get(LAUNCH).context["template_form"]["save_name"]

    assert "required" not in str(field)


def test_what_a_template_names_and_is_no_more_is_told(page, tenant, template, actor, key):
    data = {"SecurityGroupIds": ["sg-0123456789abcdef0"], "Placement": {"GroupName": "gone"}}
    create_version(template, data, request=Request(actor), source="1")
    whole = page.get(f"{LAUNCH}?template={template.ec2_id}")
    key.delete()

    body = page.get(f"{LAUNCH}?template={template.ec2_id}&version=2").content.decode()

    assert "not there any more" not in whole.content.decode()
    assert "something else is chosen here: mine, sg-0123456789abcdef0, gone" in body
