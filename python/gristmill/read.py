"""Files read at once: scan_*() and collect() in one step."""

from __future__ import annotations

import os
from typing import Any

from .files import scan_ipc, scan_parquet
from .options import ParallelOptions
from .table import Table
from .text_files import Paths, scan_csv


def read_parquet(path: str | os.PathLike, *, options: ParallelOptions | None = None, **scan: Any) -> Table:
    """The rows of Parquet files as a table; takes what scan_parquet takes."""
    return scan_parquet(path, **scan).collect(options)


def read_ipc(path: str | os.PathLike, *, options: ParallelOptions | None = None, **scan: Any) -> Table:
    """The rows of Arrow IPC files as a table; takes what scan_ipc takes."""
    return scan_ipc(path, **scan).collect(options)


def read_csv(path: Paths, *, options: ParallelOptions | None = None, **scan: Any) -> Table:
    """The rows of CSV files as a table; takes what scan_csv takes."""
    return scan_csv(path, **scan).collect(options)
