"""More than the memory limit holds, from Parquet to Parquet: 50M distinct keys, and a sort of 50M rows of three columns."""

from __future__ import annotations

import numpy as np

from .tables import Rng, table
from .workload import Table, Workload, by_name, gm, pl, sql

ROWS = 50_000_000


def _distinct(i: np.ndarray) -> np.ndarray:
    """A bijection on 64 bits: distinct keys all over the range, in no order."""
    x = i.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x ^= x >> np.uint64(32)
    return (x * np.uint64(0xD6E8FEB86659FD93)).view(np.int64)


@table
def spill_groups(rng: Rng, first: int, n: int, rows: int) -> dict[str, np.ndarray]:
    return {"key": _distinct(np.arange(first, first + n)), "value": rng.uniform(0, 1000, n)}


@table
def spill_rows(rng: Rng, first: int, n: int, rows: int) -> dict[str, np.ndarray]:
    return {"key": _distinct(np.arange(first, first + n)), "value": rng.uniform(0, 1000, n), "payload": rng.integers(0, 10**9, n)}


_GROUP = Workload("group_50m", {"t": Table("spill_groups", ROWS)}, sql(
    "select key, sum(value) as value from t group by key",
    polars=lambda t: t.t.group_by("key").agg(pl.col("value").sum()),
    gristmill=lambda t: t.t.group_by("key").agg(value=gm.col("value").sum()),
))

_SORT = Workload("sort_50m", {"t": Table("spill_rows", ROWS)}, sql(
    "select key, value, payload from t order by key",
    polars=lambda t: t.t.sort("key"),
    gristmill=lambda t: t.t.sort("key"),
), order=(0,))

# In both, each input row is an output row: that is how the answers are checked.
WORKLOADS = by_name([_GROUP, _SORT])
