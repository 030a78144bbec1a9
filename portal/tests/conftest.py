"""What the tests of users share."""

import pytest


@pytest.fixture(autouse=True)
def _quick_passwords(settings):
    """The real hashes are slow on purpose."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
