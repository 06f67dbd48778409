"""SQL over frames, Arrow data and files."""

from __future__ import annotations

import sys
from typing import Any

from . import _engine
from .frame import Frame, from_arrow
from .table import Table


def _as_frame(value: Any) -> Frame | None:
    if isinstance(value, Frame):
        return value
    if isinstance(value, Table):
        return value.lazy()
    return from_arrow(value) if hasattr(value, "__arrow_c_stream__") else None


def sql(text: str, **tables: Any) -> Frame:
    """A lazy frame from a query. Tables are the keyword arguments, then the caller's variables, then files.

    >>> import gristmill as gm
    >>> trips = gm.from_pydict({"zone": ["A", "B", "A"], "fare": [12.0, 7.5, 20.0]})
    >>> gm.sql("select zone, sum(fare) as total from trips group by zone order by total desc").collect().to_pylist()
    [{'zone': 'A', 'total': 32.0}, {'zone': 'B', 'total': 7.5}]
    """
    found: dict[str, Frame] = {}
    for name, value in tables.items():
        frame = _as_frame(value)
        if frame is None:
            raise TypeError(f"table {name!r} must be a Frame, a Table or Arrow data, got {type(value).__name__}")
        found[name] = frame
    caller = sys._getframe(1)
    words = set(text.replace(",", " ").replace("(", " ").replace(")", " ").replace('"', " ").replace(";", " ").replace(".", " ").split())
    for scope in (caller.f_locals, caller.f_globals):
        for name in words & scope.keys():
            if name not in found and not isinstance(scope[name], type) and (frame := _as_frame(scope[name])) is not None:
                found[name] = frame
    return Frame(_engine.sql(text, [(name, frame._f) for name, frame in found.items()]))
