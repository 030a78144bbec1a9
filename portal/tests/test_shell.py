"""The shell around all pages: tenants, languages, the policy against foreign content."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from portal.models import AccessKey, Invitation, Membership, User


@pytest.fixture
def in_both(client: Client, user, tenant, neighbour) -> Client:
    Membership.objects.create(tenant=neighbour, user=user)
    client.force_login(user)
    return client


def test_the_start_leads_to_the_instances_or_first_to_the_sign_in(client, user, tenant):
    before = client.get("/")
    client.force_login(user)

    assert before["Location"].startswith("/sign-in")
    assert client.get("/")["Location"] == reverse("instances")


def test_one_switches_between_ones_tenants(in_both, tenant, neighbour):
    first = in_both.get(reverse("instances")).wsgi_request
    in_both.post(reverse("switch-tenant"), {"tenant": tenant.account_id})
    second = in_both.get(reverse("instances")).wsgi_request

    assert first.tenant == neighbour  # the first by name
    assert second.tenant == tenant


def test_one_cannot_switch_to_a_tenant_one_does_not_belong_to(client, user, tenant, neighbour):
    client.force_login(user)

    answer = client.post(reverse("switch-tenant"), {"tenant": neighbour.account_id})

    assert answer.status_code == 404
    assert client.get(reverse("instances")).wsgi_request.tenant == tenant


def test_a_membership_that_ends_takes_effect_at_once(in_both, user, tenant, neighbour):
    in_both.post(reverse("switch-tenant"), {"tenant": neighbour.account_id})
    Membership.objects.filter(tenant=neighbour, user=user).delete()

    assert in_both.get(reverse("instances")).wsgi_request.tenant == tenant


def test_what_a_page_of_a_tenant_one_has_left_sends_is_not_done_in_another(in_both, user, tenant, neighbour):
    in_both.post(reverse("switch-tenant"), {"tenant": neighbour.account_id})
    Membership.objects.filter(tenant=neighbour, user=user).delete()

    answer = in_both.post(reverse("access-keys"), follow=True)

    assert not AccessKey.objects.exists()
    assert "Nothing was changed; this is physics." in answer.content.decode()
    assert in_both.post(reverse("access-keys")).status_code == 200


def test_a_form_opened_in_one_tenant_is_void_once_one_has_switched(user, tenant, neighbour):
    Membership.objects.create(tenant=neighbour, user=user)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)

    def token() -> str:
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(reverse("members")).content.decode())
        assert found
        return found[1]

    in_the_first = token()
    browser.post(reverse("switch-tenant"), {"tenant": tenant.account_id, "csrfmiddlewaretoken": in_the_first})
    old = browser.post(reverse("invite"), {"role": "administrator", "csrfmiddlewaretoken": in_the_first})
    new = browser.post(reverse("invite"), {"role": "administrator", "csrfmiddlewaretoken": token()})

    assert old.status_code == 403
    assert "switched to another tenant" in old.content.decode()
    assert new.status_code == 200
    assert [invitation.tenant for invitation in Invitation.objects.all()] == [tenant]


def test_one_stays_in_ones_tenant_when_one_comes_to_belong_to_another(client, user, tenant, neighbour):
    client.force_login(user)
    client.get(reverse("instances"))
    Membership.objects.create(tenant=neighbour, user=user)  # the first by name

    assert client.get(reverse("instances")).wsgi_request.tenant == tenant


@pytest.mark.parametrize("language", ["de", "tlh", "", "en\x00"])
def test_a_language_that_is_not_offered_is_refused(client, user, tenant, language):
    client.force_login(user)

    assert client.post(reverse("switch-language"), {"language": language}).status_code == 400
    assert User.objects.get().language == ""


def test_an_address_that_only_forms_are_sent_to_says_so(client, user, tenant):
    client.force_login(user)

    answer = client.get(reverse("invite"))

    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert "This address only takes what a form sends" in answer.content.decode()


def test_members_are_shown_to_administrators_only(client, user, tenant):
    client.force_login(user)
    shown = client.get(reverse("instances")).content.decode()
    Membership.objects.update(role="member")

    assert reverse("members") in shown
    assert reverse("members") not in client.get(reverse("instances")).content.decode()


def test_a_user_of_no_tenant_is_told_how_to_come_into_one(client, db):
    client.force_login(User.objects.create_user("nobody"))

    answer = client.get(reverse("instances"))

    assert answer.status_code == 403
    assert "You belong to no tenant yet" in answer.content.decode()


def test_a_language_once_chosen_follows_the_user(client, user, tenant):
    client.force_login(user)
    client.post(reverse("switch-language"), {"language": "zh-hant", "next": "/instances/"})
    elsewhere = Client()
    elsewhere.force_login(user)

    assert '<html lang="zh-hant">' in elsewhere.get(reverse("instances")).content.decode()


def test_an_unknown_language_changes_nothing(client, user, tenant):
    client.force_login(user)

    client.post(reverse("switch-language"), {"language": "xx"})

    user.refresh_from_db()
    assert user.language == ""


def test_pages_load_from_this_site_alone_and_nothing_inline(client, user, tenant, image, types):
    client.force_login(user)

    for name in ("instances", "launch", "key-pairs"):
        answer = client.get(reverse(name))
        body = answer.content.decode()
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', body)
        assert not re.findall(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", body)


def test_htmx_is_sent_to_the_sign_in_with_the_whole_page(client, db):
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/instances/?q=a"}

    answer = client.get(reverse("instance-rows"), headers=headers)

    assert answer.status_code == 204
    assert answer["HX-Redirect"].startswith("/sign-in")
    assert "next=/instances/%3Fq%3Da" in answer["HX-Redirect"]


def test_a_page_that_is_not_there_has_the_look_of_the_others(client, user, tenant):
    client.force_login(user)

    answer = client.get("/nothing-here/")

    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


def test_requests_without_a_session_cost_no_query(client, django_assert_num_queries, db):
    with django_assert_num_queries(0):
        client.get("/nothing-here/")
