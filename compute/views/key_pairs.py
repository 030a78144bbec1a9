"""Key pairs: made, brought along, deleted.  The private half of a new one is shown in that one answer only."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from compute.command_lines import key_file
from compute.forms import KeyPairForm, PublicKeyForm
from compute.key_pairs import create_key_pair, delete_key_pairs, import_key_pair
from compute.launch_form import LaunchForm
from compute.models import KeyPair
from compute.states import InstanceState
from portal.actors import actor_of
from portal.decorators import tenant_required
from portal.errors import CloudError
from portal.htmx import is_htmx
from portal.middleware import TenantRequest

T = TypeVar("T")
ON_THE_SPOT = "compute/_key_choice.html"


@require_safe
@tenant_required
def key_pair_list(request: TenantRequest) -> HttpResponse:
    return page(request)


def page(request: TenantRequest, status: int = 200, **forms: object) -> HttpResponse:
    living = Count("instances", filter=~Q(instances__state=InstanceState.TERMINATED))
    context = {
        "section": "key-pairs",
        "key_pairs": request.tenant.key_pairs.annotate(living=living),
        "create_form": KeyPairForm(),
        "import_form": PublicKeyForm(),
    }
    return render(request, "compute/key_pair_list.html", context | forms, status=status)


@require_POST
@tenant_required
def create(request: TenantRequest) -> HttpResponse:
    """A new key pair and, this once, its private key.  The launch page asks by htmx and gets its own part back."""
    form = KeyPairForm(request.POST)
    made = attempt(
        form,
        lambda: create_key_pair(
            request.tenant, form.cleaned_data["name"], form.cleaned_data["key_type"], actor=actor_of(request)
        ),
    )
    if made is None:
        return on_the_spot(request, key_form=form) if is_htmx(request) else page(request, 422, create_form=form)
    key_pair, private_key = made
    context = {"key_pair": key_pair, "private_key": private_key, "key_file": key_file(key_pair.name)}
    if is_htmx(request):
        return on_the_spot(request, key_pair.ec2_id, **context)
    return render(request, "compute/key_pair_created.html", {"section": "key-pairs", **context})


@require_POST
@tenant_required
def import_(request: TenantRequest) -> HttpResponse:
    form = PublicKeyForm(request.POST)
    made = attempt(
        form,
        lambda: import_key_pair(
            request.tenant, form.cleaned_data["name"], form.cleaned_data["public_key"].encode(), actor=actor_of(request)
        ),
    )
    if is_htmx(request):
        return on_the_spot(request, made.ec2_id if made else "", imported=made, import_form=form if not made else None)
    if made is None:
        return page(request, 422, import_form=form)
    messages.success(request, _("Imported key pair %(name)s.") % {"name": made.name})
    return redirect("key-pairs")


def attempt(form: KeyPairForm | PublicKeyForm, make: Callable[[], T]) -> T | None:
    """What was made; or None, with the reason beside the field it is about."""
    if not form.is_valid():
        return None
    try:
        return make()
    except CloudError as error:
        form.add_error(*told(error))
        return None


def told(error: CloudError) -> tuple[str, str]:
    """The field that a refusal is about, and what to do."""
    if error.code == "InvalidKey.Format":
        way_out = _("Paste the one line that begins with ssh-ed25519 or ssh-rsa, from the file that ends in .pub.")
        return "public_key", f"{error.message}. {way_out}"
    if error.code == "InvalidKeyPair.Duplicate":
        return "name", _("You have a key pair of this name already; choose another name or delete that one.")
    return "name", error.message


def on_the_spot(request: TenantRequest, chosen: str = "", **context: object) -> HttpResponse:
    """The launch page's choice of key pairs, with the new one chosen."""
    form = LaunchForm(tenant=request.tenant, initial={"key_pair": chosen} if chosen else {})
    values = {"form": form, "key_form": KeyPairForm(), "import_form": PublicKeyForm()}
    given = {name: value for name, value in context.items() if value is not None}
    answer = render(request, ON_THE_SPOT, values | given)
    answer.headers["HX-Trigger-After-Settle"] = "keys-changed"
    return answer


@require_POST
@tenant_required
def delete(request: TenantRequest, ec2_id: str) -> HttpResponse:
    key_pair: KeyPair = get_object_or_404(request.tenant.key_pairs, ec2_id=ec2_id)
    delete_key_pairs([key_pair], actor=actor_of(request))
    messages.success(
        request,
        _("Deleted key pair %(name)s. Instances launched with it still let its key in.") % {"name": key_pair.name},
    )
    return redirect("key-pairs")
