"""PostgreSQL: a query as a frame, and one transaction as an object. Frame.sink_postgres() writes."""

from __future__ import annotations

from types import TracebackType
from typing import Any, NamedTuple, Sequence

import pyarrow as pa

from . import _engine
from .frame import Frame, _engine_options
from .options import ParallelOptions
from .table import Table


def scan_postgres(connection: str, query: str, *, partition_on: str | None = None, partitions: int = 8,
                  unbounded_numeric: str = "text") -> Frame:
    """A frame over a query that PostgreSQL answers; it runs anew in every collect() or sink, in a read-only transaction that sees one snapshot.

    With `partition_on`, a column of integers, dates or timestamps, its range is cut into pieces that up to `partitions` connections read
    side by side; rows come in the order of the pieces. `unbounded_numeric`: numeric without precision as "text" (exact) or "float64".
    """
    return Frame(_engine.scan_postgres(connection, query, partition_on or "", partitions, unbounded_numeric))


def read_postgres(connection: str, query: str, *, partition_on: str | None = None, partitions: int = 8, unbounded_numeric: str = "text",
                  options: ParallelOptions | None = None, **settings: Any) -> Table:
    """What a query gives, at once: scan_postgres(...).collect()."""
    frame = scan_postgres(connection, query, partition_on=partition_on, partitions=partitions, unbounded_numeric=unbounded_numeric)
    return Table(frame._f.collect(_engine_options(options, settings), _engine.Cancellation()))


class PostgresRows(NamedTuple):
    """What a statement gave: values as PostgreSQL prints them."""

    affected: int
    columns: list[str]
    rows: list[list[str | None]]


class PostgresTransaction:
    """One transaction on one connection. As a context manager it commits at the end, and rolls back when an exception leaves.

    with gm.PostgresTransaction("postgresql://job@db/cost") as tx:
        tx.lock("cost/2025-10")
        tx.execute("delete from summary where day between $1 and $2", [first, last])
        tx.copy("summary", frame)
    """

    def __init__(self, connection: str) -> None:
        self._t = _engine.PostgresTransaction.open(connection)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> PostgresRows:
        """With parameters ($1, $2, ...; sent as text, None = NULL) one statement, without them one or more."""
        return PostgresRows(*self._t.execute(sql, [None if p is None else str(p) for p in parameters]))

    def lock(self, key: int | str) -> None:
        """Takes an advisory lock until the end of the transaction, waiting for whoever has it."""
        if isinstance(key, int):
            self._t.lock_number(key)
        else:
            self._t.lock_name(key)

    def try_lock(self, key: int | str) -> bool:
        """Like lock(), but False at once when somebody else has it."""
        return self._t.try_lock_number(key) if isinstance(key, int) else self._t.try_lock_name(key)

    def copy(self, table: str, data: Any) -> int:
        """Binary COPY of Arrow data (a Table, a Frame, pyarrow, polars, ...) into the columns it names; gives the number of rows."""
        if isinstance(data, pa.RecordBatch):
            data = pa.Table.from_batches([data])
        return self._t.copy(table, data.__arrow_c_stream__())

    def commit(self) -> None:
        """Keeps everything. An error here may leave open whether it holds: see retry_safe."""
        self._t.commit()

    def rollback(self) -> None:
        """Undoes everything."""
        self._t.rollback()

    @property
    def retry_safe(self) -> bool:
        """True as long as nothing can have been kept: after an error the whole transaction may be tried again."""
        return self._t.retry_safe()

    @property
    def server_version(self) -> str:
        return self._t.server_version()

    def __enter__(self) -> "PostgresTransaction":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._t.commit()
        else:
            self._t.rollback()
