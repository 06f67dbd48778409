"""streams --nexmark: the queries of Nexmark and windows by key over batches in memory, answers checked against batch SQL, events a second.

An event is a row of a stream that the query reads; a stream that is read twice counts once. Timed: from the stream's first method to the table of
what it gave.
"""

from __future__ import annotations

import argparse
import fnmatch
import gc
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from measure import report
from workloads import nexmark
from workloads.tables import ipc_file, scaled
from workloads.workload import Table

EVENTS = 5_000_000
GATE = 2e6  # events a second of windows by key
PLACES = 6  # of means that must agree


@dataclass
class Row:
    name: str
    what: str
    events: int
    gate: float = 0.0
    seconds: list[float] = field(default_factory=list)
    rows: int = 0
    problem: str = ""

    @property
    def rate(self) -> float:
        return self.events / statistics.median(self.seconds)

    @property
    def good(self) -> bool:
        return not self.problem and self.rate >= self.gate


@dataclass(frozen=True)
class Question:
    """One row: what ours runs and the SQL that says what it must give, over `tables`."""

    name: str
    what: str
    events: int
    ours: Callable[[], Any]
    batch: str
    tables: dict[str, pa.Table]
    rounded: tuple[int, ...] = ()
    gate: float = 0.0


def _read(name: str, rows: int, small: bool) -> pa.Table:
    with pa.OSFile(str(ipc_file(scaled(Table(name, rows), small)))) as file:
        return pa.ipc.open_file(file).read_all()


def _batches(of: pa.Table) -> list[pa.RecordBatch]:
    """As streams get them: 100,000 rows each, text as the engine keeps it."""
    views = pa.schema([f.with_type(pa.string_view()) if f.type == pa.string() else f for f in of.schema])
    return of.cast(views).combine_chunks().to_batches(max_chunksize=100_000)


def _auction_house(small: bool) -> list[Question]:
    tables = {kind: _read(f"nexmark_{kind}", EVENTS // 50 * of, small) for kind, of in nexmark.OF.items()}
    sources = nexmark.Sources({kind: _batches(t) for kind, t in tables.items()})
    return [Question(q.name, q.what, sum(tables[kind].num_rows for kind in set(q.reads)), lambda q=q: q.ours(sources), q.batch, tables, q.rounded)
            for q in nexmark.QUERIES.values()]


def _windows(small: bool) -> list[Question]:
    import gristmill as gm

    table = _read("events", 10_000_000, small)
    batches, size, gap = _batches(table), 10_000, 40
    pick = "select key, {0} as start, count(*), sum(value) from t group by key, {0}"

    def over(windows: Any) -> Callable[[], Any]:
        def run() -> Any:
            found = gm.Stream.from_batches(batches).with_watermark("ts", 50).window(windows, by="key").aggregate(n=gm.count(), total=gm.col("value").sum())
            return found.select("key", "window_start", "n", "total")

        return run

    return [
        Question("tumbling", f"count and sum by 100 keys, {size // 1000} s", table.num_rows, over(gm.stream.tumbling(size)),
                 pick.format(f"ts // {size} * {size}"), {"t": table}, (3,), GATE),
        Question("hopping", f"the same, {size // 1000} s every {size // 5000} s", table.num_rows, over(gm.stream.hopping(size, size // 5)),
                 f"with hops as (select key, value, (ts // {size // 5} - k) * {size // 5} as start from t, range(5) r(k)) "
                 "select key, start, count(*), sum(value) from hops group by key, start", {"t": table}, (3,)),
        Question("session", f"the same, sessions with a gap of {gap} ms", table.num_rows, over(gm.stream.session(gap)),
                 f"""with ordered as (select *, case when ts - lag(ts) over w < {gap} then 0 else 1 end as first from t window w as (partition by key order by ts)),
                     numbered as (select *, sum(first) over (partition by key order by ts rows unbounded preceding) as number from ordered)
                     select key, min(ts), count(*), sum(value) from numbered group by key, number""", {"t": table}, (3,)),
    ]


def _comparable(answer: pa.Table, rounded: tuple[int, ...]) -> pa.Table:
    """Columns by place, texts as texts, in one order of rows."""
    columns = []
    for i, column in enumerate(answer.columns):
        if pa.types.is_string_view(column.type) or pa.types.is_large_string(column.type):
            column = column.cast(pa.string())
        elif pa.types.is_integer(column.type):
            column = column.cast(pa.int64())
        elif pa.types.is_decimal(column.type):
            column = column.cast(pa.float64())
        columns.append(pc.round(column, PLACES) if i in rounded else column)
    named = pa.table(columns, names=[f"c{i}" for i in range(len(columns))])
    return named.sort_by([(name, "ascending") for name in named.column_names]).combine_chunks()


def _difference(q: Question, found: pa.Table) -> str:
    import duckdb

    with duckdb.connect() as batch:
        batch.execute("set threads = 2")
        for name, table in q.tables.items():
            batch.register(name, table)
        wanted = batch.sql(q.batch).to_arrow_table()
    if found.num_rows != wanted.num_rows:
        return f"WRONG: {found.num_rows} rows, batch SQL has {wanted.num_rows}"
    ours, theirs = _comparable(found, q.rounded), _comparable(wanted, q.rounded)
    if ours.num_columns != theirs.num_columns:
        return f"WRONG: {ours.num_columns} columns, batch SQL has {theirs.num_columns}"
    for i, (a, b) in enumerate(zip(ours.columns, theirs.columns)):
        same = pc.all(pc.less_equal(pc.abs(pc.subtract(a, b)), 1.5 * 10 ** -PLACES)).as_py() is not False if i in q.rounded else a.equals(b)
        if not same:
            return f"WRONG: column {i} differs from batch SQL"
    return ""


def _measure(q: Question, runs: int) -> Row:
    row = Row(q.name, q.what, q.events, q.gate)
    try:
        found = q.ours().collect().to_arrow()
        row.rows, row.problem = found.num_rows, _difference(q, found)
        del found
        for _ in range(runs):
            gc.collect()
            began = time.perf_counter()
            result = q.ours().collect()
            row.seconds.append(time.perf_counter() - began)
            del result
    except Exception as e:  # noqa: BLE001 - the report says it, other rows go on
        row.problem = f"FAILED: {type(e).__name__}: {e}"
    return row


def run(options: argparse.Namespace) -> int:
    os.environ["GRISTMILL_WORKERS"] = "2"
    small = options.scale == "small"
    patterns = options.rows.split(",")
    rows = []
    for make in (_auction_house, _windows):
        for q in make(small):
            if not any(fnmatch.fnmatch(q.name, p) for p in patterns):
                continue
            rows.append(_measure(q, options.pairs))
            print(f"{q.name}: {rows[-1].problem or f'{rows[-1].rate / 1e6:.2f}M events/s'}", file=sys.stderr, flush=True)
    lines = [[r.name, r.what, f"{r.events:,}", f"{r.rows:,}", r.problem or f"{r.rate / 1e6:.2f}M" + ("" if r.good or small else " !"),
              "" if r.problem else f"{min(r.seconds):.2f}..{max(r.seconds):.2f}"] for r in rows]
    text = report.markdown_table(("query", "", "events", "rows", "events/s", "seconds"), lines)
    report.save("streams-nexmark" + ("-small" if small else ""),
                f"# streams: Nexmark and windows by key\n\nFrom batches in memory, two workers, {options.pairs} runs, every answer that of batch SQL (DuckDB).\n\n{text}\n",
                {"rows": [asdict(r) for r in rows]})
    wrong = [r.name for r in rows if r.problem]
    slow = [r.name for r in rows if not r.problem and not r.good and not small]
    for text in ([f"wrong or failed: {', '.join(wrong)}"] if wrong else []) + ([f"below {GATE / 1e6:.0f}M events/s: {', '.join(slow)}"] if slow else []):
        print(f"GATE DOES NOT HOLD: {text}")
    return int(bool(wrong or slow) and not options.no_gate)
