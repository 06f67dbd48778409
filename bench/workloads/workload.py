"""A workload: its tables and how each engine says it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class Deferred:
    """A module imported at its first use, so that a worker imports only what its own engine needs."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


gm, pl, pa, pc, pd = (Deferred(n) for n in ("gristmill", "polars", "pyarrow", "pyarrow.compute", "pandas"))


@dataclass(frozen=True)
class Table:
    """A generated table (tables.py) of so many rows at full scale, of which only these columns, if given; or a Parquet file that each query reads."""

    name: str
    rows: int = 0
    columns: tuple[str, ...] = ()
    path: str = ""


@dataclass(frozen=True)
class Workload:
    """`queries` has SQL for duckdb and datafusion and callables of the loaded tables for the others; who cannot do it is not there.

    All queries give the same columns in the same places; names may differ. `order`: places of the columns the result is ordered by;
    `rounded`: places of decimal means, for which engines keep different numbers of digits.
    `keys`: names of the columns that identify a row (for the determinism family). `gate`: the largest good ratio of ours to the fastest peer.
    """

    name: str
    tables: Mapping[str, Table]
    queries: Mapping[str, Any]
    order: tuple[int, ...] = ()
    rounded: tuple[int, ...] = ()
    keys: tuple[str, ...] = ()
    gate: float = 1.3


def sql(text: str, **others: Any) -> dict[str, Any]:
    """Queries of a workload whose SQL is the same for both SQL engines."""
    return {"duckdb": text, "datafusion": text} | others


def by_name(workloads: list[Workload]) -> dict[str, Workload]:
    found = {w.name: w for w in workloads}
    if len(found) != len(workloads):
        raise ValueError("two workloads have one name")
    return found
