"""The server's side of tus 1.0.0 (core, creation, termination): files that arrive in parts, whatever happens between.

How much is there is asked of the file itself, so that an upload goes on after a server was killed where it ended.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.actors import actor_of
from portal.decorators import tenant_required
from portal.errors import CloudError
from portal.middleware import TenantRequest
from storage.backends.base import StorageError
from storage.files import GIB
from storage.forms import UploadForm
from storage.importing import begin_import, cancel_import, largest_gib, received
from storage.models import Upload, UploadState
from storage.upload_files import Busy, append, arrived, delete_file, writing

VERSION = "1.0.0"
EXTENSIONS = "creation,termination"
OCTETS = "application/offset+octet-stream"
NOTE_EVERY_S = 3
P = ParamSpec("P")
View = Callable[Concatenate[TenantRequest, P], HttpResponse]


class Gone(Exception):
    """The upload was given up while its file came in."""


def tus(view: View[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """For members, in the one version of the protocol there is; every answer says so."""

    @wraps(view)
    def checked(request: TenantRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if request.method != "OPTIONS" and request.headers.get("Tus-Resumable") != VERSION:
            answer = plain(412, _("Say Tus-Resumable: 1.0.0."))
            answer["Tus-Version"] = VERSION
        else:
            answer = view(request, *args, **kwargs)
        answer["Tus-Resumable"] = VERSION
        return answer

    return tenant_required(cast(View[P], checked))


def plain(status: int, text: str = "", **headers: str) -> HttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8", headers=named)


@tus
def uploads(request: TenantRequest) -> HttpResponse:
    """What this server can do; or a new upload, and the image that it will become."""
    if request.method == "OPTIONS":
        most = str(largest_gib(request.tenant) * GIB)
        return plain(204, Tus_Version=VERSION, Tus_Extension=EXTENSIONS, Tus_Max_Size=most)
    if request.method != "POST":
        return plain(405, Allow="OPTIONS, POST")
    size = whole(request.headers.get("Upload-Length", ""))
    values = metadata(request.headers.get("Upload-Metadata", ""))
    if size is None or values is None:
        return plain(400, _("Say how large the file is (Upload-Length) and what it is (Upload-Metadata)."))
    form = UploadForm(values)
    if not form.is_valid():
        return plain(
            422, " ".join(f"{form[name].label}: {' '.join(map(str, found))}" for name, found in form.errors.items())
        )
    try:
        source = form.source(size, values.get("filename", ""))
        upload = begin_import(request.tenant, form.image(), source, actor=actor_of(request))
    except CloudError as error:
        return plain(413 if size > largest_gib(request.tenant) * GIB else 422, error.message)
    image = upload.image.ec2_id if upload.image else ""
    return plain(201, Location=reverse("upload", args=[upload.ec2_id]), Image_Page=reverse("image", args=[image]))


def whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None


def metadata(text: str) -> dict[str, str] | None:
    """The pairs of an Upload-Metadata header; None if it is none."""
    found = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, _space, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None if any("\0" in value for value in found.values()) else found


@tus
def upload(request: TenantRequest, ec2_id: str) -> HttpResponse:
    """How far it is; more of it; or the end of it."""
    found = request.tenant.uploads.select_related("datastore", "image", "tenant").filter(ec2_id=ec2_id, url="").first()
    if found is None:
        raise Http404
    if found.state == UploadState.FAILED:
        return plain(410, found.message or _("This upload was given up; begin it anew."))
    answering = ANSWERS.get(request.method or "")
    if answering is None:
        return plain(405, Allow=", ".join(ANSWERS))
    try:
        answer = answering(request, found)
    except StorageError:
        answer = plain(503, _("The datastore does not answer; try again in a moment."), Retry_After="5")
    if found.image is not None:
        answer["Image-Page"] = reverse("image", args=[found.image.ec2_id])
    return answer


def how_far(request: TenantRequest, found: Upload) -> HttpResponse:
    offset = arrived(found) if found.state == UploadState.RECEIVING else found.size_bytes
    if offset == found.size_bytes:
        received(found, actor=actor_of(request))
    return plain(200, Upload_Offset=str(offset), Upload_Length=str(found.size_bytes))


def give_up(request: TenantRequest, found: Upload) -> HttpResponse:
    """What was sent is deleted; an image that is there already stays."""
    if found.image is not None and found.state != UploadState.DONE:
        try:
            cancel_import(found.image, actor=actor_of(request))
        except CloudError as error:
            return plain(409, error.message)
    return plain(204)


def more(request: TenantRequest, found: Upload) -> HttpResponse:
    """Write what comes, block by block; what has come before the connection breaks stays."""
    if request.content_type != OCTETS:
        return plain(415, _("Send the content type %(type)s.") % {"type": OCTETS})
    said = whole(request.headers.get("Upload-Offset", ""))
    if said is None:
        return plain(400, _("Say where this goes on (Upload-Offset)."))
    try:
        with writing(found) as file:
            offset = file.tell()
            if found.state != UploadState.RECEIVING or said != offset:
                return plain(409, _("It goes on at %(offset)s.") % {"offset": offset}, Upload_Offset=str(offset))
            room = found.size_bytes - offset
            if (whole(request.headers.get("Content-Length", "0")) or 0) > room:
                return plain(413, _("That is more than the file was said to have."))
            note(found, offset)
            try:
                append(file, request.read, room, _noting(found, offset))
            except UnreadablePostError:
                note(found, file.tell())
                return plain(400, _("The connection broke; it goes on where it ended."))
            offset = file.tell()
            note(found, offset)
    except Busy:
        return plain(423, _("Another part is just being written; try again in a moment."))
    except Gone:
        delete_file(found)  # this may have made it anew
        return plain(410, _("This upload was given up; begin it anew."))
    if offset == found.size_bytes:
        received(found, actor=actor_of(request))
    return plain(204, Upload_Offset=str(offset))


def _noting(found: Upload, begun: int) -> Callable[[int], None]:
    """Notes on the row, now and then, how far it is."""
    last = time.monotonic()

    def told(written: int) -> None:
        nonlocal last
        if time.monotonic() - last >= NOTE_EVERY_S:
            last = time.monotonic()
            note(found, begun + written)

    return told


def note(found: Upload, offset: int) -> None:
    """Raises Gone if somebody has given the upload up meanwhile."""
    with transaction.atomic():
        waiting = Upload.objects.filter(pk=found.pk, state=UploadState.RECEIVING)
        if not waiting.update(offset=offset, changed_at=timezone.now()):
            raise Gone


ANSWERS: dict[str, Callable[[TenantRequest, Upload], HttpResponse]] = {
    "HEAD": how_far,
    "PATCH": more,
    "DELETE": give_up,
}
