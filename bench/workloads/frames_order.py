"""The best thousand, and whole tables sorted."""

from __future__ import annotations

from .workload import Table, Workload, gm, pc, pl, sql

M = 1_000_000
_BEST = [("value", "descending")]


def _top(rows: int, label: str) -> Workload:
    return Workload(f"top1000_{label}", {"t": Table("points", rows)}, sql(
        "select * from t order by value desc limit 1000",
        polars=lambda t: t.t.top_k(1000, by="value").sort("value", descending=True),
        pyarrow=lambda t: t.t.take(pc.select_k_unstable(t.t, 1000, sort_keys=_BEST)),
        pandas=lambda t: t.t.nlargest(1000, "value"),
        gristmill=lambda t: t.t.sort("value", descending=True).head(1000),
    ), order=(1,))


def _sort_then(rows: int, label: str) -> Workload:
    return Workload(f"sort_then_1000_{label}", {"t": Table("points", rows)}, dict(
        duckdb="select * from (select * from t order by value desc) as sorted limit 1000",
        datafusion="select * from t order by value desc limit 1000",  # it drops the order of a subquery
        polars=lambda t: t.t.sort("value", descending=True).head(1000),
        pyarrow=lambda t: t.t.sort_by(_BEST).slice(0, 1000),
        pandas=lambda t: t.t.sort_values("value", ascending=False).head(1000),
        gristmill=lambda t: t.t.sort("value", descending=True).head(1000),
    ), order=(1,))


def _sort(name: str, table: str, column: str, place: int) -> Workload:
    return Workload(name, {"t": Table(table, 10 * M)}, sql(
        f"select * from t order by {column}",
        polars=lambda t: t.t.sort(column),
        pyarrow=lambda t: t.t.sort_by(column),
        pandas=lambda t: t.t.sort_values(column),
        gristmill=lambda t: t.t.sort(column),
    ), order=(place,))


ROWS = [
    *(make(rows, label) for rows, label in ((M, "1m"), (10 * M, "10m")) for make in (_top, _sort_then)),
    _sort("sort_float", "items", "value", 1), _sort("sort_string", "named", "name", 2),
]
