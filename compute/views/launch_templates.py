"""Launch templates: their list, one of them with its versions, and what is made from the launch page or an instance."""

from __future__ import annotations

import json

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from compute import launch_templates as services
from compute.command_lines import template_line
from compute.launch_form import LaunchForm
from compute.models import LaunchTemplate, LaunchTemplateVersion
from compute.template_data import data_of
from compute.template_form import TemplateNameForm, written
from compute.template_words import facts
from compute.views import instance as instance_views
from compute.views import launch as launch_views
from portal.actors import actor_of
from portal.decorators import tenant_required
from portal.errors import CloudError
from portal.middleware import TenantRequest
from portal.tags import tags_of

PER_PAGE = 50
FIELD_OF = {
    "InvalidLaunchTemplateName.MalformedException": "save_name",
    "InvalidLaunchTemplateName.AlreadyExistsException": "save_name",
}


@require_safe
@tenant_required
def launch_template_list(request: TenantRequest) -> HttpResponse:
    page = Paginator(request.tenant.launch_templates.order_by("name"), PER_PAGE).get_page(request.GET.get("page"))
    context = {"section": "launch-templates", "page": page, "templates": page.object_list, "query": request.GET}
    return render(request, "compute/launch_template_list.html", context)


def template_of(request: TenantRequest, ec2_id: str) -> LaunchTemplate:
    return get_object_or_404(LaunchTemplate.objects.select_related("tenant"), tenant=request.tenant, ec2_id=ec2_id)


@require_safe
@tenant_required
def launch_template_detail(request: TenantRequest, ec2_id: str) -> HttpResponse:
    """With all versions, and what one of them says: the one that the address names, or the default one."""
    template = template_of(request, ec2_id)
    try:
        shown = services.version_of(template, request.GET.get("version", ""))
    except CloudError as error:
        raise Http404(error.message) from error
    versions = template.versions.defer("data").order_by("-number")
    page = Paginator(versions, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "section": "launch-templates",
        "template": template,
        "tags": tags_of([template.ec2_id]).get(template.ec2_id, {}),
        "shown": shown,
        "facts": list(facts(shown.data)),
        "json": json.dumps(shown.data, indent=2, ensure_ascii=False, sort_keys=True),
        "line": template_line(template.ec2_id, shown.number),
        "page": page,
        "versions": page.object_list,
        "query": request.GET,
    }
    return render(request, "compute/launch_template_detail.html", context)


@require_POST
@tenant_required
def save(request: TenantRequest) -> HttpResponse:
    """What is filled in on the launch page, as a new template or as the next version of the one it came from."""
    form = LaunchForm(request.POST, request.FILES, tenant=request.tenant, checks_quota=False)
    is_new = request.POST.get("save") != "version"
    names = TemplateNameForm(request.POST, is_new=is_new)
    if not form.is_valid() or not names.is_valid():
        return launch_views.page(request, form, 422, template_form=names, is_saving=True)
    try:
        with transaction.atomic():
            version = keep(request, form, names, is_new=is_new)
    except CloudError as error:
        names.add_error(FIELD_OF.get(error.code), error.message)
        return launch_views.page(request, form, 422, template_form=names, is_saving=True)
    values = {"number": version.number, "name": version.template.name}
    messages.success(request, _("Saved version %(number)s of launch template %(name)s.") % values)
    return redirect(f"{reverse('launch-template', args=[version.template.ec2_id])}?version={version.number}")


def keep(request: TenantRequest, form: LaunchForm, names: TemplateNameForm, *, is_new: bool) -> LaunchTemplateVersion:
    asked = services.Request(actor_of(request))
    source = launch_views.version_named(
        request.tenant, form.cleaned_data["template"], form.cleaned_data["template_version"]
    )
    data = written(form, source.data if source else {}, actor=asked.actor)
    description = names.cleaned_data["save_description"]
    if source is not None and not is_new:
        return services.create_version(source.template, data, request=asked, description=description)
    name = names.cleaned_data["save_name"]
    made = services.create_template(request.tenant, name, data, request=asked, description=description)
    return services.version_of(made, "")


@require_POST
@tenant_required
def from_instance(request: TenantRequest, ec2_id: str) -> HttpResponse:
    """A template that launches more like this instance."""
    instance = instance_views.instance_of(request, ec2_id)
    names = TemplateNameForm(request.POST)
    if names.is_valid():
        name = names.cleaned_data["save_name"]
        asked = services.Request(actor_of(request))
        try:
            made = services.create_template(request.tenant, name, data_of(instance), request=asked)
        except CloudError as error:
            names.add_error("save_name", error.message)
        else:
            messages.success(request, _("Made launch template %(name)s of %(id)s.") % {"name": name, "id": instance})
            return redirect("launch-template", made.ec2_id)
    return instance_views.page(request, instance, 422, template_form=names)


@require_POST
@tenant_required
def set_default(request: TenantRequest, ec2_id: str) -> HttpResponse:
    template = template_of(request, ec2_id)
    try:
        version = services.set_default(template, request.POST.get("version", ""), actor=actor_of(request))
    except CloudError as error:
        messages.error(request, error.message)
    else:
        text = _("Version %(number)s is launched from %(name)s now when no version is named.")
        messages.success(request, text % {"number": version.number, "name": template.name})
    return redirect("launch-template", template.ec2_id)


@require_POST
@tenant_required
def delete_version(request: TenantRequest, ec2_id: str) -> HttpResponse:
    template = template_of(request, ec2_id)
    try:
        number = services.number_of(template, request.POST.get("version", ""))
        gone = services.delete_versions(template, [number], actor=actor_of(request))
    except CloudError as error:
        messages.error(request, error.message)
        return redirect("launch-template", template.ec2_id)
    if gone:
        messages.success(request, _("Deleted version %(number)s.") % {"number": number})
    elif number == template.default_number:
        messages.error(request, _("The default version stays: set another one as the default first."))
    else:
        messages.info(request, _("Version %(number)s was deleted already.") % {"number": number})
    return redirect("launch-template", template.ec2_id)


@require_POST
@tenant_required
def delete(request: TenantRequest, ec2_id: str) -> HttpResponse:
    template = template_of(request, ec2_id)
    services.delete_template(template, actor=actor_of(request))
    text = _("Deleted launch template %(name)s. Instances launched from it stay as they are.")
    messages.success(request, text % {"name": template.name})
    return redirect("launch-templates")
