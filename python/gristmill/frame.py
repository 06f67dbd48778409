"""Lazy frames: describe a query, then collect it on every core, with the same bits at any setting."""

from __future__ import annotations

import html
import queue
import threading
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Mapping, Sequence

import pyarrow as pa

from . import _engine, hints
from .config import Config
from .errors import GristmillError
from .expr import Expr, IntoExpr, _column_or_expr, _wrap, col
from .options import ParallelOptions
from .progress import with_progress
from .reshape import ReshapeMethods
from .sink_methods import SinkMethods
from .table import Table, _Schema
from .table_methods import _lazy

if TYPE_CHECKING:
    from .selectors import Selector

_JOINS = ("inner", "left", "right", "full", "semi", "anti", "cross")
_POSTGRES_MODES = ("append", "replace", "create", "fail", "upsert")
_CONCATS = ("vertical", "diagonal", "horizontal")
_STRATEGIES = ("backward", "forward", "nearest")


def _many(values: Iterable[Any], named: Mapping[str, Any] | None = None) -> list[_engine.Expr]:
    out: list[_engine.Expr] = []
    for value in values:
        if isinstance(value, (list, tuple)):
            out.extend(_column_or_expr(v) for v in value)
        else:
            out.append(_column_or_expr(value))
    for name, value in (named or {}).items():
        out.append(_wrap(value).alias(name))
    return out


def _names(value: str | Sequence[str] | None) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def _per_key(value: bool | Sequence[bool], n: int, what: str) -> list[bool]:
    if isinstance(value, bool):
        return [value] * n
    if len(value) != n:
        raise ValueError(f"{what} has {len(value)} entries for {n} sort keys")
    return list(value)


class Frame(ReshapeMethods, SinkMethods):
    """A lazy query. Every method gives a new frame; nothing runs before collect(), collect_batches() or a sink.

    >>> import gristmill as gm
    >>> trips = gm.from_pydict({"zone": ["A", "B", "A"], "fare": [12.0, 7.5, 20.0]})
    >>> trips.group_by("zone").agg(gm.col("fare").sum().alias("total"), gm.count()).sort("total", descending=True).collect().to_pylist()
    [{'zone': 'A', 'total': 32.0, 'count': 2}, {'zone': 'B', 'total': 7.5, 'count': 1}]
    """

    __slots__ = ("_f",)

    def __init__(self, engine_frame: _engine.Frame) -> None:
        if not isinstance(engine_frame, _engine.Frame):
            raise TypeError(f"frames are made by from_pydict, from_pylist, from_pandas, from_polars, from_arrow, scan_parquet and so on, not by Frame({type(engine_frame).__name__})")
        self._f = engine_frame

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise hints.of_frame(self, name)

        def __getitem__(self, key: Any) -> Any:
            raise TypeError('a frame is lazy and has no values to index; select("a") gives columns, filter(...) rows, collect() a table')

    def filter(self, *predicates: IntoExpr, **equal: IntoExpr) -> "Frame":
        """Keeps the rows for which every predicate is true; ``zone="A"`` stands for ``col("zone") == "A"``.

        >>> import gristmill as gm
        >>> gm.from_pydict({"a": [1, None, 3]}).filter(gm.col("a") > 1).collect().to_pydict()
        {'a': [3]}
        >>> gm.from_pydict({"zone": ["A", "B", "A"], "n": [1, 2, 3]}).filter(gm.col("n") > 1, zone="A").collect().to_pydict()
        {'zone': ['A'], 'n': [3]}
        """
        out = self._f
        for p in predicates:
            hints.predicate(p)
            out = out.filter(_wrap(p))
        for name, value in equal.items():
            out = out.filter((col(name) == value)._e)
        return Frame(out)

    def select(self, *exprs: IntoExpr | Sequence[IntoExpr], **named: IntoExpr) -> "Frame":
        """Exactly these columns; text is a column's name. Aggregates give one row.

        >>> import gristmill as gm
        >>> gm.from_pydict({"a": [1, 2]}).select("a", double=gm.col("a") * 2).collect().to_pydict()
        {'a': [1, 2], 'double': [2, 4]}
        """
        return Frame(self._f.select(_many(exprs, named)))

    def with_columns(self, *exprs: IntoExpr | Sequence[IntoExpr], **named: IntoExpr) -> "Frame":
        """Adds columns, or replaces those of the same name."""
        return Frame(self._f.with_columns(_many(exprs, named)))

    @hints.told(hints.DROPPING)
    def drop(self, *columns: "str | Selector | Sequence[str | Selector]") -> "Frame":
        """All columns but these; selectors are taken too."""
        return Frame(self._f.drop(self._f.column_names(_many(columns))))

    @hints.told(hints.RENAMING)
    def rename(self, names: Mapping[str, str] | Callable[[str], str]) -> "Frame":
        """New names for some columns: a dict, or a function of the old name.

        >>> import gristmill as gm
        >>> gm.from_pydict({"a": [1], "b": [2]}).rename(str.upper).columns
        ['A', 'B']
        """
        if not isinstance(names, Mapping):
            names = {old: names(old) for old in self.columns}
        return Frame(self._f.rename(list(names.items())))

    def group_by(self, *keys: IntoExpr | Sequence[IntoExpr], **named: IntoExpr) -> "GroupBy":
        """Groups rows with equal keys, in the order of their first row; null is a key like others. Follow with agg()."""
        hints.keys(named)
        return GroupBy(self, _many(keys, named))

    def group_by_dynamic(self, index: str, *, every: str | int, period: str | int | None = None, offset: str | int | None = None,
                         by: IntoExpr | Sequence[IntoExpr] | None = None, closed: str = "left", label: str = "left") -> "DynamicGroupBy":
        """Groups rows into windows of time: they begin at every multiple of `every` (moved by `offset`) and are `period` long (default:
        `every`); longer ones overlap, and a row is in several. Rows need not be sorted; rows without a time are in no window.

        Durations: "15m", "1h", "1d", "1w" (from Monday), "1mo", "1q", "1y" and "s", "ms", "us", "ns"; plain numbers for integer columns. Days
        and longer follow the clock on the wall of the column's zone. `closed`, `label`: which edge belongs to a window, and which is shown.

        >>> import gristmill as gm
        >>> f = gm.from_pydict({"t": [1, 2, 5, 11], "v": [1, 2, 3, 4]})
        >>> f.group_by_dynamic("t", every=5).agg(gm.col("v").sum()).collect().to_pydict()
        {'t': [0, 5, 10], 'v': [3, 3, 4]}
        """
        for edge in (closed, label):
            if edge not in ("left", "right"):
                raise ValueError(f"an edge is 'left' or 'right', not {edge!r}")
        keys = [] if by is None else _many(by if isinstance(by, (list, tuple)) else [by])
        spans = [str(every), "" if period is None else str(period), "" if offset is None else str(offset)]
        return DynamicGroupBy(self, index, spans, keys, (closed == "right", label == "right"))

    @hints.told(hints.JOINING)
    def join(self, other: "Frame | Table", on: str | Sequence[str] | None = None, how: str = "inner", *, left_on: str | Sequence[str] | None = None,
             right_on: str | Sequence[str] | None = None, where: IntoExpr | None = None, suffix: str = "_right",
             nulls_equal: bool = False) -> "Frame":
        """Joins on equal keys: "inner", "left", "right", "full", "semi", "anti"; "cross" takes no keys. Rows come in the left rows'
        order, then the right rows'; a right or full join then gives the right rows that matched nothing, in their order.

        `where` is what a pair must also meet (it names columns as an inner join's result does); it is enough without keys.

        >>> import gristmill as gm
        >>> a, b = gm.from_pydict({"k": [1, 2, 3]}), gm.from_pydict({"k": [3, 1], "v": ["x", "y"]})
        >>> a.join(b, on="k", how="left").collect().to_pydict()
        {'k': [1, 2, 3], 'v': ['y', None, 'x']}
        """
        if how not in _JOINS:
            raise ValueError(f"unknown join {how!r}; " + ('here it is "full"' if how in ("outer", "full_outer") else f"known: {', '.join(_JOINS)}"))
        if how == "cross":
            if on is not None or left_on is not None or right_on is not None:
                raise ValueError("a cross join takes no keys")
            out = Frame(self._f.cross_join(_lazy(other)._f, suffix))
            return out if where is None else out.filter(where)
        condition = None if where is None else _wrap(where)
        return Frame(self._f.join(_lazy(other)._f, _names(on), _names(left_on), _names(right_on), how, suffix, nulls_equal, condition))

    def cross_join(self, other: "Frame | Table", suffix: str = "_right") -> "Frame":
        """Every left row with every right row: left rows outside, right rows inside.

        >>> import gristmill as gm
        >>> gm.from_pydict({"a": [1, 2]}).cross_join(gm.from_pydict({"b": ["x", "y"]})).collect().to_pydict()
        {'a': [1, 1, 2, 2], 'b': ['x', 'y', 'x', 'y']}
        """
        return Frame(self._f.cross_join(_lazy(other)._f, suffix))

    def join_asof(self, other: "Frame | Table", on: str | None = None, *, left_on: str | None = None, right_on: str | None = None,
                  by: str | Sequence[str] | None = None, left_by: str | Sequence[str] | None = None,
                  right_by: str | Sequence[str] | None = None, strategy: str = "backward", tolerance: Any = None,
                  allow_exact: bool = True, suffix: str = "_right") -> "Frame":
        """For each row the one row of `other` whose `on` is nearest, or nulls: "backward" the last not after it, "forward" the first
        not before it, "nearest" the nearer of both. Rows need not be sorted; they stay in their order.

        `by` columns must be equal. `tolerance`: the greatest distance, a number, or a timedelta for times. Of rows of `other` with equal
        `on`, backward takes the last, forward the first.

        >>> import gristmill as gm
        >>> trades = gm.from_pydict({"t": [3, 1, 9], "price": [1.0, 2.0, 3.0]})
        >>> quotes = gm.from_pydict({"t": [2, 8, 3], "bid": [10, 20, 30]})
        >>> trades.join_asof(quotes, on="t").collect().to_pydict()
        {'t': [3, 1, 9], 'price': [1.0, 2.0, 3.0], 'bid': [30, None, 20]}
        """
        if strategy not in _STRATEGIES:
            raise ValueError(f"unknown strategy {strategy!r}; known: {', '.join(_STRATEGIES)}")
        near = [on or "", left_on or "", right_on or ""]
        equal = [_names(by), _names(left_by), _names(right_by)]
        within = None if tolerance is None else _wrap(tolerance)
        return Frame(self._f.join_asof(_lazy(other)._f, near, equal, _STRATEGIES.index(strategy), within, allow_exact, suffix))

    @hints.told(hints.SORTING)
    def sort(self, by: IntoExpr | Sequence[IntoExpr], *more: IntoExpr, descending: bool | Sequence[bool] = False,
             nulls_first: bool | Sequence[bool] = False) -> "Frame":
        """Stable sort; nulls last both ways unless told, NaN greatest."""
        keys = _many([by, *more])
        flags = zip(keys, _per_key(descending, len(keys), "descending"), _per_key(nulls_first, len(keys), "nulls_first"))
        return Frame(self._f.sort(list(flags)))

    def head(self, n: int = 5) -> "Frame":
        """The first n rows."""
        return Frame(self._f.slice(0, n))

    limit = head

    def slice(self, offset: int, length: int | None = None) -> "Frame":
        """Rows [offset, offset + length); without a length all that are left; a negative offset counts from the end.

        >>> import gristmill as gm
        >>> gm.from_pydict({"a": [1, 2, 3]}).slice(1).collect().to_pydict()
        {'a': [2, 3]}
        """
        return Frame(self._f.slice(offset, length))

    def explode(self, *columns: str) -> "Frame":
        """One row per list element; an empty or null list gives one row with null."""
        return Frame(self._f.explode([n for c in columns for n in _names(c)]))

    def union(self, *others: "Frame | Table") -> "Frame":
        """The rows of this frame, then those of the others, columns matched by name."""
        return Frame(self._f.union_with([_lazy(o)._f for o in others]))

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the result, without running anything."""
        return pa.schema(_Schema(self._f.schema()))

    @property
    def columns(self) -> list[str]:
        return self.schema.names

    def explain(self, analyze: bool = False, optimized: bool = True, options: ParallelOptions | None = None) -> str:
        """The plan as text; with analyze=True the query is run, and rows and time stand beside each operator."""
        if analyze:
            return self._f.explain_analyze((options or ParallelOptions())._engine())
        return self._f.explain(optimized)

    def serialize(self) -> str:
        """The plan as versioned JSON (file sources only); see deserialize()."""
        return self._f.serialize()

    def collect(self, options: ParallelOptions | None = None, *, cancel: _engine.Cancellation | None = None, **settings: Any) -> Table:
        """Runs the query; settings are fields of ParallelOptions, e.g. ``collect(num_workers=2)``."""
        stop = cancel or _engine.Cancellation()
        return Table(with_progress(lambda o: self._f.collect(o, stop), _engine_options(options, settings)))

    def collect_batches(self, options: ParallelOptions | None = None, **settings: Any) -> Iterator[pa.RecordBatch]:
        """Record batches in order, while the query runs; only a few wait in memory. Closing the iterator stops the query."""
        settings_ = _engine_options(options, settings)
        cancel = _engine.Cancellation()
        waiting: queue.Queue = queue.Queue(maxsize=4)
        done = object()

        def put(item: Any) -> None:
            while not cancel.cancelled():
                try:
                    return waiting.put(item, timeout=0.05)
                except queue.Full:
                    continue

        def work() -> None:
            try:
                self._f.collect_batches(lambda capsules: put(pa.RecordBatch._import_from_c_capsule(*capsules)), settings_, cancel)
                put(done)
            except BaseException as e:  # noqa: BLE001 - handed to the consumer
                put(e)

        thread = threading.Thread(target=work, name="gristmill-batches", daemon=True)
        thread.start()
        try:
            while (item := waiting.get()) is not done:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            cancel.cancel()
            thread.join()

    def sink_postgres(self, connection: str, table: str, mode: str = "append", *, key: str | Sequence[str] | None = None,
                      options: ParallelOptions | None = None, **settings: Any) -> int:
        """Writes the result into a table of PostgreSQL in one transaction, all rows or none; gives the number of rows.

        Modes: "append" (the table must be there), "create" (made when it is not), "fail" (made; an error if it is there), "replace" (its
        rows go, its definition stays), "upsert" (by `key`, the columns of a unique index: rows whose key is there replace it). Columns
        are matched by name; the table's others get their defaults. A value that PostgreSQL cannot hold is a DataError naming row and column.
        """
        if mode not in _POSTGRES_MODES:
            raise ValueError(f"unknown mode {mode!r}; known: {', '.join(_POSTGRES_MODES)}")
        return self._f.sink_postgres(connection, table, _POSTGRES_MODES.index(mode), _names(key), _engine_options(options, settings),
                                     _engine.Cancellation())

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.collect().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"<lazy Frame: collect() runs it>\n{self._f.explain(False)}"

    def _repr_html_(self) -> str | None:
        """What a notebook shows: the plan. None for a plan that is wrong: the text form, which it asks for too, tells the error once."""
        try:
            return f"<small>lazy frame, collect() runs it</small><pre>{html.escape(self._f.explain(False))}</pre>"
        except GristmillError:
            return None

    def __reduce__(self) -> tuple:
        plan, tables = self._f.to_parts()
        return _from_parts, (plan, [(name, Table(t)) for name, t in tables])

    def __copy__(self) -> "Frame":
        return self

    def __deepcopy__(self, memo: Any) -> "Frame":
        return self


def _engine_options(options: ParallelOptions | None, settings: Mapping[str, Any]) -> dict:
    if settings:
        if options is not None:
            raise TypeError("give ParallelOptions or single settings, not both")
        for name in settings:
            if name not in ParallelOptions.__dataclass_fields__:
                raise hints.unknown_option(name, hints.RUNNING, ParallelOptions.__dataclass_fields__)
        options = ParallelOptions(**{"num_workers": Config.get("num_workers"), "memory_limit": Config.get("memory_limit"), **settings})
    return (options or ParallelOptions(num_workers=Config.get("num_workers"), memory_limit=Config.get("memory_limit")))._engine()


def _from_parts(plan: str, tables: Sequence[tuple[str, Table]]) -> Frame:
    return Frame(_engine.Frame.from_parts(plan, [(name, t._table) for name, t in tables]))


class GroupBy:
    """Rows grouped by keys, waiting for agg()."""

    __slots__ = ("_frame", "_keys")

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise hints.of_groups(self, name)

    def __init__(self, frame: Frame, keys: list[_engine.Expr]) -> None:
        self._frame = frame
        self._keys = keys

    def agg(self, *aggregates: IntoExpr | Sequence[IntoExpr], **named: IntoExpr) -> Frame:
        """One row a group: the keys, then these aggregates."""
        hints.aggregates(aggregates, named)
        return Frame(self._frame._f.aggregate(self._keys, _many(aggregates, named)))


class DynamicGroupBy:
    """Rows grouped into windows, waiting for agg()."""

    __slots__ = ("_frame", "_index", "_spans", "_keys", "_edges")

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise hints.of_groups(self, name)

    def __init__(self, frame: Frame, index: str, spans: list[str], keys: list[_engine.Expr], edges: tuple[bool, bool]) -> None:
        self._frame, self._index, self._spans, self._keys, self._edges = frame, index, spans, keys, edges

    def agg(self, *aggregates: IntoExpr | Sequence[IntoExpr], **named: IntoExpr) -> Frame:
        """One row a window that has rows: the `by` keys, the window's edge, then these aggregates; in order of keys and time."""
        hints.aggregates(aggregates, named)
        return Frame(self._frame._f.aggregate_dynamic(self._index, self._spans, self._keys, *self._edges, _many(aggregates, named)))


def from_arrow(data: Any) -> Frame:
    """A frame over anything with the Arrow PyCapsule interface (pyarrow, polars, duckdb, ...): no copy where the layout allows."""
    if isinstance(data, pa.RecordBatch):
        data = pa.Table.from_batches([data])
    if hasattr(data, "__arrow_c_stream__"):
        return Frame(_engine.from_arrow(data.__arrow_c_stream__()))
    raise TypeError(f"from_arrow needs Arrow data, got {type(data).__name__}; see from_pydict, from_pylist, from_pandas")


def from_pydict(data: Mapping[str, Any], schema: Any = None) -> Frame:
    """A frame over a dict of columns."""
    return from_arrow(_column_by_column(data, schema))


def _column_by_column(data: Mapping[str, Any], schema: Any) -> pa.Table:
    try:
        return pa.table(dict(data), schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        for name, values in data.items() if schema is None else ():
            try:
                pa.array(values)
            except (pa.ArrowInvalid, pa.ArrowTypeError) as e:
                raise type(e)(f'column "{name}": {e}') from None
        raise


def from_pylist(rows: Sequence[Mapping[str, Any]], schema: Any = None) -> Frame:
    """A frame over a list of dicts, one a row."""
    return from_arrow(pa.Table.from_pylist(list(rows), schema=schema))


def from_pandas(data: Any) -> Frame:
    """A frame over a pandas DataFrame; NaN becomes null here, and only here."""
    return from_arrow(pa.Table.from_pandas(data, preserve_index=False))


def from_dict(data: Mapping[str, Any], schema: Any = None) -> Frame:
    """The same as from_pydict."""
    return from_pydict(data, schema)


def from_polars(data: Any) -> Frame:
    """A frame over a polars DataFrame; a LazyFrame is collected."""
    return from_arrow(data.collect() if hasattr(data, "collect") else data)


def from_numpy(data: Any, columns: Sequence[str] | None = None) -> Frame:
    """A frame over a dict of arrays, a structured array, or a matrix with one column a name.

    >>> import gristmill as gm, numpy as np
    >>> gm.from_numpy(np.array([[1, 2], [3, 4]]), ["a", "b"]).collect().to_pydict()
    {'a': [1, 3], 'b': [2, 4]}
    """
    if isinstance(data, Mapping):
        return from_arrow(pa.table({name: pa.array(values) for name, values in data.items()}))
    if data.dtype.names:
        return from_arrow(pa.table({name: pa.array(data[name]) for name in data.dtype.names}))
    if data.ndim == 1:
        data = data.reshape(-1, 1)
    if data.ndim != 2:
        raise ValueError(f"from_numpy needs one or two dimensions, got {data.ndim}")
    names = list(columns) if columns is not None else [f"column_{i}" for i in range(data.shape[1])]
    if len(names) != data.shape[1]:
        raise ValueError(f"{data.shape[1]} columns, but {len(names)} names")
    return from_arrow(pa.table([pa.array(data[:, i]) for i in range(data.shape[1])], names=names))


def concat(frames: "Sequence[Frame | Table]", how: str = "vertical") -> Frame:
    """Frames one after the other ("vertical", the same columns by name; "diagonal", missing columns are null) or side by side
    ("horizontal", row by row; shorter ones end in null).

    >>> import gristmill as gm
    >>> a, b = gm.from_pydict({"x": [1]}), gm.from_pydict({"x": [2], "y": ["b"]})
    >>> gm.concat([a, b], how="diagonal").collect().to_pydict()
    {'x': [1, 2], 'y': [None, 'b']}
    """
    if not frames:
        raise ValueError("concat needs at least one frame")
    if how not in _CONCATS:
        raise ValueError(f"unknown concat {how!r}; known: {', '.join(_CONCATS)}")
    return Frame(_engine.concat([_lazy(f)._f for f in frames], _CONCATS.index(how)))


def deserialize(text: str) -> Frame:
    """A frame from what Frame.serialize() gave."""
    return Frame(_engine.deserialize(text))
