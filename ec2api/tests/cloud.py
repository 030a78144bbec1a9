"""A cloud for tests: tenants with keys, simulated hosts, and boto3 that talks to Django in this process.

The signature, the parsing and the reply are the real ones; only the socket between them is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import boto3
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.client import ClientCreator
from botocore.config import Config
from botocore.credentials import Credentials
from django.conf import settings
from django.http import HttpResponse
from django.test import Client as DjangoClient
from django.utils import timezone

from compute.drivers import driver_for
from compute.models import Host, InstanceType
from compute.reconcile import reconcile, restarted
from operations.models import Operation
from operations.tasks import work, work_slowly
from portal.audit import Actor, Door
from portal.models import AccessKey, Quota, Role, Tenant, User
from portal.tenants import add_member, create_access_key, create_tenant
from storage.models import Image
from storage.tests.making import make_image

SETUP = Actor(user=None, door=Door.COMMAND)
ENDPOINT = "http://testserver"


def _made_once(make: Any) -> Any:
    """botocore makes the methods of every action anew for each client, which is most of the time that one takes."""
    made: dict[str, Any] = {}

    def methods(self: ClientCreator, service_model: Any) -> Any:
        name = service_model.service_name
        if name not in made:
            made[name] = make(self, service_model)
        return dict(made[name])

    return methods


ClientCreator._create_methods = _made_once(ClientCreator._create_methods)


class _Body:
    """What botocore reads a reply from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: object, **__: object) -> Any:
        yield self._content


def send_to_django(request: Any, **_: object) -> AWSResponse:
    """In place of the network, after signing."""
    content_type = request.headers.get("Content-Type", b"")
    headers = {k: v.decode() if isinstance(v, bytes) else v for k, v in request.headers.items()}
    headers.setdefault("Host", "testserver")
    response = DjangoClient().generic(
        request.method,
        request.url.removeprefix(ENDPOINT),
        request.body or b"",
        content_type=content_type.decode() if isinstance(content_type, bytes) else content_type,
        headers={name: value for name, value in headers.items() if name.lower() != "content-type"},
    )
    return AWSResponse(request.url, response.status_code, dict(response.items()), _Body(response.content))


@dataclass
class Account:
    """A tenant, a user in it, and that user's key."""

    tenant: Tenant
    user: User
    key: AccessKey
    secret: str

    def client(self, service: str = "ec2", **options: Any) -> Any:
        client = boto3.client(
            service,
            endpoint_url=ENDPOINT,
            region_name="us-east-1",
            aws_access_key_id=self.key.access_key_id,
            aws_secret_access_key=options.pop("secret", self.secret),
            config=options.pop("config", None) or Config(retries={"total_max_attempts": 1}, parameter_validation=False),
        )
        client.meta.events.register("before-send.*", send_to_django)
        return client


def signed(
    account: Account,
    fields: Mapping[str, str] | Sequence[tuple[str, str]] | str,
    *,
    method: str = "POST",
    service: str = "ec2",
    presigned: bool = False,
    secret: str = "",
) -> HttpResponse:
    """A request signed by hand, for what boto3 would not send: fields, surrogates among them, or a query as it is."""
    query = fields if isinstance(fields, str) else urlencode(fields, errors="surrogatepass")
    url = f"{ENDPOINT}/?{query}" if method == "GET" else f"{ENDPOINT}/"
    headers = {} if method == "GET" else {"Content-Type": "application/x-www-form-urlencoded"}
    request = AWSRequest(method, url, data=b"" if method == "GET" else query.encode(), headers=headers)
    credentials = Credentials(account.key.access_key_id, secret or account.secret)
    (SigV4QueryAuth if presigned else SigV4Auth)(credentials, service, "us-east-1").add_auth(request)
    prepared = request.prepare()
    sent = {k: v.decode() if isinstance(v, bytes) else v for k, v in prepared.headers.items()}
    response = DjangoClient().generic(
        method,
        prepared.url.removeprefix(ENDPOINT),
        prepared.body or b"",
        content_type=sent.pop("Content-Type", ""),
        headers={"Host": "testserver"} | {name: value for name, value in sent.items() if name != "Content-Length"},
    )
    assert isinstance(response, HttpResponse)
    return response


def new_account(name: str, instances: int = 100) -> Account:
    user = User.objects.create_user(name)
    tenant = create_tenant(name, actor=SETUP)
    Quota.objects.filter(tenant=tenant).update(limit=instances * 100_000)
    Quota.objects.filter(tenant=tenant, resource="instances").update(limit=instances)
    add_member(tenant, user, Role.MEMBER, actor=SETUP)
    key, secret = create_access_key(tenant, user, actor=SETUP)
    return Account(tenant, user, key, secret)


def new_hosts(count: int = 2) -> None:
    zone = settings.DEFAULT_ZONE
    Host.objects.bulk_create(
        Host(
            name=f"sim{n}", driver="simulated", zone=zone, vcpus=64, memory_mib=262144, seen_at=timezone.now(),
            cpu_overcommit=10.0,
        )
        for n in range(count)
    )  # fmt: skip


def new_image() -> Image:
    return make_image("tiny", is_public=True)


def new_types() -> None:
    InstanceType.objects.bulk_create(
        InstanceType(name=name, vcpus=vcpus, memory_mib=memory_mib, disk_gib=8)
        for name, vcpus, memory_mib in (("t2.nano", 1, 512), ("t2.micro", 1, 1024), ("t2.medium", 2, 4096))
    )


def settle() -> None:
    """Do what the worker and the watcher would, until nothing is left to do."""
    for _ in range(20):
        Host.objects.update(seen_at=timezone.now())
        Operation.objects.open().update(due_at=timezone.now())
        work()
        work_slowly()
        for host in Host.objects.all():
            domains = driver_for(host.driver, host.settings()).report().domains
            reconcile({host: domains})
            restarted(domain.name for domain in domains)
        if not Operation.objects.open().exists():
            return
    raise AssertionError(f"still to do: {list(Operation.objects.open())}")
