"""The cost summary of a generated folder as a DuckDB program, and the comparison of a result with it."""

from __future__ import annotations

import calendar
import datetime as dt
import json
from pathlib import Path

import duckdb

_HERE = Path(__file__).parent
NUMBERS = [
    *(f"pod_{what}_{unit}" for unit in ("cpu_core_hours", "memory_gigabyte_hours") for what in ("usage", "request", "effective_usage", "limit")),
    "node_capacity_cpu_cores", "node_capacity_cpu_core_hours", "node_capacity_memory_gigabytes", "node_capacity_memory_gigabyte_hours",
    "cluster_capacity_cpu_core_hours", "cluster_capacity_memory_gigabyte_hours", "persistentvolumeclaim_capacity_gigabyte",
    "persistentvolumeclaim_capacity_gigabyte_months", "volume_request_storage_gigabyte_months", "persistentvolumeclaim_usage_gigabyte_months",
]
EXACT = ["report_period_id", "cost_category_id", "cluster_id", "cluster_alias", "data_source", "namespace", "node", "resource_id", "usage_start", "usage_end",
         "pod_labels", "persistentvolumeclaim", "persistentvolume", "storageclass", "volume_labels", "all_labels", "infrastructure_usage_cost", "source_uuid"]
_STORAGE_ROWS = """union all by name
  select 'Storage' as data_source, cost_category_id, namespace, node, resource_id, day, as_text(labels) as volume_labels, pvc, pv, storageclass,
    capacity, capacity_months, request_months, usage_months, true as has_cost from volume_rows"""


def filled(text: str, folder: Path) -> str:
    """A statement with the folder and the parameters of its job.json in it."""
    job = json.loads((folder / "job.json").read_text())
    storage = (folder / "storage").is_dir()
    values = {"folder": str(folder), "first": job["start"], "last": job["end"], "days": str(calendar.monthrange(job["year"], job["month"])[1]),
              "cluster": job["cluster_id"], "alias": job["cluster_alias"], "source": job["source_uuid"], "storage": _STORAGE_ROWS if storage else ""}
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def prepare(connection: duckdb.DuckDBPyConnection, folder: Path) -> str:
    """Runs the steps; gives the query of the summary's rows."""
    connection.execute(filled((_HERE / "duckdb.sql").read_text(), folder))
    if (folder / "storage").is_dir():
        connection.execute(filled((_HERE / "duckdb_storage.sql").read_text(), folder))
    return filled((_HERE / "duckdb_result.sql").read_text(), folder)


def to_parquet(folder: Path, out: Path, threads: int = 2) -> None:
    """The whole job: Parquet in, Parquet out."""
    with duckdb.connect(config={"threads": threads}) as connection:
        connection.execute(f"copy ({prepare(connection, folder)}) to '{out}' (format parquet, compression zstd)")


def near(name: str) -> str:
    """Whether the numbers of `a` and `b` called so are equal but for rounding; shares nobody used relative to the node's capacity."""
    scale = f"greatest(abs(a.{name}), abs(b.{name}))"
    if name.startswith("pod_") and "_limit_" not in name:
        capacity = "node_capacity_cpu_core_hours" if name.endswith("cpu_core_hours") else "node_capacity_memory_gigabyte_hours"
        scale = f"greatest({scale}, case when a.infrastructure_usage_cost is null then a.{capacity} end)"
    return (f"((a.{name} is null and b.{name} is null) or "
            f"abs(a.{name}::double - b.{name}::double) <= greatest(2e-15, 1e-12 * ({scale})::double))")


def difference(result: Path, folder: Path, threads: int = 2) -> str:
    """What is wrong with a Parquet file of the summary; "" when it holds the rows that DuckDB computes."""
    with duckdb.connect(config={"threads": threads}) as connection:
        query = prepare(connection, folder)
        columns = ", ".join(EXACT + NUMBERS)
        order = ", ".join(NUMBERS)
        exact = ", ".join([*EXACT, *(f"{n} is null" for n in NUMBERS)])
        for table, source in (("ours", f"select {columns} from '{result}'"), ("theirs", f"select {columns} from ({query})")):
            connection.execute(f"create temp table {table} as select *, row_number() over (partition by key order by {order}) as place "
                               f"from (select *, hash(row({exact})) as key from ({source}))")
        ours, theirs = (connection.execute(f"select count(*) from {t}").fetchall()[0][0] for t in ("ours", "theirs"))
        pairs = connection.execute(f"select count(*) from ours a join theirs b on a.key = b.key and a.place = b.place and "
                                   f"{' and '.join(map(near, NUMBERS))}").fetchall()[0][0]
        if ours == theirs == pairs:
            return ""
        example = connection.execute("select data_source, namespace, node, usage_start, pod_labels from ours a anti join theirs b "
                                     "on a.key = b.key and a.place = b.place limit 1").fetchall()
        return f"{ours} rows, DuckDB {theirs}, {pairs} of them agree; first without a partner: {example}"


def days_of(folder: Path) -> int:
    job = json.loads((folder / "job.json").read_text())
    return (dt.date.fromisoformat(job["end"]) - dt.date.fromisoformat(job["start"])).days + 1
