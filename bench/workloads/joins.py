"""Joins over tables in memory: those of frames, and each trade with the last quote before it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from . import frames_joins, h2o_joins
from .tables import Rng, table
from .workload import Table, Workload, by_name, pd

M = 1_000_000
SYMBOLS = 1000


@table
def trades(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    """In order of their times, one every 10 or so."""
    ts = np.arange(first, first + n) * 10 + rng.integers(0, 10, n)
    return {"ts": ts, "symbol": rng.integers(0, SYMBOLS, n), "price": rng.uniform(1, 500, n)}


@table
def quotes(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    """In order of their times, no two at one time, one every 100 or so."""
    ts = np.arange(first, first + n) * 100 + rng.integers(0, 100, n)
    return {"ts": ts, "symbol": rng.integers(0, SYMBOLS, n), "bid": rng.uniform(1, 500, n)}


_TABLES = {"t": Table("trades", 10 * M), "q": Table("quotes", M)}


def _as_of(name: str, by: str | None) -> Workload:
    equal = f"t.{by} = q.{by} and " if by else ""
    if by:
        queries = dict(
            duckdb=f"select t.ts, t.symbol, t.price, q.bid from t asof left join q on {equal}t.ts >= q.ts",
            polars=lambda t: t.t.join_asof(t.q, on="ts", by=by, check_sortedness=False),
            pandas=lambda t: pd.merge_asof(t.t, t.q, on="ts", by=by),
            gristmill=lambda t: t.t.join_asof(t.q, on="ts", by=by))
    else:
        queries = dict(
            duckdb="select t.ts, t.symbol, t.price, q.bid from t asof left join q on t.ts >= q.ts",
            polars=lambda t: t.t.join_asof(t.q.select("ts", "bid"), on="ts"),
            pandas=lambda t: pd.merge_asof(t.t, t.q[["ts", "bid"]], on="ts"),
            gristmill=lambda t: t.t.join_asof(t.q.select("ts", "bid"), on="ts"))
    return Workload(name, _TABLES, queries)


WORKLOADS = by_name([replace(w, gate=1.2) for w in (*frames_joins.ROWS, *h2o_joins.ROWS, _as_of("as_of", None), _as_of("as_of_by_symbol", "symbol"))])
