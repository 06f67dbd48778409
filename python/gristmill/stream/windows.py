"""Event time: watermarks, windows, joins of streams and time series.

Lengths of time are texts ("500ms", "10s", "1h30m", "2d") or timedeltas; where the time column is int64, whole numbers in its own unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Callable, Sequence, Union

import pyarrow as pa

from .. import _engine
from ..expr import Expr, IntoExpr
from ..frame import Frame, _many, _names
from ..table import Table
from .keyed import KeyedOperator, key_names, keyed_calls

if TYPE_CHECKING:
    from .stream import Stream

Length = Union[str, int, timedelta]


def _text(length: Length | None) -> str:
    if length is None:
        return ""
    if isinstance(length, timedelta):
        micros = (length.days * 86_400 + length.seconds) * 1_000_000 + length.microseconds
        return f"{micros}us"
    if isinstance(length, bool) or not isinstance(length, (str, int)):
        raise TypeError(f"a length of time is text as \"10s\", a timedelta, or a whole number, not {length!r}")
    return str(length)


@dataclass(frozen=True)
class Windows:
    """Which rows of a key belong together; made by tumbling(), hopping(), session() and count_window()."""

    kind: str
    size: str = ""
    slide: str = ""
    offset: str = ""
    gap: str = ""
    rows: int = 0


def tumbling(size: Length, offset: Length | None = None) -> Windows:
    """Windows of one size, one behind the other: [offset + k * size, offset + (k + 1) * size)."""
    return Windows("tumbling", size=_text(size), offset=_text(offset))


def hopping(size: Length, slide: Length, offset: Length | None = None) -> Windows:
    """Windows of one size, a new one every `slide`; a row belongs to each that it lies in."""
    return Windows("hopping", size=_text(size), slide=_text(slide), offset=_text(offset))


sliding = hopping


def session(gap: Length) -> Windows:
    """Rows of a key less than `gap` apart: [first time, last time + gap)."""
    return Windows("session", gap=_text(gap))


def count_window(rows: int) -> Windows:
    """So many rows of a key, in the order they come; what is left of a key leaves when the stream ends."""
    return Windows("count", rows=rows)


class WindowedStream:
    """A stream cut into windows, waiting for aggregate()."""

    def __init__(self, stream: "Stream", keys: list[_engine.Expr], windows: Windows, lateness: str, ttl: str,
                 late: Callable[[pa.RecordBatch], Any] | None) -> None:
        self._stream, self._keys, self._windows, self._lateness, self._ttl, self._late = stream, keys, windows, lateness, ttl, late

    def aggregate(self, *aggregates: IntoExpr | Sequence[IntoExpr], **named: IntoExpr) -> "Stream":
        """A row for each key of each window: the keys, `window_start`, `window_end` (not of count windows), then these aggregates."""
        w = self._windows
        late = None if self._late is None else _with_batch(self._late)
        return self._stream._with(_engine.stream_window(self._stream._s, self._keys, w.kind, [w.size, w.slide, w.offset, w.gap], w.rows,
                                                        _many(aggregates, named), self._lateness, self._ttl, late))

    agg = aggregate


class EventTime:
    """Methods of Stream for event time."""

    _s: _engine.Stream
    if TYPE_CHECKING:

        def _with(self, engine_stream: _engine.Stream) -> "Stream": ...
        @property
        def schema(self) -> pa.Schema: ...

    def with_watermark(self, column: str, delay: Length | None = None, idle_after: Length | None = None) -> "Stream":
        """Says which column is the time of an event (a timestamp or int64), and how far rows may lie behind the latest one of their partition.

        The watermark is the least over the source's partitions of the greatest time each has shown, less `delay`. Windows close when it reaches
        their end; rows behind it are late. A partition that has been at its end for `idle_after` (of the clock) does not hold it back.
        """
        return self._with(_engine.stream_with_watermark(self._s, column, _text(delay), _text(idle_after)))

    def window(self, windows: Windows, by: IntoExpr | Sequence[IntoExpr] = (), *, allowed_lateness: Length | None = None,
               ttl: Length | None = None, late: Callable[[pa.RecordBatch], Any] | None = None) -> WindowedStream:
        """Windows of each key `by`. Follow with aggregate().

        - `allowed_lateness`: a window that has closed takes rows so much longer, and shows itself again after each of them
        - `late`: gets the batches of rows that come later than that; they are counted in any case (`late_rows` of get_stats())
        - `ttl`: of count windows: a key that shows nothing for so long starts anew

        >>> import gristmill as gm
        >>> from gristmill.stream import tumbling
        >>> clicks = gm.Stream.from_pylist([{"t": 1, "user": "a"}, {"t": 4, "user": "b"}, {"t": 7, "user": "a"}, {"t": 12, "user": "a"}])
        >>> per_ten = clicks.with_watermark("t").window(tumbling(10), by="user").aggregate(clicks=gm.count())
        >>> for row in per_ten.collect().to_arrow().to_pylist():
        ...     print(row)
        {'user': 'a', 'window_start': 0, 'window_end': 10, 'clicks': 2}
        {'user': 'b', 'window_start': 0, 'window_end': 10, 'clicks': 1}
        {'user': 'a', 'window_start': 10, 'window_end': 20, 'clicks': 1}
        """
        if not isinstance(windows, Windows):
            raise TypeError(f"window() takes tumbling(), hopping(), session() or count_window(), not {windows!r}")
        return WindowedStream(self, _keys(by), windows, _text(allowed_lateness), _text(ttl), late)  # type: ignore[arg-type]

    def resample(self, every: Length, by: IntoExpr | Sequence[IntoExpr] = (), *aggregates: IntoExpr, fill: str = "null",
                 **named: IntoExpr) -> "Stream":
        """Tumbling windows, and between two of a key one for each that had no rows, filled "null", "forward", "backward", "linear" or "zero".

        >>> import gristmill as gm
        >>> s = gm.Stream.from_pylist([{"t": 0, "x": 1.0}, {"t": 31, "x": 4.0}]).with_watermark("t")
        >>> s.resample(10, x=gm.col("x").mean(), fill="linear").collect().to_pydict()
        {'window_start': [0, 10, 20, 30], 'window_end': [10, 20, 30, 40], 'x': [1.0, 2.0, 3.0, 4.0]}
        """
        return self._with(_engine.stream_resample(self._s, _keys(by), _text(every), _many(aggregates, named), fill))

    def interval_join(self, other: "Stream", on: str | Sequence[str] | None = None, how: str = "inner", *, lower: Length = 0, upper: Length,
                      left_on: str | Sequence[str] | None = None, right_on: str | Sequence[str] | None = None, suffix: str = "_right") -> "Stream":
        """Pairs of rows with equal keys, the other's time in [this one's + lower, this one's + upper]; both streams need a watermark.

        Pairs leave in the order of the later row's time, once both watermarks have passed it. `how` "left", "right" or "full": rows of that
        stream, or of both, that meet nobody leave too, with nulls, once nothing can meet them any more. The result's time is that of this
        stream, of a right join the other's; a full join's has none before with_watermark() says so.

        >>> import gristmill as gm
        >>> shown = gm.Stream.from_pylist([{"t": 1, "ad": 7}, {"t": 9, "ad": 8}]).with_watermark("t")
        >>> clicked = gm.Stream.from_pylist([{"t": 3, "ad": 7, "by": "a"}, {"t": 30, "ad": 8, "by": "b"}]).with_watermark("t")
        >>> shown.interval_join(clicked, on="ad", upper=10).collect().to_pydict()
        {'t': [1], 'ad': [7], 't_right': [3], 'by': ['a']}
        >>> shown.interval_join(clicked, on="ad", how="left", upper=10).collect().to_pydict()
        {'t': [1, 9], 'ad': [7, 8], 't_right': [3, None], 'by': ['a', None]}
        """
        if how not in ("inner", "left", "right", "full"):
            raise ValueError(f"unknown join {how!r} of two streams; known: inner, left, right, full")
        keys = [_names(on), _names(left_on), _names(right_on)]
        lower_text = "-" + _text(-lower) if isinstance(lower, timedelta) and lower < timedelta(0) else _text(lower)
        upper_text = "-" + _text(-upper) if isinstance(upper, timedelta) and upper < timedelta(0) else _text(upper)
        return self._with(_engine.stream_interval_join(self._s, other._s, keys, suffix, lower_text, upper_text, how in ("left", "full"),
                                                       how in ("right", "full")))

    def asof_join(self, other: "Stream", on: str | Sequence[str] | None = None, *, tolerance: Length | None = None, allow_exact: bool = True,
                  left_on: str | Sequence[str] | None = None, right_on: str | Sequence[str] | None = None, suffix: str = "_right") -> "Stream":
        """Each row with the last row of the other stream, of the same key, that is not after it; both streams need a watermark.

        Rows leave in the order of their times. For a table that stays as it is, see join_asof().

        >>> import gristmill as gm
        >>> trades = gm.Stream.from_pylist([{"t": 5, "s": "X", "n": 1}, {"t": 9, "s": "X", "n": 2}]).with_watermark("t")
        >>> quotes = gm.Stream.from_pylist([{"t": 4, "s": "X", "bid": 10.0}, {"t": 8, "s": "X", "bid": 11.0}]).with_watermark("t")
        >>> trades.asof_join(quotes, on="s").collect().to_pydict()
        {'t': [5, 9], 's': ['X', 'X'], 'n': [1, 2], 't_right': [4, 8], 'bid': [10.0, 11.0]}
        """
        keys = [_names(on), _names(left_on), _names(right_on)]
        return self._with(_engine.stream_asof_join(self._s, other._s, keys, suffix, _text(tolerance), allow_exact))

    def join_refreshing(self, table: Callable[[], Frame | Table] | Frame | Table, on: str | Sequence[str] | None = None, how: str = "inner", *, refresh: Length,
                        left_on: str | Sequence[str] | None = None, right_on: str | Sequence[str] | None = None,
                        suffix: str = "_right") -> "Stream":
        """Joins ("inner" or "left") with a table that is read again every `refresh` of the clock; each row meets the newest version.

        A frame over files is of the files as they are now: give a function that makes the frame where they are replaced.

        >>> import gristmill as gm
        >>> names = gm.from_pydict({"id": [1, 2], "name": ["a", "b"]})
        >>> gm.Stream.from_pylist([{"id": 2}, {"id": 3}]).join_refreshing(names, "id", "left", refresh="5m").collect().to_pydict()
        {'id': [2, 3], 'name': ['b', None]}
        """
        if how not in ("inner", "left"):
            raise ValueError(f"a join with a refreshing table is \"inner\" or \"left\", not {how!r}")
        def frame() -> _engine.Frame:
            made = table() if callable(table) else table
            return (made.lazy() if isinstance(made, Table) else made)._f

        keys = [_names(on), _names(left_on), _names(right_on)]
        return self._with(_engine.stream_join_refreshing(self._s, frame, keys, suffix, _text(refresh), how == "left"))

    # Time series by key: with a watermark in the order of times, else as rows come.

    def process_keyed(self, by: str | Sequence[str], make: Callable[[], KeyedOperator], *, ttl: Length | None = None) -> "Stream":
        """An operator of your own with state and timers by key; see KeyedOperator. `make`: its class, or a function that makes one for each
        run. `ttl`: a key whose latest row lies so far behind the watermark is forgotten, timers included."""
        first = make()
        gives = first.output_schema(self.schema)
        return self._with(_engine.stream_process_keyed(self._s, key_names(by), first.name, gives.__arrow_c_schema__(), keyed_calls(make, gives), _text(ttl)))

    def rolling(self, column: str, window: Length, function: str = "mean", by: IntoExpr | Sequence[IntoExpr] = (), *, name: str | None = None,
                min_periods: int = 0, ddof: int = 1, ttl: Length | None = None) -> "Stream":
        """"sum", "mean", "min", "max", "count", "var" or "std" of a column over the rows up to each row of its key: a number of rows, or those
        less than a length of time before it (text or a timedelta). `min_periods`: values wanted; by default all rows of the window, one of a
        length.

        >>> import gristmill as gm
        >>> s = gm.Stream.from_pylist([{"x": 1.0}, {"x": 2.0}, {"x": 4.0}])
        >>> s.rolling("x", 2, "sum", name="two").collect().to_pydict()
        {'x': [1.0, 2.0, 4.0], 'two': [None, 3.0, 6.0]}
        """
        rows, length = (window, "") if isinstance(window, int) else (0, _text(window))
        return self._with(_engine.stream_rolling(self._s, column, function, _keys(by), name or "", _text(ttl), rows, length, min_periods, ddof))

    def ewma(self, column: str, alpha: float | None = None, by: IntoExpr | Sequence[IntoExpr] = (), *, span: float | None = None,
             half_life: float | None = None, adjust: bool = True, name: str | None = None, ttl: Length | None = None) -> "Stream":
        """The exponentially weighted mean of a column up to each row of its key. Nulls stay null and weigh nothing.

        >>> import gristmill as gm
        >>> gm.Stream.from_pylist([{"x": 1.0}, {"x": 3.0}]).ewma("x", 0.5, adjust=False, name="e").collect().to_pydict()
        {'x': [1.0, 3.0], 'e': [1.0, 2.0]}
        """
        given = [v for v in (alpha, span, half_life) if v is not None]
        if len(given) != 1:
            raise ValueError("ewma takes one of alpha, span and half_life")
        if span is not None:
            alpha = 2.0 / (span + 1.0)
        elif half_life is not None:
            alpha = 1.0 - 0.5 ** (1.0 / half_life)
        return self._with(_engine.stream_ewma(self._s, column, float(alpha or 0), _keys(by), name or "", _text(ttl), adjust))

    def log_returns(self, column: str, by: IntoExpr | Sequence[IntoExpr] = (), *, name: str | None = None, ttl: Length | None = None) -> "Stream":
        """ln(value / the value before) of each key.

        >>> import gristmill as gm
        >>> gm.Stream.from_pylist([{"p": 2.0}, {"p": 2.0}]).log_returns("p").collect().to_pydict()
        {'p': [2.0, 2.0], 'p_log_return': [None, 0.0]}
        """
        return self._with(_engine.stream_series(self._s, "log_returns", column, _keys(by), name or "", _text(ttl)))

    def time_difference(self, by: IntoExpr | Sequence[IntoExpr] = (), *, name: str | None = None, ttl: Length | None = None) -> "Stream":
        """How long after the row before of its key each row was.

        >>> import gristmill as gm
        >>> gm.Stream.from_pylist([{"t": 3}, {"t": 8}]).with_watermark("t").time_difference(name="d").collect().to_pydict()
        {'t': [3, 8], 'd': [None, 5]}
        """
        return self._with(_engine.stream_series(self._s, "time_difference", "", _keys(by), name or "", _text(ttl)))

    def time_bucket(self, every: Length, *, column: str | None = None, name: str = "bucket", offset: Length | None = None) -> "Stream":
        """The start of the step of this length that each row's time lies in, as a further column.

        >>> import gristmill as gm
        >>> gm.Stream.from_pylist([{"t": 3}, {"t": 18}]).time_bucket(10, column="t").collect().to_pydict()
        {'t': [3, 18], 'bucket': [0, 10]}
        """
        return self._with(_engine.stream_time_bucket(self._s, column or "", _text(every), _text(offset), name))

    def fill(self, column: str, how: str = "forward", by: IntoExpr | Sequence[IntoExpr] = (), *, ttl: Length | None = None) -> "Stream":
        """Values for the nulls of a column: "forward", "backward", "linear" (along event time), "zero", or "mean" (of the key's values so far).

        Rows that wait for a later value of their key leave with it.

        >>> import gristmill as gm
        >>> s = gm.Stream.from_pylist([{"x": 1.0}, {"x": None}, {"x": 3.0}])
        >>> s.fill("x").collect().to_pydict(), s.fill("x", "backward").collect().to_pydict()
        ({'x': [1.0, 1.0, 3.0]}, {'x': [1.0, 3.0, 3.0]})
        """
        return self._with(_engine.stream_fill(self._s, column, how, _keys(by), _text(ttl)))


def _keys(by: IntoExpr | Sequence[IntoExpr]) -> list[_engine.Expr]:
    return _many([by] if isinstance(by, (str, Expr)) else list(by))  # type: ignore[arg-type]


def _with_batch(function: Callable[[pa.RecordBatch], Any]) -> Callable[[Any], None]:
    def call(capsules: Any) -> None:
        function(pa.RecordBatch._import_from_c_capsule(*capsules))

    return call
