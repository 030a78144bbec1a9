"""Fetching a file from a stranger's web server."""

from __future__ import annotations

import time

import pytest

from storage.fetching import FetchError, Limits, Refusal, fetch, may_ask
from storage.tests.web_server import CONTENT, Handler, WebServer

HERE = ("127.0.0.0/8",)
LIMITS = Limits(bytes=2**30, networks=HERE, silence_s=2.0)


def test_a_file_is_fetched_whole_and_its_size_is_told_before(web: WebServer, tmp_path):
    told = []

    size = fetch(web.serve("/x"), tmp_path / "x", LIMITS, begins=lambda *given: told.append(given))

    assert size == len(CONTENT)
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert told == [(len(CONTENT), '"one"')]


def test_a_connection_that_is_cut_goes_on_where_it_ended(web: WebServer, tmp_path):
    fetch(web.serve("/x", cut_at=100_000), tmp_path / "x", LIMITS)

    assert (tmp_path / "x").read_bytes() == CONTENT
    assert web.asked == [("/x", ""), ("/x", "bytes=100000-")]


def test_what_an_earlier_attempt_left_is_not_fetched_again(web: WebServer, tmp_path):
    (tmp_path / "x").write_bytes(CONTENT[:500_000])

    fetch(web.serve("/x"), tmp_path / "x", LIMITS, validator='"one"')

    assert (tmp_path / "x").read_bytes() == CONTENT
    assert web.asked == [("/x", "bytes=500000-")]


def test_what_was_complete_already_is_taken_as_it_is(web: WebServer, tmp_path):
    (tmp_path / "x").write_bytes(CONTENT)

    assert fetch(web.serve("/x"), tmp_path / "x", LIMITS, validator='"one"') == len(CONTENT)


def test_without_a_way_to_know_that_it_is_the_same_it_begins_anew(web: WebServer, tmp_path):
    (tmp_path / "x").write_bytes(b"something else" * 10_000)

    fetch(web.serve("/x"), tmp_path / "x", LIMITS)

    assert (tmp_path / "x").read_bytes() == CONTENT


def test_a_server_that_ignores_the_range_is_fetched_from_anew(web: WebServer, tmp_path):
    (tmp_path / "x").write_bytes(b"y" * 500_000)

    def whole_again(handler: Handler) -> None:
        handler.begin(200, Content_Length=str(len(CONTENT)), ETag='"two"')
        handler.wfile.write(CONTENT)

    web.answers["/x"] = whole_again
    fetch(f"{web.url}/x", tmp_path / "x", LIMITS, validator='"one"')

    assert (tmp_path / "x").read_bytes() == CONTENT


def lies(handler: Handler) -> None:
    handler.begin(200, Content_Length=str(len(CONTENT) * 2), ETag='"one"')
    handler.wfile.write(CONTENT)


def endless(handler: Handler) -> None:
    handler.begin(200)
    while True:
        handler.wfile.write(CONTENT)


def silent(handler: Handler) -> None:
    handler.begin(200, Content_Length="1000")
    time.sleep(3)


def drips(handler: Handler) -> None:
    handler.begin(200, Content_Length="100000")
    for _ in range(100):
        handler.wfile.write(b"x")
        time.sleep(0.02)


def other_part(handler: Handler) -> None:
    handler.begin(206, Content_Length="10", Content_Range="bytes 7-16/1000")
    handler.wfile.write(b"x" * 10)


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (endless, Refusal, "at most 0 GiB are allowed"),
        (silent, FetchError, "does not answer"),
        (drips, Refusal, "too slowly"),
        (other_part, Refusal, "another part"),
        (lambda handler: handler.begin(404, Content_Length="0"), Refusal, "answers with 404"),
        (lambda handler: handler.begin(503, Content_Length="0"), FetchError, "503"),
        (lambda handler: handler.begin(200, Content_Length="0"), Refusal, "empty"),
        (lambda handler: handler.begin(200, Content_Length="9" * 15), Refusal, "at most"),
        (lambda handler: handler.begin(302, Location="/x"), Refusal, "redirected more than"),
        (lambda handler: handler.begin(302, Location="file:///etc/passwd"), Refusal, "no web server"),
        (lambda handler: handler.begin(302, Location="http://10.0.0.1/"), Refusal, "private networks"),
        (lambda handler: handler.begin(200, Content_Length="9", Content_Encoding="gzip"), Refusal, "encoding"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_servers_that_behave_badly(web: WebServer, tmp_path, answer, error, said):
    web.answers["/x"] = answer
    limits = Limits(bytes=len(CONTENT) * 3, networks=HERE, silence_s=0.5, slow_after_s=0.3)

    with pytest.raises(error, match=said):
        fetch(f"{web.url}/x", tmp_path / "x", limits)

    assert not (tmp_path / "x").exists() or (tmp_path / "x").stat().st_size <= limits.bytes


def test_a_server_that_promises_more_than_it_has_is_given_up(web: WebServer, tmp_path):
    web.answers["/x"] = lies

    with pytest.raises(FetchError, match="ended before the file did"):
        fetch(f"{web.url}/x", tmp_path / "x", LIMITS)


def test_what_the_callback_raises_ends_it_and_what_came_stays(web: WebServer, tmp_path):
    class Stop(Exception):
        pass

    def stop(_done: int, _total: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        fetch(web.serve("/x"), tmp_path / "x", LIMITS, progress=stop)

    assert (tmp_path / "x").stat().st_size > 0


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433"])
def test_this_machine_is_not_asked(web: WebServer, tmp_path, name):
    port = web.url.rsplit(":", 1)[1]

    with pytest.raises((Refusal, FetchError)):
        fetch(f"http://{name}:{port}/x", tmp_path / "x", Limits(bytes=1000, silence_s=1.0))

    assert web.asked == []


def test_a_redirect_to_this_machine_is_not_followed(web: WebServer, tmp_path):
    web.answers["/x"] = lambda handler: handler.begin(302, Location=web.url.replace("127.0.0.1", "127.0.0.2") + "/y")

    with pytest.raises(Refusal, match="private networks are not"):
        fetch(f"{web.url}/x", tmp_path / "x", Limits(bytes=1000, networks=("127.0.0.1/32",)))

    assert [path for path, _range in web.asked] == ["/x"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1", "fe80::1%eth0",
    ],
)  # fmt: skip
def test_addresses_that_are_not_out_in_the_world(address):
    assert not may_ask(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "151.101.2.132", "2a04:4e42::644", "::ffff:8.8.8.8"])
def test_addresses_that_are(address):
    assert may_ask(address)


def test_an_operator_can_allow_a_network():
    assert may_ask("10.1.2.3", ["10.1.0.0/16"])
    assert not may_ask("10.2.2.3", ["10.1.0.0/16"])
