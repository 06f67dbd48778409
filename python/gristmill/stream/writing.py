"""Streams into files, tables of PostgreSQL and the console.

A stream that ends is written as any frame is: complete or not at all. One that may not end, or that has operators with state, is written epoch
by epoch: see the page on streams.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..frame import Frame

if TYPE_CHECKING:
    from .. import _engine
    from .stream import Stream


def _epochs() -> Any:
    """The sinks of streams that are written epoch by epoch; loaded when somebody needs them."""
    return importlib.import_module(".sinks", __package__)


class Writing:
    """What a stream can be written to; each method runs the stream and gives the number of rows where it is known."""

    _s: "_engine.Stream"

    def _frame(self) -> Frame | None:
        made = self._s.frame()
        return None if made is None else Frame(made)

    def _write_files(self, format_: str, path: str | os.PathLike[str], options: dict[str, Any]) -> int | None:
        frame = self._frame()
        written: int | None
        if frame is not None:
            written = getattr(frame, f"sink_{format_}")(path, **options)
            return written
        written = _epochs().to_files(self, os.fspath(path), format=format_, **options)
        return written

    def write_parquet(self, path: str | os.PathLike[str], **options: Any) -> int | None:
        """Parquet; of a stream that ends one file, or a folder with `partition_by` and the other options of Frame.sink_parquet().

        >>> import gristmill as gm, pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "out.parquet")
        >>> gm.Stream.from_pylist([{"x": 1}, {"x": 2}]).write_parquet(path)
        2
        """
        return self._write_files("parquet", path, options)

    def write_csv(self, path: str | os.PathLike[str], **options: Any) -> int | None:
        """CSV; options as of Frame.sink_csv()."""
        return self._write_files("csv", path, options)

    def write_ndjson(self, path: str | os.PathLike[str], **options: Any) -> int | None:
        """A JSON object a line; options as of Frame.sink_ndjson()."""
        return self._write_files("ndjson", path, options)

    def write_ipc(self, path: str | os.PathLike[str], **options: Any) -> int | None:
        """Arrow IPC; options as of Frame.sink_ipc()."""
        return self._write_files("ipc", path, options)

    def write_postgres(self, connection: str, table: str, mode: str = "append", **options: Any) -> int | None:
        """A table of PostgreSQL, in one transaction (COPY); options as of Frame.sink_postgres()."""
        frame = self._frame()
        if frame is not None:
            return frame.sink_postgres(connection, table, mode, **options)
        written: int | None = _epochs().to_postgres(self, connection, table, mode=mode, **options)
        return written

    def write_kafka(self, topic: str, servers: str, **options: Any) -> None:
        """A topic of Kafka, a message a row; takes what gristmill.stream.kafka.to_kafka takes (format, key, exactly_once, ...)."""
        from .kafka import to_kafka

        to_kafka(self, topic, servers, **options)  # type: ignore[arg-type]

    def write_console(self, rows: int | None = None, file: Any = None) -> None:
        """The rows as they come, a dict a line, on standard output; `rows`: no more than so many.

        >>> import gristmill as gm
        >>> gm.Stream.from_pylist([{"x": 1}, {"x": 2}]).write_console(rows=1)
        {'x': 1}
        """
        out = file if file is not None else sys.stdout
        left = rows
        for batch in self:  # type: ignore[attr-defined]
            shown: pa.RecordBatch = batch if left is None else batch.slice(0, left)
            for row in shown.to_pylist():
                print(row, file=out, flush=True)
            if left is not None:
                left -= shown.num_rows
                if left <= 0:
                    return
