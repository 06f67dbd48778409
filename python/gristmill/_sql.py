"""SQL over frames, Arrow data and files."""

from __future__ import annotations

import sys
from typing import Any, Mapping, Sequence

import pyarrow as pa

from . import _engine
from .frame import Frame, from_arrow
from .table import Table

Parameters = Sequence[Any] | Mapping[str, Any] | None
Named = list[tuple[str, _engine.Frame]]


def as_frame(value: Any) -> Frame | None:
    """The frame a value can be queried as, or None."""
    if isinstance(value, Frame):
        return value
    if isinstance(value, Table):
        return value.lazy()
    return from_arrow(value) if hasattr(value, "__arrow_c_stream__") else None


def as_table(name: str, value: Any) -> _engine.Frame | None:
    """What a query sees under this name: a frame, or a stream, which only Stream.from_sql() and Session.stream() can read; else None."""
    stream = getattr(value, "_s", None)
    if isinstance(stream, _engine.Stream):
        return _engine.stream_as_table(name, stream)
    frame = as_frame(value)
    return None if frame is None else frame._f


def named_tables(tables: Mapping[str, Any]) -> Named:
    """Keyword arguments as the engine takes them."""
    out: Named = []
    for name, value in tables.items():
        table = as_table(name, value)
        if table is None:
            raise TypeError(f"table {name!r} must be a Frame, a Table, a Stream or Arrow data, got {type(value).__name__}")
        out.append((name, table))
    return out


def variables_in(text: str, known: Mapping[str, Any], caller: Any) -> Named:
    """The caller's variables that the text names and that can be queried."""
    out: dict[str, _engine.Frame] = {}
    words = set(text.replace(",", " ").replace("(", " ").replace(")", " ").replace('"', " ").replace(";", " ").replace(".", " ").split())
    for scope in (caller.f_locals, caller.f_globals):
        for name in words & scope.keys():
            if name not in known and name not in out and not isinstance(scope[name], type) and (table := as_table(name, scope[name])) is not None:
                out[name] = table
    return list(out.items())


def parameter_values(params: Parameters) -> list[tuple[str, Any]]:
    """Values for $1 or ? (a sequence) or :name (a mapping), each as one row of Arrow data."""
    if params is None:
        return []
    if isinstance(params, (str, bytes)):
        raise TypeError("params must be a list of values, or a dict of them by name")
    pairs = params.items() if isinstance(params, Mapping) else [("", v) for v in params]
    out = []
    for name, value in pairs:
        array = pa.array([value.as_py()], value.type) if isinstance(value, pa.Scalar) else pa.array([value])
        out.append((name, array.__arrow_c_array__()))
    return out


def sql(text: str, params: Parameters = None, **tables: Any) -> Frame:
    """A lazy frame from a query. Tables are the keyword arguments, then the caller's variables, then files.

    ``params`` are the values of ``$1, $2, ...`` or ``?`` (a list), or of ``:name`` (a dict). Statements that leave something behind
    (``create table``, ``insert``, ``set``) are run on a session: see ``connect()``.

    >>> import gristmill as gm
    >>> trips = gm.from_pydict({"zone": ["A", "B", "A"], "fare": [12.0, 7.5, 20.0]})
    >>> gm.sql("select zone, sum(fare) as total from trips group by zone order by total desc").collect().to_pylist()
    [{'zone': 'A', 'total': 32.0}, {'zone': 'B', 'total': 7.5}]
    >>> gm.sql("select zone from trips where fare > :least", params={"least": 15}).collect().to_pylist()
    [{'zone': 'A'}]
    """
    found = named_tables(tables) + variables_in(text, tables, sys._getframe(1))
    return Frame(_engine.sql(text, found, parameter_values(params)))
