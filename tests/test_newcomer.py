"""The newcomer's way in a real browser: sign in, make a key, launch, watch, log in, stop, terminate, sign out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize, expect, sync_playwright

from scripts.options import ROOT
from tests.cloud import Cloud
from tests.ssh import OPTIONS, run

pytestmark = [pytest.mark.browser, pytest.mark.host]

SHOTS = ROOT / "tests" / "screenshots"
BOOTS_WITHIN_MS = 60_000
# Chromium's own traffic is of no use here, and some machines refuse it.
QUIET = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync")
PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=[*QUIET])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, cloud: Cloud) -> Iterator[Page]:
    """A page that fails its test if it loads anything from elsewhere, or a script, a style or a request fails."""
    SHOTS.mkdir(exist_ok=True)
    context = browser.new_context(viewport=DESKTOP, base_url=cloud.url, accept_downloads=True)
    page = context.new_page()
    elsewhere: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url) if foreign(cloud, request.url) else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if is_ours(message) else None)
    page.on("response", lambda response: errors.append(response.url) if response.status >= 400 else None)
    yield page
    context.close()
    assert elsewhere == []
    assert errors == []


def is_ours(message: ConsoleMessage) -> bool:
    """Whether it is an error of the page's; htmx also calls it one that a request ended when the page was left."""
    return message.type == "error" and not message.text.startswith("htmx:")


def foreign(cloud: Cloud, url: str) -> bool:
    return not url.startswith((f"{cloud.url}/", "data:", f"blob:{cloud.url}/"))


def shoot(page: Page, name: str) -> None:
    """Keep what the page looks like on a desk and on a phone, by day and by night."""
    for width, size in (("desktop", DESKTOP), ("phone", PHONE)):
        for scheme in ("light", "dark"):
            page.set_viewport_size(size)
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=SHOTS / f"{name}-{width}-{scheme}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
                f"{name} too wide: {width}"
            )
    page.set_viewport_size(DESKTOP)
    page.emulate_media(color_scheme="light")


def sign_in(page: Page, cloud: Cloud) -> None:
    page.goto("/")
    shoot(page, "1-sign-in")
    page.get_by_label("Username").fill("demo")
    page.get_by_label("Password").fill((cloud.data_dir / "secrets" / "demo.password").read_text().strip())
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Instances", exact=True)).to_be_visible()


def test_a_newcomer_gets_from_the_sign_in_to_a_shell_in_the_guest(page, cloud, tmp_path):
    sign_in(page, cloud)
    shoot(page, "2-instances")
    page.locator("main").get_by_role("link", name=re.compile("launch", re.I)).first.click()
    key = make_key(page, tmp_path)
    page.get_by_label("Name", exact=False).first.fill("first")
    page.get_by_label(re.compile("SSH|ssh")).first.check()
    expect(page.get_by_text("aws ec2 run-instances")).to_be_visible()
    shoot(page, "3-launch")
    page.get_by_role("button", name="Launch", exact=True).click()

    expect(page.get_by_role("heading", name="first")).to_be_visible()
    expect(page.locator("#live .badge").first).to_have_text("running", timeout=BOOTS_WITHIN_MS)
    expect(page.get_by_text(re.compile(r"i-[0-9a-f]{17} login:")).first).to_be_visible(timeout=BOOTS_WITHIN_MS)
    shoot(page, "4-instance")
    instance_id = page.url.rstrip("/").rsplit("/", 1)[-1]
    assert log_in(page, key, "hostname") == f"{instance_id}\n"

    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("#live .badge").first).to_have_text("stopped", timeout=BOOTS_WITHIN_MS)
    page.get_by_role("button", name="Terminate…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(instance_id)
    shoot(page, "5-terminate")
    dialog.get_by_role("button", name="Terminate").click()
    expect(page.locator("#live .badge").first).to_have_text("terminated", timeout=BOOTS_WITHIN_MS)

    for name, address in (
        ("6-key-pairs", "/key-pairs/"),
        ("7-access-keys", "/access-keys/"),
        ("8-members", "/members/"),
    ):
        page.goto(address)
        shoot(page, name)
    page.goto("/activity/")
    expect(page.get_by_text(instance_id).first).to_be_visible()
    shoot(page, "9-activity")


def make_key(page: Page, directory: Path) -> Path:
    """Make a key pair on the launch page, and keep the private key that is shown once."""
    details = page.locator("details").filter(has=page.locator("#new_key_name"))
    if details.get_attribute("open") is None:
        details.locator("summary").click()
    page.locator("#new_key_name").fill("newcomer")
    page.get_by_role("button", name="Make", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("Download")).click()
    path = directory / download.value.suggested_filename
    download.value.save_as(path)
    path.chmod(0o600)
    assert "PRIVATE KEY" in path.read_text()
    return path


def log_in(page: Page, key: Path, command: str) -> str:
    """What the command prints, by the ssh command that the page shows, word for word but for the key's place."""
    shown = shlex.split(page.locator("#ssh-command").inner_text())
    assert shown[:2] == ["ssh", "-i"]
    assert Path(shown[2]).name == key.name
    return run([*shown[:2], str(key), *OPTIONS, *shown[3:], command])


def test_the_page_speaks_traditional_chinese(page, cloud):
    page.goto("/")
    page.locator("summary").first.click()
    page.get_by_role("button", name="繁體中文").click()

    expect(page.get_by_role("button", name="登入")).to_be_visible()
    shoot(page, "10-sign-in-zh")


def test_keys_alone_are_enough(page, cloud):
    sign_in(page, cloud)
    page.goto("/instances/")

    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.textContent.trim()")
    page.keyboard.press("Enter")

    assert focused == "Skip to the content"
    assert page.url.endswith("#main")
