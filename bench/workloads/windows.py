"""Window functions over tables in memory: places within groups, rolling and running sums."""

from __future__ import annotations

from .workload import Table, Workload, by_name, gm, pl, sql

M = 1_000_000


def _row_number(label: str) -> Workload:
    key = f"g{label}"
    return Workload(f"row_number_{label}", {"t": Table("groups", 10 * M, (key, "value"))}, sql(
        f"select {key}, value, row_number() over (partition by {key} order by value) as n from t",
        polars=lambda t: t.t.with_columns(n=pl.col("value").rank("ordinal").cast(pl.Int64).over(key)),
        pandas=lambda t: t.t.assign(n=t.t.groupby(key)["value"].rank("first").astype("int64")),
        gristmill=lambda t: t.t.with_columns(gm.row_number().over(key, order_by="value").alias("n")),
    ), gate=1.2)


def _rank() -> Workload:
    return Workload("rank_100k", {"t": Table("groups", 10 * M, ("g100k", "value"))}, sql(
        "select g100k, value, rank() over (partition by g100k order by value desc) as place from t",
        polars=lambda t: t.t.with_columns(place=pl.col("value").rank("min", descending=True).cast(pl.Int64).over("g100k")),
        pandas=lambda t: t.t.assign(place=t.t.groupby("g100k")["value"].rank("min", ascending=False).astype("int64")),
        gristmill=lambda t: t.t.with_columns(gm.rank().over("g100k", order_by="value", descending=True).alias("place")),
    ), gate=1.2)


def _lag() -> Workload:
    return Workload("lag_100k", {"t": Table("groups", 10 * M, ("g100k", "value"))}, sql(
        "select g100k, value, lag(value) over (partition by g100k order by value) as before from t",
        polars=lambda t: t.t.with_columns(before=pl.col("value").shift(1).over("g100k", order_by="value")),
        gristmill=lambda t: t.t.with_columns(gm.col("value").lag().over("g100k", order_by="value").alias("before")),
    ), gate=1.2)


def _share() -> Workload:
    return Workload("share_100k", {"t": Table("groups", 10 * M, ("g100k", "value"))}, sql(
        "select g100k, value, max(value) over (partition by g100k) as most from t",
        polars=lambda t: t.t.with_columns(most=pl.col("value").max().over("g100k")),
        pandas=lambda t: t.t.assign(most=t.t.groupby("g100k")["value"].transform("max")),
        gristmill=lambda t: t.t.with_columns(gm.col("value").max().over("g100k").alias("most")),
    ), gate=1.2)


def _rolling(name: str, function: str) -> Workload:
    return Workload(name, {"t": Table("points", 10 * M, ("id", "value"))}, sql(
        f"select id, value, {function}(value) over (order by id rows 6 preceding) as s from t",
        polars=lambda t: t.t.with_columns(s=getattr(pl.col("value"), f"rolling_{function}")(7, min_samples=1)),
        pandas=lambda t: t.t.assign(s=getattr(t.t["value"].rolling(7, min_periods=1), function)()),
        gristmill=lambda t: t.t.with_columns(getattr(gm.col("value"), f"rolling_{function}")(7, min_periods=1).alias("s")),
    ), gate=1.2)


def _running() -> Workload:
    return Workload("running_sum", {"t": Table("points", 10 * M, ("id", "value"))}, sql(
        "select id, value, sum(value) over (order by id rows unbounded preceding) as s from t",
        polars=lambda t: t.t.with_columns(s=pl.col("value").cum_sum()),
        pandas=lambda t: t.t.assign(s=t.t["value"].cumsum()),
        gristmill=lambda t: t.t.with_columns(gm.col("value").cum_sum().alias("s")),
    ), gate=1.2)


WORKLOADS = by_name([_row_number("10"), _row_number("100k"), _rank(), _lag(), _share(), _rolling("rolling_sum_7", "sum"),
                     _rolling("rolling_max_7", "max"), _running()])
