"""The page of one instance."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from compute.attributes import change_shutdown_behavior, protect
from compute.doing import offered
from compute.forms import AttributesForm, MakeImageForm, NameForm, TagForm
from compute.history import events_of, placement_words, reason_words
from compute.listing import Shown, announcement, shown
from compute.logging_in import forward_words, rule_words, waiting_words, way_in
from compute.models import ConsoleOutput, Instance
from compute.network_forms import GroupsForm
from compute.placing import member_of
from compute.states import InstanceState
from compute.tagging import tag_instance, untag_instance
from compute.template_form import TemplateNameForm
from compute.terminal import plain_text
from compute.volume_listing import attachable_volumes
from networking.interfaces import change_groups
from networking.models import SecurityGroup
from portal.actors import actor_of
from portal.audit import Actor
from portal.decorators import tenant_required
from portal.errors import CloudError
from portal.htmx import is_htmx, parts
from portal.middleware import TenantRequest
from portal.tags import SYSTEM, tags_of
from scheduling.models import Placement
from storage.models import Volume

LIVE = "compute/_instance_live.html"
S = InstanceState


def instance_of(request: TenantRequest, ec2_id: str) -> Instance:
    """This tenant's, or 404: also for one that ended long ago, as long as its row is kept."""
    return get_object_or_404(
        request.tenant.instances.select_related("image", "instance_type", "group_member__group"), ec2_id=ec2_id
    )


def live_context(request: TenantRequest, instance: Instance) -> dict[str, object]:
    """What of the page follows the instance's state."""
    [row] = shown([instance])
    groups = list(
        SecurityGroup.objects.filter(network_interfaces__in=row.interfaces)
        .distinct()
        .prefetch_related("rules__peer_group")
    )
    rules = [rule for group in groups for rule in group.rules.all() if not rule.is_egress]
    volumes = list(Volume.objects.filter(instance_id=instance.ec2_id))
    disks = [(volume.ec2_id, volume.attachment_state, volume.size_gib) for volume in volumes]
    placements = list(Placement.objects.filter(instance_id=instance.ec2_id))
    hosts = {placement.host for placement in placements} - {""}
    events = events_of(instance, hosts, with_addresses=request.membership.is_administrator)
    return {
        "row": row,
        "instance": instance,
        "image": instance.image,
        "instance_type": instance.instance_type,
        "volumes": volumes,
        "attachable": attachable_volumes(instance),
        "groups": [(group, [rule_words(r) for r in group.rules.all() if not r.is_egress]) for group in groups],
        "forwards": forward_words(row),
        "waits": waiting_words(row),
        "not_enforced": [line for interface in row.interfaces for line in interface.not_enforced],
        "way": way_in(row, rules),
        "offered": offered(row),
        "events": events,
        "placement": placement_words(placements[0] if placements else None),
        "member": member_of(instance),
        "reason": reason_words(instance, hosts),
        "version": version_of(row, disks, len(events), "".join(event.log for event in events)),
        "section": "instances",
    }


def version_of(row: Shown, *more: object) -> str:
    """Changes when anything does that the live part shows."""
    instance = row.instance
    told = (instance.state, instance.reason, row.tags, [(i.public_ip, i.forwards) for i in row.interfaces], more)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def page(request: TenantRequest, instance: Instance, status: int = 200, **forms: object) -> HttpResponse:
    context = live_context(request, instance) | console_context(instance)
    row = context["row"]
    assert isinstance(row, Shown)
    context |= {
        "name_form": NameForm(initial={"name": row.name}),
        "attributes_form": AttributesForm(instance=instance),
        "tag_form": TagForm(),
        "template_form": TemplateNameForm(),
        "image_form": MakeImageForm(),
        "groups_form": groups_form(request, row),
    }
    return render(request, "compute/instance_detail.html", context | forms, status=status)


@require_safe
@tenant_required
def instance_detail(request: TenantRequest, ec2_id: str) -> HttpResponse:
    return page(request, instance_of(request, ec2_id))


@require_safe
@tenant_required
def instance_live(request: TenantRequest, ec2_id: str) -> HttpResponse:
    """What has changed since the page saw ``version``; 204 if nothing has."""
    context = live_context(request, instance_of(request, ec2_id))
    if request.GET.get("version") == context["version"]:
        return HttpResponse(status=204)
    return live_answer(request, context)


def live_part(request: TenantRequest, instance: Instance, extra: str = "") -> HttpResponse:
    return live_answer(request, live_context(request, instance), extra)


def live_answer(request: HttpRequest, context: Mapping[str, object], extra: str = "") -> HttpResponse:
    row = context["row"]
    assert isinstance(row, Shown)
    more = {"announcements": [announcement(row)]} | console_context(row.instance)
    return parts(request, LIVE, context={**context, **more}, extra=extra)


def console_context(instance: Instance) -> dict[str, object]:
    console = ConsoleOutput.objects.filter(instance=instance).first()
    return {
        "console": plain_text(bytes(console.text)) if console else "",
        "console_at": console.updated_at if console else None,
        "console_grows": instance.state not in (S.STOPPED, S.TERMINATED),
        "instance": instance,
    }


def seen_at(request: HttpRequest) -> datetime | None:
    """When the console was written that the page shows; None if it shows none, or says nothing sensible."""
    try:
        return parse_datetime(request.GET.get("seen", "").replace(" ", "+"))
    except ValueError:
        return None


@require_safe
@tenant_required
def instance_console(request: TenantRequest, ec2_id: str) -> HttpResponse:
    """The console if it has grown since the page saw it; 204 otherwise.  It asks again while it may grow."""
    instance = instance_of(request, ec2_id)
    context = console_context(instance)
    if is_htmx(request) and context["console_grows"] and seen_at(request) == context["console_at"]:
        return HttpResponse(status=204)
    return HttpResponse(render_to_string("compute/_console.html", context, request))


@require_POST
@tenant_required
def rename(request: TenantRequest, ec2_id: str) -> HttpResponse:
    """Sets the Name tag; an empty name removes it."""
    instance = instance_of(request, ec2_id)
    form = NameForm(request.POST)
    if not form.is_valid():
        return page(request, instance, 422, name_form=form)
    name = form.cleaned_data["name"]
    if name:
        tag_instance(instance, {"Name": name}, actor=actor_of(request))
        messages.success(request, _("%(id)s is now called %(name)s.") % {"id": instance, "name": name})
    else:
        untag_instance(instance, "Name", actor=actor_of(request))
        messages.success(request, _("%(id)s has no name any more.") % {"id": instance})
    return redirect("instance", instance.ec2_id)


@require_POST
@tenant_required
def add_tag(request: TenantRequest, ec2_id: str) -> HttpResponse:
    instance = instance_of(request, ec2_id)
    form = TagForm(request.POST)
    if form.is_valid():
        key, value = form.cleaned_data["key"], form.cleaned_data["value"]
        try:
            tag_instance(instance, {key: value}, actor=actor_of(request))
        except CloudError as error:
            form.add_error("key", error.message)
        else:
            messages.success(request, _("Tagged %(id)s with %(key)s.") % {"id": instance, "key": key})
            return redirect("instance", instance.ec2_id)
    return page(request, instance, 422, tag_form=form)


@require_POST
@tenant_required
def remove_tag(request: TenantRequest, ec2_id: str) -> HttpResponse:
    instance = instance_of(request, ec2_id)
    key = request.POST.get("key", "")
    if key.startswith(SYSTEM):
        messages.error(request, _("%(key)s is the cloud's own tag; it stays.") % {"key": key})
    elif key in tags_of([instance.ec2_id]).get(instance.ec2_id, {}):
        untag_instance(instance, key, actor=actor_of(request))
        messages.success(request, _("Removed tag %(key)s from %(id)s.") % {"id": instance, "key": key})
    else:
        messages.info(request, _("%(id)s has no such tag.") % {"id": instance})
    return redirect("instance", instance.ec2_id)


@require_POST
@tenant_required
def attributes(request: TenantRequest, ec2_id: str) -> HttpResponse:
    instance = instance_of(request, ec2_id)
    form = AttributesForm(request.POST, instance=instance)
    if not form.is_valid():
        return page(request, instance, 422, attributes_form=form)
    if form.changed_data:
        change_attributes(instance, {name: form.cleaned_data[name] for name in form.changed_data}, actor_of(request))
        messages.success(request, _("Saved the settings of %(id)s.") % {"id": instance})
    else:
        messages.info(request, _("Nothing was changed: %(id)s has these settings already.") % {"id": instance})
    return redirect("instance", instance.ec2_id)


def groups_form(request: TenantRequest, row: Shown, data: QueryDict | None = None) -> GroupsForm | None:
    """Of its first interface; none where it has no interface any more."""
    if not row.interfaces:
        return None
    first = row.interfaces[0]
    choices = request.tenant.security_groups.filter(vpc__subnets=first.subnet_id)
    carried = list(first.groups.values_list("ec2_id", flat=True))
    return GroupsForm(data, groups=list(choices), carried=carried)


@require_POST
@tenant_required
def groups(request: TenantRequest, ec2_id: str) -> HttpResponse:
    instance = instance_of(request, ec2_id)
    [row] = shown([instance])
    form = groups_form(request, row, request.POST)
    if form is None:
        messages.error(request, _("%(id)s has no network interface any more.") % {"id": instance})
        return redirect("instance", instance.ec2_id)
    if form.is_valid():
        try:
            change_groups(row.interfaces[0], form.chosen(), actor=actor_of(request))
        except CloudError as error:
            form.add_error("groups", error.message)
        else:
            messages.success(request, _("Saved the security groups of %(id)s.") % {"id": instance})
            return redirect("instance", instance.ec2_id)
    return page(request, instance, 422, groups_form=form)


@transaction.atomic
def change_attributes(instance: Instance, changed: Mapping[str, Any], actor: Actor) -> None:
    termination, stop = changed.get("disable_api_termination"), changed.get("disable_api_stop")
    if termination is not None or stop is not None:
        protect(instance, actor=actor, termination=termination, stop=stop)
    if "shutdown_behavior" in changed:
        change_shutdown_behavior(instance, changed["shutdown_behavior"], actor=actor)
