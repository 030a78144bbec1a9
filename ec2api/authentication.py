"""Who signed a request: Signature Version 4, checked against the access keys of users in tenants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from ec2api.protocol.signature import Credential, SignedRequest, read_credential, unknown_access_key, verify
from portal.models import AccessKey, User
from portal.prepared import Prepared, slot

USED_EVERY = timedelta(minutes=1)  # how often a key's last use is written


@dataclass(frozen=True, slots=True)
class Signed:
    """A request whose signature was found to be true."""

    key: AccessKey
    service: str


class SigV4(BaseAuthentication):
    """For Django REST framework: the user, and what signed for them.  Raises ApiError."""

    def authenticate(self, request: Request) -> tuple[User, Signed]:
        signed = signed_request(request._request)
        credential = read_credential(signed)
        key = _key(credential)
        now = timezone.now()
        verify(signed, credential, key.secret, now)
        _note_use(key, now)
        return key.user, Signed(key, credential.service)


def signed_request(request: HttpRequest) -> SignedRequest:
    """The request as it came; repeated headers are joined by commas already, as the signature has them."""
    return SignedRequest(
        method=request.method or "",
        path=request.META.get("PATH_INFO", "/"),
        query=request.META.get("QUERY_STRING", ""),
        headers=list(request.headers.items()),
        body=request.body,
    )


_KEY = Prepared(
    lambda: (
        AccessKey.objects.select_related("user", "tenant")
        .filter(
            access_key_id=slot("access_key_id"),
            is_active=True,
            user__is_active=True,
            user__memberships__tenant=F("tenant"),
        )
        .order_by()
    )
)


def _key(credential: Credential) -> AccessKey:
    """An active key of an active user who is still a member of its tenant; anything else is told the same."""
    key = _KEY.one(access_key_id=credential.access_key)
    if key is None:
        raise unknown_access_key(credential.service)
    return key


def _note_use(key: AccessKey, now: datetime) -> None:
    if key.last_used_at is None or key.last_used_at < now - USED_EVERY:
        AccessKey.objects.filter(pk=key.pk).update(last_used_at=now)
