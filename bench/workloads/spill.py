"""More than the memory limit holds, from Parquet to Parquet: 50M distinct keys, a sort and a join of 50M rows, windows over 10,000 partitions."""

from __future__ import annotations

import numpy as np

from .tables import Rng, table
from .workload import Table, Workload, by_name, gm, pl, sql

ROWS = 50_000_000
PARTITIONS = 10_000


def _distinct(i: np.ndarray) -> np.ndarray:
    """A bijection on 64 bits: distinct keys all over the range, in no order."""
    x = i.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x ^= x >> np.uint64(32)
    return (x * np.uint64(0xD6E8FEB86659FD93)).view(np.int64)


def _shuffled(i: np.ndarray, rows: int, factor: int) -> np.ndarray:
    """A bijection on [0, rows): `factor` is a prime that divides no number of rows used here."""
    return (i.astype(np.uint64) * np.uint64(factor) % np.uint64(rows)).astype(np.int64)


@table
def spill_groups(rng: Rng, first: int, n: int, rows: int) -> dict[str, np.ndarray]:
    return {"key": _distinct(np.arange(first, first + n)), "value": rng.uniform(0, 1000, n)}


@table
def spill_rows(rng: Rng, first: int, n: int, rows: int) -> dict[str, np.ndarray]:
    return {"key": _distinct(np.arange(first, first + n)), "value": rng.uniform(0, 1000, n), "payload": rng.integers(0, 10**9, n)}


def _joined(i: np.ndarray, columns: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Columns of the join's row of number i: everything is a function of the number, so the join's answer is known without one."""
    key = _distinct(i)
    return {name: of(key) for name, of in (("key", lambda k: k), ("value", lambda k: (k >> 20) / 1024.0), ("payload", lambda k: k % 1_000_003)) if name in columns}


@table
def spill_left(rng: Rng, first: int, n: int, rows: int) -> dict[str, np.ndarray]:
    return _joined(np.arange(first, first + n), ("key", "value"))


@table
def spill_right(rng: Rng, first: int, n: int, rows: int) -> dict[str, np.ndarray]:
    return _joined(_shuffled(np.arange(first, first + n), rows, 39_916_801), ("key", "payload"))


@table
def spill_joined(rng: Rng, first: int, n: int, rows: int) -> dict[str, np.ndarray]:
    return _joined(np.arange(first, first + n), ("key", "value", "payload"))


def _placed(first: int, n: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Partition, and time within it: each partition has the times 0, 1, 2, ..., all of it in no order."""
    place = _shuffled(np.arange(first, first + n), rows, 27_644_437)
    return place % PARTITIONS, place // PARTITIONS


@table
def spill_events(rng: Rng, first: int, n: int, rows: int) -> dict[str, np.ndarray]:
    part, time = _placed(first, n, rows)
    return {"part": part, "time": time, "value": (time % 8) / 4.0}


@table
def spill_windows(rng: Rng, first: int, n: int, rows: int) -> dict[str, np.ndarray]:
    part, time = _placed(first, n, rows)
    so_far = (time // 8) * 28 + (time % 8) * (time % 8 + 1) // 2
    return {"part": part, "time": time, "value": (time % 8) / 4.0, "number": time + 1, "so_far": so_far / 4.0}


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

_JOIN = Workload("join_50m", {"l": Table("spill_left", ROWS), "r": Table("spill_right", ROWS)}, sql(
    "select l.key, value, payload from l join r on l.key = r.key",
    polars=lambda t: t.l.join(t.r, on="key"),
    gristmill=lambda t: t.l.join(t.r, on="key"),
))

_OVER = "over (partition by part order by time"
_WINDOWS = Workload("windows_10k", {"t": Table("spill_events", ROWS)}, sql(
    f"select part, time, value, row_number() {_OVER}) as number, sum(value) {_OVER} rows unbounded preceding) as so_far from t",
    polars=lambda t: t.t.with_columns(number=pl.int_range(1, pl.len() + 1).over("part", order_by="time"), so_far=pl.col("value").cum_sum().over("part", order_by="time")),
    gristmill=lambda t: t.t.with_columns(gm.row_number().over("part", order_by="time").alias("number"), gm.col("value").cum_sum().over("part", order_by="time").alias("so_far")),
))

WORKLOADS = by_name([_GROUP, _SORT, _JOIN, _WINDOWS])

# What comes out, where that is not the rows that went in.
EXPECTED = {"join_50m": "spill_joined", "windows_10k": "spill_windows"}
