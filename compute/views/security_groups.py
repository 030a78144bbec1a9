"""Security groups: listed, made, their rules, who carries them, deleted."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from compute.listing import Shown, shown
from compute.logging_in import peer_words, rule_words, what_words
from compute.network_forms import GroupForm, RuleForm
from networking.groups import authorize, create_security_group, delete_security_group, revoke_by_id, why_not_delete
from networking.models import NetworkInterface, SecurityGroup, SecurityGroupRule
from networking.services import default_network
from portal.actors import actor_of
from portal.decorators import tenant_required
from portal.errors import CloudError
from portal.middleware import TenantRequest

SECTION = "security-groups"
PER_PAGE = 50
MOST_CARRIERS = 50  # named on a group's page; beyond them the count
WAYS = {"in": False, "out": True}


@require_safe
@tenant_required
def group_list(request: TenantRequest) -> HttpResponse:
    return list_page(request)


def list_page(request: TenantRequest, status: int = 200, form: GroupForm | None = None) -> HttpResponse:
    page = Paginator(request.tenant.security_groups.order_by("-pk"), PER_PAGE).get_page(request.GET.get("page"))
    groups = list(page.object_list)
    rules = SecurityGroupRule.objects.filter(group__in=groups).order_by().values_list("group_id", "is_egress")
    counted = {(group_id, way): count for group_id, way, count in rules.annotate(Count("pk"))}
    through = NetworkInterface.groups.through.objects.filter(securitygroup__in=groups).order_by()
    attached = through.exclude(networkinterface__instance_id="").values_list("securitygroup_id")
    carriers = dict(attached.annotate(Count("networkinterface__instance_id", distinct=True)))
    context = {
        "section": SECTION,
        "page": page,
        "query": request.GET,
        "rows": [
            {
                "group": group,
                "inbound": counted.get((group.pk, False), 0),
                "outbound": counted.get((group.pk, True), 0),
                "carriers": carriers.get(group.pk, 0),
            }
            for group in groups
        ],
        "form": form or GroupForm(),
    }
    return render(request, "compute/security_group_list.html", context, status=status)


@require_POST
@tenant_required
def create(request: TenantRequest) -> HttpResponse:
    """A group in the default network; what it lets in is said on its page."""
    form = GroupForm(request.POST)
    if form.is_valid():
        name, description = form.cleaned_data["name"], form.cleaned_data["description"]
        try:
            vpc = default_network(request.tenant).vpc
            group = create_security_group(vpc, name, description, actor=actor_of(request))
        except CloudError as error:
            form.add_error("description" if "description" in error.message else "name", told(error))
        else:
            messages.success(request, _("Made group %(name)s. Add what may come in.") % {"name": group.name})
            return redirect("security-group", group.ec2_id)
    return list_page(request, 422, form)


def told(error: CloudError) -> str:
    if error.code == "InvalidGroup.Duplicate":
        return _("You have a group of this name already; choose another name.")
    return error.message


def group_of(request: TenantRequest, ec2_id: str) -> SecurityGroup:
    return get_object_or_404(request.tenant.security_groups.select_related("vpc", "tenant"), ec2_id=ec2_id)


@require_safe
@tenant_required
def group_page(request: TenantRequest, ec2_id: str) -> HttpResponse:
    return page(request, group_of(request, ec2_id))


def page(request: TenantRequest, group: SecurityGroup, status: int = 200, **forms: RuleForm) -> HttpResponse:
    rules = list(group.rules.select_related("peer_group"))
    interfaces = list(NetworkInterface.objects.filter(groups=group).order_by("-pk"))
    carriers = carriers_among(request, interfaces)
    shown_forms = {way: rule_form(request, group, way) for way in WAYS} | forms
    context = {
        "section": SECTION,
        "group": group,
        "sides": [
            (way, rule_rows([rule for rule in rules if rule.is_egress == is_egress]), shown_forms[way])
            for way, is_egress in WAYS.items()
        ],
        "carriers": carriers,
        "carrier_count": len({interface.instance_id for interface in interfaces if interface.instance_id}),
        "loose": [interface for interface in interfaces if not interface.instance_id],
        "why_not": why_not(group, carriers),
    }
    return render(request, "compute/security_group.html", context, status=status)


def why_not(group: SecurityGroup, carriers: Sequence[Shown]) -> str:
    """Why it cannot be deleted now and what to do, for people; empty if it can."""
    refusal = why_not_delete(group)
    if refusal is None:
        return ""
    if refusal.code == "CannotDelete":
        return _("It is the default group of its network, and stays as long as that.")
    if carriers:
        names = ", ".join(row.name or row.ec2_id for row in carriers[:5]) + ("…" if len(carriers) > 5 else "")
        return _("Instances carry it: %(names)s. Give them another group on their pages first.") % {"names": names}
    return refusal.message


def rule_rows(rules: Sequence[SecurityGroupRule]) -> list[dict[str, object]]:
    return [
        {"rule": rule, "what": what_words(rule), "peer": peer_words(rule), "words": rule_words(rule)} for rule in rules
    ]


def carriers_among(request: TenantRequest, interfaces: Sequence[NetworkInterface]) -> list[Shown]:
    ids = list(dict.fromkeys(interface.instance_id for interface in interfaces if interface.instance_id))
    return shown(request.tenant.instances.filter(ec2_id__in=ids[:MOST_CARRIERS]).order_by("-pk"))


def rule_form(request: TenantRequest, group: SecurityGroup, way: str, data: object = None) -> RuleForm:
    groups = list(SecurityGroup.objects.filter(vpc=group.vpc_id))
    return RuleForm(data, prefix=way, groups=groups, address=actor_of(request).address, own=group)


@require_POST
@tenant_required
def add_rule(request: TenantRequest, ec2_id: str) -> HttpResponse:
    group = group_of(request, ec2_id)
    way = "out" if request.POST.get("way") == "out" else "in"
    form = rule_form(request, group, way, request.POST)
    if form.is_valid():
        try:
            [rule] = authorize(group, [form.rule], is_egress=WAYS[way], actor=actor_of(request))
        except CloudError as error:
            duplicate = error.code == "InvalidPermission.Duplicate"
            form.add_error("what", _("The group has this rule already.") if duplicate else error.message)
        else:
            messages.success(request, _("Added: %(rule)s.") % {"rule": rule_words(rule)})
            return redirect("security-group", group.ec2_id)
    return page(request, group, 422, **{way: form})


@require_POST
@tenant_required
def remove_rule(request: TenantRequest, ec2_id: str) -> HttpResponse:
    group = group_of(request, ec2_id)
    rule = group.rules.select_related("peer_group").filter(ec2_id=request.POST.get("rule", "")).first()
    if rule is None:
        messages.info(request, _("The group has no such rule any more."))
    else:
        words = rule_words(rule)
        try:
            revoke_by_id(group, [rule.ec2_id], is_egress=rule.is_egress, actor=actor_of(request))
        except CloudError as error:  # somebody else was faster
            messages.info(request, error.message)
        else:
            messages.success(request, _("Removed: %(rule)s.") % {"rule": words})
    return redirect("security-group", group.ec2_id)


@require_POST
@tenant_required
def delete(request: TenantRequest, ec2_id: str) -> HttpResponse:
    group = group_of(request, ec2_id)
    try:
        delete_security_group(group, actor=actor_of(request))
    except CloudError as error:
        carriers = carriers_among(request, list(NetworkInterface.objects.filter(groups=group)))
        messages.error(request, why_not(group, carriers) or error.message)
        return redirect("security-group", group.ec2_id)
    messages.success(request, _("Deleted group %(name)s.") % {"name": group.name})
    return redirect("security-groups")
