"""Requests as a client that cannot be had here would send them: its fields, its version, its signed headers."""

from __future__ import annotations

import http.client
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.cloud import Cloud

REACHED_WITHIN_S = 40


class Refused(Exception):
    """The answer was an error; its code is the message."""


@dataclass
class Reply:
    root: ElementTree.Element

    def all(self, path: str) -> list[str]:
        """The texts at a path such as ``volumeSet/item/status``, whatever the namespace."""
        steps = "/".join(f"{{*}}{step}" for step in path.split("/"))
        return [each.text or "" for each in self.root.findall(steps)]

    def one(self, path: str) -> str:
        found = self.all(path)
        assert len(found) == 1, f"{path}: {ElementTree.tostring(self.root, 'unicode')}"
        return found[0]


@dataclass
class Sender:
    """``headers`` are sent and signed beside those that botocore signs."""

    cloud: Cloud
    version: str = "2016-11-15"
    headers: Mapping[str, str] = field(default_factory=dict)
    service: str = "ec2"

    def send(self, action: str, fields: Mapping[str, object] | None = None, /, **more: object) -> Reply:
        """The reply; raises Refused by the code of an error."""
        env = self.cloud.tenant()
        asked = {"Action": action, "Version": self.version, **(fields or {}), **more}
        body = urlencode(asked)
        url = env["AWS_ENDPOINT_URL"] + "/"
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", **self.headers}
        request = AWSRequest("POST", url, data=body.encode(), headers=headers)
        credentials = Credentials(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
        SigV4Auth(credentials, self.service, env["AWS_DEFAULT_REGION"]).add_auth(request)
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        try:
            connection.request("POST", "/", body, dict(request.headers.items()))
            response = connection.getresponse()
            reply = Reply(ElementTree.fromstring(response.read()))
        finally:
            connection.close()
        if response.status != 200:
            raise Refused(reply.one("Errors/Error/Code"))
        return reply

    def code(self, action: str, fields: Mapping[str, object] | None = None, /, **more: object) -> str:
        """The code of the error that it must be answered with."""
        try:
            reply = self.send(action, fields, **more)
        except Refused as refused:
            return str(refused)
        raise AssertionError(f"{action} was not refused: {ElementTree.tostring(reply.root, 'unicode')}")


def until(ask: Callable[[], str], wanted: str, through: tuple[str, ...]) -> None:
    """As a waiter of states does: any state that is neither wanted nor on the way there is a failure."""
    deadline = time.monotonic() + REACHED_WITHIN_S
    while (state := ask()) != wanted:
        assert state in through, f"{state} on the way to {wanted}"
        assert time.monotonic() < deadline, f"still {state}"
        time.sleep(0.3)
