"""What the tests of images share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client

from portal.models import Membership, Tenant, User
from storage.models import Datastore
from storage.tests.making import make_datastore
from storage.tests.web_server import WebServer


@pytest.fixture
def datastore(db, tmp_path: Path) -> Datastore:
    """A simulated one where uploads really lie."""
    return make_datastore(path=str(tmp_path / "datastore"))


@pytest.fixture
def page(client: Client, user: User, tenant: Tenant) -> Client:
    """A browser in which the tenant's user is signed in."""
    client.force_login(user)
    return client


@pytest.fixture
def neighbours_page(neighbour: Tenant) -> Client:
    """Another, of a user of another tenant."""
    client = Client()
    client.force_login(Membership.objects.get(tenant=neighbour).user)
    return client


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server
