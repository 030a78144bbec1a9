"""A tenant with another's ids gets the same answer from every action as with ids that do not exist.

Nothing here names an action: what takes ids is found in botocore's model.  See ``ec2api.tests.driving``.
"""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from django.apps import apps
from django.db import transaction

from ec2api.kinds import KINDS
from ec2api.registry import ACTIONS, Action, load_actions
from ec2api.tests.cloud import Account, settle, signed
from ec2api.tests.driving import load
from ec2api.tests.driving.examples import fields, options_for
from ec2api.tests.driving.references import Reference, references
from ec2api.tests.driving.tables import Things, known_kinds, made_by, reason_of

load()
load_actions()
EC2 = [action for (service, _name), action in sorted(ACTIONS.items()) if service == "ec2"]
ABSENT = {"key:name": "nobodys", "sg:name": "nobodys", "eipalloc:address": "203.0.113.77"}
READS = ("Describe", "Get", "List", "Search")
GONE = re.compile(r"\w+\.?(NotFound|Unknown|NotFoundException|Missing)")
AREA = "ec2api/tests/driving/<the action's area>.py"


@pytest.fixture
def theirs(account, neighbour, image) -> Things:
    """Another tenant's things, by kind."""
    return made_by(account)


@pytest.fixture
def own(theirs, neighbour, image) -> Things:
    """Things of the tenant that asks."""
    made = made_by(neighbour)
    settle()
    return made | {"image": image.ec2_id}


def answer(account: Account, action: Action, options: dict[str, Any]) -> tuple[str, str]:
    """Code and message of a refusal, or no code and the reply; whatever was done is undone."""
    with transaction.atomic():
        response = signed(account, fields(action, options))
        transaction.set_rollback(True)
    text = html.unescape(response.content.decode())
    code = re.search(r"<Code>(.*?)</Code>", text, re.DOTALL)
    message = re.search(r"<Message>(.*?)</Message>", text, re.DOTALL)
    if code and message:
        return code[1], message[1]
    return "", re.sub(r"<requestId>.*?</requestId>", "", text)


def alike(reply: str) -> str:
    """Without what is new in every reply."""
    return re.sub(r"-[0-9a-f]{17}\b|\d{4}-\d\d-\d\dT[\d:.]+Z", "", reply)


def absent(kind: str) -> str:
    return ABSENT.get(kind) or ("nobodys" if ":" in kind else f"{kind}-0123456789abcdef0")


def fault(asker: Account, own: Things, action: Action, reference: Reference, foreign: str) -> str:
    """What is wrong with how a foreign id is answered; nothing if it is told what an absent one is."""
    code, message = answer(asker, action, options_for(action, own, at=reference, value=foreign))
    nobodys = absent(reference.kind)
    other_code, other = answer(asker, action, options_for(action, own, at=reference, value=nobodys))
    told = f"{reference.action}, another's '{reference.kind}' in {reference}: {code or 'success'}: {message[:300]}"
    expected = other.replace(nobodys, foreign)
    if code != other_code or (message != expected if code else alike(message) != alike(expected)):
        return f"{told}\n    but an absent id is told {other_code or 'success'}: {other[:300]}"
    if GONE.fullmatch(code) or _is_left_alone(reference, code):
        return ""
    return (
        f"{told}\n    where NotFound was expected. If the action was refused for something else that it needs, say"
        f" needs('{reference.action}', at='{reference}', ...) in {AREA};"
        f"\n    if it rightly does not look, say exempt('{reference.action}', '{reference}', '<the reason>') there."
    )


def fault_of_unmade(asker: Account, own: Things, action: Action, reference: Reference) -> str:
    """Of a kind that the tests cannot make: nothing, as long as the action will hear nothing of it, either."""
    options = options_for(action, own, at=reference, value=absent(reference.kind))
    code, message = answer(asker, action, options)
    if _is_left_alone(reference, code):
        return ""
    return (
        f"{reference.action} takes ids of '{reference.kind}' in {reference} ({code or 'success'}: {message[:200]})."
        f" Write @thing('{reference.kind.strip('?')}') in {AREA}; if there are none here, say so in NOBODYS, and if"
        " the model calls it otherwise, in WORDS, of ec2api/tests/driving/references.py."
    )


def _is_left_alone(reference: Reference, code: str) -> bool:
    refused = code == "UnsupportedOperation" and len(reference.path) > 1
    return refused or bool(reason_of(reference.action, str(reference)))


def test_every_kind_of_thing_can_be_made():
    lacking = KINDS.keys() - known_kinds()

    assert EC2
    assert not lacking, f"write @thing('{min(lacking)}') in {AREA}, which makes one for a tenant"


def test_a_foreign_id_and_an_absent_one_are_told_the_same(theirs, neighbour, own):
    faults = [
        fault(neighbour, own, action, each, theirs[each.kind])
        if each.kind in theirs
        else fault_of_unmade(neighbour, own, action, each)
        for action in EC2
        for each in references(action)
    ]

    assert faults
    assert not any(faults), "\n".join(filter(None, faults))


def test_requests_with_foreign_ids_change_nothing_there(account, theirs, neighbour, own):
    """Whether they are refused or, as by DeleteKeyPair, passed over in silence."""
    before = rows_of(account)

    for action in EC2:
        for each in references(action):
            if each.kind in theirs:
                signed(neighbour, fields(action, options_for(action, own, at=each, value=theirs[each.kind])))

    assert rows_of(account) == before


def rows_of(account: Account) -> str:
    """Everything that is the tenant's, but for what is noted of its requests."""
    rows = {
        model.__name__: list(model._default_manager.filter(tenant=account.tenant).order_by("pk").values())
        for model in apps.get_models()
        if any(field.name == "tenant" for field in model._meta.get_fields())
        and model.__name__ not in ("AccessKey", "AuditEntry")
    }
    return json.dumps(rows, default=repr, indent=1)


def test_nothing_of_anothers_is_ever_shown(theirs, neighbour, own):
    """Neither in listings of everything, nor in what is told of one's own things."""
    for action in EC2:
        if action.operation.name.startswith(READS):
            code, reply = answer(neighbour, action, options_for(action, own))

            assert not code, f"{action.operation.name}: {code}: {reply}; say what it needs by needs() in {AREA}"
            shown = [each for each in theirs.values() if re.search(rf"\b{re.escape(each)}\b", reply)]
            assert not shown, f"{action.operation.name} shows {shown}"


def test_another_tenants_tags_find_nothing(account, neighbour, theirs):
    account.client().create_tags(Resources=[theirs["i"]], Tags=[{"Key": "secret", "Value": "x"}])

    filters = [{"Name": "tag:secret", "Values": ["*"]}]
    assert neighbour.client().describe_instances(Filters=filters)["Reservations"] == []
