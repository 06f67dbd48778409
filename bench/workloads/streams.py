"""Streams, batch by batch: the operators of frames over batches of 100,000 rows, given to the stream one after the other.

The peers get the same rows as one table in memory. Ours is the stream from its first method to the table of what it gave.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from . import frames
from .workload import Table, Workload, by_name, gm, pa, pc, pl, sql

BATCH_ROWS = 100_000
_batches: dict[int, tuple[Any, list[Any]]] = {}


def stream_of(frame: Any) -> Any:
    """A stream over the batches of a table, text as views, the engine's own form; they are cut at the first call, which is not timed."""
    known = _batches.get(id(frame))
    if known is None:
        table = frame.collect().to_arrow()
        views = pa.schema([f.with_type(pa.string_view()) if f.type == pa.string() else f for f in table.schema])
        known = _batches[id(frame)] = (frame, table.cast(views).combine_chunks().to_batches(max_chunksize=BATCH_ROWS))
    return gm.Stream.from_batches(known[1], known[1][0].schema)


class _Streams:
    """The loaded tables, with one of them as a stream."""

    def __init__(self, tables: Any, alias: str) -> None:
        self._tables, self._alias = tables, alias

    def __getattr__(self, name: str) -> Any:
        table = getattr(self._tables, name)
        return stream_of(table) if name == self._alias else table


def _as_stream(name: str, alias: str = "t") -> Workload:
    """A row of frames; the queries of ours say the same of streams."""
    row = frames.WORKLOADS[name]
    query = row.queries["gristmill"]
    return replace(row, queries={**row.queries, "gristmill": lambda t: query(_Streams(t, alias))}, gate=1.0)


def _map2(rows: int, label: str) -> Workload:
    return Workload(f"map2_{label}", {"t": Table("numbers", rows)}, sql(
        "select x, 2.5 * x::double + 100 as y, x * x as z from t",
        polars=lambda t: t.t.with_columns(y=2.5 * pl.col("x") + 100, z=pl.col("x") * pl.col("x")),
        pyarrow=lambda t: t.t.append_column("y", pc.add(pc.multiply(t.t["x"], 2.5), 100.0)).append_column("z", pc.multiply(t.t["x"], t.t["x"])),
        pandas=lambda t: t.t.assign(y=2.5 * t.t["x"] + 100, z=t.t["x"] * t.t["x"]),
        gristmill=lambda t: stream_of(t.t).with_columns(y=2.5 * gm.col("x") + 100, z=gm.col("x") * gm.col("x")),
    ), gate=1.0)


def _tumbling() -> Workload:
    """Counts by key and window of event time, rows up to 50 ms late; the peers group, and need no watermark."""
    window = 10_000
    return Workload("tumbling_count_10m", {"t": Table("events", 10_000_000)}, sql(
        f"select key, ts - ts % {window} as start, count(*) as events from t group by key, ts - ts % {window}",
        polars=lambda t: t.t.group_by("key", (pl.col("ts") - pl.col("ts") % window).alias("start")).agg(pl.len()),
        gristmill=lambda t: stream_of(t.t).with_watermark("ts", 50).window(gm.stream.tumbling(window), by="key").aggregate(events=gm.count())
        .select("key", start=gm.col("window_start"), events=gm.col("events")),
    ), gate=1.0)


WORKLOADS = by_name([
    *(_as_stream(f"{name}_{size}") for name in ("map", "filter", "chain") for size in ("100k", "10m")),
    *(_map2(rows, label) for rows, label in ((10_000, "10k"), (50_000, "50k"), (100_000, "100k"), (500_000, "500k"), (1_000_000, "1m"))),
    _as_stream("city_sum_10m"), _as_stream("join_sum", "probe"), _as_stream("join_rows", "probe"),
    _as_stream("window_assign_1m"), _as_stream("window_count_1m"), _tumbling(), _as_stream("top1000_1m"),
])
