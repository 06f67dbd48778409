"""Frames into files: one file, or a folder of files cut by partition and size."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from . import _engine
from .options import ParallelOptions
from .progress import with_progress

Overwrite = Literal["error", "replace", "append", "replace_partitions"]
_OVERWRITES = ("error", "replace", "append", "replace_partitions")


def _sink_options(storage_options: Mapping[str, Any] | None, partition_by: str | Sequence[str] | None, max_rows_per_file: int | None,
                  max_bytes_per_file: int | None, overwrite: str | None) -> _engine.SinkOptions:
    from .files import _storage

    for name, value in (("max_rows_per_file", max_rows_per_file), ("max_bytes_per_file", max_bytes_per_file)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if overwrite is not None and overwrite not in _OVERWRITES:
        raise ValueError(f"overwrite must be one of {', '.join(_OVERWRITES)}, got {overwrite!r}")
    out = _engine.SinkOptions()
    out.storage = _storage(storage_options)
    out.partition_by = [] if partition_by is None else [partition_by] if isinstance(partition_by, str) else list(partition_by)
    out.max_rows_per_file = max_rows_per_file or 0
    out.max_bytes_per_file = max_bytes_per_file or 0
    if overwrite is not None:
        out.set_overwrite(_OVERWRITES.index(overwrite))
    return out


class SinkMethods:
    """The sinks of Frame. All of them write one file, or with `partition_by`, `max_rows_per_file` or `max_bytes_per_file` a folder of
    files `part-000000.parquet`, `part-000001.parquet`, ..., complete or not at all, and give the number of rows.

    - `partition_by`: columns that become folders `key=value` and are not written into the files
    - `max_rows_per_file`, `max_bytes_per_file` (of the values as they are, before encoding and compression)
    - `overwrite`: what becomes of what is there: "error" (a folder must be empty; their default), "replace" (a file's default), "append", or
      "replace_partitions" (folders of the partitions written are replaced, the others stay)
    """

    __slots__ = ()
    _f: _engine.Frame

    def _sink(self, write: Any, path: str | os.PathLike, options: ParallelOptions | None, settings: Mapping[str, Any],
              files: _engine.SinkOptions, format_: Any) -> int:
        from .frame import _engine_options

        return with_progress(lambda o: write(self._f, os.fspath(path), o, _engine.Cancellation(), files, format_), _engine_options(options, settings))

    def sink_parquet(
        self,
        path: str | os.PathLike,
        options: ParallelOptions | None = None,
        *,
        compression: str = "zstd",
        compression_level: int | None = None,
        row_group_rows: int = 122_880,
        statistics: bool = True,
        dictionary: bool = True,
        bloom_filters: str | Sequence[str] | None = None,
        partition_by: str | Sequence[str] | None = None,
        max_rows_per_file: int | None = None,
        max_bytes_per_file: int | None = None,
        overwrite: Overwrite | None = None,
        storage_options: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> int:
        """Writes the result as Parquet, complete or not at all; gives the number of rows.

        `compression`: "zstd", "snappy", "gzip", "brotli", "lz4" or "none"; `bloom_filters`: columns that get one. `partition_by` and the other
        options of folders: see SinkMethods.

        >>> import gristmill as gm, pathlib, tempfile
        >>> lake = pathlib.Path(tempfile.mkdtemp(), "lake")
        >>> gm.from_pydict({"year": [2023, 2024, 2024], "fare": [1.0, 2.0, 3.0]}).sink_parquet(lake, partition_by="year")
        3
        >>> sorted(str(p.relative_to(lake)) for p in lake.rglob("*.parquet"))
        ['year=2023/part-000000.parquet', 'year=2024/part-000000.parquet']
        """
        parquet = _engine.ParquetSinkOptions()
        parquet.compression = compression
        parquet.compression_level = compression_level
        parquet.row_group_rows = row_group_rows
        parquet.statistics = statistics
        parquet.dictionary = dictionary
        parquet.bloom_filters = [] if bloom_filters is None else [bloom_filters] if isinstance(bloom_filters, str) else list(bloom_filters)
        files = _sink_options(storage_options, partition_by, max_rows_per_file, max_bytes_per_file, overwrite)
        return self._sink(_engine.sink_parquet, path, options, settings, files, parquet)

    def sink_ipc(
        self,
        path: str | os.PathLike,
        options: ParallelOptions | None = None,
        *,
        compression: str = "lz4",
        stream: bool | None = None,
        record_batch_rows: int = 65_536,
        partition_by: str | Sequence[str] | None = None,
        max_rows_per_file: int | None = None,
        max_bytes_per_file: int | None = None,
        overwrite: Overwrite | None = None,
        storage_options: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> int:
        """Writes the result as an Arrow IPC file, or stream, complete or not at all; gives the number of rows.

        `compression`: "lz4", "zstd" or "none". `stream`: the streaming format, which is readable as it comes; None: when the path ends
        with `.arrows`. `partition_by` and the other options of folders: see SinkMethods.
        """
        ipc = _engine.IpcSinkOptions()
        ipc.compression = compression
        ipc.stream = stream
        ipc.batch_rows = record_batch_rows
        files = _sink_options(storage_options, partition_by, max_rows_per_file, max_bytes_per_file, overwrite)
        return self._sink(_engine.sink_ipc, path, options, settings, files, ipc)

    def sink_csv(
        self,
        path: str | os.PathLike,
        options: ParallelOptions | None = None,
        *,
        separator: str = ",",
        quote_char: str = '"',
        quote_style: str = "necessary",
        include_header: bool = True,
        null_value: str = "",
        line_terminator: str = "\n",
        date_format: str | None = None,
        time_format: str | None = None,
        datetime_format: str | None = None,
        float_precision: int | None = None,
        compression: str = "infer",
        compression_level: int | None = None,
        partition_by: str | Sequence[str] | None = None,
        max_rows_per_file: int | None = None,
        max_bytes_per_file: int | None = None,
        overwrite: Overwrite | None = None,
        storage_options: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> int:
        """Writes the result as a CSV file, complete or not at all; gives the number of rows.

        Floats take the shortest text that reads back as the same value unless `float_precision` says how many digits follow the point; dates and
        times are ISO unless a strftime pattern is given. `quote_style`: "necessary", "always", "non_numeric" or "never". The ending of the
        path chooses the compression (.gz, .zst, .lz4, .bz2, .sz). `partition_by` and the other options of folders: see SinkMethods.
        """
        if quote_style not in ("necessary", "always", "non_numeric", "never"):
            raise ValueError(f'quote_style must be "necessary", "always", "non_numeric" or "never", got {quote_style!r}')
        for name, value in (("separator", separator), ("quote_char", quote_char)):
            if len(value.encode()) != 1:
                raise ValueError(f"{name} must be one byte, got {value!r}")
        text = {
            "separator": separator, "quote_char": quote_char, "quote_style": quote_style, "include_header": include_header, "null_value": null_value,
            "line_terminator": line_terminator, "date_format": date_format or "", "time_format": time_format or "",
            "datetime_format": datetime_format or "", "float_precision": float_precision, "compression": compression,
            "compression_level": compression_level,
        }
        files = _sink_options(storage_options, partition_by, max_rows_per_file, max_bytes_per_file, overwrite)
        return self._sink(_engine.sink_csv, path, options, settings, files, text)

    def sink_ndjson(
        self,
        path: str | os.PathLike,
        options: ParallelOptions | None = None,
        *,
        omit_nulls: bool = False,
        compression: str = "infer",
        compression_level: int | None = None,
        partition_by: str | Sequence[str] | None = None,
        max_rows_per_file: int | None = None,
        max_bytes_per_file: int | None = None,
        overwrite: Overwrite | None = None,
        storage_options: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> int:
        """Writes the result as newline-delimited JSON, an object a row, complete or not at all; gives the number of rows.

        Lists and structs become arrays and objects, dates and times ISO texts, NaN and infinities null. The ending of the path chooses the
        compression (.gz, .zst, .lz4, .bz2, .sz). `partition_by` and the other options of folders: see SinkMethods.
        """
        text = {"omit_nulls": omit_nulls, "compression": compression, "compression_level": compression_level}
        files = _sink_options(storage_options, partition_by, max_rows_per_file, max_bytes_per_file, overwrite)
        return self._sink(_engine.sink_ndjson, path, options, settings, files, text)
