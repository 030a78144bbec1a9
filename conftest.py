"""What all tests share."""

import pytest


@pytest.fixture(autouse=True)
def _plain_static_files(settings):
    """Pages name static files without the manifest that only collectstatic writes."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
