"""Gristmill: columnar queries on every core, with the same bits at any worker count.

>>> import gristmill as gm
>>> trips = gm.from_pydict({"zone": ["A", "B", "A"], "fare": [12.0, 7.5, 20.0]})
>>> trips.filter(gm.col("fare") > 10).select(gm.col("fare").sum()).collect().to_pylist()
[{'fare': 32.0}]
"""

import pyarrow as _pyarrow  # noqa: F401 - first: the engine uses the Arrow that this loads

from . import _engine
from ._engine import Cancellation
from ._sql import sql
from .errors import CancelledError, DataError, GristmillError, IoError, MemoryLimitError, PlanError, TimeoutError
from .files import scan_ipc, scan_parquet
from .expr import Expr, call, coalesce, col, count, lit, when
from .functions import atan2, chr, concat_ws, duration, from_epoch, greatest, least, make_date, make_timestamp, pack_list, pack_map, pi, struct
from .frame import Frame, GroupBy, concat, deserialize, from_arrow, from_pandas, from_pydict, from_pylist
from .options import ParallelOptions
from .postgres import PostgresTransaction, read_postgres, scan_postgres
from .table import Table
from .text_files import scan_csv, scan_ndjson

__version__ = _engine.__version__

__all__ = [
    "Cancellation", "CancelledError", "DataError", "Expr", "Frame", "GristmillError", "GroupBy", "IoError", "MemoryLimitError", "ParallelOptions",
    "PlanError", "PostgresTransaction", "Table", "TimeoutError", "atan2", "call", "chr", "coalesce", "col", "concat", "concat_ws", "count", "deserialize", "duration",
    "from_arrow", "from_epoch", "from_pandas", "from_pydict", "from_pylist", "greatest", "least", "lit", "make_date", "make_timestamp", "pack_list",
    "pack_map", "pi", "read_postgres", "scan_csv", "scan_ipc", "scan_ndjson", "scan_parquet", "scan_postgres", "sql", "struct", "when",
]
