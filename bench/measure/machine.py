"""What a result file says about where it was measured."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

_PACKAGES = ("duckdb", "polars", "datafusion", "pyarrow", "pandas", "numpy")


def _field(path: str, name: str) -> str:
    try:
        for line in Path(path).read_text().splitlines():
            if line.startswith(name):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return "unknown"


def _revision() -> str:
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=root, capture_output=True, text=True)
    return run.stdout.strip() or "unknown"


def _gristmill_version() -> str:
    try:
        import gristmill

        return gristmill.__version__
    except ImportError:
        return "not built"


def describe() -> dict[str, object]:
    flags = _field("/proc/cpuinfo", "flags").split()
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": _field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "simd": next((level for level in ("avx512f", "avx2", "sse4_2", "asimd") if level in flags), "baseline"),
        "memory": _field("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "revision": _revision(),
        "versions": {"gristmill": _gristmill_version()} | {name: metadata.version(name) for name in _PACKAGES},
    }
