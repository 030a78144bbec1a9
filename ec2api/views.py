"""The endpoint of the EC2 API, at the same address as the portal's home page."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import override
from django.views.decorators.csrf import csrf_exempt
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from ec2api.authentication import Signed, SigV4
from ec2api.exceptions import translate
from ec2api.protocol.errors import ApiError, render_error
from ec2api.protocol.model import check_version
from ec2api.protocol.request import read_form
from ec2api.registry import Call, find_action, load_actions, perform
from ec2api.throttling import admit
from portal.audit import Actor, Door

CONTENT_TYPE = "text/xml;charset=UTF-8"
View = Callable[..., HttpResponseBase]


class Anything(BaseContentNegotiation):
    """EC2 answers in XML whatever a client says it accepts."""

    def select_parser(self, request: Request, parsers: Any) -> None:
        return None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> tuple[Any, str]:
        return BaseRenderer(), CONTENT_TYPE


class Ec2View(APIView):
    """One request: whose it is, which action, its reply.  Every refusal leaves as an EC2 envelope."""

    authentication_classes = [SigV4]
    permission_classes = []
    throttle_classes = []  # by ec2api.throttling instead, once it is known what is asked
    parser_classes = []
    content_negotiation_class = Anything
    http_method_names = ["get", "post"]
    request_id = ""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.request_id = str(uuid.uuid4())
        self.perform_authentication(request)

    def get(self, request: Request) -> HttpResponse:
        fields = read_form(request.META.get("QUERY_STRING", ""))
        if request.method == "POST":
            fields += read_form(request._request.body)
        signed = request.auth
        assert isinstance(signed, Signed)
        sent = _once(fields, "Action", "Version")
        admit(signed.key, sent.get("Action", ""))
        found = find_action(signed.service, sent.get("Action", ""))
        call = Call(
            tenant=signed.key.tenant,
            user=signed.key.user,
            actor=Actor(
                user=signed.key.user,
                door=Door.API,
                address=request.META.get("REMOTE_ADDR") or "",
                access_key_id=signed.key.access_key_id,
            ),
            action=found.operation.name,
            version=check_version(signed.service, sent.get("Version", "")),
            request_id=self.request_id,
        )
        return self._reply(perform(found, call, fields))

    post = get

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        error = translate(exc)
        self.request_id = self.request_id or str(uuid.uuid4())
        body = render_error(error.code, error.message, self.request_id, service_of(self.request), error.status)
        return self._reply(body, error.status)

    def finalize_response(self, request: Any, response: HttpResponseBase, *args: Any, **kwargs: Any) -> Any:
        return response

    def _reply(self, body: bytes, status: int = 200) -> HttpResponse:
        response = HttpResponse(body, status=status, content_type=CONTENT_TYPE)
        response["x-amzn-requestid"] = self.request_id
        response["Cache-Control"] = "no-cache, no-store"
        return response


ec2 = Ec2View.as_view()
load_actions()


def _once(fields: Iterable[tuple[str, str]], *names: str) -> dict[str, str]:
    """The values of these fields.  Two that differ would leave open which of them is meant."""
    sent: dict[str, str] = {}
    for name, value in fields:
        if name in names and sent.setdefault(name, value) != value:
            raise ApiError("InvalidParameterValue", f"The parameter {name} was sent more than once.")
    return sent


def service_of(request: Request | HttpRequest) -> str:
    """The service that a request says it is signed for, before anything of it is believed; EC2 if none."""
    signed_for = request.META.get("HTTP_AUTHORIZATION", "") + request.META.get("QUERY_STRING", "")
    return "sts" if "/sts/aws4_request" in signed_for or "%2Fsts%2Faws4_request" in signed_for else "ec2"


def speaks_ec2(method: str, query: str, authorization: str) -> bool:
    """Whether this is a program's request and not a browser's for the home page, which is neither signed nor a POST."""
    return method == "POST" or "Action=" in query or "X-Amz-" in query or authorization.startswith("AWS")


def front_door(home: View) -> View:
    """The view at ``/``: EC2 clients get the API, browsers ``home``."""

    @csrf_exempt
    def enter(request: HttpRequest) -> HttpResponseBase:
        query, authorization = request.META.get("QUERY_STRING", ""), request.META.get("HTTP_AUTHORIZATION", "")
        if not speaks_ec2(request.method or "", query, authorization):
            return home(request)
        with override("en"):  # programs compare messages; what services refuse is translated for people
            return ec2(request)

    return enter
