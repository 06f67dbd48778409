"""Group-by questions of db-benchmark that a slice with sum, mean, min, max and count can answer: q1-q5, q7, q10."""

from __future__ import annotations

from typing import Any

from .workload import Table, Workload, gm, pc, pl, sql

_ROWS = 10_000_000
_SQL = {"sum": "sum({0})", "mean": "avg({0})"}


def _question(q: str, keys: str, *aggregates: tuple[str, str]) -> Workload:
    """Keys, then (function, column) pairs."""
    by = keys.split()
    columns = tuple(dict.fromkeys([*by, *(c for _, c in aggregates)]))
    chosen = ", ".join([*by, *(_SQL[f].format(c) + f" as {c}_{f}" for f, c in aggregates)])

    def each(col: Any) -> list[Any]:
        return [getattr(col(c), f)().alias(f"{c}_{f}") for f, c in aggregates]

    return Workload(f"h2o_groupby_{q}", {"x": Table("h2o_g1", _ROWS, columns)}, sql(
        f"select {chosen} from x group by {', '.join(by)}",
        polars=lambda t: t.x.group_by(by).agg(each(pl.col)),
        pyarrow=lambda t: t.x.group_by(by).aggregate([(c, f) for f, c in aggregates]).select([*by, *(f"{c}_{f}" for f, c in aggregates)]),
        gristmill=lambda t: t.x.group_by(by).agg(each(gm.col)),
    ))


def _q7_pyarrow(t):
    out = t.x.group_by("id3").aggregate([("v1", "max"), ("v2", "min")])
    return out.select(["id3"]).append_column("spread", pc.subtract(out["v1_max"], out["v2_min"]))


def _q7() -> Workload:
    return Workload("h2o_groupby_q7", {"x": Table("h2o_g1", _ROWS, ("id3", "v1", "v2"))}, sql(
        "select id3, max(v1) - min(v2) as spread from x group by id3",
        polars=lambda t: t.x.group_by("id3").agg(spread=pl.col("v1").max() - pl.col("v2").min()),
        pyarrow=_q7_pyarrow,
        gristmill=lambda t: t.x.group_by("id3").agg(spread=gm.col("v1").max() - gm.col("v2").min()),
    ))


def _q10() -> Workload:
    by = ["id1", "id2", "id3", "id4", "id5", "id6"]
    names = ", ".join(by)
    return Workload("h2o_groupby_q10", {"x": Table("h2o_g1", _ROWS, (*by, "v3"))}, sql(
        f"select {names}, sum(v3) as v3, count(*) as rows from x group by {names}",
        polars=lambda t: t.x.group_by(by).agg(pl.col("v3").sum(), pl.len()),
        pyarrow=lambda t: t.x.group_by(by).aggregate([("v3", "sum"), ([], "count_all")]).select([*by, "v3_sum", "count_all"]),
        gristmill=lambda t: t.x.group_by(by).agg(gm.col("v3").sum(), gm.count()),
    ))


ROWS = [
    _question("q1", "id1", ("sum", "v1")),
    _question("q2", "id1 id2", ("sum", "v1")),
    _question("q3", "id3", ("sum", "v1"), ("mean", "v3")),
    _question("q4", "id4", ("mean", "v1"), ("mean", "v2"), ("mean", "v3")),
    _question("q5", "id6", ("sum", "v1"), ("sum", "v2"), ("sum", "v3")),
    _q7(),
    _q10(),
]
