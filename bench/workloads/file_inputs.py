"""Text files of the files family: records and TPC-H's lineitem, as CSV and as NDJSON, written once by DuckDB and kept in bench/results/data."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .tables import DATA, Rng, parquet_file, pick, scaled, table, text
from .tpch_files import folder
from .workload import Table

RECORDS = 10_000_000
TYPES = {
    "records": {"id": "int64", "name": "string", "value": "float64", "timestamp": "string", "category": "string", "flag": "bool"},
    "lineitem": {
        "l_orderkey": "int64", "l_partkey": "int64", "l_suppkey": "int64", "l_linenumber": "int64", "l_quantity": "float64", "l_extendedprice": "float64",
        "l_discount": "float64", "l_tax": "float64", "l_returnflag": "string", "l_linestatus": "string", "l_shipdate": "date", "l_commitdate": "date",
        "l_receiptdate": "date", "l_shipinstruct": "string", "l_shipmode": "string", "l_comment": "string",
    },
}


@table
def records(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    """Values of two decimals, of which half are negative and 1 % above 490; moments a second or so apart as RFC 3339 text."""
    seconds = np.int64(1_700_000_000) + np.arange(first, first + n) + rng.integers(0, 5, n)
    moments = pa.array(np.datetime_as_string(seconds.astype("datetime64[s]"))).cast(pa.string())
    return {
        "id": np.arange(first, first + n), "name": text("name_", rng.integers(0, 10**9, n), 9), "value": np.round(rng.uniform(-500, 500, n), 2),
        "timestamp": pc.binary_join_element_wise(moments, "Z", ""), "category": pick(rng, [f"category_{i:02d}" for i in range(50)], n),
        "flag": rng.integers(0, 2, n).astype(bool),
    }


def _source(name: str, small: bool) -> Path:
    if name == "records":
        return parquet_file(scaled(Table("records", RECORDS), small))
    return folder("0.01" if small else "1", "view") / "lineitem.parquet"


def text_file(name: str, form: str, small: bool) -> Path:
    """`name`: records or lineitem; `form`: csv or ndjson."""
    path = DATA / f"{name}{'_small' if small else ''}.{form}"
    if path.exists():
        return path
    import duckdb

    source, unfinished = _source(name, small), path.with_suffix(f".{os.getpid()}")
    options = "format csv, header" if form == "csv" else "format json, array false"
    try:
        duckdb.connect().execute(f"copy (select * from read_parquet('{source}')) to '{unfinished}' ({options})")
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)  # a gigabyte that nobody would look for
    return path
