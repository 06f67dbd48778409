"""Python's database interface (PEP 249) over a session.

>>> from gristmill import dbapi
>>> with dbapi.connect() as connection, connection.cursor() as cursor:
...     _ = cursor.execute("create table trips (zone text, fare double)")
...     _ = cursor.executemany("insert into trips values (?, ?)", [("A", 12.0), ("B", 7.5)])
...     cursor.execute("select zone, fare from trips where fare > ?", (10,)).fetchall()
[('A', 12.0)]
"""

from __future__ import annotations

import datetime
import sys
import time
from typing import Any, Iterator, Mapping, Sequence

import pyarrow as pa

from . import errors
from ._sql import Parameters, named_tables, parameter_values, variables_in
from .options import ParallelOptions
from .session import Session

apilevel = "2.0"
threadsafety = 1
"""Threads may share the module, not a connection."""
paramstyle = "qmark"
"""``?``; also ``$1`` with a sequence and ``:name`` with a mapping."""


class Warning(Exception):  # noqa: A001 - the name PEP 249 asks for
    """Never raised."""


class Error(Exception):
    """Anything that went wrong; the engine's own exception is its cause."""


class InterfaceError(Error):
    """The interface was used wrongly: a closed cursor, rows of a statement that has none."""


class DatabaseError(Error):
    """The engine's errors."""


class DataError(DatabaseError):
    """A value: overflow, a bad cast, division by zero."""


class OperationalError(DatabaseError):
    """Files, connections, memory, time-outs, cancellation."""


class IntegrityError(DatabaseError):
    """Never raised: tables of a session have no constraints."""


class InternalError(DatabaseError):
    """The engine's own fault."""


class ProgrammingError(DatabaseError):
    """The statement: syntax, unknown names, types that do not fit."""


class NotSupportedError(DatabaseError):
    """Transactions: every statement stands for itself."""


_ERRORS: list[tuple[type[BaseException], type[Error]]] = [
    (errors.PlanError, ProgrammingError), (errors.DataError, DataError), (errors.IoError, OperationalError),
    (errors.MemoryLimitError, OperationalError), (errors.CancelledError, OperationalError), (errors.TimeoutError, OperationalError),
    (errors.GristmillError, InternalError), (TypeError, InterfaceError), (pa.ArrowInvalid, InterfaceError), (pa.ArrowNotImplementedError, InterfaceError),
]


class _Raising:
    """Turns the engine's exceptions into those of PEP 249."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: object) -> None:
        for theirs, ours in _ERRORS:
            if isinstance(value, theirs) and not isinstance(value, Error):
                raise ours(str(value)) from value


class _TypeObject:
    """Equal to the types of columns that it stands for (the second item of a column's description)."""

    def __init__(self, name: str, *predicates: Any) -> None:
        self._name = name
        self._predicates = predicates

    def __eq__(self, other: object) -> bool:
        if isinstance(other, pa.DataType):
            return any(p(other) for p in self._predicates)
        return self is other

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"gristmill.dbapi.{self._name}"


STRING = _TypeObject("STRING", pa.types.is_string, pa.types.is_large_string)
BINARY = _TypeObject("BINARY", pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
NUMBER = _TypeObject("NUMBER", pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
DATETIME = _TypeObject("DATETIME", pa.types.is_temporal)
ROWID = _TypeObject("ROWID")

Date = datetime.date
Time = datetime.time
Timestamp = datetime.datetime
Binary = bytes


def DateFromTicks(ticks: float) -> datetime.date:  # noqa: N802 - PEP 249's name
    """The date of a number of seconds since 1970, local time."""
    return Date(*time.localtime(ticks)[:3])


def TimeFromTicks(ticks: float) -> datetime.time:  # noqa: N802
    """The time of day of a number of seconds since 1970, local time."""
    return Time(*time.localtime(ticks)[3:6])


def TimestampFromTicks(ticks: float) -> datetime.datetime:  # noqa: N802
    """The moment of a number of seconds since 1970, local time."""
    return Timestamp(*time.localtime(ticks)[:6])


def _describe(field: pa.Field) -> tuple[str, pa.DataType, None, None, int | None, int | None, bool]:
    decimal = pa.types.is_decimal(field.type)
    return (field.name, field.type, None, None, field.type.precision if decimal else None, field.type.scale if decimal else None, field.nullable)


class Cursor:
    """Runs statements and hands out rows as tuples."""

    arraysize = 1
    """How many rows fetchmany() gives when it is not told."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._closed = False
        self._forget()

    def _forget(self) -> None:
        self.description: list[tuple[Any, ...]] | None = None
        """Name, type (a pyarrow type), and for decimals precision and scale of each column; None for a statement without rows."""
        self.rowcount = -1
        """Rows of the result, or rows that were inserted or copied; -1 when there is no such number."""
        self._table: pa.Table | None = None
        self._position = 0

    def _check(self) -> None:
        if self._closed or self.connection._session is None:
            raise InterfaceError("the cursor is closed")

    def execute(self, operation: str, parameters: Parameters = None) -> Cursor:
        """Runs the statements of a text; the rows are those of the last one. Gives the cursor itself."""
        return self._run(operation, parameters, sys._getframe(1))

    def _run(self, operation: str, parameters: Parameters, caller: Any) -> Cursor:
        self._check()
        self._forget()
        session = self.connection._session
        assert session is not None
        with _Raising():
            outcome = session._execute(operation, named_tables({}), variables_in(operation, {}, caller), parameter_values(parameters), None)
            if outcome.changed is not None:
                self.rowcount = outcome.changed
            if outcome.frame is not None:
                table = outcome.collect().to_arrow()
                self._table, self.rowcount = table, table.num_rows
                self.description = [_describe(f) for f in table.schema]
        return self

    def executemany(self, operation: str, seq_of_parameters: Sequence[Sequence[Any] | Mapping[str, Any]]) -> Cursor:
        """Runs a statement once for each set of parameters; one that gives rows is an error."""
        total = 0
        for parameters in seq_of_parameters:
            self._run(operation, parameters, sys._getframe(1))
            if self.description is not None:
                raise ProgrammingError("executemany() is for statements without rows")
            total += max(self.rowcount, 0)
        self.rowcount = total
        return self

    def _take(self, rows: int) -> list[tuple[Any, ...]]:
        self._check()
        if self._table is None:
            raise InterfaceError("the last statement gave no rows")
        part = self._table.slice(self._position, rows)
        self._position += part.num_rows
        return list(zip(*(c.to_pylist() for c in part.columns)))

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, or None."""
        rows = self._take(1)
        return rows[0] if rows else None

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        """The next rows, as many as ``size`` or ``arraysize`` says."""
        return self._take(self.arraysize if size is None else size)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows that are left."""
        return self._take(sys.maxsize if self._table is None else self._table.num_rows)

    def fetch_arrow_table(self) -> pa.Table:
        """All rows that are left, as Arrow data."""
        self._check()
        if self._table is None:
            raise InterfaceError("the last statement gave no rows")
        rest = self._table.slice(self._position)
        self._position = self._table.num_rows
        return rest

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        while (row := self.fetchone()) is not None:
            yield row

    def setinputsizes(self, sizes: Sequence[Any]) -> None:
        """Does nothing."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Lets go of the rows; the cursor cannot be used any more."""
        self._forget()
        self._closed = True

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Connection:
    """One session. There are no transactions: commit() does nothing, and what a statement did stays."""

    Warning, Error, InterfaceError, DatabaseError, DataError = Warning, Error, InterfaceError, DatabaseError, DataError
    OperationalError, IntegrityError, InternalError = OperationalError, IntegrityError, InternalError
    ProgrammingError, NotSupportedError = ProgrammingError, NotSupportedError

    def __init__(self, session: Session) -> None:
        self._session: Session | None = session

    @property
    def session(self) -> Session:
        """The session behind it."""
        if self._session is None:
            raise InterfaceError("the connection is closed")
        return self._session

    def cursor(self) -> Cursor:
        """A cursor; several share the session."""
        if self._session is None:
            raise InterfaceError("the connection is closed")
        return Cursor(self)

    def commit(self) -> None:
        """Does nothing: every statement stands for itself."""
        if self._session is None:
            raise InterfaceError("the connection is closed")

    def rollback(self) -> None:
        """Cannot undo what statements did."""
        raise NotSupportedError("there are no transactions: every statement stands for itself")

    def close(self) -> None:
        """Ends the session; its tables go."""
        if self._session is None:
            raise InterfaceError("the connection is closed")
        self._session.close()
        self._session = None

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._session is not None:
            self.close()


def connect(options: ParallelOptions | None = None, **settings: Any) -> Connection:
    """A connection to a new session; settings are fields of ParallelOptions."""
    return Connection(Session(options, **settings))


__all__ = [
    "BINARY", "Binary", "Connection", "Cursor", "DATETIME", "DataError", "DatabaseError", "Date", "DateFromTicks", "Error", "IntegrityError",
    "InterfaceError", "InternalError", "NUMBER", "NotSupportedError", "OperationalError", "ProgrammingError", "ROWID", "STRING", "Time",
    "TimeFromTicks", "Timestamp", "TimestampFromTicks", "Warning", "apilevel", "connect", "paramstyle", "threadsafety",
]
