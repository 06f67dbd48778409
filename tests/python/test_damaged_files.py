"""A small helping of tests/fuzz/mutate_files.py."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "fuzz"))
import mutate_files  # noqa: E402

SEED = int(os.environ.get("GRISTMILL_SEED", random.SystemRandom().randrange(1 << 30)))


def test_damaged_files_give_an_error_or_a_result():
    assert mutate_files.run(80, SEED) == []
