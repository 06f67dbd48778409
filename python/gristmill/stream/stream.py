"""Streams: what becomes of batches on their way from a source to whoever takes them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from .. import _engine
from ..expr import Expr, IntoExpr, _wrap
from ..frame import _JOINS, _STRATEGIES, Frame, _many, _names, _per_key, from_arrow
from ..options import parse_bytes
from ..table import Table, _Schema
from .operators import FunctionOperator, StreamOperator, as_batch, calls_of, saved_state, schema_of
from .sources import AsyncBatches, all_of, caller_loop, is_list, peeked, rows_of_lists
from .text_filters import TextFilters
from .windows import EventTime
from .writing import Writing

Function = Callable[[pa.RecordBatch], Any]


def _scanned(path: str) -> Frame:
    """The files of a path or pattern, by its ending; compressed text counts by the ending before."""
    from ..files import scan_ipc, scan_parquet
    from ..text_files import scan_csv, scan_ndjson

    parts = path.lower().split(".")
    ending = parts[-2] if len(parts) > 2 and parts[-1] in ("gz", "zst", "lz4", "bz2", "br", "sz") else parts[-1]
    if ending in ("parquet", "parq", "pq"):
        return scan_parquet(path)
    if ending in ("csv", "tsv"):
        return scan_csv(path, separator="\t" if ending == "tsv" else ",")
    if ending in ("ndjson", "jsonl"):
        return scan_ndjson(path)
    if ending in ("arrow", "ipc", "feather"):
        return scan_ipc(path)
    raise ValueError(f"cannot tell the format of {path!r} by its ending; give a frame: replay(gm.scan_csv({path!r}))")


class Stream(TextFilters, Writing, EventTime):
    """Batches on their way through operators, morsel by morsel on every core. Immutable: each method gives a new stream; nothing is read
    before a batch is asked for.

    Built-in operators always use all cores. A function of yours sees one batch after the other, in order; behind `.parallel()` it sees
    morsels, several at once. Results keep the order of the input and are the same at any number of workers.

    >>> import gristmill as gm, pyarrow.compute as pc
    >>> def expensive(batch):
    ...     return batch.append_column("taxed", pc.multiply(batch.column("amount"), 1.2))
    >>> stream = (gm.Stream.from_pylist([{"id": i, "amount": 50.0 * i} for i in range(5)])
    ...     .map(expensive)
    ...     .parallel(num_workers=2, morsel_size_kb=64)
    ...     .filter(gm.col("amount") > 100))
    >>> stream.collect().to_pydict()
    {'id': [3, 4], 'amount': [150.0, 200.0], 'taxed': [180.0, 240.0]}
    """

    def __init__(self, engine_stream: _engine.Stream) -> None:
        engine_stream.check()
        self._s = engine_stream
        self._stats = "{}"  # of the last run, as the engine told them
        self._running: _engine.StreamReader | _engine.StreamControl | None = None

    def _with(self, engine_stream: _engine.Stream) -> "Stream":
        return Stream(engine_stream)

    # Sources.

    @staticmethod
    def from_frame(frame: Frame | Table) -> "Stream":
        """The rows of a lazy frame: a query over tables, files or PostgreSQL, or of SQL.

        >>> import gristmill as gm
        >>> t = gm.from_pydict({"a": [1, 2, 3]})
        >>> gm.Stream.from_frame(gm.sql("select a * 10 as b from t where a > 1")).collect().to_pydict()
        {'b': [20, 30]}
        """
        return Stream(_engine.Stream.of_frame((frame.lazy() if isinstance(frame, Table) else frame)._f))

    @staticmethod
    def from_table(data: Any) -> "Stream":
        """Any Arrow data (pyarrow, polars, a Table ...) without a copy."""
        return Stream.from_frame(data if isinstance(data, (Frame, Table)) else from_arrow(data))

    from_arrow = from_table

    @staticmethod
    def from_batches(batches: Iterable[pa.RecordBatch], schema: pa.Schema | None = None) -> "Stream":
        """Record batches of one schema; each goes through the operators as one, or in morsels when it is large."""
        return Stream.from_iterable(batches, schema)

    @staticmethod
    def from_pylist(rows: Sequence[Mapping[str, Any]], schema: pa.Schema | None = None, batch_rows: int = 65_536) -> "Stream":
        """A list of dicts."""
        if schema is None:
            schema = pa.Table.from_pylist(list(rows)).schema
        return Stream.from_iterable([b for b in rows_of_lists(rows, schema, batch_rows)], schema)

    from_dicts = from_pylist

    @staticmethod
    def from_iterable(iterable: Iterable[Any] | AsyncIterable[Any], schema: pa.Schema | None = None, name: str = "iterable") -> "Stream":
        """Anything that gives batches, tables, dicts of columns or lists of dicts, also asynchronously. It may never end.

        It is read as batches are asked for. What can be iterated once only (a generator) gives one run.

        >>> import gristmill as gm, itertools
        >>> endless = ([{"n": n}] for n in itertools.count())
        >>> gm.Stream.from_iterable(endless).filter(gm.col("n") % 2 == 1).take(3).to_pydict()
        {'n': [1, 3, 5]}
        """
        if is_list(iterable):
            batches: Any = iterable
            of = schema if schema is not None else batches[0].schema
            return Stream(_engine.Stream.from_list(of.__arrow_c_schema__(), lambda: all_of(batches, of), name))
        source: Iterable[Any] = iterable if isinstance(iterable, Iterable) else AsyncBatches(iterable)
        known, reader = peeked(source, schema)
        return Stream(_engine.Stream.from_function(known.__arrow_c_schema__(), reader, name))

    @staticmethod
    def from_parquet(path: Any, **options: Any) -> "Stream":
        """Parquet files: a path, a glob, a folder, s3://...; takes what scan_parquet takes. Filters and columns are pushed into the files."""
        from ..files import scan_parquet

        return Stream.from_frame(scan_parquet(path, **options))

    @staticmethod
    def from_csv(path: Any, **options: Any) -> "Stream":
        """CSV files; takes what scan_csv takes."""
        from ..text_files import scan_csv

        return Stream.from_frame(scan_csv(path, **options))

    @staticmethod
    def from_ndjson(path: Any, **options: Any) -> "Stream":
        """Files with a JSON object a line; takes what scan_ndjson takes."""
        from ..text_files import scan_ndjson

        return Stream.from_frame(scan_ndjson(path, **options))

    @staticmethod
    def from_ipc(path: Any, **options: Any) -> "Stream":
        """Arrow IPC files and streams; takes what scan_ipc takes."""
        from ..files import scan_ipc

        return Stream.from_frame(scan_ipc(path, **options))

    @staticmethod
    def from_postgres(connection: str, query: str, **options: Any) -> "Stream":
        """The rows of a query that PostgreSQL answers; takes what scan_postgres takes."""
        from ..postgres import scan_postgres

        return Stream.from_frame(scan_postgres(connection, query, **options))

    @staticmethod
    def from_kafka(topic: str, servers: str, **options: Any) -> "Stream":
        """The messages of a topic; takes what gristmill.stream.kafka.from_kafka takes (format, schema, metadata, start, until, group, ...)."""
        from .kafka import from_kafka

        return from_kafka(topic, servers, **options)

    @staticmethod
    def from_sql(query: str, params: Any = None, **tables: Any) -> "Stream":
        """The rows of a query of the engine's own SQL over streams, frames, tables and files: keyword arguments, then the caller's variables.

        Over a stream that never ends: select, filter, join a table, union all, and group by tumble(), hop() or session() of its event time.

        >>> import gristmill as gm, pyarrow as pa
        >>> clicks = gm.Stream.replay(pa.table({"ts": [1, 4, 12, 25], "page": ["a", "b", "a", "a"]})).with_watermark("ts")
        >>> gm.Stream.from_sql('''
        ...     select window_start, page, count(*) as n from tumble(clicks, ts, 10) where page = :page group by window_start, page
        ... ''', {"page": "a"}).collect().to_pylist()
        [{'window_start': 0, 'page': 'a', 'n': 1}, {'window_start': 10, 'page': 'a', 'n': 1}, {'window_start': 20, 'page': 'a', 'n': 1}]
        """
        from .._sql import named_tables, parameter_values, variables_in

        found = named_tables(tables) + variables_in(query, tables, sys._getframe(1))
        return Stream(_engine.sql_stream(query, found, parameter_values(params)))

    @staticmethod
    def replay(data: Any, morsel_rows: int = 16_384) -> "Stream":
        """A table or files as a source with positions: with `.checkpoint()` a later run goes on where this one was stopped. `data`: a
        path or pattern of files, a frame (`gm.scan_csv(path, ...)`), a table or Arrow data."""
        if isinstance(data, (str, os.PathLike)):
            data = _scanned(os.fspath(data))
        frame = data if isinstance(data, Frame) else data.lazy() if isinstance(data, Table) else from_arrow(data)
        return Stream(_engine.Stream.replay(frame._f, morsel_rows))

    # Row by row.

    def map(self, function: Function, schema: pa.Schema | None = None, name: str | None = None) -> "Stream":
        """A function of each batch. `schema`: the columns it gives; without it they are found by a call with an empty batch."""
        return self._operator(FunctionOperator(function, name or str(getattr(function, "__name__", "map")), False), schema)

    def flat_map(self, function: Callable[[pa.RecordBatch], Iterable[Any]], schema: pa.Schema | None = None, name: str | None = None) -> "Stream":
        """A function that gives any number of batches for each.

        >>> import gristmill as gm
        >>> gm.Stream.from_pylist([{"x": 1}, {"x": 2}]).flat_map(lambda batch: [batch, batch]).collect().to_pydict()
        {'x': [1, 2, 1, 2]}
        """
        return self._operator(FunctionOperator(function, name or str(getattr(function, "__name__", "flat_map")), True), schema)

    def apply(self, operator: StreamOperator, schema: pa.Schema | None = None) -> "Stream":
        """An operator of your own; see StreamOperator."""
        return self._operator(operator, schema)

    def _operator(self, operator: StreamOperator, schema: pa.Schema | None) -> "Stream":
        gives = schema_of(operator, schema, self.schema)
        return self._with(self._s.apply(operator.name, gives.__arrow_c_schema__(), calls_of(operator), lambda: saved_state(operator),
                                        operator.load_state, operator.is_stateful(), list(operator.partition_keys()), operator.parallelism_hint()))

    def filter(self, *predicates: IntoExpr | Function) -> "Stream":
        """The rows for which every predicate is true: an expression, or a function that gives a boolean array for a batch.

        >>> import gristmill as gm, pyarrow.compute as pc
        >>> s = gm.Stream.from_pylist([{"x": 1}, {"x": 2}, {"x": 3}])
        >>> s.filter(gm.col("x") > 1).filter(lambda b: pc.less(b.column("x"), 3)).collect().to_pydict()
        {'x': [2]}
        """
        out = self
        for p in predicates:
            if isinstance(p, Expr) or not callable(p):
                out = out._with(out._s.filter(_wrap(p)))
            else:
                def keep(batch: pa.RecordBatch, mask: Callable[[pa.RecordBatch], Any] = p) -> pa.RecordBatch:
                    kept = mask(batch)
                    return batch.filter(kept if isinstance(kept, (pa.Array, pa.ChunkedArray)) else pa.array(kept))

                out = out._operator(FunctionOperator(keep, "filter", False), out.schema)
        return out

    def select(self, *exprs: IntoExpr | Sequence[IntoExpr], **named: IntoExpr) -> "Stream":
        """Exactly these columns; text is a column's name."""
        return self._with(self._s.select(_many(exprs, named)))

    def with_columns(self, *exprs: IntoExpr | Sequence[IntoExpr], **named: IntoExpr) -> "Stream":
        """Adds columns, or replaces those of the same name."""
        return self._with(self._s.with_columns(_many(exprs, named)))

    def drop(self, *columns: str) -> "Stream":
        """All columns but these."""
        return self._with(self._s.drop([n for c in columns for n in _names(c)]))

    def rename(self, names: Mapping[str, str] | Callable[[str], str]) -> "Stream":
        """New names for some columns: a dict, or a function of the old name."""
        if not isinstance(names, Mapping):
            names = {old: names(old) for old in self.columns}
        return self._with(self._s.rename(list(names.items())))

    def explode(self, *columns: str) -> "Stream":
        """One row per list element."""
        return self._with(self._s.explode([n for c in columns for n in _names(c)]))

    def union(self, *others: "Stream") -> "Stream":
        """The other streams' rows too, columns matched by name: behind this one's when all end, else as they come."""
        return self._with(self._s.union_with([o._s for o in others]))

    def join(self, other: "Stream | Frame | Table", on: str | Sequence[str] | None = None, how: str = "inner", *,
             left_on: str | Sequence[str] | None = None, right_on: str | Sequence[str] | None = None, suffix: str = "_right",
             nulls_equal: bool = False) -> "Stream":
        """Joins on equal keys with a table that stays as it is while the stream runs, or with another stream that ends: "inner", "left",
        "semi", "anti", and where this stream ends too "right" and "full". Nulls never match, unless asked.

        >>> import gristmill as gm
        >>> names = gm.from_pydict({"id": [1, 2], "name": ["a", "b"]})
        >>> gm.Stream.from_pylist([{"id": 2}, {"id": 3}]).join(names, on="id", how="left").collect().to_pydict()
        {'id': [2, 3], 'name': ['b', None]}
        """
        if how not in _JOINS or how == "cross":
            raise ValueError(f"unknown join {how!r}; known: {', '.join(j for j in _JOINS if j != 'cross')}")
        keys = [_names(on), _names(left_on), _names(right_on)]
        if isinstance(other, Stream):
            return self._with(self._s.join_stream(other._s, keys, how, suffix, nulls_equal))
        table = other.lazy() if isinstance(other, Table) else other
        return self._with(self._s.join_table(table._f, keys, how, suffix, nulls_equal))

    def join_asof(self, other: Frame | Table, on: str | None = None, *, left_on: str | None = None, right_on: str | None = None,
                  by: str | Sequence[str] | None = None, left_by: str | Sequence[str] | None = None, right_by: str | Sequence[str] | None = None,
                  strategy: str = "backward", tolerance: Any = None, allow_exact: bool = True, suffix: str = "_right") -> "Stream":
        """For each row the row of a table whose `on` is nearest; see Frame.join_asof."""
        if strategy not in _STRATEGIES:
            raise ValueError(f"unknown strategy {strategy!r}; known: {', '.join(_STRATEGIES)}")
        table = other.lazy() if isinstance(other, Table) else other
        return self._with(self._s.join_asof(table._f, [on or "", left_on or "", right_on or ""], [_names(by), _names(left_by), _names(right_by)],
                                            _STRATEGIES.index(strategy), None if tolerance is None else _wrap(tolerance), allow_exact, suffix))

    # With memory of what came.

    def distinct(self, *subset: str) -> "Stream":
        """The first of rows that are equal in these columns (none: in all)."""
        return self._with(self._s.distinct([n for c in subset for n in _names(c)]))

    def limit(self, rows: int) -> "Stream":
        """The first rows; then the stream ends."""
        return self._with(self._s.limit(rows))

    head = limit

    def reduce(self, function: Callable[[pa.RecordBatch | None, pa.RecordBatch], Any], schema: pa.Schema | None = None) -> "Stream":
        """`function(before, batch)` of what it gave before (None at first) and each batch; what it gave last leaves when the stream ends.

        >>> import gristmill as gm, pyarrow as pa, pyarrow.compute as pc
        >>> def most(before, batch):
        ...     best = pc.max(batch.column("x")).as_py()
        ...     return [{"most": best if before is None else max(best, before.column("most")[0].as_py())}]
        >>> gm.Stream.from_pylist([{"x": 3}, {"x": 8}]).reduce(most, pa.schema({"most": pa.int64()})).collect().to_pydict()
        {'most': [8]}
        """
        gives = schema if schema is not None else self.schema

        def call(before: Any, batch: Any) -> Any:
            state = None if before is None else pa.RecordBatch._import_from_c_capsule(*before)
            made = as_batch(function(state, pa.RecordBatch._import_from_c_capsule(*batch)))
            return made.cast(gives).__arrow_c_array__()

        return self._with(self._s.reduce(call, gives.__arrow_c_schema__()))

    def aggregate(self, *aggregates: IntoExpr | Sequence[IntoExpr], **named: IntoExpr) -> "Stream":
        """One row with these aggregates of all rows."""
        return self._with(self._s.aggregate(_many(aggregates, named)))

    def group_by(self, *keys: IntoExpr | Sequence[IntoExpr], **named: IntoExpr) -> "GroupedStream":
        """Groups rows with equal keys, in the order of their first row. Follow with aggregate()."""
        return GroupedStream(self, _many(keys, named))

    def sort(self, by: IntoExpr | Sequence[IntoExpr], *more: IntoExpr, descending: bool | Sequence[bool] = False,
             nulls_first: bool | Sequence[bool] = False) -> "Stream":
        """Stable sort of a stream that ends; nulls last both ways unless told, NaN greatest."""
        return self._with(self._s.sort(_sorting(by, more, descending, nulls_first)))

    def top(self, n: int, by: IntoExpr | Sequence[IntoExpr], *more: IntoExpr, descending: bool | Sequence[bool] = True,
            nulls_first: bool | Sequence[bool] = False) -> "Stream":
        """The first n rows of the stream sorted so, by default the greatest.

        >>> import gristmill as gm
        >>> gm.Stream.from_pylist([{"x": 3}, {"x": 8}, {"x": 5}]).top(2, "x").collect().to_pydict()
        {'x': [8, 5]}
        """
        return self._with(self._s.top(n, _sorting(by, more, descending, nulls_first)))

    top_n = top

    # How it is run.

    def parallel(self, num_workers: int | None = 0, morsel_size_kb: float | None = None, *, threshold: int = 10_000, ordered: bool = True,
                 enabled: bool = True) -> "Stream":
        """Settings of the run; the last call counts. Users' functions then see several morsels at once.

        - `num_workers`: 0 or None = all cores this process may use, 1 = the caller's thread
        - `morsel_size_kb`: None = chosen by the engine
        - `threshold`: batches with fewer rows go straight through; so does, in `collect()`, a list of batches with only filters and plain arithmetic to
          do, up to 64 additions for each of so many rows; 0 = none does
        - `ordered=False`: rows may leave in any order
        - `enabled=False`: as if it were not called, on one worker
        """
        return self._with(self._s.parallel(num_workers or 0, float(morsel_size_kb or 0), threshold, ordered, enabled))

    def memory_limit(self, limit: int | str) -> "Stream":
        """Bytes ("2GB") a run may use before it spills."""
        return self._with(self._s.memory_limit(parse_bytes(limit)))

    def checkpoint(self, path: str | os.PathLike[str], interval_seconds: float = 10.0) -> "Stream":
        """Keeps positions and state in a folder (or s3://...): a run that was killed or stopped goes on there."""
        return self._with(self._s.checkpoint(os.fspath(path), float(interval_seconds)))

    def named(self, name: str) -> "Stream":
        """The job's name in checkpoints and sinks."""
        return self._with(self._s.named(name))

    @property
    def schema(self) -> pa.Schema:
        """Names and types of what comes out, without running anything."""
        return pa.schema(_Schema(self._s.schema()))

    @property
    def columns(self) -> list[str]:
        return self.schema.names

    @property
    def endless(self) -> bool:
        """Whether a source is known never to end."""
        return self._s.endless()

    def explain(self) -> str:
        """The plan as text."""
        return self._s.explain()

    # Running it.

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The batches, never empty ones. Leaving the loop ends the run."""
        cancel = _engine.Cancellation()
        reader = self._running = self._s.batches(cancel)
        try:
            while (capsules := reader.next()) is not None:
                yield pa.RecordBatch._import_from_c_capsule(*capsules)
        finally:
            self._end(reader, cancel)

    async def __aiter__(self) -> AsyncIterator[pa.RecordBatch]:
        """The same without blocking the event loop; asynchronous sources are read on it."""
        cancel = _engine.Cancellation()
        caller_loop.set(asyncio.get_running_loop())
        reader = self._running = await asyncio.to_thread(self._s.batches, cancel)
        try:
            while (capsules := await asyncio.to_thread(reader.next)) is not None:
                yield pa.RecordBatch._import_from_c_capsule(*capsules)
        finally:
            cancel.cancel()
            await asyncio.to_thread(self._end, reader, cancel)

    def _end(self, reader: _engine.StreamReader, cancel: _engine.Cancellation) -> None:
        self._stats = reader.stats()
        if self._running is reader:
            self._running = None
        cancel.cancel()
        reader.close()

    def _run(self, run: Callable[[_engine.StreamControl], None]) -> None:
        """A run into a sink, which others may stop and look at."""
        control = self._running = _engine.StreamControl()
        try:
            run(control)
        finally:
            self._stats = control.stats()
            if self._running is control:
                self._running = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The same as iterating over the stream."""
        return iter(self)

    def rebatch(self, rows: int) -> Iterator[pa.RecordBatch]:
        """The rows put together again, in batches of so many (the last one fewer).

        >>> import gristmill as gm
        >>> s = gm.Stream.from_iterable([[{"x": 1}], [{"x": 2}, {"x": 3}]])
        >>> [b.num_rows for b in s.rebatch(2)]
        [2, 1]
        """
        if rows < 1:
            raise ValueError(f"a batch has 1 row or more, got {rows}")
        waiting: list[pa.RecordBatch] = []
        have = 0
        for batch in self:
            waiting.append(batch)
            have += batch.num_rows
            while have >= rows:
                whole = pa.Table.from_batches(waiting).combine_chunks().to_batches(max_chunksize=None)[0]
                yield whole.slice(0, rows)
                have -= rows
                waiting = [whole.slice(rows)] if have else []
        if have:
            yield pa.Table.from_batches(waiting).combine_chunks().to_batches()[0]

    def stop(self) -> None:
        """Ends the run that goes on just now (iteration, or a write), in order: sources end where they are, and with a checkpoint the next run
        goes on there. From any thread."""
        if self._running is not None:
            self._running.stop()

    def collect(self) -> Table:
        """All rows of a stream that ends, as a table."""
        out = Table(self._s.collect(_engine.Cancellation()))
        self._stats = out._table.statistics() or "{}"
        return out

    def count(self) -> int:
        """The number of rows."""
        return self._s.count(_engine.Cancellation())

    def take(self, rows: int) -> Table:
        """The first rows as a table."""
        if rows < 0:
            raise ValueError(f"the number of rows cannot be negative: {rows}")
        limited, kept, have = self, [], 0
        iterating = iter(limited)
        try:
            while have < rows and (batch := next(iterating, None)) is not None:
                kept.append(batch.slice(0, rows - have))
                have += kept[-1].num_rows
        finally:
            iterating.close()  # type: ignore[attr-defined]
        return Table(pa.Table.from_batches(kept, schema=self.schema))

    def foreach(self, function: Callable[[pa.RecordBatch], Any]) -> None:
        """Calls the function with each batch."""
        for batch in self:
            function(batch)

    def get_stats(self) -> dict[str, Any]:
        """Of the run that is going on, or of the last one: workers, morsels, time, steals, and rows and time of each operator."""
        stats: dict[str, Any] = json.loads(self._running.stats() if self._running is not None else self._stats)
        return stats

    def __repr__(self) -> str:
        return f"<Stream of {', '.join(self.columns)}>\n{self.explain()}"


def _sorting(by: Any, more: Sequence[Any], descending: bool | Sequence[bool], nulls_first: bool | Sequence[bool]) -> list[tuple[_engine.Expr, bool, bool]]:
    keys = _many([by, *more])
    return list(zip(keys, _per_key(descending, len(keys), "descending"), _per_key(nulls_first, len(keys), "nulls_first")))


class GroupedStream:
    """Rows grouped by keys, waiting for aggregate()."""

    def __init__(self, stream: Stream, keys: list[_engine.Expr]) -> None:
        self._stream, self._keys = stream, keys

    def aggregate(self, *aggregates: IntoExpr | Sequence[IntoExpr], **named: IntoExpr) -> Stream:
        """One row a group: the keys, then these aggregates.

        >>> import gristmill as gm
        >>> s = gm.Stream.from_pylist([{"k": "a", "v": 1}, {"k": "b", "v": 2}, {"k": "a", "v": 3}])
        >>> s.group_by("k").aggregate(total=gm.col("v").sum()).collect().to_pydict()
        {'k': ['a', 'b'], 'total': [4, 2]}
        """
        return self._stream._with(self._stream._s.group(self._keys, _many(aggregates, named)))

    agg = aggregate
