"""All checks and tests in order, up to the first that fails: `make test`; with --quick or --all the other two.

They run beside a cloud that is up: with a DATA_DIR of their own, and without the knobs and keys of the caller's shell.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scripts.console import complain, say, show
from scripts.options import ROOT

PYTHON = sys.executable
ALONE = "not (host or browser or live)"
FOREIGN = ("AWS_", "DJANGO_", "YUSHAN_RUN", "YUSHAN_PROGRAM")
OF_TESTS = {"YUSHAN_CACHE", "KEEP_DATA"}


@dataclass(frozen=True)
class Step:
    name: str
    command: Sequence[str]
    is_quick: bool = True
    counts: bool = False  # a run of pytest, whose tests are added up
    is_long: bool = False  # for test-all alone
    has_fewer_examples: bool = False  # of each property, but in test-all


def pytest(name: str, *arguments: str, before: Sequence[str] = (), **more: bool) -> Step:
    command = [*before, PYTHON, "-m", "pytest", *arguments]
    return Step(name, command, counts=True, **{"is_quick": False, **more})


def quickly(step: Step) -> Step:
    """Tables come from the models then: that migrations lead to the same is a check of its own."""
    return replace(step, command=[*step.command, "--no-migrations"]) if step.counts else step


STEPS = (
    Step("format", [PYTHON, "-m", "ruff", "format", "--check"]),
    Step("lint", [PYTHON, "-m", "ruff", "check"]),
    Step("types", [PYTHON, "-m", "mypy", "."]),
    Step("import rules", [str(Path(PYTHON).with_name("lint-imports")), "--no-logo"]),
    Step("missing migrations", [PYTHON, "manage.py", "makemigrations", "--check", "--dry-run"]),
    pytest("unit tests on SQLite", "-n", "2", "-m", ALONE, is_quick=True, has_fewer_examples=True),
    pytest(
        "unit tests on PostgreSQL",
        "-n",
        "2",
        "-m",
        ALONE,
        before=[PYTHON, "-m", "scripts.postgres", "--"],
        has_fewer_examples=True,
    ),
    pytest("a running cloud: clients, guests, browser", "-m", "(host or browser or live) and not long"),
    pytest("a running cloud: what takes long", "-m", "(host or browser or live) and long", is_long=True),
    pytest(
        "a running cloud on PostgreSQL, killed",
        "tests/test_killing.py",
        before=[PYTHON, "-m", "scripts.postgres", "--"],
    ),
)


def knobs() -> set[str]:
    """The names in .env.example."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return {match[1] for line in lines if (match := re.match(r"#([A-Z_]+)=", line))}


def environment(scratch: Path) -> dict[str, str]:
    """The caller's, without what would lead a test to the caller's own cloud or to Amazon."""
    drop = knobs() - OF_TESTS
    kept = {name: value for name, value in os.environ.items() if name not in drop and not name.startswith(FOREIGN)}
    return {
        **kept,
        "DATA_DIR": str(scratch / "data"),
        "GUEST_IMAGE_DIR": str(cache() / f"guest-image-{recipe_hash(ROOT / 'guest-image')}"),
        "PYTHONUNBUFFERED": "1",
    }


def cache() -> Path:
    """What is dear to make and kept between test runs, each thing under the hash of its recipe."""
    return Path(os.environ.get("YUSHAN_CACHE") or Path.home() / ".cache" / "yushan")


def recipe_hash(directory: Path) -> str:
    """Changes with the name, the content or the mode of any file of the recipe."""
    digest = hashlib.sha256()
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(directory)} {path.stat().st_mode:o} ".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def count_tests(report: Path) -> tuple[int, int]:
    """How many passed and how many were skipped, from a report in JUnit's format."""
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))  # noqa: S314 - our own pytest wrote it
    total, skipped = (sum(int(suite.get(name, "0")) for suite in suites) for name in ("tests", "skipped"))
    return total - skipped, skipped


def check(steps: Sequence[Step], scratch: Path, *, is_all: bool = False) -> int:
    """0 when all pass; the last line then adds up the tests of all steps."""
    env, began, passed, skipped = environment(scratch), time.monotonic(), 0, 0
    (scratch / "data").mkdir()
    for number, step in enumerate(steps, start=1):
        say(f"[{number}/{len(steps)}] {step.name}")
        report, step_began = scratch / f"{number}.xml", time.monotonic()
        command = [*step.command, f"--junitxml={report}"] if step.counts else step.command
        fewer = {"QUICK_TESTS": "1"} if step.has_fewer_examples and not is_all else {}
        status = subprocess.run(command, cwd=ROOT, env={**env, **fewer}).returncode
        took_s = time.monotonic() - step_began
        if status:
            complain(
                f"FAILED: {step.name}, after {took_s:.0f} s (status {status}). The command was:\n  {' '.join(command)}"
            )
            return 1
        if step.counts:
            passed, skipped = (sum(pair) for pair in zip((passed, skipped), count_tests(report), strict=True))
        say(f"{step.name}: fine, {took_s:.1f} s")
    say(f"All {len(steps)} steps are fine, {time.monotonic() - began:.0f} s")
    show(f"{passed} passed, 0 failed, {skipped} skipped")
    return 0


def main() -> int:
    is_quick, is_all = "--quick" in sys.argv[1:], "--all" in sys.argv[1:]
    wanted = [step for step in STEPS if (step.is_quick or not is_quick) and (is_all or not step.is_long)]
    with tempfile.TemporaryDirectory(prefix="yu-test-", dir="/tmp") as scratch:
        try:
            return check([quickly(step) for step in wanted] if is_quick else wanted, Path(scratch), is_all=is_all)
        except KeyboardInterrupt:
            complain("Stopped.")
            return 130


if __name__ == "__main__":
    sys.exit(main())
