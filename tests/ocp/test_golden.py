"""The incumbent's own answers: every case, at every number of workers and under a small limit, the same bytes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from compare import differences, read

ROOT = Path(__file__).parents[2]
JOB = ROOT / "build" / "release" / "bin" / "gristmill-ocp"
CASES = sorted(p.parent for p in (Path(__file__).parent / "golden").glob("*/job.json"))


def run(case: Path, out: Path, *flags: str) -> bytes:
    done = subprocess.run([JOB, "case", case, "--out", out, *flags], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out.read_bytes()


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_case(case: Path, tmp_path: Path) -> None:
    first = run(case, tmp_path / "1.csv", "--workers", "1")
    assert differences(read(tmp_path / "1.csv"), read(case / "expected.csv")) == []
    for name, flags in {"2": ["--workers", "2"], "8": ["--workers", "8"], "limit": ["--memory", "64MB"]}.items():
        assert run(case, tmp_path / f"{name}.csv", *flags) == first, name
    assert len(CASES) == 25


def test_the_comparison_notices(tmp_path: Path) -> None:
    rows = read(CASES[0] / "expected.csv")
    assert differences(rows, rows) == []
    changed = [dict(r) for r in rows]
    changed[0]["pod_usage_cpu_core_hours"] = "1.5"
    assert differences(changed, rows) and differences(rows[1:], rows) and differences(rows + rows[:1], rows)
