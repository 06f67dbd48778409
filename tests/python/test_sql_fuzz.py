"""A small helping of tests/fuzz/sql_fuzz.py; a failure's text has the query, the setting and the tables."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "fuzz"))
from sql_fuzz import run_case  # noqa: E402

CASES = 60


@pytest.mark.parametrize("seed", [1, 2, random.SystemRandom().randrange(1 << 30)], ids=["1", "2", "random"])
def test_random_queries(seed: int) -> None:
    print(f"seed {seed}")
    outcomes = [run_case(seed, case) for case in range(CASES)]
    different = [f"seed {seed} case {i}: {o.detail}" for i, o in enumerate(outcomes) if o.status == "different"]
    assert not different, "\n\n".join(different)
    assert sum(o.status == "same" for o in outcomes) > CASES // 2
