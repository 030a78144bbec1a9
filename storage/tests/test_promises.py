"""manage.py recount_datastores."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command

from storage.models import Datastore


def run(*options: str) -> str:
    out = StringIO()
    call_command("recount_datastores", *options, stdout=out)
    return out.getvalue()


def test_what_a_launch_was_promised_is_what_its_rows_say(running):
    assert Datastore.objects.get().promised_gib > 0
    assert run() == "no difference\n"


def test_a_ledger_that_differs_is_told_and_repaired(running):
    right = Datastore.objects.get().promised_gib
    Datastore.objects.update(promised_gib=right + 7)

    with pytest.raises(SystemExit):
        run()
    assert run("--repair") == f"simulated: ledger says {right + 7} GiB, rows say {right} GiB\n"

    assert Datastore.objects.get().promised_gib == right
