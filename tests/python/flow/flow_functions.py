"""Functions that several tests of flows use."""

from __future__ import annotations

import os


def square(x: int) -> int:
    return x * x


def burn(x: int) -> int:
    """Computes in Python for a while."""
    value = x
    for _ in range(120_000):
        value = (value * 1103515245 + 12345) % 2**31
    return value


def crash(x: int) -> int:
    if x == 3:
        os._exit(7)
    return x


def failing(x: int) -> int:
    if x in (3, 6):
        raise KeyError(f"no {x}")
    return x
