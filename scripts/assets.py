"""Copy the third-party files that pages load from node_modules to static/vendor, as package.json names them."""

import json
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def collect(root: Path = ROOT) -> list[Path]:
    """The files copied.  What package.json no longer names goes away."""
    wanted: dict[str, str] = json.loads((root / "package.json").read_text())["assets"]
    vendor = root / "static" / "vendor"
    shutil.rmtree(vendor, ignore_errors=True)
    vendor.mkdir(parents=True)
    copied = []
    for name, source in wanted.items():
        target = vendor / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / "node_modules" / source, target)
        copied.append(target)
    return copied


if __name__ == "__main__":
    print(*collect(), sep="\n")
