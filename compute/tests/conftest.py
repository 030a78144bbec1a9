"""What the tests of pages share."""

import pytest
from django.test import Client

from portal.models import Membership, Tenant, User


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


HTMX = {"HX-Request": "true"}
