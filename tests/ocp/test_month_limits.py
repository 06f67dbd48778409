"""A month under small limits: the same bytes as without one, and memory that stays within reach of the limit."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from job_program import JOB, call

PROCESS_MIB = 96  # the program, its libraries and what is being read and written, beside the rows
WORKER_MIB = 32  # freed blocks that the allocator keeps for each


def peak_mib(process: int) -> float:
    """The most that was resident until the process ends; what wait4() says would count the parent it was forked from."""
    peak = 0.0
    status = Path(f"/proc/{process}/status")
    while True:
        lines = status.read_text().splitlines()
        found = [line for line in lines if line.startswith("VmHWM")]
        if not found:  # a process that has ended has no memory
            return peak
        peak = max(peak, int(found[0].split()[1]) / 1024)
        time.sleep(0.01)


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("limits") / "month"
    made = call("generate", "--shape", "month", "--rows", "500k", "--out", folder)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(scope="module")
def expected(month: Path) -> bytes:
    done = call("case", month, "--out", month / "whole.csv")
    assert done.returncode == 0, done.stderr
    return (month / "whole.csv").read_bytes()


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("limit", [64, 96, 160])
def test_a_month_of_half_a_million_rows(month: Path, expected: bytes, tmp_path: Path, limit: int, workers: int) -> None:
    process = subprocess.Popen([JOB, "case", month, "--out", tmp_path / "out.csv", "--memory", f"{limit}MB", "--workers", str(workers)], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    peak = peak_mib(process.pid)
    said = process.stderr.read()
    assert process.wait() == 0, said
    assert (tmp_path / "out.csv").read_bytes() == expected
    assert 64 < peak < limit + PROCESS_MIB + WORKER_MIB * workers
