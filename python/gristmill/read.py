"""Files read at once: scan_*() and collect() in one step."""

from __future__ import annotations

from typing import Any

from .files import Paths, scan_ipc, scan_parquet
from .options import ParallelOptions
from .table import Table
from .text_files import scan_csv, scan_ndjson


def read_parquet(path: Paths, *, options: ParallelOptions | None = None, **scan: Any) -> Table:
    """The rows of Parquet files as a table; takes what scan_parquet takes."""
    return scan_parquet(path, **scan).collect(options)


def read_ipc(path: Paths, *, options: ParallelOptions | None = None, **scan: Any) -> Table:
    """The rows of Arrow IPC files as a table; takes what scan_ipc takes."""
    return scan_ipc(path, **scan).collect(options)


def read_csv(path: Paths, *, options: ParallelOptions | None = None, **scan: Any) -> Table:
    """The rows of CSV files as a table; takes what scan_csv takes."""
    return scan_csv(path, **scan).collect(options)


def read_ndjson(path: Paths, *, options: ParallelOptions | None = None, **scan: Any) -> Table:
    """The rows of newline-delimited JSON files as a table; takes what scan_ndjson takes."""
    return scan_ndjson(path, **scan).collect(options)
