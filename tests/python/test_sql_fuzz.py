"""A small helping of tests/fuzz/sql_fuzz.py; a failure's text has the query, the setting and the tables.

That two judges differ where ours is the deciding one's answer is printed, not failed: it says nothing about this engine, and whoever
adds to the queries sees it in `./run fuzz-sql`, which fails.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "fuzz"))
sys.path.insert(0, str(Path(__file__).parent.parent / "servers"))
from postgres import programs  # noqa: E402
from sql_fuzz import EXPLAINED, FINDINGS, run_case  # noqa: E402
from sql_judges import DuckDBJudge, PostgresJudge  # noqa: E402

CASES = 60


@pytest.fixture(scope="module")
def judges() -> Iterator[list]:
    chosen = ([PostgresJudge()] if programs() else []) + [DuckDBJudge()]
    yield chosen
    for judge in chosen:
        judge.close()


@pytest.mark.parametrize("seed", [1, 2, random.SystemRandom().randrange(1 << 30)], ids=["1", "2", "random"])
def test_random_queries(seed: int, judges: list) -> None:
    print(f"seed {seed}")
    outcomes = [run_case(seed, case, judges) for case in range(CASES)]
    told = {status: [f"seed {seed} case {i}: {o.detail}" for i, o in enumerate(outcomes) if o.status == status] for status in FINDINGS}
    print("\n\n".join(told["judges differ"]))
    assert not told["different"], "\n\n".join(told["different"])
    assert sum(o.status in ("same", "judges differ") for o in outcomes) > CASES * 3 // 4


def test_reasons_known_beforehand_are_narrow() -> None:
    for condition in ("(a, abs(b)) >= (c, 3)", "(null::numeric(9,2), 4) >= (-1.75::numeric(9,2), 6)", "(q.a, q.b) <> (1, 2)"):
        assert any(e.search(f"select 1 where {condition}") for e in EXPLAINED), condition
    assert not any(e.search("select coalesce(a, 2) = (b) where (a, b) in (select 1, 2)") for e in EXPLAINED)
