"""No page shows or changes what belongs to another tenant; every address of the app is asked, also new ones."""

import pytest
from django.test import Client
from django.urls import URLPattern, reverse

from compute.launch_templates import Request, create_template, create_version
from compute.models import Instance, KeyPair, LaunchTemplate, LaunchTemplateVersion
from compute.placement_groups import create_group
from compute.urls import urlpatterns
from networking.elastic import allocate_address
from networking.models import ElasticAddress, SecurityGroupRule
from networking.services import ssh_group
from portal.models import AuditEntry
from scheduling.models import PlacementGroup
from storage.models import Volume

WITH_IDS = [pattern for pattern in urlpatterns if pattern.pattern.converters]
OTHERS = [pattern for pattern in urlpatterns if not pattern.pattern.converters]
FIELDS = {"key": "Name", "version": "2", "save_name": "mine", "name": "mine"}
TAKES_IDS_IN_ITS_QUERY = {"confirm", "act", "instance-rows"}


@pytest.fixture
def foreign(running, tenant, actor) -> dict[str, str]:
    """By the beginning of an address, the id of what another tenant has there."""
    key = KeyPair.objects.create(tenant=tenant, name="k", key_type="rsa", public_key="ssh-rsa AAAA", fingerprint="f")
    volume = Volume.objects.get(instance_id=running.ec2_id)
    group = create_group(tenant, "theirs", "spread", actor=actor)
    template = create_template(tenant, "theirs", {"KeyName": "k"}, request=Request(actor))
    create_version(template, {"KeyName": "l"}, request=Request(actor))
    return {
        "instances/": running.ec2_id,
        "key-pairs/": key.ec2_id,
        "volumes/": volume.ec2_id,
        "launch-templates/": template.ec2_id,
        "placement-groups/": group.ec2_id,
        "security-groups/": ssh_group(tenant, actor=actor).ec2_id,
        "addresses/": allocate_address(tenant, actor=actor).ec2_id,
    }


def everything() -> list[object]:
    """All that could have been changed."""
    models = (
        Instance, KeyPair, LaunchTemplate, LaunchTemplateVersion, PlacementGroup, SecurityGroupRule, ElasticAddress,
        Volume,
    )  # fmt: skip
    return [AuditEntry.objects.count(), *(list(model._default_manager.values()) for model in models)]


@pytest.mark.parametrize("pattern", WITH_IDS, ids=lambda pattern: pattern.name)
def test_an_id_of_another_tenant_is_not_found(pattern: URLPattern, foreign, neighbours_page: Client):
    [argument] = pattern.pattern.converters
    kind = next(beginning for beginning in foreign if str(pattern.pattern).startswith(beginning))
    address = reverse(pattern.name or "", kwargs={argument: foreign[kind]})
    before = everything()

    answers = {neighbours_page.get(address).status_code, neighbours_page.post(address, FIELDS).status_code}

    assert 404 in answers
    assert answers <= {404, 405}
    assert before == everything()


@pytest.mark.parametrize("verb", ["start", "stop", "reboot", "terminate"])
def test_an_action_on_an_instance_of_another_tenant_is_not_found(verb, running, neighbours_page: Client):
    query = {"do": verb, "id": running.ec2_id}

    assert neighbours_page.get(reverse("confirm"), query).status_code == 404
    assert neighbours_page.post(reverse("act"), query).status_code == 404
    running.refresh_from_db()
    assert running.state == "running"


def test_rows_of_another_tenant_are_not_shown(running, neighbours_page: Client):
    body = neighbours_page.get(reverse("instance-rows"), {"seen": f"{running.ec2_id}:pending"}).content.decode()

    assert running.ec2_id not in body


@pytest.mark.parametrize("pattern", OTHERS, ids=lambda pattern: pattern.name)
def test_no_other_page_mentions_what_another_tenant_has(pattern: URLPattern, foreign, neighbours_page: Client):
    body = neighbours_page.get(reverse(pattern.name or "")).content.decode()

    assert not any(ec2_id in body for ec2_id in foreign.values())


@pytest.mark.parametrize("pattern", urlpatterns, ids=lambda pattern: pattern.name)
def test_nobody_sees_a_page_without_signing_in(pattern: URLPattern, db):
    address = reverse(pattern.name or "", kwargs=dict.fromkeys(pattern.pattern.converters, "i-1"))

    answers = [Client().get(address), Client().post(address)]

    assert all(a.status_code in (302, 405) for a in answers)
    assert any(a.status_code == 302 and a["Location"].startswith("/sign-in") for a in answers)


def test_a_template_of_another_tenant_is_neither_launched_from_nor_given_a_version(foreign, neighbours_page: Client):
    named = {"template": foreign["launch-templates/"]}
    form = neighbours_page.get(reverse("launch")).context["form"]
    filled = {
        "image": form["image"].field.queryset.get().pk,
        "instance_type": form["instance_type"].field.queryset.first().pk,
        "count": 1,
        "key_pair": "none",
        "group": form["group"].initial,
        "client_token": form["client_token"].initial,
    }
    before = everything()

    answers = [
        neighbours_page.get(reverse("launch"), named),
        neighbours_page.post(reverse("launch"), filled | named),
        neighbours_page.post(reverse("launch-template-save"), filled | named | {"save": "version"}),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert before == everything()
