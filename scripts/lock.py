"""Write constraints.txt and package-lock.json: what pip and npm resolve below the versions that we chose."""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADING = "# Everything that pip resolves below requirements-dev.txt; written by `make lock`, do not edit.\n"


def constraints(report: dict[str, list[dict[str, dict[str, str]]]]) -> str:
    """One pinned line for each package in pip's installation report, in the order of their names."""
    found = {
        re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower(): item["metadata"]["version"]
        for item in report["install"]
    }
    return HEADING + "".join(f"{name}=={version}\n" for name, version in sorted(found.items()))


def lock() -> None:
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory, "report.json")
        resolve = ["install", "--quiet", "--dry-run", "--ignore-installed", "--report", str(report)]
        subprocess.run([sys.executable, "-m", "pip", *resolve, "-r", "requirements-dev.txt"], cwd=ROOT, check=True)
        (ROOT / "constraints.txt").write_text(constraints(json.loads(report.read_text())))
    subprocess.run(["npm", "install", "--package-lock-only", "--ignore-scripts"], cwd=ROOT, check=True)


if __name__ == "__main__":
    lock()
