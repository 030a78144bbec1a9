"""The operators' site: what it shows, what it refuses, and that nothing changes there unrecorded."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from compute.models import Host, HostState, Instance
from conftest import make_host
from operations.models import Operation
from portal.audit import Actor, Door
from portal.models import AccessKey, AuditEntry, Invitation, Membership, Quota, Resource, Role, Tenant, User
from portal.tenants import create_access_key
from storage.models import Image, ImageState

HTML = {"HTTP_ACCEPT": "text/html"}
FORMSET = ("TOTAL_FORMS", "INITIAL_FORMS", "MIN_NUM_FORMS", "MAX_NUM_FORMS")


@pytest.fixture
def operator(db):
    return User.objects.create_superuser("op")


@pytest.fixture
def site(client, operator):
    client.force_login(operator)
    return client


def act(site: Client, row, action: str, **more: str):
    path = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_changelist")
    return site.post(path, {"action": action, "_selected_action": [row.pk], **more}, follow=True)


def page_of(row) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def trail(**wanted: object) -> AuditEntry:
    return AuditEntry.objects.get(door=Door.ADMIN, **wanted)


@pytest.mark.parametrize("model", sorted(admin.site._registry, key=str), ids=str)
def test_every_list_and_form_opens(site, running, model):
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"

    assert site.get(reverse(f"{name}_changelist"), {"q": "x"}).status_code == 200
    assert site.get(reverse(f"{name}_add")).status_code in (200, 403)
    row = model.objects.first()
    if row is not None:
        assert site.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200


def test_the_first_page_shows_the_cloud(site, running, settings):
    make_host("gone", zone=settings.DEFAULT_ZONE, seen_at=None)
    Quota.objects.filter(resource=Resource.INSTANCES).update(limit=1)

    page = site.get("/admin/").content.decode()

    assert "1 of 2 up" in page
    assert "never seen" in page
    assert "1 of 1 instances" in page


@pytest.mark.parametrize("name", ["compute_instance", "compute_host", "storage_volume", "portal_accesskey"])
def test_lists_ask_a_constant_number_of_questions(site, launch, settle, tenant, actor, name, settings):
    for n in range(4):
        user = User.objects.create_user(f"user{n}")
        Membership.objects.create(tenant=tenant, user=user)
        create_access_key(tenant, user, actor=actor)
        make_host(f"more{n}", zone=settings.DEFAULT_ZONE)

    def questions() -> int:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert site.get(reverse(f"admin:{name}_changelist")).status_code == 200
        return len(asked)

    launch(1)
    settle()
    questions()
    before = questions()
    launch(6)
    settle()

    assert questions() <= before


# Permissions


def test_plain_users_stay_outside(client, user, tenant):
    client.force_login(user)

    for path in ("/admin/", "/admin/portal/tenant/", "/admin/compute/instance/"):
        assert client.get(path, follow=True).status_code == 403


@pytest.fixture
def clerk(client, db):
    """Staff who look after people, and nothing else."""
    from django.contrib.auth.models import Permission

    clerk = User.objects.create_user("clerk", is_staff=True)
    wanted = ("add_user", "change_user", "view_user", "delete_user", "add_group", "change_group", "view_group")
    clerk.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    client.force_login(clerk)
    return clerk


def test_staff_cannot_make_themselves_superusers(client, clerk):
    form = {"username": "clerk", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    inlines = {f"{name}-{field}": "0" for name in ("memberships", "identities") for field in FORMSET}

    answer = client.post(page_of(clerk), {**form, **inlines})

    clerk.refresh_from_db()
    assert answer.status_code == 302
    assert not clerk.is_superuser
    assert client.get("/admin/auth/group/add/").status_code == 403


def test_staff_cannot_take_over_the_account_of_a_superuser(client, clerk, operator):
    password = {"password1": "a new one 7", "password2": "a new one 7"}

    assert client.post(f"/admin/portal/user/{operator.pk}/password/", password).status_code == 403
    assert client.post(page_of(operator), {"username": "mine", "email": "clerk@example.org"}).status_code == 403
    client.post(f"/admin/portal/user/{operator.pk}/delete/", {"post": "yes"})
    act(client, operator, "delete_selected", post="yes")

    assert User.objects.get(pk=operator.pk).username == "op"


def test_the_first_page_shows_staff_only_what_they_may_see(client, clerk, running):
    page = client.get("/admin/").content.decode()

    assert "Hosts" not in page
    assert "Operations" not in page


def test_staff_who_may_only_look_cannot_act(client, running):
    from django.contrib.auth.models import Permission

    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_instance"))
    client.force_login(viewer)

    assert client.get("/admin/compute/instance/").status_code == 200
    act(client, running, "terminate")

    assert Instance.objects.get().state == "running"


def test_no_form_sets_state_or_usage(site, running, host, tenant):
    for row, fields in (
        (running, {"state": "stopped"}),
        (Operation.objects.first(), {"state": "failed"}),
        (AuditEntry.objects.first(), {"who": "nobody"}),
    ):
        assert site.post(page_of(row), fields).status_code == 403

    page = site.get(page_of(host)).content.decode()
    assert 'name="state"' not in page
    assert 'name="vcpus_allocated"' not in page
    assert 'name="quotas-0-used"' not in site.get(page_of(tenant)).content.decode()


def test_secrets_are_shown_nowhere(site, tenant, user, actor):
    key, secret = create_access_key(tenant, user, actor=actor)

    page = site.get(page_of(key)).content.decode()

    assert secret not in page
    assert key.sealed_secret not in page


# Changes and their trail


def tenant_form(tenant: Tenant, **more: object) -> dict[str, object]:
    form: dict[str, object] = {"name": tenant.name}
    for prefix, rows in (("quotas", tenant.quotas.all()), ("memberships", tenant.memberships.all())):
        form |= {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": len(rows)}
        for n, row in enumerate(rows):
            form |= {f"{prefix}-{n}-id": row.pk, f"{prefix}-{n}-tenant": tenant.pk}
            if isinstance(row, Quota):
                form[f"{prefix}-{n}-limit"] = row.limit
            elif isinstance(row, Membership):
                form |= {f"{prefix}-{n}-user": row.user_id, f"{prefix}-{n}-role": row.role}
    return {**form, **more}


def test_a_limit_is_changed_and_written_down(site, tenant, operator):
    number = [q.resource for q in tenant.quotas.all()].index(Resource.INSTANCES)

    response = site.post(
        page_of(tenant), tenant_form(tenant, **{f"quotas-{number}-limit": 77}), REMOTE_ADDR="192.0.2.8"
    )

    assert response.status_code == 302
    assert tenant.quotas.get(resource=Resource.INSTANCES).limit == 77
    entry = trail(verb="change", resource_type="tenant")
    assert (entry.tenant, entry.user, entry.address) == (tenant, operator, "192.0.2.8")
    assert "77 instances" in str(entry.detail)


def test_a_member_removed_here_loses_their_keys_too(site, tenant, user, actor):
    create_access_key(tenant, user, actor=actor)

    response = site.post(page_of(tenant), tenant_form(tenant, **{"memberships-0-DELETE": "on"}))

    assert response.status_code == 302
    assert not tenant.memberships.exists()
    assert not AccessKey.objects.exists()
    assert trail(verb="remove member").resource_id == "ann"


def test_a_user_is_made_and_written_down(site):
    site.post("/admin/portal/user/add/", {"username": "new", "usable_password": "false"})

    assert not User.objects.get(username="new").has_usable_password()
    assert trail(verb="add", resource_type="user").resource_id == "new"


def test_a_user_is_deleted_with_keys_and_memberships(site, tenant, user, actor):
    create_access_key(tenant, user, actor=actor)

    site.post(reverse("admin:portal_user_delete", args=[user.pk]), {"post": "yes"})

    assert not User.objects.filter(pk=user.pk).exists()
    assert not AccessKey.objects.exists()
    assert AuditEntry.objects.get(verb="create", resource_type="access-key").who == "ann (AKIATEST)"
    assert trail(verb="delete", resource_type="user").resource_id == "ann"


def test_a_password_set_here_is_not_in_the_trail(site, user):
    path = reverse("admin:auth_user_password_change", args=[user.pk])
    new = {"password1": "staple 4 donkeys", "password2": "staple 4 donkeys", "usable_password": "true"}

    assert site.post(path, new).status_code == 302

    assert trail(verb="change", resource_type="user").resource_id == "ann"
    assert "donkeys" not in str(list(AuditEntry.objects.values()))


def test_an_action_of_another_app_is_written_down_too(site, client):
    from axes.models import AccessAttempt

    attempt = AccessAttempt.objects.create(
        username="ann",
        ip_address="192.0.2.1",
        user_agent="",
        path_info="",
        attempt_time=timezone.now(),
        failures_since_start=3,
    )

    act(site, attempt, "delete_selected", post="yes")

    assert not AccessAttempt.objects.exists()
    assert trail(verb="delete").resource_type == "access-attempt"


def test_access_keys_are_deactivated_and_activated(site, tenant, user, actor):
    key, _secret = create_access_key(tenant, user, actor=actor)

    act(site, key, "deactivate")
    assert not AccessKey.objects.get().is_active
    act(site, key, "activate")

    assert AccessKey.objects.get().is_active
    assert trail(verb="deactivate").tenant == tenant


def test_an_invitation_shows_its_link_once(site, tenant):
    response = site.post(
        "/admin/portal/invitation/add/",
        {"tenant": tenant.pk, "email": "new@example.org", "role": "administrator"},
        follow=True,
    )

    import re

    [path] = re.findall(r"/invitations/[\w-]+/", response.content.decode())
    assert "Join physics" in Client().get(path).content.decode()
    invitation = Invitation.objects.get()
    assert invitation.role == Role.ADMINISTRATOR
    assert (
        site.post(reverse("admin:portal_invitation_delete", args=[invitation.pk]), {"post": "yes"}).status_code == 302
    )
    assert Client().get(path).status_code == 410


# Tenants


def test_a_tenant_with_instances_is_not_deleted(site, running, tenant):
    page = site.get(reverse("admin:portal_tenant_delete", args=[tenant.pk])).content.decode()
    act(site, tenant, "delete_selected", post="yes")
    site.post(reverse("admin:portal_tenant_delete", args=[tenant.pk]), {"post": "yes"})

    assert "1 live instances" in page
    assert running.ec2_id in page
    assert Tenant.objects.filter(pk=tenant.pk).exists()
    assert not AuditEntry.objects.filter(verb="delete", resource_type="tenant").exists()


@pytest.mark.parametrize("way", ["page", "action"])
def test_a_tenant_that_has_nothing_any_more_is_deleted_and_its_trail_stays(site, running, tenant, settle, actor, way):
    from compute.services import terminate_instances

    terminate_instances([running], actor=actor)
    settle()
    assert Instance.objects.get().state == "terminated"

    if way == "page":
        site.post(reverse("admin:portal_tenant_delete", args=[tenant.pk]), {"post": "yes"})
    else:
        act(site, tenant, "delete_selected", post="yes")

    assert not Tenant.objects.filter(pk=tenant.pk).exists()
    assert AuditEntry.objects.filter(resource_id=running.ec2_id, verb="launch").exists()
    assert trail(verb="delete").resource_id == tenant.account_id


def test_a_tenant_that_keeps_a_volume_is_not_deleted(site, launch, settle, tenant, actor):
    from compute.services import terminate_instances

    launch(delete_root_on_termination=False)
    settle()
    terminate_instances([Instance.objects.get()], actor=actor)
    settle()

    page = site.get(reverse("admin:portal_tenant_delete", args=[tenant.pk])).content.decode()

    assert "1 volumes" in page


# Hosts


def test_a_host_is_added(site, settings):
    form = {
        "name": "new",
        "driver": "simulated",
        "options": "{}",
        "zone": settings.DEFAULT_ZONE,
        "architecture": "x86_64",
    }
    form |= {"vcpus": 4, "memory_mib": 4096, "cpu_overcommit": "2.5", "memory_overcommit": "1"}

    assert site.post("/admin/compute/host/add/", form).status_code == 302

    assert Host.objects.get().cpu_overcommit == 2.5
    assert trail(verb="add").resource_id == "new"


@pytest.mark.parametrize("wrong", [{"cpu_overcommit": "0"}, {"vcpus": "0"}, {"driver": "nonsense"}, {"options": "{"}])
def test_a_host_that_makes_no_sense_is_refused(site, settings, wrong):
    form = {
        "name": "new",
        "driver": "simulated",
        "options": "{}",
        "zone": settings.DEFAULT_ZONE,
        "architecture": "x86_64",
    }
    form |= {"vcpus": 4, "memory_mib": 4096, "cpu_overcommit": "1", "memory_overcommit": "1"}

    assert site.post("/admin/compute/host/add/", {**form, **wrong}).status_code == 200

    assert not Host.objects.exists()


def test_hosts_are_cordoned_and_enabled(site, host):
    act(site, host, "cordon")
    assert Host.objects.get().state == HostState.CORDONED
    act(site, host, "enable")

    assert Host.objects.get().state == HostState.ENABLED
    assert trail(verb="cordon").resource_id == host.name
    assert trail(verb="enable").resource_id == host.name


def test_a_host_that_runs_something_is_not_deleted(site, running, host):
    page = site.get(reverse("admin:compute_host_delete", args=[host.pk])).content.decode()
    site.post(reverse("admin:compute_host_delete", args=[host.pk]), {"post": "yes"})

    assert running.ec2_id in page
    assert Host.objects.exists()
    empty = make_host("empty", zone=host.zone)
    site.post(reverse("admin:compute_host_delete", args=[empty.pk]), {"post": "yes"})
    assert not Host.objects.filter(pk=empty.pk).exists()


# Instances and operations


def test_instances_of_several_tenants_are_stopped_each_in_its_own_trail(site, launch, settle, tenant, neighbour):
    launch(1)
    launch(1, of=neighbour)
    settle()
    rows = list(Instance.objects.all())

    site.post("/admin/compute/instance/", {"action": "stop", "_selected_action": [row.pk for row in rows]}, follow=True)
    settle()

    assert {row.state for row in Instance.objects.all()} == {"stopped"}
    entries = AuditEntry.objects.filter(verb="stop", door=Door.ADMIN)
    assert {(entry.tenant_id, entry.resource_id) for entry in entries} == {(row.tenant_id, row.ec2_id) for row in rows}
    for row in Instance.objects.all():
        act(site, row, "start")
    settle()
    assert {row.state for row in Instance.objects.all()} == {"running"}


def test_what_cannot_be_done_is_said(site, running):
    Instance.objects.update(disable_api_termination=True)

    response = act(site, running, "terminate")

    assert "may not be terminated" in response.content.decode()
    assert Instance.objects.get().state == "running"


def test_an_instance_shows_its_operations_its_placement_and_its_host(site, running, host):
    page = site.get(page_of(running)).content.decode()

    for row in (host, Operation.objects.get(resource_id=running.ec2_id)):
        assert page_of(row) in page
    assert "1 could take it" in page


def test_a_waiting_operation_is_tried_again_now(site, launch, settle, db):
    launch(1)
    operation = Operation.objects.get()
    Operation.objects.update(due_at=timezone.now() + timedelta(hours=1))
    act(site, operation, "try_again_now")

    assert Operation.objects.claimable().exists()
    assert trail(verb="try again now").resource_id
    settle()
    response = act(site, operation, "try_again_now")
    assert "closed already" in response.content.decode()


def test_images_are_deregistered_not_deleted(site, running, image):
    assert site.get(reverse("admin:storage_image_delete", args=[image.pk])).status_code == 403

    act(site, image, "deregister")

    assert Image.objects.get().state == ImageState.DEREGISTERED
    assert Instance.objects.get().state == "running"
    assert trail(verb="deregister").resource_id == image.ec2_id


def test_an_actor_of_the_site_is_named_with_its_door(operator, rf):
    from portal.actors import actor_of

    request = rf.get("/admin/")
    request.user = operator

    assert actor_of(request, Door.ADMIN) == Actor(operator, Door.ADMIN, "127.0.0.1")
