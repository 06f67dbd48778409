"""Sums and counts by keys."""

from __future__ import annotations

from .frames_rows import WINDOW
from .workload import Table, Workload, gm, pa, pc, pl, sql

M = 1_000_000


def _groupby_sum(label: str, *keys: str) -> Workload:
    names = ", ".join(keys)
    return Workload(f"groupby_sum_{label}", {"t": Table("groups", 10 * M, (*keys, "value"))}, sql(
        f"select {names}, sum(value) as total from t group by {names}",
        polars=lambda t: t.t.group_by(*keys).agg(total=pl.col("value").sum()),
        pyarrow=lambda t: t.t.group_by(list(keys)).aggregate([("value", "sum")]).select([*keys, "value_sum"]),
        pandas=lambda t: t.t.groupby(list(keys), sort=False, as_index=False)["value"].sum(),
        gristmill=lambda t: t.t.group_by(*keys).agg(total=gm.col("value").sum()),
    ))


def _city_pyarrow(t):
    kept = t.t.select(["city", "amount"]).filter(pc.field("amount") > 500)
    scaled = pa.table({"city": kept["city"], "scaled": pc.multiply(kept["amount"], 1.1)})
    return scaled.group_by("city").aggregate([("scaled", "sum")]).select(["city", "scaled_sum"])


def _city_pandas(t):
    kept = t.t.loc[t.t["amount"] > 500, ["city", "amount"]]
    return kept.assign(amount=kept["amount"] * 1.1).groupby("city", sort=False, as_index=False)["amount"].sum()


def _city_sum() -> Workload:
    return Workload("city_sum_10m", {"t": Table("sales", 10 * M)}, sql(
        "select city, sum(amount * 1.1) as total from t where amount > 500 group by city",
        polars=lambda t: t.t.filter(pl.col("amount") > 500).with_columns(scaled=pl.col("amount") * 1.1).group_by("city").agg(pl.col("scaled").sum()),
        pyarrow=_city_pyarrow,
        pandas=_city_pandas,
        gristmill=lambda t: t.t.filter(gm.col("amount") > 500).with_columns(scaled=gm.col("amount") * 1.1).group_by("city").agg(gm.col("scaled").sum()),
    ))


def _count_pyarrow(t):
    start = pc.multiply(pc.divide(t.t["ts"], WINDOW), WINDOW)
    return pa.table({"key": t.t["key"], "start": start}).group_by(["key", "start"]).aggregate([([], "count_all")]).select(["key", "start", "count_all"])


def _count_pandas(t):
    start = t.t["ts"] - t.t["ts"] % WINDOW
    return t.t[["key"]].assign(start=start).groupby(["key", "start"], sort=False).size().reset_index()


def _window_count() -> Workload:
    return Workload("window_count_1m", {"t": Table("events", M)}, sql(
        f"select key, ts - ts % {WINDOW} as start, count(*) as events from t group by key, ts - ts % {WINDOW}",
        polars=lambda t: t.t.group_by("key", (pl.col("ts") - pl.col("ts") % WINDOW).alias("start")).agg(pl.len()),
        pyarrow=_count_pyarrow,
        pandas=_count_pandas,
        gristmill=lambda t: t.t.group_by("key", (gm.col("ts") - gm.col("ts") % WINDOW).alias("start")).agg(gm.count()),
    ))


ROWS = [
    _city_sum(), _window_count(), *(_groupby_sum(k, k) for k in ("g10", "g1k", "g100k", "g1m", "g10m", "s10", "s100k")),
    _groupby_sum("g1k_s10", "g1k", "s10"),
]
