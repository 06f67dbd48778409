"""Rows in, rows out: computed columns and filters."""

from __future__ import annotations

from .workload import Table, Workload, gm, pa, pc, pl, sql

M = 1_000_000
WINDOW = 10_000


def _sizes(make) -> list[Workload]:
    """At 100k rows a streaming engine lives: there only the fastest peer is good enough."""
    return [make(100_000, "100k", 1.0), make(10 * M, "10m", 1.3)]


def _map(rows: int, label: str, gate: float) -> Workload:
    return Workload(f"map_{label}", {"t": Table("points", rows)}, sql(
        "select value * 2.5 + power(value, 1.5) as result from t",
        polars=lambda t: t.t.select(result=pl.col("value") * 2.5 + pl.col("value") ** 1.5),
        pyarrow=lambda t: pa.table({"result": pc.add(pc.multiply(t.t["value"], 2.5), pc.power(t.t["value"], 1.5))}),
        pandas=lambda t: (t.t["value"] * 2.5 + t.t["value"] ** 1.5).to_frame("result"),
        gristmill=lambda t: t.t.select(result=gm.col("value") * 2.5 + gm.col("value") ** 1.5),
    ), gate=gate)


def _filter(rows: int, label: str, gate: float) -> Workload:
    return Workload(f"filter_{label}", {"t": Table("points", rows)}, sql(
        "select * from t where value > 500 and category = 'A'",
        polars=lambda t: t.t.filter((pl.col("value") > 500) & (pl.col("category") == "A")),
        pyarrow=lambda t: t.t.filter((pc.field("value") > 500) & (pc.field("category") == "A")),
        pandas=lambda t: t.t[(t.t["value"] > 500) & (t.t["category"] == "A")],
        gristmill=lambda t: t.t.filter((gm.col("value") > 500) & (gm.col("category") == "A")),
    ), gate=gate)


def _chain_pyarrow(t):
    doubled = t.t.set_column(1, "value", pc.multiply(t.t["value"], 2.0))
    kept = doubled.filter(pc.greater(doubled["value"], 1000.0))
    return kept.append_column("log", pc.ln(kept["value"]))


def _chain_pandas(t):
    import numpy as np

    doubled = t.t["value"] * 2
    keep = doubled > 1000
    kept = t.t[keep].assign(value=doubled[keep])
    return kept.assign(log=np.log(kept["value"]))


def _chain(rows: int, label: str, gate: float) -> Workload:
    return Workload(f"chain_{label}", {"t": Table("points", rows)}, sql(
        "select id, value, category, ln(value) as log from (select id, value * 2 as value, category from t) as doubled where value > 1000",
        polars=lambda t: t.t.with_columns(pl.col("value") * 2).filter(pl.col("value") > 1000).with_columns(log=pl.col("value").log()),
        pyarrow=_chain_pyarrow,
        pandas=_chain_pandas,
        gristmill=lambda t: t.t.with_columns(value=gm.col("value") * 2).filter(gm.col("value") > 1000).with_columns(log=gm.col("value").ln()),
    ), gate=gate)


def _map2() -> Workload:
    return Workload("map2_1m", {"t": Table("numbers", M)}, sql(
        "select x, 2.5 * x::double + 100 as y, x * x as z from t",
        polars=lambda t: t.t.with_columns(y=2.5 * pl.col("x") + 100, z=pl.col("x") * pl.col("x")),
        pyarrow=lambda t: t.t.append_column("y", pc.add(pc.multiply(t.t["x"], 2.5), 100.0)).append_column("z", pc.multiply(t.t["x"], t.t["x"])),
        pandas=lambda t: t.t.assign(y=2.5 * t.t["x"] + 100, z=t.t["x"] * t.t["x"]),
        gristmill=lambda t: t.t.with_columns(y=2.5 * gm.col("x") + 100, z=gm.col("x") * gm.col("x")),
    ))


def _window_assign() -> Workload:
    return Workload("window_assign_1m", {"t": Table("events", M)}, sql(
        f"select *, ts - ts % {WINDOW} as window_start from t",
        polars=lambda t: t.t.with_columns(window_start=pl.col("ts") - pl.col("ts") % WINDOW),
        pyarrow=lambda t: t.t.append_column("window_start", pc.multiply(pc.divide(t.t["ts"], WINDOW), WINDOW)),
        pandas=lambda t: t.t.assign(window_start=t.t["ts"] - t.t["ts"] % WINDOW),
        gristmill=lambda t: t.t.with_columns(window_start=gm.col("ts") - gm.col("ts") % WINDOW),
    ))


def _filter_num(percent: int) -> Workload:
    bound = 1000 - 10 * percent
    return Workload(f"filter_num_{percent}", {"t": Table("items", 10 * M)}, sql(
        f"select * from t where value > {bound}",
        polars=lambda t: t.t.filter(pl.col("value") > bound),
        pyarrow=lambda t: t.t.filter(pc.field("value") > bound),
        pandas=lambda t: t.t[t.t["value"] > bound],
        gristmill=lambda t: t.t.filter(gm.col("value") > bound),
    ))


def _filter_str(percent: int) -> Workload:
    names = [f"category_{i}" for i in range(percent // 10)]
    one = len(names) == 1
    listed = ", ".join(f"'{n}'" for n in names)
    return Workload(f"filter_str_{percent}", {"t": Table("items", 10 * M)}, sql(
        f"select * from t where category in ({listed})",
        polars=lambda t: t.t.filter(pl.col("category") == names[0] if one else pl.col("category").is_in(names)),
        pyarrow=lambda t: t.t.filter(pc.field("category") == names[0] if one else pc.field("category").isin(names)),
        pandas=lambda t: t.t[t.t["category"] == names[0] if one else t.t["category"].isin(names)],
        gristmill=lambda t: t.t.filter(gm.col("category") == names[0] if one else gm.col("category").is_in(names)),
    ))


def _filter_mixed() -> Workload:
    return Workload("filter_mixed_1", {"t": Table("items", 10 * M)}, sql(
        "select * from t where value > 900 and category = 'category_3'",
        polars=lambda t: t.t.filter((pl.col("value") > 900) & (pl.col("category") == "category_3")),
        pyarrow=lambda t: t.t.filter((pc.field("value") > 900) & (pc.field("category") == "category_3")),
        pandas=lambda t: t.t[(t.t["value"] > 900) & (t.t["category"] == "category_3")],
        gristmill=lambda t: t.t.filter((gm.col("value") > 900) & (gm.col("category") == "category_3")),
    ))


def _with_column() -> Workload:
    return Workload("with_column", {"t": Table("items", 10 * M)}, sql(
        "select *, value * 2.0 as doubled from t",
        polars=lambda t: t.t.with_columns(doubled=pl.col("value") * 2.0),
        pyarrow=lambda t: t.t.append_column("doubled", pc.multiply(t.t["value"], 2.0)),
        pandas=lambda t: t.t.assign(doubled=t.t["value"] * 2.0),
        gristmill=lambda t: t.t.with_columns(doubled=gm.col("value") * 2.0),
    ))


ROWS = [
    *_sizes(_map), *_sizes(_filter), *_sizes(_chain), _map2(), _window_assign(),
    *(_filter_num(p) for p in (1, 30, 80)), *(_filter_str(p) for p in (10, 30, 80)), _filter_mixed(), _with_column(),
]
