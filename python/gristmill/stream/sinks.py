"""Streams into files and tables epoch by epoch: what streams that may not end, and streams with state, are written by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping, Sequence

from .. import _engine

if TYPE_CHECKING:
    from .stream import Stream


def to_files(stream: "Stream", folder: str, *, format: str = "parquet", compression: str = "", storage_options: Mapping[str, str] | None = None) -> None:
    """A file an epoch in a folder (or s3://bucket/prefix); each appears when its epoch counts."""
    stream._run(lambda control: _engine.stream_write_files(stream._s, folder, format, compression, dict(storage_options or {}), control))


def to_postgres(stream: "Stream", connection: str, table: str, *, mode: str = "append", key: str | Sequence[str] = ()) -> None:
    """Rows and the epoch's number in one transaction of PostgreSQL; mode as of Frame.sink_postgres()."""
    keys = [key] if isinstance(key, str) else list(key)
    stream._run(lambda control: _engine.stream_write_postgres(stream._s, connection, table, mode, keys, control))
