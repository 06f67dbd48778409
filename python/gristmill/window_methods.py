"""Windows: values from the rows around each row. Methods of expressions, ranking functions, frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Sequence, Union

from . import _engine

if TYPE_CHECKING:
    from .expr import Expr, IntoExpr

    Columns = Union[IntoExpr, Iterable[IntoExpr]]

_EXCLUDE = {None: 0, "current_row": 1, "group": 2, "ties": 3}


class WindowFrame:
    """Which rows around a row its window takes; made by rows_between, range_between and groups_between."""

    __slots__ = ("_f",)

    def __init__(self, frame: _engine.WindowFrame) -> None:
        self._f = frame

    def __repr__(self) -> str:
        return f"<WindowFrame {self._f.text()}>"


def _frame(mode: int, start: Any, end: Any, exclude: str | None) -> WindowFrame:
    from .expr import _wrap

    if exclude not in _EXCLUDE:
        raise ValueError(f'exclude is "current_row", "group", "ties" or None, not {exclude!r}')
    if mode != 1:
        for n in (start, end):
            if n is not None and (isinstance(n, bool) or not isinstance(n, int)):
                raise TypeError(f"a frame of {'rows' if mode == 0 else 'groups'} is counted in whole numbers, not {n!r}")
    first, last = (None if n is None else _wrap(n) for n in (start, end))
    return WindowFrame(_engine.frame(mode, first, last, _EXCLUDE[exclude]))


def rows_between(start: int | None, end: int | None, exclude: str | None = None) -> WindowFrame:
    """From `start` to `end` rows from the row, both included: negative before, positive after, None to the partition's end.

    >>> import gristmill as gm
    >>> gm.from_pydict({"x": [1, 2, 3]}).select(gm.col("x").sum().over(frame=gm.rows_between(-1, 0))).collect().to_pydict()
    {'x': [1, 3, 5]}
    """
    return _frame(0, start, end, exclude)


def groups_between(start: int | None, end: int | None, exclude: str | None = None) -> WindowFrame:
    """Like rows_between, counted in groups of rows with equal order keys."""
    return _frame(2, start, end, exclude)


def range_between(start: Any, end: Any, exclude: str | None = None) -> WindowFrame:
    """Rows whose order key is within a distance of the row's: numbers (negative before), or for times timedeltas and text as "-7d".

    >>> import gristmill as gm
    >>> df = gm.from_pydict({"t": [1, 2, 9], "x": [1, 2, 3]})
    >>> df.select(gm.col("x").sum().over(order_by="t", frame=gm.range_between(-1, 0))).collect().to_pydict()
    {'x': [1, 3, 3]}
    """
    return _frame(1, start, end, exclude)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _flags(value: bool | Sequence[bool], n: int, name: str) -> list[bool]:
    flags = [value] * n if isinstance(value, bool) else list(value)
    if len(flags) != n:
        raise ValueError(f"{name} has {len(flags)} values for {n} order keys")
    return flags


def _null_rule(ignore_nulls: bool) -> dict[str, Any]:
    return {"ignore_nulls": True} if ignore_nulls else {}


def _window(function: str, args: Sequence[Any] = (), frame: WindowFrame | None = None, **options: Any) -> "Expr":
    from .expr import Expr, _wrap

    return Expr(_engine.window(function, [_wrap(a) for a in args], options, [], frame._f if frame else None))


class WindowMethods:
    """The window methods of Expr. Without over() they take the whole frame in the order of its rows."""

    __slots__ = ()

    def over(self, partition_by: "Columns | None" = None, *more: "IntoExpr", order_by: "Columns | None" = None,
             descending: bool | Sequence[bool] = False, nulls_first: bool | Sequence[bool] = False, frame: WindowFrame | None = None) -> "Expr":
        """Computes the aggregates and window functions of this expression within groups of rows, one value a row.

        With an order and no frame an aggregate covers the rows up to this one and its peers; without an order the whole group.

        >>> import gristmill as gm
        >>> df = gm.from_pydict({"g": ["a", "b", "a"], "x": [1, 2, 3]})
        >>> df.with_columns(gm.col("x").sum().over("g").alias("total"), gm.row_number().over("g", order_by="x").alias("n")).collect().to_pylist()
        [{'g': 'a', 'x': 1, 'total': 4, 'n': 1}, {'g': 'b', 'x': 2, 'total': 2, 'n': 1}, {'g': 'a', 'x': 3, 'total': 4, 'n': 2}]
        """
        from .expr import Expr, _column_or_expr

        keys = [_column_or_expr(k) for k in [*_listed(partition_by), *more]]
        order = [_column_or_expr(k) for k in _listed(order_by)]
        down, nulls = _flags(descending, len(order), "descending"), _flags(nulls_first, len(order), "nulls_first")
        return Expr(self._e.over(keys, list(zip(order, down, nulls)), frame._f if frame else None))  # type: ignore[attr-defined]

    def shift(self, n: int = 1, fill_value: "IntoExpr" = None) -> "Expr":
        """The value `n` rows before (negative: after); `fill_value` where there is none."""
        return self.lag(n, fill_value)

    def lag(self, n: int = 1, default: "IntoExpr" = None, ignore_nulls: bool = False) -> "Expr":
        """The value `n` rows before; `default` where there is none. With ignore_nulls rows that are NULL are not counted."""
        return _window("lag", [self, n] if default is None else [self, n, default], **_null_rule(ignore_nulls))

    def lead(self, n: int = 1, default: "IntoExpr" = None, ignore_nulls: bool = False) -> "Expr":
        """The value `n` rows after; `default` where there is none."""
        return _window("lead", [self, n] if default is None else [self, n, default], **_null_rule(ignore_nulls))

    def first_value(self, ignore_nulls: bool = False) -> "Expr":
        """The first value of the frame."""
        return _window("first_value", [self], **_null_rule(ignore_nulls))

    def last_value(self, ignore_nulls: bool = False) -> "Expr":
        """The last value of the frame."""
        return _window("last_value", [self], **_null_rule(ignore_nulls))

    def nth_value(self, n: int, ignore_nulls: bool = False) -> "Expr":
        """The nth value of the frame, from 1."""
        return _window("nth_value", [self, n], **_null_rule(ignore_nulls))

    def rank(self, method: str = "average", descending: bool = False) -> "Expr":
        """The place of the value among all: "average", "min", "max", "dense" or "ordinal" for equal ones; NULL has none.

        >>> import gristmill as gm
        >>> gm.from_pydict({"x": [3, 1, 3, None]}).select(gm.col("x").rank("min")).collect().to_pydict()
        {'x': [2, 1, 2, None]}
        """
        from .expr import Expr

        if method not in ("average", "min", "max", "dense", "ordinal"):
            raise ValueError(f'method is "average", "min", "max", "dense" or "ordinal", not {method!r}')
        return Expr(_engine.rank(self._e, method, descending))  # type: ignore[attr-defined]

    def diff(self, n: int = 1) -> "Expr":
        """The difference to the value `n` rows before."""
        return self - self.shift(n)  # type: ignore[operator]

    def pct_change(self, n: int = 1) -> "Expr":
        """The relative change since the value `n` rows before."""
        return self / self.shift(n) - 1  # type: ignore[operator]

    def _running(self, function: str) -> "Expr":
        from .expr import when

        return when(self.is_not_null()).then(_window(function, [self], rows_between(None, 0)))  # type: ignore[attr-defined]

    def cum_sum(self) -> "Expr":
        """The sum of the values up to this one; NULL stays NULL.

        >>> import gristmill as gm
        >>> gm.from_pydict({"x": [1, None, 3]}).select(gm.col("x").cum_sum()).collect().to_pydict()
        {'x': [1, None, 4]}
        """
        return self._running("sum")

    def cum_min(self) -> "Expr":
        """The least value up to this one; NULL stays NULL."""
        return self._running("min")

    def cum_max(self) -> "Expr":
        """The greatest value up to this one; NULL stays NULL."""
        return self._running("max")

    def cum_count(self) -> "Expr":
        """How many values up to this one are not NULL."""
        return _window("count", [self], rows_between(None, 0))

    def _rolling(self, function: str, window_size: int, min_periods: int | None, **options: Any) -> "Expr":
        if isinstance(window_size, bool) or not isinstance(window_size, int) or window_size < 1:
            raise ValueError(f"window_size is a number of rows from 1, not {window_size!r}")
        least = window_size if min_periods is None else min_periods
        return _window(function, [self], rows_between(1 - window_size, 0), min_periods=least, **options)

    def rolling_sum(self, window_size: int, min_periods: int | None = None) -> "Expr":
        """The sum of the last `window_size` rows; NULL where fewer than min_periods (window_size if not given) are not NULL.

        >>> import gristmill as gm
        >>> gm.from_pydict({"x": [0.1, 0.2, 0.3, 1e17, 0.4]}).select(gm.col("x").rolling_sum(2, min_periods=1)).collect().to_pydict()
        {'x': [0.1, 0.30000000000000004, 0.5, 1e+17, 1e+17]}
        """
        return self._rolling("sum", window_size, min_periods)

    def rolling_mean(self, window_size: int, min_periods: int | None = None) -> "Expr":
        """The mean of the last `window_size` rows."""
        return self._rolling("mean", window_size, min_periods)

    def rolling_min(self, window_size: int, min_periods: int | None = None) -> "Expr":
        """The least of the last `window_size` rows."""
        return self._rolling("min", window_size, min_periods)

    def rolling_max(self, window_size: int, min_periods: int | None = None) -> "Expr":
        """The greatest of the last `window_size` rows."""
        return self._rolling("max", window_size, min_periods)

    def rolling_std(self, window_size: int, min_periods: int | None = None, ddof: int = 1) -> "Expr":
        """The standard deviation of the last `window_size` rows."""
        return self._rolling("std", window_size, min_periods, ddof=ddof)

    def rolling_var(self, window_size: int, min_periods: int | None = None, ddof: int = 1) -> "Expr":
        """The variance of the last `window_size` rows."""
        return self._rolling("var", window_size, min_periods, ddof=ddof)

    def _rolling_by(self, function: str, by: "IntoExpr", window_size: Any, ddof: int = 1) -> "Expr":
        from .expr import Expr, _column_or_expr, _wrap

        return Expr(_engine.rolling_by(function, self._e, _column_or_expr(by), _wrap(window_size), ddof))  # type: ignore[attr-defined]

    def rolling_sum_by(self, by: "IntoExpr", window_size: Any) -> "Expr":
        """The sum over the rows whose `by` is less than `window_size` before the row's: "7d", a timedelta, a number.

        >>> import gristmill as gm
        >>> df = gm.from_pydict({"t": [1, 2, 4], "x": [1, 2, 3]})
        >>> df.select(gm.col("x").rolling_sum_by("t", 2)).collect().to_pydict()
        {'x': [1, 3, 3]}
        """
        return self._rolling_by("sum", by, window_size)

    def rolling_mean_by(self, by: "IntoExpr", window_size: Any) -> "Expr":
        """The mean over the rows whose `by` is less than `window_size` before the row's."""
        return self._rolling_by("mean", by, window_size)

    def rolling_min_by(self, by: "IntoExpr", window_size: Any) -> "Expr":
        """The least value among the rows whose `by` is less than `window_size` before the row's."""
        return self._rolling_by("min", by, window_size)

    def rolling_max_by(self, by: "IntoExpr", window_size: Any) -> "Expr":
        """The greatest value among the rows whose `by` is less than `window_size` before the row's."""
        return self._rolling_by("max", by, window_size)

    def rolling_std_by(self, by: "IntoExpr", window_size: Any, ddof: int = 1) -> "Expr":
        """The standard deviation over the rows whose `by` is less than `window_size` before the row's."""
        return self._rolling_by("std", by, window_size, ddof)

    def forward_fill(self, limit: int | None = None) -> "Expr":
        """NULL becomes the last value before that is not NULL, at most `limit` rows away."""
        return _window("last_value", [self], rows_between(None if limit is None else -limit, 0), ignore_nulls=True)

    def backward_fill(self, limit: int | None = None) -> "Expr":
        """NULL becomes the first value after that is not NULL, at most `limit` rows away."""
        return _window("first_value", [self], rows_between(0, limit), ignore_nulls=True)


def row_number() -> "Expr":
    """The row's number in its partition, from 1.

    >>> import gristmill as gm
    >>> gm.from_pydict({"g": ["a", "b", "a"]}).with_columns(gm.row_number().over("g").alias("n")).collect().to_pydict()
    {'g': ['a', 'b', 'a'], 'n': [1, 1, 2]}
    """
    return _window("row_number")


def rank() -> "Expr":
    """The row's place by the order of over(); peers share the least."""
    return _window("rank")


def dense_rank() -> "Expr":
    """Like rank, without gaps."""
    return _window("dense_rank")


def percent_rank() -> "Expr":
    """(rank - 1) / (rows - 1)."""
    return _window("percent_rank")


def cume_dist() -> "Expr":
    """The share of rows up to this one's last peer."""
    return _window("cume_dist")


def ntile(buckets: int) -> "Expr":
    """The row's bucket of so many equal ones, from 1."""
    return _window("ntile", [buckets])
