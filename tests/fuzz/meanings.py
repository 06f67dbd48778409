"""What the registered functions mean: all of meanings_*.py in one table.

The random expressions of expressions.py call them, reference.py computes them, tests/python/test_functions_meanings.py tests them one by one.
Functions that expressions.py writes itself (arithmetic, comparisons, choices, casts) are not here.
"""

from __future__ import annotations

import meanings_math  # noqa: F401
import meanings_text  # noqa: F401
from meaning import MEANINGS, TEXTS, Meaning, OneOf, Within
from meanings_nested import DOCUMENTS, OBJECTS, PAIR, PAIRS, TEXT_MAP
from meanings_time import MOMENT_PATTERN

# Functions that no random query draws, and why.
NOT_DRAWN = {
    "hash": "its values are ours alone; what must hold of them is in tests/python/test_functions_math.py",
    "sql_only_row": "made by subqueries only; tests/python/test_sql_subqueries.py",
}

__all__ = ["DOCUMENTS", "MEANINGS", "MOMENT_PATTERN", "NOT_DRAWN", "OBJECTS", "PAIR", "PAIRS", "TEXT_MAP", "TEXTS", "Meaning", "OneOf", "Within"]
