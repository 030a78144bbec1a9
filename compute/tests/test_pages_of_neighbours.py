"""No page shows or changes what belongs to another tenant; every address of the app is asked, also new ones."""

import pytest
from django.test import Client
from django.urls import URLPattern, reverse

from compute.models import Instance, KeyPair
from compute.urls import urlpatterns
from portal.models import AuditEntry
from storage.models import Volume

WITH_IDS = [pattern for pattern in urlpatterns if pattern.pattern.converters]
OTHERS = [pattern for pattern in urlpatterns if not pattern.pattern.converters]
TAKES_IDS_IN_ITS_QUERY = {"confirm", "act", "instance-rows"}


@pytest.fixture
def foreign(running, tenant) -> dict[str, str]:
    """By the beginning of an address, the id of what another tenant has there."""
    key = KeyPair.objects.create(tenant=tenant, name="k", key_type="rsa", public_key="ssh-rsa AAAA", fingerprint="f")
    volume = Volume.objects.get(instance_id=running.ec2_id)
    return {"instances/": running.ec2_id, "key-pairs/": key.ec2_id, "volumes/": volume.ec2_id}


@pytest.mark.parametrize("pattern", WITH_IDS, ids=lambda pattern: pattern.name)
def test_an_id_of_another_tenant_is_not_found(pattern: URLPattern, foreign, neighbours_page: Client):
    [argument] = pattern.pattern.converters
    kind = next(beginning for beginning in foreign if str(pattern.pattern).startswith(beginning))
    address = reverse(pattern.name or "", kwargs={argument: foreign[kind]})
    before = (list(Instance.objects.values()), list(KeyPair.objects.values()), AuditEntry.objects.count())

    answers = {neighbours_page.get(address).status_code, neighbours_page.post(address, {"key": "Name"}).status_code}

    assert 404 in answers
    assert answers <= {404, 405}
    assert before == (list(Instance.objects.values()), list(KeyPair.objects.values()), AuditEntry.objects.count())


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
