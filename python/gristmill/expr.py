"""Expressions: immutable values built with operators and namespaces, evaluated when a frame is collected."""

from __future__ import annotations

import builtins
import datetime as _dt
import decimal as _decimal
from typing import TYPE_CHECKING, Any, Iterable, Union

import pyarrow as pa

from . import _engine, hints
from .math_methods import MathMethods
from .window_methods import WindowMethods

IntoExpr = Union["Expr", bool, int, float, str, bytes, None, _dt.date, _dt.datetime, _dt.timedelta, _decimal.Decimal, pa.Scalar]


def _literal(value: Any) -> _engine.Expr:
    if value is None:
        return _engine.lit_null()
    if isinstance(value, bool):
        return _engine.lit_bool(value)
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return _engine.lit_int(value)
    if isinstance(value, float):
        return _engine.lit_float(value)
    if isinstance(value, str):
        return _engine.lit_text(value)
    if hasattr(value, "item") and type(value).__module__ == "numpy":
        return _literal(value.item())
    if callable(value):
        raise TypeError(f"cannot use {value!r} in an expression; a function of yours is wrapped and then called with columns: gm.udf(f)(\"a\")")
    typed = isinstance(value, pa.Scalar)
    try:
        array = pa.repeat(value, 1) if typed else pa.array([value])  # a scalar may lie beyond what Python's dates hold
    except (pa.ArrowInvalid, pa.ArrowTypeError) as e:
        raise TypeError(f"cannot use {value!r} in an expression: {e}") from None
    return _engine.lit_arrow(array.__arrow_c_array__(), not typed)


def _wrap(value: IntoExpr) -> _engine.Expr:
    return value._e if isinstance(value, Expr) else _literal(value)


def _column_or_expr(value: IntoExpr) -> _engine.Expr:
    """Where a frame's method takes columns, text is a column's name."""
    return _engine.col(value) if isinstance(value, str) else _wrap(value)


def _call(name: str, *args: IntoExpr, **options: Any) -> "Expr":
    return Expr(_engine.call(name, [_wrap(a) for a in args], options))


_PYTHON_TYPES = {bool: "bool", int: "int64", float: "float64", str: "string", bytes: "binary", _dt.date: "date", _dt.datetime: "timestamp(us)",
                 _dt.time: "time(us)", _dt.timedelta: "duration(us)"}


def _type_argument(dtype: Any) -> Any:
    if isinstance(dtype, type) and dtype in _PYTHON_TYPES:
        return _PYTHON_TYPES[dtype]
    if hasattr(dtype, "__arrow_c_schema__"):
        return dtype.__arrow_c_schema__()
    if not isinstance(dtype, str):
        raise TypeError(f'a type is a text like "int64" or "timestamp(us,UTC)", a type of pyarrow or one of Python\'s (int, float, str, ...), not {dtype!r}')
    return dtype


class Expr(MathMethods, WindowMethods):
    """A computation over the columns of a frame.

    >>> import gristmill as gm
    >>> str((gm.col("fare") > 10) & gm.col("zone").is_not_null())
    '(fare > 10) and zone is not null'
    """

    __slots__ = ("_e",)
    __hash__ = None  # type: ignore[assignment]  # == builds an expression

    def __init__(self, engine_expr: _engine.Expr) -> None:
        self._e = engine_expr

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise hints.of_expression(self, name)

    def _function(self, name: str, *args: IntoExpr) -> "Expr":
        return _call(name, self, *args)

    def __repr__(self) -> str:
        return f"<Expr {self._e.text()}>"

    def __str__(self) -> str:
        return self._e.text()

    def __bool__(self) -> bool:
        raise TypeError("an expression has no truth value; use & | ~ instead of and, or, not")

    # Arithmetic. `/` is float64, `//` floors, `%` takes the divisor's sign.
    def __add__(self, o: IntoExpr) -> "Expr": return _call("add", self, o)
    def __radd__(self, o: IntoExpr) -> "Expr": return _call("add", o, self)
    def __sub__(self, o: IntoExpr) -> "Expr": return _call("sub", self, o)
    def __rsub__(self, o: IntoExpr) -> "Expr": return _call("sub", o, self)
    def __mul__(self, o: IntoExpr) -> "Expr": return _call("mul", self, o)
    def __rmul__(self, o: IntoExpr) -> "Expr": return _call("mul", o, self)
    def __truediv__(self, o: IntoExpr) -> "Expr": return _call("div", self, o)
    def __rtruediv__(self, o: IntoExpr) -> "Expr": return _call("div", o, self)
    def __floordiv__(self, o: IntoExpr) -> "Expr": return _call("floor_div", self, o)
    def __rfloordiv__(self, o: IntoExpr) -> "Expr": return _call("floor_div", o, self)
    def __mod__(self, o: IntoExpr) -> "Expr": return _call("mod", self, o)
    def __rmod__(self, o: IntoExpr) -> "Expr": return _call("mod", o, self)
    def __pow__(self, o: IntoExpr) -> "Expr": return _call("pow", self, o)
    def __rpow__(self, o: IntoExpr) -> "Expr": return _call("pow", o, self)
    def __neg__(self) -> "Expr": return _call("neg", self)
    def __abs__(self) -> "Expr": return _call("abs", self)
    def __round__(self, digits: int | None = None) -> "Expr": return self.round(digits or 0)

    if not TYPE_CHECKING:

        def __getitem__(self, key: Any) -> Any:
            raise TypeError(f'an expression has no values to index; struct.field("a") takes a field, list.get(0) an entry, map.get(key) a value, not [{key!r}]')

    def __eq__(self, o: IntoExpr) -> "Expr": return _call("eq", self, o)  # type: ignore[override]
    def __ne__(self, o: IntoExpr) -> "Expr": return _call("ne", self, o)  # type: ignore[override]
    def __lt__(self, o: IntoExpr) -> "Expr": return _call("lt", self, o)
    def __le__(self, o: IntoExpr) -> "Expr": return _call("le", self, o)
    def __gt__(self, o: IntoExpr) -> "Expr": return _call("gt", self, o)
    def __ge__(self, o: IntoExpr) -> "Expr": return _call("ge", self, o)
    def __and__(self, o: IntoExpr) -> "Expr": return _call("and", self, o)
    def __rand__(self, o: IntoExpr) -> "Expr": return _call("and", o, self)
    def __or__(self, o: IntoExpr) -> "Expr": return _call("or", self, o)
    def __ror__(self, o: IntoExpr) -> "Expr": return _call("or", o, self)
    def __invert__(self) -> "Expr": return _call("not", self)

    def alias(self, name: str) -> "Expr":
        """Names the result."""
        return Expr(self._e.alias(name))

    @property
    def name(self) -> "NameNamespace":
        """Other names for the result."""
        return NameNamespace(self)

    def cast(self, dtype: Any) -> "Expr":
        """Converts to a pyarrow type, a type's text ("int64", "decimal(12,2)") or one of Python's (int, str, ...); a value that does not fit is a
        DataError.

        >>> import gristmill as gm
        >>> gm.from_pydict({"a": ["1", "2"]}).select(gm.col("a").cast(int)).collect().to_pydict()
        {'a': [1, 2]}
        """
        return Expr(self._e.cast(_type_argument(dtype), False))

    def try_cast(self, dtype: Any) -> "Expr":
        """Like cast, but NULL for a value that does not fit."""
        return Expr(self._e.cast(_type_argument(dtype), True))

    def is_null(self) -> "Expr": return _call("is_null", self)
    def is_not_null(self) -> "Expr": return _call("is_not_null", self)
    def is_nan(self) -> "Expr": return _call("is_nan", self)
    def is_finite(self) -> "Expr": return _call("is_finite", self)
    def is_distinct_from(self, o: IntoExpr) -> "Expr": return _call("is_distinct_from", self, o)
    def is_not_distinct_from(self, o: IntoExpr) -> "Expr": return _call("is_not_distinct_from", self, o)
    def nullif(self, o: IntoExpr) -> "Expr": return _call("nullif", self, o)
    @hints.told({"strategy": "forward_fill() or backward_fill()"})
    def fill_null(self, value: IntoExpr) -> "Expr": return _call("coalesce", self, value)

    def is_in(self, values: Iterable[IntoExpr]) -> "Expr":
        """True when equal to one of the values."""
        return _call("is_in", self, *values)

    def between(self, low: IntoExpr, high: IntoExpr) -> "Expr":
        """True within [low, high], both ends included."""
        return _call("between", self, low, high)

    def abs(self) -> "Expr": return _call("abs", self)
    def sqrt(self) -> "Expr": return _call("sqrt", self)
    def ln(self) -> "Expr": return _call("ln", self)
    def log10(self) -> "Expr": return _call("log10", self)
    def exp(self) -> "Expr": return _call("exp", self)
    def pow(self, exponent: IntoExpr) -> "Expr": return _call("pow", self, exponent)
    def floor(self) -> "Expr": return _call("floor", self)
    def ceil(self) -> "Expr": return _call("ceil", self)
    def round(self, digits: int = 0) -> "Expr": return _call("round", self, digits)
    def round_significant(self, digits: int) -> "Expr": return _call("round_significant", self, digits)
    def sign(self) -> "Expr": return _call("sign", self)

    # Aggregates.
    def _aggregate(self, name: str, **options: Any) -> "Expr":
        return Expr(_engine.aggregate(name, [self._e], options))

    def sum(self) -> "Expr":
        """Sum of the non-null values; floats exactly, rounded once."""
        return self._aggregate("sum")

    def mean(self) -> "Expr": return self._aggregate("mean")
    def min(self) -> "Expr": return self._aggregate("min")
    def max(self) -> "Expr": return self._aggregate("max")

    def count(self) -> "Expr":
        """Number of non-null values."""
        return self._aggregate("count")

    def first(self) -> "Expr": return self._aggregate("first")
    def last(self) -> "Expr": return self._aggregate("last")
    def var(self, ddof: int = 1) -> "Expr": return self._aggregate("var", ddof=ddof)
    def std(self, ddof: int = 1) -> "Expr": return self._aggregate("std", ddof=ddof)

    def skew(self, bias: bool = True) -> "Expr":
        """Skewness of the non-null values, from exact sums; bias=False corrects for a sample, NULL of fewer than 3 values.

        >>> import gristmill as gm
        >>> gm.from_pydict({"a": [1, 2, 9]}).select(gm.col("a").skew().round(6)).collect().to_pydict()
        {'a': [0.665469]}
        """
        return self._aggregate("skew", **({} if bias else {"unbiased": True}))

    def kurtosis(self, fisher: bool = True, bias: bool = True) -> "Expr":
        """Kurtosis of the non-null values, from exact sums: 0 for a normal distribution (fisher=False: 3); bias=False corrects for a
        sample, NULL of fewer than 4 values.

        >>> import gristmill as gm
        >>> gm.from_pydict({"a": [1, 2, 2, 9]}).select(gm.col("a").kurtosis().round(6)).collect().to_pydict()
        {'a': [-0.705532]}
        """
        return self._aggregate("kurtosis", **({} if fisher else {"pearson": True}), **({} if bias else {"unbiased": True}))

    def all(self) -> "Expr": return self._aggregate("all")
    def any(self) -> "Expr": return self._aggregate("any")

    def bit_and(self, other: IntoExpr = None) -> "Expr":
        """The bits that both integers have; without the other one an aggregate: the bits that all values have."""
        return self._aggregate("bit_and") if other is None else _call("bit_and", self, other)

    def bit_or(self, other: IntoExpr = None) -> "Expr":
        """The bits that one of the integers has; without the other one an aggregate: the bits that some value has."""
        return self._aggregate("bit_or") if other is None else _call("bit_or", self, other)

    def bit_xor(self, other: IntoExpr = None) -> "Expr":
        """The bits in which the integers differ; without the other one an aggregate: the bits that an odd number of values have."""
        return self._aggregate("bit_xor") if other is None else _call("bit_xor", self, other)

    def product(self) -> "Expr":
        """Product of the non-null values; of floats from the first row to the last."""
        return self._aggregate("product")

    def n_unique(self) -> "Expr":
        """Number of distinct values; NULL does not count, NaN is one value."""
        return self._aggregate("n_unique")

    def median(self) -> "Expr": return self._aggregate("median")

    def quantile(self, q: float, interpolation: str = "linear") -> "Expr":
        """The value at q of the way through the sorted values; between two values as `interpolation` says: linear, lower, higher, nearest,
        midpoint or equiprobable (a value of the data, as SQL's percentile_disc).

        >>> import gristmill as gm
        >>> gm.from_pydict({"x": [1, 2, 4]}).select(gm.col("x").quantile(0.75)).collect().to_pydict()
        {'x': [3.0]}
        """
        return self._aggregate("quantile", q=float(q), interpolation=interpolation)

    def mode(self) -> "Expr":
        """The most frequent value; of several the one that came first."""
        return self._aggregate("mode")

    def implode(self) -> "Expr":
        """The values, NULL too, as a list in the order of the rows.

        >>> import gristmill as gm
        >>> gm.from_pydict({"k": [1, 2, 1], "x": [3, None, 1]}).group_by("k").agg(gm.col("x").implode().order_by("x")).collect().to_pydict()
        {'k': [1, 2], 'x': [[1, 3], [None]]}
        """
        return self._aggregate("implode")

    def min_by(self, by: IntoExpr) -> "Expr":
        """The value, or NULL, where `by` is least, in the first such row."""
        return Expr(_engine.aggregate("min_by", [self._e, _column_or_expr(by)], {}))

    def max_by(self, by: IntoExpr) -> "Expr":
        """The value, or NULL, where `by` is greatest, in the first such row."""
        return Expr(_engine.aggregate("max_by", [self._e, _column_or_expr(by)], {}))

    def approx_n_unique(self) -> "Expr":
        """About the number of distinct values (standard error 1.6 %), in a few KiB however many there are."""
        return self._aggregate("approx_n_unique")

    def approx_median(self) -> "Expr": return self._aggregate("approx_median")

    def approx_quantile(self, q: float) -> "Expr":
        """A quantile at most 0.4 % off, in little memory."""
        return self._aggregate("approx_quantile", q=float(q))

    def filter(self, predicate: IntoExpr) -> "Expr":
        """After an aggregate: only the rows for which the predicate is true."""
        return Expr(self._e.filter(_wrap(predicate)))

    def distinct(self) -> "Expr":
        """After an aggregate: of equal values the first only.

        >>> import gristmill as gm
        >>> gm.from_pydict({"x": [3, 1, 3]}).select(gm.col("x").sum().distinct()).collect().to_pydict()
        {'x': [4]}
        """
        return Expr(self._e.distinct())

    def order_by(self, *keys: IntoExpr, descending: Union[bool, Iterable[bool]] = False) -> "Expr":
        """After implode, str.join, first or last: the rows sorted by the keys before it looks at them, nulls last."""
        down = [descending] * len(keys) if isinstance(descending, bool) else [bool(d) for d in descending]
        if len(down) != len(keys):
            raise ValueError("descending is one bool, or one for each key")
        return Expr(self._e.order_by([_column_or_expr(k) for k in keys], down))

    @property
    def str(self) -> "StringNamespace":
        """Functions on text."""
        return StringNamespace(self)

    @property
    def dt(self) -> "TemporalNamespace":
        """Functions on dates and timestamps."""
        return TemporalNamespace(self)

    @property
    def list(self) -> "ListNamespace":
        """Functions on lists."""
        return ListNamespace(self)

    @property
    def struct(self) -> "StructNamespace":
        """Fields of structs."""
        return StructNamespace(self)

    @property
    def map(self) -> "MapNamespace":
        """Functions on maps."""
        return MapNamespace(self)

    @property
    def json(self) -> "JsonNamespace":
        """Functions on JSON text."""
        return JsonNamespace(self)

    def to_json(self) -> "Expr":
        """The value as JSON."""
        return _call("to_json", self)


class NameNamespace:
    """Names made from the name an expression would have; with selectors, from each of the columns' names.

    >>> import gristmill as gm
    >>> gm.from_pydict({"a": [1], "b": [2]}).select(gm.all().sum().name.suffix("_sum")).columns
    ['a_sum', 'b_sum']
    """

    __slots__ = ("_x",)

    def __init__(self, x: Expr) -> None:
        self._x = x

    def suffix(self, suffix: builtins.str) -> Expr:
        """The name with something after it."""
        return _call("name.suffix", self._x, suffix)

    def prefix(self, prefix: builtins.str) -> Expr:
        """The name with something before it."""
        return _call("name.prefix", self._x, prefix)


def col(name: str, *more: Any) -> Expr:
    """A column by name."""
    if more or not isinstance(name, str):
        raise TypeError("col() is one column; several are selectors.by_name('a', 'b'), or their names: select('a', 'b')")
    return Expr(_engine.col(name))


def lit(value: IntoExpr) -> Expr:
    """A literal. Python numbers and text adapt to the other side of an operator; a pyarrow scalar keeps its type."""
    return Expr(_wrap(value))


def count() -> Expr:
    """Number of rows (an aggregate)."""
    return Expr(_engine.aggregate("count", [], {}))


def cov(a: IntoExpr, b: IntoExpr, ddof: int = 1) -> Expr:
    """Covariance of the rows where both are there (an aggregate); text is a column's name."""
    return Expr(_engine.aggregate("cov", [_column_or_expr(a), _column_or_expr(b)], {"ddof": ddof}))


def corr(a: IntoExpr, b: IntoExpr) -> Expr:
    """Correlation of the rows where both are there (an aggregate); text is a column's name.

    >>> import gristmill as gm
    >>> gm.from_pydict({"a": [1, 2, 3], "b": [2, 4, 6]}).select(gm.corr("a", "b")).collect().to_pydict()
    {'a': [1.0]}
    """
    return Expr(_engine.aggregate("corr", [_column_or_expr(a), _column_or_expr(b)], {}))


def regr_slope(y: IntoExpr, x: IntoExpr) -> Expr:
    """Slope of the line of least squares of y over x (an aggregate)."""
    return Expr(_engine.aggregate("regr_slope", [_column_or_expr(y), _column_or_expr(x)], {}))


def regr_intercept(y: IntoExpr, x: IntoExpr) -> Expr:
    """Where the line of least squares of y over x meets x = 0 (an aggregate)."""
    return Expr(_engine.aggregate("regr_intercept", [_column_or_expr(y), _column_or_expr(x)], {}))


def coalesce(*values: IntoExpr) -> Expr:
    """The first value that is not null."""
    return _call("coalesce", *values)


def call(function: str, *args: IntoExpr, **options: Any) -> Expr:
    """Any registered function by its name."""
    return _call(function, *args, **options)


class _When:
    def __init__(self, parts: list[IntoExpr]) -> None:
        self._parts = parts

    def then(self, value: IntoExpr) -> "_Then":
        """The value where the condition is true."""
        return _Then([*self._parts, value])


class _Then(Expr):
    __slots__ = ("_parts",)

    def __init__(self, parts: list[IntoExpr]) -> None:
        super().__init__(_engine.call("case", [_wrap(p) for p in parts], {}))
        self._parts = parts

    def when(self, condition: IntoExpr) -> _When:
        """A further condition, looked at where none before was true."""
        return _When([*self._parts, condition])

    def otherwise(self, value: IntoExpr) -> Expr:
        """The value where no condition was true; NULL if left out."""
        return _call("case", *self._parts, value)


def when(condition: IntoExpr) -> _When:
    """A case expression.

    >>> import gristmill as gm
    >>> gm.from_pydict({"n": [1, 5]}).select(gm.when(gm.col("n") > 3).then(gm.lit("many")).otherwise(gm.lit("few")).alias("x")).collect().to_pylist()
    [{'x': 'few'}, {'x': 'many'}]
    """
    return _When([condition])


from .namespaces import StringNamespace, TemporalNamespace  # noqa: E402 - they make expressions
from .nested_namespaces import JsonNamespace, ListNamespace, MapNamespace, StructNamespace  # noqa: E402
