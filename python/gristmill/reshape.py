"""Frames of another shape, and the quality of data: methods of Frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, Sequence

from . import _engine, hints
from .errors import DataError
from .expr import Expr, IntoExpr, _column_or_expr, _wrap
from .table import Table

if TYPE_CHECKING:
    from .frame import Frame
    from .selectors import Selector

_KEEPS = ("first", "last", "none")


class ReshapeMethods:
    """Mixed into Frame."""

    __slots__ = ()
    _f: _engine.Frame

    def _column_names(self, columns: "str | Selector | Sequence[str | Selector] | None") -> list[str]:
        if columns is None:
            return []
        many = [columns] if isinstance(columns, (str, Expr)) else list(columns)
        return self._f.column_names([_column_or_expr(c) for c in many])

    def distinct(self, subset: "str | Selector | Sequence[str | Selector] | None" = None, *, keep: str = "first") -> "Frame":
        """One row of those that are equal in the subset's columns (default: all): the "first", the "last", or with "none" only rows
        that have no other like them. Rows stay in order.

        >>> import gristmill as gm
        >>> f = gm.from_pydict({"k": ["a", "b", "a"], "v": [1, 2, 3]})
        >>> f.distinct("k").collect().to_pydict(), f.distinct("k", keep="last").collect().to_pydict()
        ({'k': ['a', 'b'], 'v': [1, 2]}, {'k': ['b', 'a'], 'v': [2, 3]})
        """
        from .frame import Frame

        if keep == "any":
            keep = "first"
        if keep not in _KEEPS:
            raise ValueError(f"unknown keep {keep!r}; known: {', '.join(_KEEPS)}")
        return Frame(self._f.distinct(self._column_names(subset), _KEEPS.index(keep)))

    unique = distinct

    def with_row_index(self, name: str = "index", offset: int = 0) -> "Frame":
        """A first column that numbers the rows.

        >>> import gristmill as gm
        >>> gm.from_pydict({"a": ["x", "y"]}).with_row_index(offset=1).collect().to_pydict()
        {'index': [1, 2], 'a': ['x', 'y']}
        """
        from .frame import Frame

        return Frame(self._f.with_row_index(name, offset))

    def tail(self, n: int = 5) -> "Frame":
        """The last n rows."""
        from .frame import Frame

        return Frame(self._f.tail(n))

    def reverse(self) -> "Frame":
        """The rows from the last to the first."""
        from .frame import Frame

        return Frame(self._f.reverse())

    def top_k(self, k: int, by: IntoExpr | Sequence[IntoExpr]) -> "Frame":
        """The k rows with the greatest values, the greatest first; null is last.

        >>> import gristmill as gm
        >>> gm.from_pydict({"a": [2, None, 3]}).top_k(2, by="a").collect().to_pydict()
        {'a': [3, 2]}
        """
        return self.sort(by, descending=True).head(k)  # type: ignore[attr-defined]

    def bottom_k(self, k: int, by: IntoExpr | Sequence[IntoExpr]) -> "Frame":
        """The k rows with the least values, the least first; null is last."""
        return self.sort(by).head(k)  # type: ignore[attr-defined]

    @hints.told(hints.SAMPLING)
    def sample(self, n: int | None = None, *, fraction: float | None = None, seed: int = 0) -> "Frame":
        """n rows, or about this fraction of them, in their order. The seed alone says which: the same rows in every run.

        >>> import gristmill as gm
        >>> f = gm.from_pydict({"a": list(range(1000))})
        >>> f.sample(3, seed=1).collect().num_rows, f.sample(fraction=0.1, seed=1).collect() == f.sample(fraction=0.1, seed=1).collect()
        (3, True)
        """
        from .frame import Frame

        return Frame(self._f.sample(n, fraction, seed))

    @hints.told(hints.PIVOTING)
    def pivot(self, on: str, *, index: "str | Selector | Sequence[str | Selector] | None" = None,
              values: "str | Selector | Sequence[str | Selector] | None" = None, aggregate: str = "first",
              on_values: Sequence[Any] | None = None) -> "Frame":
        """A column for each value of `on`, a row for each of `index`, and in them the aggregate of `values`.

        With `on_values` nothing is run; without, the frame is run once to find them, in the order they first come.

        >>> import gristmill as gm
        >>> f = gm.from_pydict({"zone": ["A", "A", "B"], "day": ["mo", "tu", "mo"], "fare": [1, 2, 3]})
        >>> f.pivot("day", index="zone", values="fare", aggregate="sum").collect().to_pydict()
        {'zone': ['A', 'B'], 'mo': [1, 3], 'tu': [2, None]}
        """
        from .frame import Frame

        literals = None if on_values is None else [_wrap(v) for v in on_values]
        aggregate = {"avg": "mean", "len": "count"}.get(aggregate, aggregate)
        return Frame(self._f.pivot(on, self._column_names(index), self._column_names(values), aggregate, literals))

    @hints.told(hints.UNPIVOTING)
    def unpivot(self, on: "str | Selector | Sequence[str | Selector] | None" = None, *,
                index: "str | Selector | Sequence[str | Selector] | None" = None, variable_name: str = "variable",
                value_name: str = "value") -> "Frame":
        """Columns become rows: for each row one row for each column of `on` (default: all but `index`), with its name and value.

        >>> import gristmill as gm
        >>> gm.from_pydict({"id": [1, 2], "a": [3, 4], "b": [5, None]}).unpivot(["a", "b"], index="id").collect().to_pydict()
        {'id': [1, 1, 2, 2], 'variable': ['a', 'b', 'a', 'b'], 'value': [3, 5, 4, None]}
        """
        from .frame import Frame

        return Frame(self._f.unpivot(self._column_names(on), self._column_names(index), variable_name, value_name))

    melt = unpivot

    def crosstab(self, index: str, on: str, *, on_values: Sequence[Any] | None = None) -> "Frame":
        """How often each pair of values comes: a row for each value of `index`, a column for each of `on`.

        >>> import gristmill as gm
        >>> gm.from_pydict({"a": ["x", "y", "x"], "b": ["p", "q", "p"]}).crosstab("a", "b").collect().to_pydict()
        {'a': ['x', 'y'], 'p': [2, 0], 'q': [0, 1]}
        """
        return self.pivot(on, index=index, aggregate="count", on_values=on_values)

    def value_counts(self, column: str, *, sort: bool = True, name: str = "count") -> "Frame":
        """Each value of a column and how often it comes, the most frequent first (unsorted: by first appearance).

        >>> import gristmill as gm
        >>> gm.from_pydict({"a": ["x", "y", "y"]}).value_counts("a").collect().to_pydict()
        {'a': ['y', 'x'], 'count': [2, 1]}
        """
        from .frame import Frame

        return Frame(self._f.value_counts(column, sort, name))

    def null_count(self) -> "Frame":
        """One row: how many nulls each column has."""
        from .frame import Frame

        return Frame(self._f.null_count())

    @hints.told(hints.DROPPING)
    def drop_nulls(self, subset: "str | Selector | Sequence[str | Selector] | None" = None) -> "Frame":
        """Only rows without null in these columns (default: all)."""
        from .frame import Frame

        return Frame(self._f.drop_nulls(self._column_names(subset)))

    @hints.told(hints.FILLING)
    def fill_null(self, value: IntoExpr | Mapping[str, IntoExpr]) -> "Frame":
        """The value instead of null, in every column whose type it fits (a number fills numbers, text fills text); a dict says it
        for single columns.

        >>> import gristmill as gm
        >>> gm.from_pydict({"a": [1, None], "b": ["x", None]}).fill_null(0).collect().to_pydict()
        {'a': [1, 0], 'b': ['x', None]}
        """
        from .expr import col
        from .frame import Frame

        if isinstance(value, Mapping):
            return self.with_columns(*(col(name).fill_null(v).alias(name) for name, v in value.items()))  # type: ignore[attr-defined]
        return Frame(self._f.fill_null(_wrap(value)))

    def validate(self, *, not_null: "str | Selector | Sequence[str | Selector] | None" = None,
                 range: Mapping[str, tuple[Any, Any]] | None = None,  # noqa: A002 - the word users write
                 unique: str | Sequence[str | Sequence[str]] | None = None, checks: Mapping[str, Expr] | None = None,
                 on_failure: str = "raise") -> Any:
        """Checks rows: columns that must not be null, values within [low, high] (None: no bound), columns that must be unique (a list of
        lists for columns that are unique together; null is not compared), and expressions that must not be false.

        "raise" raises a DataError that says which rules how many rows break, else gives the frame back; "report" gives a Table of
        the rules and how many rows break each; "rows" gives a lazy frame of the rows that break a rule, with their number and the rules.

        >>> import gristmill as gm
        >>> f = gm.from_pydict({"id": [1, 2, 2], "fare": [5.0, None, -1.0]})
        >>> rules = dict(not_null="fare", range={"fare": (0, 100)}, unique="id")
        >>> f.validate(**rules, on_failure="report").to_pydict()
        {'rule': ['not_null(fare)', 'range(fare)', 'unique(id)'], 'failed': [1, 1, 2]}
        >>> f.validate(**rules, on_failure="rows").select("row", "failed").collect().to_pydict()
        {'row': [1, 2], 'failed': ['not_null(fare); unique(id)', 'range(fare); unique(id)']}
        """
        from .frame import Frame

        if on_failure not in ("raise", "report", "rows"):
            raise ValueError(f"unknown on_failure {on_failure!r}; known: raise, report, rows")
        keys = [unique] if isinstance(unique, str) else list(unique or [])
        rules = (self._column_names(not_null), [(name, _wrap(low), _wrap(high)) for name, (low, high) in (range or {}).items()],
                 [[k] if isinstance(k, str) else list(k) for k in keys], [(name, check._e) for name, check in (checks or {}).items()])
        if on_failure == "rows":
            return Frame(self._f.validate(rules))
        report = Frame(self._f.validation_report(rules)).collect()
        if on_failure == "report":
            return report
        broken = [r for r in report.to_pylist() if r["failed"]]
        if broken:
            error = DataError("validation failed: " + ", ".join(f"{r['rule']} in {r['failed']} row{'s' * (r['failed'] != 1)}" for r in broken))
            error.hint = 'validate(..., on_failure="rows") gives them'
            raise error
        return self

    def outliers(self, columns: "str | Selector | Sequence[str | Selector]", *, method: str = "iqr",
                 threshold: float | None = None) -> "Frame":
        """Rows far out in one of the columns: "iqr", beyond the quartiles by more than `threshold` (1.5) times their distance; "zscore", more
        than `threshold` (3) standard deviations from the mean.

        >>> import gristmill as gm
        >>> gm.from_pydict({"a": [1.0, 2.0, 3.0, 2.0, 100.0]}).outliers("a", method="zscore", threshold=1.5).collect().to_pydict()
        {'a': [100.0]}
        """
        from .frame import Frame

        if method not in ("iqr", "zscore"):
            raise ValueError(f"unknown method {method!r}; known: iqr, zscore")
        return Frame(self._f.outliers(self._column_names(columns), method == "zscore", threshold))

    def describe(self, percentiles: float | Sequence[float] | None = (0.25, 0.5, 0.75)) -> Table:
        """Runs the frame: count, nulls, mean, standard deviation, least value, quartiles and greatest value of each column.

        `percentiles` (0 to 1; None: none) are exact and interpolate linearly; each keeps the values of the columns of numbers, or spills
        them.

        >>> import gristmill as gm
        >>> described = gm.from_pydict({"a": [1, 2, None], "s": ["x", "y", "z"]}).describe()
        >>> dict(zip(described["statistic"].to_pylist(), described["a"].to_pylist()))
        {'count': 2.0, 'null_count': 1.0, 'mean': 1.5, 'std': 0.7071067811865476, 'min': 1.0, '25%': 1.25, '50%': 1.5, '75%': 1.75, 'max': 2.0}
        """
        wanted = [] if percentiles is None else [percentiles] if isinstance(percentiles, (int, float)) else percentiles
        return Table(self._f.describe([float(q) for q in wanted]))
