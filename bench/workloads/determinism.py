"""Sums and means of doubles whose bits tell whether an engine adds in one order, or exactly."""

from __future__ import annotations

from .workload import Table, Workload, by_name, gm, pa, pc, pl, sql

_ROWS = 10_000_000


def _by(name: str, key: str) -> Workload:
    return Workload(name, {"t": Table("groups", _ROWS, (key, "value"))}, sql(
        f"select {key} as k, sum(value) as total, avg(value) as average from t group by {key}",
        polars=lambda t: t.t.group_by(k=pl.col(key)).agg(total=pl.col("value").sum(), average=pl.col("value").mean()),
        pyarrow=lambda t: t.t.group_by(key).aggregate([("value", "sum"), ("value", "mean")]).rename_columns({key: "k"}).select(["k", "value_sum", "value_mean"]),
        pandas=lambda t: t.t.rename(columns={key: "k"}).groupby("k", sort=False, as_index=False)["value"].agg(["sum", "mean"]),
        gristmill=lambda t: t.t.group_by(k=gm.col(key)).agg(total=gm.col("value").sum(), average=gm.col("value").mean()),
    ), keys=("k",))


def _whole() -> Workload:
    return Workload("no_keys", {"t": Table("groups", _ROWS, ("value",))}, sql(
        "select sum(value) as total, avg(value) as average from t",
        polars=lambda t: t.t.select(total=pl.col("value").sum(), average=pl.col("value").mean()),
        pyarrow=lambda t: pa.table({"total": [pc.sum(t.t["value"]).as_py()], "average": [pc.mean(t.t["value"]).as_py()]}),
        pandas=lambda t: t.t["value"].agg(["sum", "mean"]).to_frame().T,
        gristmill=lambda t: t.t.select(total=gm.col("value").sum(), average=gm.col("value").mean()),
    ))


WORKLOADS = by_name([_by("by_1k_ints", "g1k"), _by("by_1m_ints", "g1m"), _by("by_10_strings", "s10"), _whole()])
