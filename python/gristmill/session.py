"""Statements that belong together: tables, views, prepared statements and settings that one leaves for the next."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from . import _engine, hints
from ._sql import Parameters, as_table, named_tables, parameter_values, variables_in
from .frame import Frame, _engine_options
from .options import ParallelOptions
from .table import Table, _Schema

if TYPE_CHECKING:
    from .stream import Stream


@dataclass(frozen=True)
class Outcome:
    """What a statement gave."""

    command: str
    """``SELECT``, ``CREATE TABLE``, ``INSERT``, ``COPY``, ..."""
    frame: Frame | None
    """The rows of a query, computed when they are asked for; None for a statement without."""
    changed: int | None
    """Rows inserted, copied or put into a new table; None for other statements."""
    _session: _engine.Session = field(repr=False)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise hints.of_outcome(self, name)

    def collect(self, *, cancel: _engine.Cancellation | None = None) -> Table:
        """Runs the query with the settings of its session."""
        if self.frame is None:
            raise ValueError(f"{self.command} gives no rows")
        return Table(self._session.collect(self.frame._f, cancel or _engine.Cancellation()))


class Session:
    """Tables in memory, views, prepared statements and settings; one statement at a time.

    Names are found in keyword arguments, then in the session, then in the caller's variables, then as files.

    >>> import gristmill as gm
    >>> with gm.connect() as session:
    ...     _ = session.execute("create table trips (zone text, fare double); insert into trips values ('A', 12), ('B', 7.5)")
    ...     session.sql("select sum(fare) as total from trips").collect().to_pylist()
    [{'total': 19.5}]
    """

    def __init__(self, options: ParallelOptions | None = None, **settings: Any) -> None:
        self._open: _engine.Session | None = _engine.Session()
        if options is not None or settings:
            self._open.set_options(_engine_options(options, settings))

    @property
    def _s(self) -> _engine.Session:
        if self._open is None:
            raise ValueError("the session is closed")
        return self._open

    def sql(self, text: str, params: Parameters = None, **tables: Any) -> Frame:
        """A lazy frame from one query."""
        return Frame(self._s.sql(text, named_tables(tables), variables_in(text, tables, sys._getframe(1)), parameter_values(params)))

    def stream(self, text: str, params: Parameters = None, **tables: Any) -> Stream:
        """A stream from one query over streams and tables; see Stream.from_sql().

        >>> import gristmill as gm
        >>> session = gm.connect()
        >>> session.register("readings", gm.Stream.from_pylist([{"sensor": 1, "value": 20.5}, {"sensor": 2, "value": 31.0}]))
        >>> session.stream("select sensor from readings where value > 30").collect().to_pydict()
        {'sensor': [2]}
        """
        from .stream import Stream

        return Stream(self._s.stream(text, named_tables(tables), variables_in(text, tables, sys._getframe(1)), parameter_values(params)))

    def execute(self, text: str, params: Parameters = None, *, cancel: _engine.Cancellation | None = None, **tables: Any) -> Outcome:
        """Runs every statement of the text and gives the outcome of the last.

        >>> import gristmill as gm
        >>> session = gm.connect()
        >>> session.execute("create table t as select * from range(5) as r(n)").changed
        5
        >>> session.execute("select n from t where n > ?", [2]).collect().to_pydict()
        {'n': [3, 4]}
        """
        variables = variables_in(text, tables, sys._getframe(1))
        return self._execute(text, named_tables(tables), variables, parameter_values(params), cancel)

    def _execute(self, text: str, tables: Any, variables: Any, params: Any, cancel: _engine.Cancellation | None) -> Outcome:
        command, rows, changed = self._s.execute(text, tables, variables, params, cancel or _engine.Cancellation())
        return Outcome(command, None if rows is None else Frame(rows), None if changed < 0 else changed, self._s)

    def register(self, name: str, data: Any) -> None:
        """A frame, a table or Arrow data under a name that queries may use; a Stream, for those of `stream()`."""
        table = as_table(name, data)
        if table is None:
            raise TypeError(f"{name!r} must be a Frame, a Table, a Stream or Arrow data, got {type(data).__name__}")
        self._s.set_table(name, table)

    def tables(self) -> dict[str, pa.Schema]:
        """Tables and views by name, with their columns."""
        return {name: pa.schema(_Schema(schema)) for name, _, schema in self._s.relations()}

    def close(self) -> None:
        """Lets go of everything; frames and tables that came out of it stay."""
        self._open = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def connect(options: ParallelOptions | None = None, **settings: Any) -> Session:
    """A new session; settings are fields of ParallelOptions, e.g. ``connect(num_workers=2)``."""
    return Session(options, **settings)
