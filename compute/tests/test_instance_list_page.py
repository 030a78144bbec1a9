"""The list of instances: what it shows, how it follows states, what is done from it."""

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from compute.attributes import protect
from compute.models import Instance
from compute.tagging import tag_instance
from compute.tests.conftest import HTMX
from networking.models import NetworkInterface
from portal.models import AuditEntry, Quota


def told(response) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


@pytest.fixture
def plenty(tenant):
    """Quota for long lists."""
    Quota.objects.filter(tenant=tenant).update(limit=10**6)


def states() -> list[str]:
    return list(Instance.objects.order_by("pk").values_list("state", flat=True))


def test_an_empty_list_invites_a_first_launch(page, types):
    body = page.get(reverse("instances")).content.decode()

    assert "Launch your first instance" in body
    assert reverse("launch") in body


def test_the_list_shows_names_states_and_addresses(page, running, actor):
    tag_instance(running, {"Name": "<b>web</b>"}, actor=actor)
    interface = NetworkInterface.objects.get(instance_id=running.ec2_id)

    body = page.get(reverse("instances")).content.decode()

    assert "&lt;b&gt;web&lt;/b&gt;" in body
    assert all(text in body for text in (running.ec2_id, "running", interface.private_ip, str(interface.public_ip)))


def test_the_number_of_queries_does_not_depend_on_the_number_of_instances(
    page, plenty, launch, django_assert_num_queries
):
    launch(2, instance_tags={"Name": "a"})
    page.get(reverse("instances"))
    with django_assert_num_queries(9):
        page.get(reverse("instances"))
    launch(30, instance_tags={"Name": "b"})

    with django_assert_num_queries(9):
        body = page.get(reverse("instances")).content.decode()

    assert body.count('<tr id="row-') == 32


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "web"}, ["web-1", "web-2"]),
        ({"q": "WEB-2"}, ["web-2"]),
        ({"tag": "course"}, ["web-1"]),
        ({"tag": "course=CS 101"}, ["web-1"]),
        ({"tag": "course=other"}, []),
        ({"state": "running"}, ["db", "web-2", "web-1"]),
        ({"state": "stopped"}, []),
        ({"state": "nonsense"}, ["db", "web-2", "web-1"]),
        ({"type": "t2.micro"}, ["db"]),
        ({"q": "web", "type": "t2.micro"}, []),
    ],
)
def test_search_and_filters_narrow_the_list(page, launch, settle, types, actor, query, found):
    launch(instance_tags={"Name": "web-1", "course": "CS 101"})
    launch(instance_tags={"Name": "web-2"})
    launch(instance_tags={"Name": "db"}, instance_type=types["t2.micro"])
    settle()

    rows = page.get(reverse("instances"), query).context["rows"]

    assert sorted(row.name for row in rows) == sorted(found)


def test_search_finds_an_id_and_an_address(page, launch):
    one, other = launch(2)
    address = NetworkInterface.objects.get(instance_id=other.ec2_id).private_ip

    by_id = page.get(reverse("instances"), {"q": one.ec2_id[2:10]}).context["rows"]
    by_address = page.get(reverse("instances"), {"q": address}).context["rows"]

    assert [row.ec2_id for row in by_id] == [one.ec2_id]
    assert [row.ec2_id for row in by_address] == [other.ec2_id]


def test_long_lists_are_paged_and_keep_their_filters(page, plenty, launch):
    launch(51, instance_tags={"Name": "web"})

    first = page.get(reverse("instances"), {"q": "web"})
    second = page.get(reverse("instances"), {"q": "web", "page": 2})

    assert (len(first.context["rows"]), len(second.context["rows"])) == (50, 1)
    assert "?q=web&amp;page=2" in first.content.decode()


def test_rows_are_polled_only_while_one_is_not_steady(page, launch, settle):
    [instance] = launch()

    moving = page.get(reverse("instances")).content.decode()
    settle()
    steady = page.get(reverse("instances")).content.decode()

    assert f"?seen={instance.ec2_id}%3Apending" in moving
    assert 'hx-trigger="every' not in steady


def test_a_poll_is_answered_with_what_has_changed(page, launch, settle):
    one, other = launch(2)
    query = {"seen": [f"{one.ec2_id}:pending", f"{other.ec2_id}:pending"]}

    unchanged = page.get(reverse("instance-rows"), query, headers=HTMX)
    settle()
    changed = page.get(reverse("instance-rows"), query, headers=HTMX).content.decode()

    assert unchanged.status_code == 204
    assert f'<tr id="row-{one.ec2_id}" hx-swap-oob="true"' in changed
    assert f"{other.ec2_id} is now running." in changed
    assert '<div id="poll" hx-swap-oob="true"></div>' in changed


def test_several_are_stopped_at_once(page, launch, settle):
    launch(2, instance_tags={"Name": "web"})
    settle()
    ids = list(Instance.objects.values_list("ec2_id", flat=True))

    response = page.post(reverse("act"), {"do": "stop", "id": ids}, headers=HTMX)

    assert states() == ["stopping", "stopping"]
    assert 'id="instances"' in response.content.decode()
    assert all(f"web ({ec2_id})" in response.content.decode() for ec2_id in ids)
    entry = AuditEntry.objects.filter(verb="stop").first()
    assert entry is not None
    assert (entry.door, entry.address, entry.who) == ("portal", "127.0.0.1", "ann")


def test_what_cannot_be_done_to_one_does_not_hold_up_the_others(page, launch, settle):
    launch(2)
    settle()
    ids = list(Instance.objects.order_by("pk").values_list("ec2_id", flat=True))
    page.post(reverse("act"), {"do": "stop", "id": ids[0]})
    settle()

    response = page.post(reverse("act"), {"do": "reboot", "id": ids})

    assert told(response)[-2:] == [
        f"Rebooting {ids[1]}.",
        f"{ids[0]} is stopped; it can be rebooted once it is running.",
    ]


def test_what_is_done_already_is_said(page, running):
    response = page.post(reverse("act"), {"do": "start", "id": running.ec2_id})

    assert told(response) == [f"{running.ec2_id} is running already."]


def test_termination_is_confirmed_by_name(page, running, actor):
    tag_instance(running, {"Name": "web"}, actor=actor)

    body = page.get(reverse("confirm"), {"do": "terminate", "id": running.ec2_id}, headers=HTMX).content.decode()

    assert "<dialog" in body
    assert "<strong>web</strong>" in body
    assert f'name="id" value="{running.ec2_id}"' in body


def test_a_confirmed_termination_ends_the_instance(page, running, settle):
    page.post(reverse("act"), {"do": "terminate", "id": running.ec2_id})
    settle()

    assert states() == ["terminated"]


def test_a_protected_instance_is_not_terminated_and_the_way_out_is_said(page, running, actor):
    protect(running, actor=actor, termination=True)

    response = page.post(reverse("act"), {"do": "terminate", "id": running.ec2_id})

    assert "switch the protection off" in told(response)[0]
    assert states() == ["running"]


def test_an_action_goes_back_only_to_pages_of_this_site(page, running):
    elsewhere = page.post(reverse("act"), {"do": "stop", "id": running.ec2_id, "next": "https://example.org/"})

    assert elsewhere["Location"] == reverse("instances")


@pytest.mark.parametrize("next", ["https://example.org/", "javascript:alert(1)", "//example.org", "\\\\example.org"])
def test_a_question_leads_back_only_to_pages_of_this_site(next, page, running):
    query = {"do": "terminate", "id": running.ec2_id, "next": next}

    for answer in (page.get(reverse("confirm"), query), page.post(reverse("confirm"), query)):
        assert f'<a class="button" href="{reverse("instances")}" data-close-dialog>' in answer.content.decode()


def test_without_a_script_the_question_is_asked_without_the_token_in_the_address(page, running):
    body = page.get(reverse("instances")).content.decode()
    asked = page.post(reverse("confirm"), {"do": "terminate", "id": running.ec2_id})

    assert 'formmethod="get"' not in body
    assert "Terminate this instance?" in asked.content.decode()
    assert states() == ["running"]


def test_an_action_without_the_forms_token_is_refused(user, tenant, running):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(user)

    assert client.post(reverse("act"), {"do": "terminate", "id": running.ec2_id}).status_code == 403
    assert states() == ["running"]
