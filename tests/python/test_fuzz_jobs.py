"""A short run of the random jobs: ./run fuzz-jobs runs thousands."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))
import fuzz_jobs  # noqa: E402


@pytest.mark.parametrize("first", [1, 10_001, 20_001, 30_001])
def test_random_jobs_come_out_as_computed_by_hand(first: int, tmp_path: Path) -> None:
    for seed in range(first, first + 12):
        folder = tmp_path / str(seed)
        folder.mkdir()
        wrong = fuzz_jobs.run_case(seed, folder)
        assert not wrong, f"seed {seed}: {wrong}"


def test_a_lost_row_is_noticed(tmp_path: Path) -> None:
    seed = next(s for s in range(1, 100) if _writes_a_csv_file(s, tmp_path / str(s)))
    case = fuzz_jobs.make_case(seed, tmp_path / str(seed))
    expected = fuzz_jobs.expect(case)
    outcome = fuzz_jobs.run_job(case)
    assert not fuzz_jobs.check(case, expected, outcome)
    lines = case.sinks[0].path.read_text().splitlines(keepends=True)
    case.sinks[0].path.write_text("".join(lines[:-1]))
    assert "rows, not" in fuzz_jobs.check(case, expected, outcome)
    case.sinks[0].path.write_text("".join(lines))
    outcome.report["steps"][0]["rows_out"] += 1
    assert "counts" in fuzz_jobs.check(case, expected, outcome)


def _writes_a_csv_file(seed: int, folder: Path) -> bool:
    folder.mkdir()
    case = fuzz_jobs.make_case(seed, folder)
    expected = fuzz_jobs.expect(case)
    sink = case.sinks[0]
    plain = sink.path.suffix == ".csv" and not sink.rows_per_file and not sink.standard_output
    return plain and not case.fault and not expected.fails and len(expected.sinks[0]) > 1 and "\n" not in str(expected.sinks[0])
