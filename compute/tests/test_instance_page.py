"""The page of one instance."""

import pytest
from django.urls import reverse

from compute.models import ConsoleOutput, Instance, KeyPair
from compute.services import stop_instances
from compute.tests.conftest import HTMX
from networking.models import NetworkInterface
from networking.services import default_network, ssh_group
from portal.models import AuditEntry
from portal.tags import tags_of

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ann@laptop"


def of(instance: Instance, name: str = "instance") -> str:
    return reverse(name, args=[instance.ec2_id])


@pytest.fixture
def reachable(launch, settle, tenant, actor) -> Instance:
    key = KeyPair.objects.create(tenant=tenant, name="my key", key_type="ed25519", public_key=PUBLIC, fingerprint="f")
    [instance] = launch(key_pair=key, groups=[ssh_group(tenant, actor=actor)])
    settle()
    return Instance.objects.get(pk=instance.pk)


def test_the_ssh_command_names_key_file_user_and_address(page, reachable):
    address = NetworkInterface.objects.get(instance_id=reachable.ec2_id).public_ip

    body = page.get(of(reachable)).content.decode()

    assert f"ssh -i my-key.pem root@{address}" in body


def test_the_ssh_command_names_a_forwarded_port_other_than_22(page, reachable):
    interface = NetworkInterface.objects.get(instance_id=reachable.ec2_id)
    interface.forwards = [{"protocol": "tcp", "port": 8022, "guest_port": 22}]
    interface.not_enforced = ["icmp from 0.0.0.0/0: not forwarded"]
    interface.save()

    body = page.get(of(reachable)).content.decode()

    assert f"ssh -i my-key.pem -p 8022 root@{interface.public_ip}" in body
    assert f"{interface.public_ip}:8022 leads to TCP port 22" in body
    assert "icmp from 0.0.0.0/0: not forwarded" in body


def test_it_says_why_nobody_can_log_in(page, running, reachable, settle):
    closed = page.get(of(running)).content.decode()
    page.post(reverse("act"), {"do": "stop", "id": reachable.ec2_id})
    settle()
    stopped = page.get(of(reachable)).content.decode()

    assert "No rule of its security groups opens port 22" in closed
    assert "Start it first" in stopped


def test_it_tells_who_did_what_and_why_it_is_where_it_is(page, running):
    body = page.get(of(running)).content.decode()

    assert "ann (AKIATEST) launched it" in body
    assert "from 192.0.2.7" in body
    assert "1 of 1 hosts could take it." in body
    assert "placed on its host" in body
    assert "sim1" not in body


def test_a_failed_launch_shows_its_reason(page, launch, settle, host):
    host.options = {"fail": ["create"]}
    host.save()
    [instance] = launch()
    settle()

    body = page.get(of(instance)).content.decode()

    assert "Server.InternalError" in body
    assert "Start failed" in body
    assert "sim1" not in body


def test_the_console_is_shown_without_escape_sequences_and_escaped(page, running):
    ConsoleOutput.objects.update_or_create(
        instance=running, defaults={"text": b"\x1b[32m[ OK ]\x1b[0m <script>alert(1)</script>\r\n"}
    )

    body = page.get(of(running, "instance-console")).content.decode()

    assert "[ OK ] &lt;script&gt;" in body
    assert "\x1b" not in body


def test_the_console_is_asked_again_while_the_instance_runs_only(page, running, settle):
    polled = page.get(of(running, "instance-console")).content.decode()
    page.post(reverse("act"), {"do": "stop", "id": running.ec2_id})
    settle()
    at_rest = page.get(of(running, "instance-console")).content.decode()

    assert "every 2s" in polled
    assert "every 2s" not in at_rest


def test_an_unchanged_console_is_not_sent_again(page, running):
    console, _made = ConsoleOutput.objects.update_or_create(instance=running, defaults={"text": b"one"})
    body = page.get(of(running, "instance-console"), headers=HTMX).content.decode()
    address = body.split('hx-get="')[1].split('"')[0].replace("&amp;", "&")

    unchanged = page.get(address, headers=HTMX)
    ConsoleOutput.objects.filter(pk=console.pk).update(text=b"two", updated_at="2030-01-01T00:00:00Z")
    changed = page.get(address, headers=HTMX)

    assert unchanged.status_code == 204
    assert "two" in changed.content.decode()


def test_the_page_follows_the_state_until_it_is_steady(page, launch, settle):
    [instance] = launch()
    moving = page.get(of(instance))
    query = {"version": moving.context["version"]}

    unchanged = page.get(of(instance, "instance-live"), query, headers=HTMX)
    settle()
    changed = page.get(of(instance, "instance-live"), query, headers=HTMX).content.decode()

    assert unchanged.status_code == 204
    assert "is now running." in changed
    assert of(instance, "instance-live") not in changed


def test_it_is_renamed_and_a_name_is_removed(page, running):
    page.post(of(running, "instance-rename"), {"name": "web"})
    named = tags_of([running.ec2_id])
    page.post(of(running, "instance-rename"), {"name": ""})

    assert named == {running.ec2_id: {"Name": "web"}}
    assert tags_of([running.ec2_id]) == {}


def test_tags_are_added_and_removed(page, running):
    page.post(of(running, "instance-add-tag"), {"key": "course", "value": "CS 101"})
    added = tags_of([running.ec2_id])
    page.post(of(running, "instance-remove-tag"), {"key": "course"})

    assert added == {running.ec2_id: {"course": "CS 101"}}
    assert tags_of([running.ec2_id]) == {}


def test_a_reserved_tag_is_refused_beside_its_field(page, running):
    response = page.post(of(running, "instance-add-tag"), {"key": "aws:x", "value": "1"})

    assert response.status_code == 422
    assert "reserved for internal use" in str(response.context["tag_form"].errors["key"])


def test_settings_are_saved_and_recorded(page, running):
    values = {"disable_api_termination": "on", "shutdown_behavior": "terminate"}

    page.post(of(running, "instance-attributes"), values)

    running.refresh_from_db()
    assert (running.disable_api_termination, running.disable_api_stop) == (True, False)
    assert running.shutdown_behavior == "terminate"
    assert "ann changed its settings" in page.get(of(running)).content.decode()


def test_its_page_stays_after_its_end(page, running, settle):
    page.post(reverse("act"), {"do": "terminate", "id": running.ec2_id})
    settle()

    body = page.get(of(running)).content.decode()

    assert "terminated" in body
    assert "nobody can log in to it any more" in body


def test_where_colleagues_work_from_is_for_administrators(page, running, user):
    shown = page.get(of(running)).content.decode()
    user.memberships.update(role="member")
    hidden = page.get(of(running)).content.decode()

    assert "192.0.2.7" in shown
    assert "launched it" in hidden
    assert "192.0.2.7" not in hidden


def test_why_it_was_stopped_is_said_in_words(page, running, actor, settle):
    stop_instances([running], actor=actor)
    settle()

    body = page.get(of(running)).content.decode()

    assert "Somebody of the tenant, or an operator, asked for it. (Client.UserInitiatedShutdown)" in body


@pytest.mark.parametrize("key", ["absent", "", "a\x00b", "x" * 5000])
def test_removing_a_tag_that_is_not_there_changes_nothing(key, page, running):
    before = AuditEntry.objects.count()

    response = page.post(reverse("instance-remove-tag", args=[running.ec2_id]), {"key": key}, follow=True)

    assert "has no such tag" in response.content.decode()
    assert AuditEntry.objects.count() == before


def test_the_page_needs_a_constant_number_of_queries(page, reachable, tenant, django_assert_max_num_queries):
    default_network(tenant)
    with django_assert_max_num_queries(17):
        page.get(of(reachable))


def test_an_image_is_made_of_a_running_instance_and_its_page_opens(page, running, tenant, settle):
    body = page.get(of(running)).content.decode()
    asked = {"name": "as-it-is", "description": "with my tools"}
    answer = page.post(of(running, "instance-image"), asked, follow=True)

    image = tenant.images.get()
    assert of(running, "instance-image") in body
    assert answer.redirect_chain == [(reverse("image", args=[image.ec2_id]), 302)]
    assert (image.name, image.description, image.source_instance_id) == ("as-it-is", "with my tools", running.ec2_id)
    settle()
    image.refresh_from_db()
    assert image.state == "available"
    assert AuditEntry.objects.filter(verb="restart").count() == 0


def test_a_running_instance_is_shut_down_for_its_image_if_that_is_asked(page, running, tenant, settle):
    page.post(of(running, "instance-image"), {"name": "at-rest", "reboot": "on"})
    settle()

    assert tenant.images.get().state == "available"
    assert AuditEntry.objects.filter(verb="restart").count() == 1
    running.refresh_from_db()
    assert running.state == "running"


def test_an_image_that_cannot_be_made_is_refused_beside_its_field(page, running, tenant):
    page.post(of(running, "instance-image"), {"name": "taken"})
    again = page.post(of(running, "instance-image"), {"name": "taken"})
    odd = page.post(of(running, "instance-image"), {"name": "a*b?c"})

    assert (again.status_code, odd.status_code) == (422, 422)
    assert "is already in use by" in str(again.context["image_form"].errors["name"])
    assert "AMI names must be" in str(odd.context["image_form"].errors["name"])
    assert tenant.images.count() == 1


def test_a_terminated_instance_offers_no_image(page, running, settle):
    page.post(reverse("act"), {"do": "terminate", "id": running.ec2_id})
    settle()

    assert of(running, "instance-image") not in page.get(of(running)).content.decode()
    refused = page.post(of(running, "instance-image"), {"name": "too-late"})
    assert refused.status_code == 422
    assert "is terminated; snapshots are taken of one that is running" in refused.content.decode()
