"""Gristmill: columnar queries on every core, with the same bits at any worker count.

>>> import gristmill as gm
>>> trips = gm.from_pydict({"zone": ["A", "B", "A"], "fare": [12.0, 7.5, 20.0]})
>>> trips.filter(gm.col("fare") > 10).select(gm.col("fare").sum()).collect().to_pylist()
[{'fare': 32.0}]
"""

import atexit as _atexit
import importlib as _importlib
from typing import TYPE_CHECKING, Any as _Any

import pyarrow as _pyarrow  # noqa: F401 - first: the engine uses the Arrow that this loads

from . import _engine, hints as _hints, selectors
from ._engine import Cancellation
from ._sql import sql
from .config import Config
from .errors import CancelledError, DataError, GristmillError, IoError, MemoryLimitError, PlanError, TimeoutError
from .files import scan_ipc, scan_parquet
from .expr import Expr, call, coalesce, col, corr, count, cov, lit, regr_intercept, regr_slope, when
from .functions import atan2, chr, concat_ws, duration, from_epoch, greatest, least, make_date, make_timestamp, pack_list, pack_map, pi, struct
from .frame import DynamicGroupBy, Frame, GroupBy, concat, deserialize, from_arrow, from_dict, from_numpy, from_pandas, from_polars, from_pydict, from_pylist
from .job import Job, JobResult, each_batch, each_record
from .options import ParallelOptions
from .postgres import PostgresTransaction, read_postgres, scan_postgres
from .read import read_csv, read_ipc, read_ndjson, read_parquet
from .selectors import Selector, all, exclude
from .session import Outcome, Session, connect
from .table import Table
from .text_files import scan_csv, scan_ndjson
from .udf import UserFunction, register, udf
from .window_methods import WindowFrame, cume_dist, dense_rank, groups_between, ntile, percent_rank, range_between, rank, row_number, rows_between

if TYPE_CHECKING:
    from . import flow
    from .flow.flow import Flow
    from .flow.node import node
    from .stream import GroupedStream, KeyContext, KeyedOperator, Morsel, MorselDriven, Stream, StreamOperator

__version__ = _engine.__version__
_atexit.register(_engine.leave)

__all__ = [
    "Cancellation", "CancelledError", "Config", "DataError", "DynamicGroupBy", "Expr", "Flow", "Frame", "GristmillError", "GroupBy", "GroupedStream", "IoError", "Job", "JobResult", "KeyContext", "KeyedOperator",
    "MemoryLimitError", "Morsel", "MorselDriven", "Outcome", "ParallelOptions", "PlanError", "PostgresTransaction", "Selector", "Session", "Stream", "StreamOperator", "Table", "TimeoutError", "UserFunction", "WindowFrame",
    "all", "atan2", "call", "chr", "coalesce", "col", "concat", "concat_ws", "connect", "corr", "count", "cov", "cume_dist", "dense_rank", "deserialize",
    "duration", "each_batch", "each_record", "exclude", "flow", "from_arrow", "from_dict", "from_epoch", "from_numpy", "from_pandas", "from_polars", "from_pydict", "from_pylist",
    "greatest", "groups_between", "least", "lit", "make_date", "make_timestamp", "node", "ntile", "pack_list", "pack_map", "percent_rank", "pi",
    "range_between", "rank", "read_csv", "read_ipc", "read_ndjson", "read_parquet", "read_postgres", "register", "regr_intercept", "regr_slope", "row_number",
    "rows_between", "scan_csv", "scan_ipc", "scan_ndjson", "scan_parquet", "scan_postgres", "selectors", "sql", "struct", "udf", "when",
]


def __getattr__(name: str) -> _Any:
    """Flows and streams are loaded when somebody asks for them."""
    if name in ("Flow", "flow", "node"):
        flows = _importlib.import_module(".flow", __name__)
        globals().update(Flow=flows.Flow, node=flows.node)
        return flows if name == "flow" else getattr(flows, name)
    if name in ("GroupedStream", "KeyContext", "KeyedOperator", "Morsel", "MorselDriven", "Stream", "StreamOperator", "stream"):
        streams = _importlib.import_module(".stream", __name__)
        globals().update({n: getattr(streams, n) for n in ("GroupedStream", "KeyContext", "KeyedOperator", "Morsel", "MorselDriven", "Stream", "StreamOperator")})
        return streams if name == "stream" else getattr(streams, name)
    raise _hints.of_module(name)
