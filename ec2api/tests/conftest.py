"""What every test of the API begins with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2api.tests import driving
from ec2api.tests.cloud import Account, new_account, new_hosts, new_image, new_types, settle
from ec2api.tests.driving.tables import made_by
from storage.models import Image


@pytest.fixture(autouse=True)
def _own_files(settings: Any, tmp_path: Path) -> None:
    """Simulated hosts keep their domains in a file."""
    settings.DATA_DIR = tmp_path


@pytest.fixture
def image(db: None) -> Image:
    new_types()
    new_hosts()
    return new_image()


@pytest.fixture
def account(image: Image) -> Account:
    return new_account("alice")


@pytest.fixture
def neighbour(account: Account) -> Account:
    return new_account("bob")


@pytest.fixture
def ec2(account: Account) -> Any:
    return account.client()


@pytest.fixture
def launch(ec2: Any, image: Image) -> Callable[..., list[str]]:
    """Launch instances; their ids."""

    def run(count: int = 1, **options: Any) -> list[str]:
        asked = {"ImageId": image.ec2_id, "InstanceType": "t2.nano", "MinCount": count, "MaxCount": count} | options
        return [instance["InstanceId"] for instance in ec2.run_instances(**asked)["Instances"]]

    return run


Refusal = Callable[..., tuple[str, str]]


@pytest.fixture
def refused() -> Refusal:
    """Call something that must be refused; the code and the message."""

    def call(function: Callable[..., Any], **options: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            function(**options)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]

    return call


@pytest.fixture
def theirs(account: Account, image: Image) -> dict[str, str]:
    """One of each kind of thing, of another tenant than ``neighbour``, who asks."""
    driving.load()
    return made_by(account)


@pytest.fixture
def own(theirs: dict[str, str], neighbour: Account, image: Image) -> dict[str, str]:
    """The same, of the neighbour's own, and the public image."""
    made = made_by(neighbour)
    settle()
    return made | {"image": image.ec2_id}
