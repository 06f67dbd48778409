"""Queries whose operators go to disk wherever they can."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def eagerly(spilling: bool) -> Iterator[None]:
    """Whatever can spill does."""
    before = os.environ.get("GRISTMILL_SPILL_EAGERLY")
    os.environ["GRISTMILL_SPILL_EAGERLY"] = "1" if spilling else "0"
    try:
        yield
    finally:
        del os.environ["GRISTMILL_SPILL_EAGERLY"]
        if before is not None:
            os.environ["GRISTMILL_SPILL_EAGERLY"] = before
