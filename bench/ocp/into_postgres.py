"""What fills the summary table of a PostgreSQL server: PostgreSQL itself from line items, DuckDB's result, or rows that are there already."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from .duckdb_month import EXACT, NUMBERS, prepare

_ROOT = Path(__file__).resolve().parents[2]
COLUMNS = EXACT + NUMBERS


SCHEMA = "acctbench"
TABLE = f"{SCHEMA}.reporting_ocpusagelineitem_daily_summary"


def make_table(server: Any, folder: Path) -> None:
    """The tenant's schema as an installation has it: the summary table partitioned by month, with its primary key and an index, and the small tables."""
    sys.path[:0] = [p for p in (str(_ROOT / "tests" / "ocp"), str(_ROOT / "tests" / "servers")) if p not in sys.path]
    from tenant import make_tenant

    server.sql(f"drop schema if exists {SCHEMA} cascade")
    make_tenant(server, SCHEMA, folder, default_partition=False)
    job = json.loads((folder / "job.json").read_text())
    first = dt.date(job["year"], job["month"], 1)
    after = (first + dt.timedelta(days=31)).replace(day=1)
    server.sql(f"create table {TABLE}_{first:%Y_%m} partition of {TABLE} for values from ('{first}') to ('{after}')")
    server.sql(f"alter table {TABLE} alter column uuid set default gen_random_uuid()")  # for those who copy other columns
    server.sql(f"grant usage on schema {SCHEMA} to reader")
    server.sql(f"grant insert, select on {TABLE} to reader")


def _copy_csv(db: psycopg.Connection[Any], table: str, columns: list[str], batches: Any) -> None:
    """Arrow batches as CSV text: the quickest way a Python program has."""
    with db.cursor().copy(f"copy {table} ({', '.join(columns)}) from stdin (format csv)") as copy:
        for batch in batches:
            sink = io.BytesIO()
            pacsv.write_csv(pa.table(batch) if isinstance(batch, pa.RecordBatch) else batch, sink, pacsv.WriteOptions(include_header=False))
            copy.write(sink.getbuffer())


def bare_copy(file: Path, table: str, connection: str) -> None:
    """Nothing but the rows of a Parquet file into the table, as binary COPY by this engine's own writer."""
    import gristmill as gm

    gm.scan_parquet(file).select(*COLUMNS).sink_postgres(connection, table)


def duckdb_program(folder: Path, table: str, connection: str) -> None:
    with duckdb.connect(config={"threads": 2}) as duck, psycopg.connect(connection) as db:
        rows = duck.execute(f"select {', '.join(COLUMNS)} from ({prepare(duck, folder)})").to_arrow_reader(100_000)
        _copy_csv(db, table, COLUMNS, rows)


def postgres_program(folder: Path, table: str, connection: str) -> dict[str, float]:
    """Line items into tables by COPY, then the statement that `verify` uses, then its rows into the table."""
    job = json.loads((folder / "job.json").read_text())
    start = time.perf_counter()
    phases = {}
    with psycopg.connect(connection) as db:
        db.execute("set local work_mem = '256MB'")
        db.execute("set local jit = off")  # slower with it on these sizes
        for name, kind in (("verify_pods", "pod"), ("verify_storage", "storage"), ("verify_node_labels", "node_labels"),
                           ("verify_namespace_labels", "namespace_labels")):
            _load(db, name, folder / kind)
        db.execute("create temp table verify_pods_daily (like verify_pods)")
        db.execute("create temp table verify_month as select %s::text source_uuid, %s::text cluster_id, %s::text cluster_alias, 1::bigint report_period_id, "
                   "%s::int days, false trino, false daily_pods, false daily_storage",
                   (job["source_uuid"], job["cluster_id"], job["cluster_alias"], 31))
        keys = [line.split(",") for line in (folder / "enabled_keys.csv").read_text().splitlines()[1:]]
        db.execute('create temp table verify_keys (key text collate "C")')
        db.cursor().executemany("insert into verify_keys values (%s)", [(k,) for k, on, provider in keys if on == "true" and provider == "OCP"])
        for name, columns, file in (("verify_categories", "pattern text collate \"C\", cost_category_id bigint", "cost_categories.csv"),
                                    ("verify_nodes", "node text collate \"C\", resource_id text collate \"C\", node_role text collate \"C\"", "nodes.csv")):
            db.execute(f"create temp table {name} ({columns})")
            with db.cursor().copy(f"copy {name} from stdin (format csv, header)") as copy:
                copy.write((folder / file).read_text())
        phases["load"] = time.perf_counter() - start
        statement = (_ROOT / "apps" / "ocp-cost" / "verify.sql").read_text()
        db.execute(re.sub(r"--[^\n]*", "", statement))
        phases["sql"] = time.perf_counter() - start - phases["load"]
        names = ", ".join(COLUMNS)
        values = ", ".join("source_uuid::uuid" if n == "source_uuid" else n for n in COLUMNS)
        db.execute(f"insert into {table} ({names}) select {values} from verify_expected")
    phases["insert"] = time.perf_counter() - start - phases["load"] - phases["sql"]
    return phases


def _load(db: psycopg.Connection[Any], table: str, folder: Path) -> None:
    files = sorted(folder.glob("*.parquet"))
    if files:
        schema = pq.read_schema(files[0])
        kinds = {n: "timestamptz" if n.startswith(("interval", "report")) else "float8" if pa.types.is_floating(t) else 'text collate "C"'
                 for n, t in zip(schema.names, schema.types)}
    else:  # a month without volumes
        numbers = ("persistentvolumeclaim_capacity_bytes", "persistentvolumeclaim_capacity_byte_seconds", "volume_request_storage_byte_seconds",
                   "persistentvolumeclaim_usage_byte_seconds")
        texts = ("namespace", "pod", "persistentvolumeclaim", "persistentvolume", "storageclass", "csi_driver", "csi_volume_handle", "persistentvolume_labels",
                 "persistentvolumeclaim_labels")
        kinds = {"interval_start": "timestamptz"} | dict.fromkeys(numbers, "float8") | dict.fromkeys(texts, "text")
    db.execute("set local time zone 'UTC'")
    db.execute(f"create temp table {table} ({', '.join(f'{n} {k}' for n, k in kinds.items())})")
    for file in files:
        _copy_csv(db, table, list(kinds), pq.ParquetFile(file).iter_batches(100_000))
    db.execute(f"analyze {table}")
