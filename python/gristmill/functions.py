"""Functions of several values, beside the methods of expressions."""

from __future__ import annotations

from .expr import Expr, IntoExpr, _call


def concat_ws(separator: IntoExpr, *values: IntoExpr) -> Expr:
    """The values as text with the separator between them; NULLs are passed over.

    >>> import gristmill as gm
    >>> gm.from_pydict({"a": ["x", None], "n": [1, 2]}).select(gm.concat_ws("-", gm.col("a"), gm.col("n")).alias("t")).collect().to_pylist()
    [{'t': 'x-1'}, {'t': '2'}]
    """
    return _call("concat_ws", separator, *values)


def chr(code: IntoExpr) -> Expr:
    """The character of a code point; one that does not exist is a DataError."""
    return _call("chr", code)


def greatest(*values: IntoExpr) -> Expr:
    """The greatest of the values that are not NULL."""
    return _call("greatest", *values)


def least(*values: IntoExpr) -> Expr:
    """The least of the values that are not NULL."""
    return _call("least", *values)


def pi() -> Expr:
    """The number pi."""
    return _call("pi")


def atan2(y: IntoExpr, x: IntoExpr) -> Expr:
    """The angle of the point (x, y) in radians."""
    return _call("atan2", y, x)


def make_date(year: IntoExpr, month: IntoExpr, day: IntoExpr) -> Expr:
    """A date from its parts; one that does not exist is a DataError."""
    return _call("make_date", year, month, day)


def make_timestamp(year: IntoExpr, month: IntoExpr, day: IntoExpr, hour: IntoExpr = 0, minute: IntoExpr = 0, second: IntoExpr = 0) -> Expr:
    """A timestamp (microseconds, no zone) from its parts; one that does not exist is a DataError."""
    return _call("make_timestamp", year, month, day, hour, minute, second)


def duration(**units: IntoExpr) -> Expr:
    """A duration from units: weeks, days, hours, minutes, seconds, milliseconds, microseconds, nanoseconds.

    >>> import gristmill as gm
    >>> gm.from_pydict({"n": [1, 2]}).select(gm.duration(hours=gm.col("n"), minutes=30).alias("d").cast("int64")).collect().to_pylist()
    [{'d': 5400000000}, {'d': 9000000000}]
    """
    if not units:
        raise TypeError("duration() takes units, as in duration(hours=1)")
    first, *others = [_call("make_duration", amount, unit) for unit, amount in units.items()]
    for other in others:
        first = first + other
    return first


def from_epoch(seconds: IntoExpr) -> Expr:
    """The instant (UTC) so many seconds after 1970-01-01, to the microsecond."""
    return _call("from_epoch", seconds)


def pack_list(*values: IntoExpr) -> Expr:
    """A list of the values of each row.

    >>> import gristmill as gm
    >>> gm.from_pydict({"a": [1, 2], "b": [3, None]}).select(gm.pack_list(gm.col("a"), gm.col("b")).alias("l")).collect().to_pydict()
    {'l': [[1, 3], [2, None]]}
    """
    return _call("list.pack", *values)


def pack_map(keys: IntoExpr, values: IntoExpr) -> Expr:
    """A map of a list of keys and a list of values; a NULL key or one that comes twice is a DataError."""
    return _call("map.pack", keys, values)


def struct(**fields: IntoExpr) -> Expr:
    """A struct of named values.

    >>> import gristmill as gm
    >>> gm.from_pydict({"a": [1]}).select(gm.struct(x=gm.col("a"), y=gm.lit("z")).alias("s")).collect().to_pylist()
    [{'s': {'x': 1, 'y': 'z'}}]
    """
    return _call("struct.pack", *(part for name, value in fields.items() for part in (name, value)))
