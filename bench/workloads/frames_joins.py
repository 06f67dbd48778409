"""Joins of two tables on one integer."""

from __future__ import annotations

from .workload import Table, Workload, gm, pa, pc, pl, sql

M = 1_000_000
_SPARSE = {"probe": Table("probe", 10 * M), "build": Table("build", 1_200_000)}
_HALVES = {"l": Table("left_n", 10 * M), "r": Table("right_halfn", 5 * M)}


def _join_sum() -> Workload:
    return Workload("join_sum", _SPARSE, sql(
        "select sum(payload) as total from probe join build on probe.key = build.key",
        polars=lambda t: t.probe.join(t.build, on="key").select(pl.col("payload").sum()),
        pyarrow=lambda t: pa.table({"total": [pc.sum(t.probe.join(t.build, "key", join_type="inner")["payload"]).as_py()]}),
        pandas=lambda t: t.probe.merge(t.build, on="key")[["payload"]].sum().to_frame(),
        gristmill=lambda t: t.probe.join(t.build, on="key").select(gm.col("payload").sum()),
    ))


def _join_rows() -> Workload:
    return Workload("join_rows", _SPARSE, sql(
        "select probe.key, value, payload from probe join build on probe.key = build.key",
        polars=lambda t: t.probe.join(t.build, on="key"),
        pyarrow=lambda t: t.probe.join(t.build, "key", join_type="inner"),
        pandas=lambda t: t.probe.merge(t.build, on="key"),
        gristmill=lambda t: t.probe.join(t.build, on="key"),
    ))


def _join_n_halfn() -> Workload:
    return Workload("join_n_halfn", _HALVES, sql(
        "select l.id, value, other from l join r on l.id = r.id",
        polars=lambda t: t.l.join(t.r, on="id"),
        pyarrow=lambda t: t.l.join(t.r, "id", join_type="inner"),
        pandas=lambda t: t.l.merge(t.r, on="id"),
        gristmill=lambda t: t.l.join(t.r, on="id"),
    ))


ROWS = [_join_sum(), _join_rows(), _join_n_halfn()]
