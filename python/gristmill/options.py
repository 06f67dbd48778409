"""How a query is run. Nothing here changes a result, except where a field says so."""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_STRATEGIES = ("auto", "fixed_chunks", "cache_friendly", "memory_bound")


def parse_bytes(size: int | str) -> int:
    """Bytes of ``512``, ``"512MB"`` or ``"2GiB"``.

    >>> parse_bytes("1.5GB")
    1500000000
    """
    if isinstance(size, int):
        return size
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", size)
    if not match or match[2].upper() not in _UNITS:
        raise ValueError(f"not a size: {size!r}; write for example '512MB' or '2GiB'")
    return int(float(match[1]) * _UNITS[match[2].upper()])


@dataclass(frozen=True)
class ParallelOptions:
    """Settings of one run.

    >>> ParallelOptions(num_workers=2, memory_limit="1GB").memory_limit
    '1GB'
    """

    num_workers: int = 0
    """Worker threads; 0 = all cores this process may use, 1 = the calling thread."""
    chunk_rows: int = 0
    """Rows of a morsel; 0 = chosen by the engine."""
    chunk_bytes: int = 0
    """Bytes of a morsel; 0 = chosen by the engine."""
    batch_rows: int = 0
    """Rows of a batch inside a morsel; 0 = chosen by the engine."""
    min_parallel_rows: int = 10_000
    """Inputs with fewer rows run on the calling thread; so do tables in memory with only filters and plain arithmetic to do, up to 64 additions for
    each of so many rows. 0: none does."""
    strategy: str = "auto"
    """"auto", "fixed_chunks", "cache_friendly" or "memory_bound"."""
    memory_limit: int | str = 0
    """Bytes ("2GB", 2_000_000_000) the query may use before it spills; 0 = the process's budget."""
    pin_workers: bool = False
    """Bind workers to cores."""
    ordered: bool = True
    """False: rows may leave in any order."""
    exact_float_sums: bool = True
    """False: float sums are added as they come; faster, and no longer the same bits at any setting."""
    timeout: float | None = None
    """Seconds after which the query ends with TimeoutError."""

    def __post_init__(self) -> None:
        if self.strategy not in _STRATEGIES:
            raise ValueError(f"unknown strategy {self.strategy!r}; known: {', '.join(_STRATEGIES)}")
        parse_bytes(self.memory_limit)
        for name in ("num_workers", "chunk_rows", "chunk_bytes", "batch_rows", "min_parallel_rows"):
            if not hasattr(value := getattr(self, name), "__index__"):
                raise TypeError(f"{name} is a whole number, not {value!r}")
        if self.timeout is not None and not hasattr(self.timeout, "__float__"):
            raise TypeError(f"timeout is a number of seconds, not {self.timeout!r}")

    def _engine(self) -> dict:
        out = {name: getattr(self, name) for name in ("num_workers", "chunk_rows", "chunk_bytes", "batch_rows", "min_parallel_rows",
                                                      "pin_workers", "ordered", "exact_float_sums")}
        out["strategy"] = _STRATEGIES.index(self.strategy)
        out["memory_limit"] = parse_bytes(self.memory_limit)
        if self.timeout is not None:
            out["timeout_ms"] = max(0, round(self.timeout * 1000))
        return out
