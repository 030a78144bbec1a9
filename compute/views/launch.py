"""Launching from a form."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from compute.command_lines import run_instances_line
from compute.forms import KeyPairForm, PublicKeyForm
from compute.launch_form import FIELD_OF, LaunchForm, new_token
from compute.launch_templates import TemplateLaunch, launch_from, version_of
from compute.launching import launch_instances
from compute.models import Instance, LaunchTemplate, LaunchTemplateVersion
from compute.template_form import TemplateNameForm, lost, shown, written
from portal.actors import actor_of
from portal.audit import Actor
from portal.decorators import tenant_required
from portal.errors import CloudError
from portal.middleware import TenantRequest
from portal.models import Tenant


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_required
def launch(request: TenantRequest) -> HttpResponse:
    """The form; then the new instances, or the form again with what is wrong beside each field."""
    if request.method != "POST":
        return page(request, LaunchForm(tenant=request.tenant, initial=initial(request)))
    form = LaunchForm(request.POST, request.FILES, tenant=request.tenant)
    if not form.is_valid():
        return page(request, form, 422)
    try:
        with transaction.atomic():
            made = make(form, actor=actor_of(request))
    except CloudError as error:
        refuse(form, error)
        return page(request, form, 422)
    return launched(request, made, form.cleaned_data["name"])


def make(form: LaunchForm, *, actor: Actor) -> list[Instance]:
    """The new instances; from a template by what its data means, with what was filled in over it."""
    version = version_named(form.tenant, form.cleaned_data["template"], form.cleaned_data["template_version"])
    if version is None:
        return launch_instances(form.tenant, form.launch(actor=actor), actor=actor)
    data = written(form, version.data, actor=actor)
    asked = TemplateLaunch(version, data, count=form.cleaned_data["count"], client_token=form.token())
    found = launch_from(form.tenant, asked, actor=actor)
    return list(form.tenant.instances.filter(ec2_id__in=found).order_by("launch_index"))


def version_named(tenant: Tenant, ec2_id: str, number: object) -> LaunchTemplateVersion | None:
    """The version of a template that an address or a form names, if it names one.  Raises Http404 or CloudError."""
    if not ec2_id:
        return None
    template = get_object_or_404(LaunchTemplate, tenant=tenant, ec2_id=ec2_id)
    return version_of(template, str(number or ""))


def initial(request: TenantRequest) -> dict[str, Any]:
    """What the address says, so that a launch can be linked to; from a template, all that the page shows of it."""
    asked = {name: request.GET[name] for name in ("image", "instance_type", "key_pair", "name") if name in request.GET}
    try:
        version = version_named(request.tenant, request.GET.get("template", ""), request.GET.get("version", ""))
    except CloudError as error:
        raise Http404(error.message) from error
    if version is None:
        return asked
    named = {"template": version.template.ec2_id, "template_version": version.number}
    values = shown(request.tenant, version.data)
    return values | named | {"lost": lost(version.data, values)} | asked


def refuse(form: LaunchForm, error: CloudError) -> None:
    """Put a refusal beside the field it is about."""
    if error.code == "IdempotentParameterMismatch":
        form.data = form.data.copy()  # type: ignore[attr-defined]
        form.data["client_token"] = new_token()  # type: ignore[index]
        form.add_error(None, _("This form has launched once already. Launch again if you want these as well."))
        return
    form.add_error(FIELD_OF.get(error.code), error.message)


def launched(request: TenantRequest, made: list[Instance], name: str) -> HttpResponse:
    words = ngettext("Launching %(what)s.", "Launching %(count)s instances: %(what)s.", len(made))
    ids = ", ".join(instance.ec2_id for instance in made[:5]) + ("…" if len(made) > 5 else "")
    what = f"{name} ({ids})" if name else ids
    messages.success(request, words % {"what": what, "count": len(made)})
    return redirect("instance", made[0].ec2_id) if len(made) == 1 else redirect("instances")


def page(request: TenantRequest, form: LaunchForm, status: int = 200, **more: object) -> HttpResponse:
    named = form["template"].value()
    template = LaunchTemplate.objects.filter(tenant=request.tenant, ec2_id=named).first() if named else None
    context = {
        "section": "instances",
        "template": template,
        "lost": form.initial.get("lost", ()),
        "template_form": TemplateNameForm(),
        "form": form,
        "key_form": KeyPairForm(),
        "import_form": PublicKeyForm(),
    } | preview_context(form)
    return render(request, "compute/launch.html", context | more, status=status)


def preview_context(form: LaunchForm) -> dict[str, object]:
    """The quota after this launch, and the command line; from the defaults where nothing was filled in."""
    known = form if form.is_bound else LaunchForm(defaults(form), tenant=form.tenant)
    known.is_valid()
    line = known.line()
    meters = known.meters()
    is_over = any(meter.is_over for meter in meters)
    return {"meters": meters, "is_over": is_over, "line": run_instances_line(line) if line else ""}


def defaults(form: LaunchForm) -> dict[str, object]:
    values: dict[str, object] = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    for name in ("image", "instance_type"):
        if not values[name]:
            first = form._field(name).queryset.first()
            values[name] = first.pk if first else ""
    return {name: "" if value is None else value for name, value in values.items()}


@require_POST
@tenant_required
def preview(request: TenantRequest) -> HttpResponse:
    """What the page shows beside the form while it is filled in; nothing is written."""
    form = LaunchForm(request.POST, tenant=request.tenant)
    return render(request, "compute/_launch_preview.html", preview_context(form))
