"""Every measurement, one after the other; each prints JSON."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

for path in sorted(Path(__file__).parent.glob("bench_*.py")):
    print(f"# {path.stem}", flush=True)
    import_module(f"benchmarks.{path.stem}").main()
