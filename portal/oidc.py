"""Sign-in by OpenID Connect, on top of mozilla-django-oidc."""

from __future__ import annotations

import hmac
import logging
from functools import lru_cache
from typing import Any

import jwt
import requests
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from mozilla_django_oidc.utils import import_from_settings
from mozilla_django_oidc.views import OIDCAuthenticationCallbackView, OIDCAuthenticationRequestView

from portal.identities import Person, user_for
from portal.models import User

logger = logging.getLogger(__name__)

ENDPOINTS = {  # what the library calls them, and their names in the provider's own description
    "OIDC_OP_AUTHORIZATION_ENDPOINT": "authorization_endpoint",
    "OIDC_OP_TOKEN_ENDPOINT": "token_endpoint",
    "OIDC_OP_USER_ENDPOINT": "userinfo_endpoint",
    "OIDC_OP_JWKS_ENDPOINT": "jwks_uri",
}
Claims = dict[str, Any]


@lru_cache(maxsize=4)
def discovered(issuer: str) -> dict[str, str]:
    """What the provider says of itself; asked once, when somebody first signs in, so that start-up needs no network."""
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    response = requests.get(url, timeout=settings.OIDC_TIMEOUT)
    response.raise_for_status()
    found: dict[str, str] = response.json()
    if found.get("issuer") != issuer:
        raise ImproperlyConfigured(f"OIDC_ISSUER is {issuer}, but the provider calls itself {found.get('issuer')}")
    return found


def setting(name: str, *default: Any) -> Any:
    """A setting of the library; endpoints that are not set are the ones that the issuer names."""
    value = import_from_settings(name, *(default or ([""] if name in ENDPOINTS else [])))
    if name in ENDPOINTS and not value:
        return discovered(settings.OIDC_ISSUER)[ENDPOINTS[name]]
    return value


class OidcBackend(OIDCAuthenticationBackend):  # type: ignore[misc]
    """Who a code from the provider stands for."""

    get_settings = staticmethod(setting)

    def __init__(self) -> None:
        """Nothing is asked of the provider here: Django makes every backend to look up the user of a session."""
        self.OIDC_RP_SIGN_ALGO = setting("OIDC_RP_SIGN_ALGO")
        self.OIDC_RP_CLIENT_ID = setting("OIDC_RP_CLIENT_ID")
        self.OIDC_RP_CLIENT_SECRET = setting("OIDC_RP_CLIENT_SECRET")
        self.OIDC_RP_IDP_SIGN_KEY = None
        self.UserModel = User

    @property
    def OIDC_OP_TOKEN_ENDPOINT(self) -> str:
        return str(setting("OIDC_OP_TOKEN_ENDPOINT"))

    @property
    def OIDC_OP_USER_ENDPOINT(self) -> str:
        return str(setting("OIDC_OP_USER_ENDPOINT"))

    @property
    def OIDC_OP_JWKS_ENDPOINT(self) -> str:
        return str(setting("OIDC_OP_JWKS_ENDPOINT"))

    def retrieve_matching_jwk(self, token: str) -> Any:
        """A provider with a single key may leave the key's name out of its tokens; the library insists on one."""
        if "kid" in jwt.get_unverified_header(token):
            return super().retrieve_matching_jwk(token)
        response = requests.get(self.OIDC_OP_JWKS_ENDPOINT, timeout=settings.OIDC_TIMEOUT)
        response.raise_for_status()
        algorithm = self.OIDC_RP_SIGN_ALGO
        keys = [key for key in response.json()["keys"] if key.get("alg", algorithm) == algorithm]
        if len(keys) != 1:
            raise SuspiciousOperation(f"the token names no key, and the provider has {len(keys)}")
        return jwt.PyJWK(keys[0])

    def verify_token(self, token: str, **kwargs: Any) -> Claims:
        """The library checks signature, age and nonce; whom it is from and for is checked here."""
        payload: Claims = super().verify_token(token, **kwargs)
        audience = payload.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if self.OIDC_RP_CLIENT_ID not in audiences:
            raise SuspiciousOperation(f"the token is for {audience}, not for this site")
        if settings.OIDC_ISSUER and payload.get("iss") != settings.OIDC_ISSUER:
            raise SuspiciousOperation(f"the token is from {payload.get('iss')}, not from {settings.OIDC_ISSUER}")
        return payload

    def get_user(self, user_id: int) -> User | None:
        """The user of a session, unless they may not sign in any more."""
        return User.objects.filter(pk=user_id, is_active=True).first()

    def get_or_create_user(self, access_token: str, id_token: str, payload: Claims) -> User | None:
        claims: Claims = {**payload, **self.get_userinfo(access_token, id_token, payload)}
        subject = str(payload.get("sub", ""))
        if not subject or not hmac.compare_digest(subject.encode(), str(claims.get("sub", "")).encode()):
            raise SuspiciousOperation("token and user info are about different people")
        person = person_of(claims, issuer=str(payload.get("iss", "")), subject=subject)
        address = str(self.request.META.get("REMOTE_ADDR", ""))[:45]
        return user_for(person, tenant_name=settings.OIDC_TENANT, address=address)


def person_of(claims: Claims, *, issuer: str, subject: str) -> Person:
    email = str(claims.get("email") or "")
    wanted = claims.get("preferred_username") or email.split("@")[0] or claims.get("name") or ""
    return Person(
        issuer=issuer,
        subject=subject,
        username=str(wanted),
        email=email,
        email_is_verified=claims.get("email_verified", settings.OIDC_TRUST_EMAIL) in (True, "true"),
        first_name=str(claims.get("given_name") or ""),
        last_name=str(claims.get("family_name") or ""),
    )


class _Configured:
    """There is no such page on a site that has no provider."""

    get_settings = staticmethod(setting)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.OIDC_RP_CLIENT_ID:
            raise Http404
        try:
            response: HttpResponse = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        except (requests.RequestException, jwt.PyJWTError, SuspiciousOperation, KeyError, ValueError) as error:
            logger.warning("sign-in by OpenID Connect failed: %s", error)
            return refuse(request)
        return response


def refuse(request: HttpRequest) -> HttpResponseRedirect:
    name = settings.OIDC_NAME
    messages.error(
        request,
        _("Signing in with %(name)s did not work. Try again; if it keeps failing, tell an operator.") % {"name": name},
    )
    return redirect("sign-in")


class BeginView(_Configured, OIDCAuthenticationRequestView):  # type: ignore[misc]
    """Send the browser to the provider."""

    def __init__(self, **kwargs: Any) -> None:
        super(OIDCAuthenticationRequestView, self).__init__(**kwargs)

    @property
    def OIDC_OP_AUTH_ENDPOINT(self) -> str:
        return str(setting("OIDC_OP_AUTHORIZATION_ENDPOINT"))

    @property
    def OIDC_RP_CLIENT_ID(self) -> str:
        return str(setting("OIDC_RP_CLIENT_ID"))


class CallbackView(_Configured, OIDCAuthenticationCallbackView):  # type: ignore[misc]
    """Where the provider sends the browser back to."""

    def login_failure(self) -> HttpResponseRedirect:
        return refuse(self.request)
