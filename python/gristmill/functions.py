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
