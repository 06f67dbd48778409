"""Columns picked by what they are: expressions that stand for several columns until they meet a frame.

>>> import gristmill as gm
>>> from gristmill import selectors as cs
>>> f = gm.from_pydict({"zone": ["A", "B"], "fare": [1.5, 2.5], "km": [1, 2]})
>>> f.select(cs.numeric().sum()).collect().to_pylist()
[{'fare': 4.0, 'km': 3}]
>>> f.select(cs.all() - cs.by_name("zone") | cs.starts_with("z")).columns
['zone', 'fare', 'km']
"""

from __future__ import annotations

from typing import Any

from . import _engine
from .expr import Expr, _type_argument


class Selector(Expr):
    """Several columns. `|`, `&`, `-` and `~` between selectors are set operations; everything else computes on each column."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __or__(self, o: Any) -> Any: return _combine("cs.or", self, o) if isinstance(o, Selector) else Expr.__or__(self, o)
    def __and__(self, o: Any) -> Any: return _combine("cs.and", self, o) if isinstance(o, Selector) else Expr.__and__(self, o)
    def __sub__(self, o: Any) -> Any: return _combine("cs.minus", self, o) if isinstance(o, Selector) else Expr.__sub__(self, o)

    def __invert__(self) -> "Selector":
        """The other columns."""
        return _combine("cs.not", self)

    def exclude(self, *names: "str | Selector") -> "Selector":
        """These columns without some.

        >>> import gristmill as gm
        >>> gm.from_pydict({"a": [1], "b": [2], "c": ["x"]}).select(gm.all().exclude("a")).columns
        ['b', 'c']
        """
        return self - _named(names)


def _combine(name: str, *parts: Selector) -> Selector:
    return Selector(_engine.call(name, [p._e for p in parts], {}))


def _make(name: str, *texts: str) -> Selector:
    return Selector(_engine.call(name, [_engine.lit_text(t) for t in texts], {}))


def _named(names: "tuple[str | Selector, ...]") -> Selector:
    parts = [n if isinstance(n, Selector) else _make("cs.by_name", n) for n in names]
    if not parts:
        return _make("cs.by_name")
    out = parts[0]
    for p in parts[1:]:
        out = out | p
    return out


def all() -> Selector:  # noqa: A001 - the name users look for
    """Every column."""
    return _make("cs.all")


def exclude(*names: "str | Selector") -> Selector:
    """Every column but these."""
    return all() - _named(names)


def by_name(*names: str) -> Selector:
    """Columns by name, in the frame's order; one that is not there is a PlanError."""
    return _make("cs.by_name", *names)


def by_dtype(*dtypes: Any) -> Selector:
    """Columns of these types: pyarrow types or their text.

    >>> import gristmill as gm
    >>> gm.from_pydict({"a": [1], "b": [2.0]}).select(by_dtype("int64")).columns
    ['a']
    """
    return Selector(_engine.selector_by_dtype([_type_argument(d) for d in dtypes]))


def starts_with(prefix: str) -> Selector:
    """Columns whose name starts so."""
    return _make("cs.starts_with", prefix)


def ends_with(suffix: str) -> Selector:
    """Columns whose name ends so."""
    return _make("cs.ends_with", suffix)


def contains(part: str) -> Selector:
    """Columns whose name contains this."""
    return _make("cs.contains", part)


def matches(pattern: str) -> Selector:
    """Columns in whose name the regular expression is found."""
    return _make("cs.matches", pattern)


def numeric() -> Selector:
    """Integers, floats and decimals."""
    return _make("cs.numeric")


def integer() -> Selector:
    """Integers."""
    return _make("cs.integer")


def float() -> Selector:  # noqa: A001
    """Floats."""
    return _make("cs.float")


def string() -> Selector:
    """Text."""
    return _make("cs.string")


def boolean() -> Selector:
    """Bools."""
    return _make("cs.boolean")


def integers() -> Selector:
    """Integers; integer() by the name it has in C++."""
    return integer()


def floats() -> Selector:
    """Floats; float() by the name it has in C++."""
    return float()


def text() -> Selector:
    """Text; string() by the name it has in C++."""
    return string()


def booleans() -> Selector:
    """Bools; boolean() by the name it has in C++."""
    return boolean()


def temporal() -> Selector:
    """Dates, times, timestamps and durations."""
    return _make("cs.temporal")


def nested() -> Selector:
    """Lists, structs and maps."""
    return _make("cs.nested")


def first() -> Selector:
    """The first column."""
    return _make("cs.first")


def last() -> Selector:
    """The last column."""
    return _make("cs.last")
