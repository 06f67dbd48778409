"""A tenant's schema in a real PostgreSQL, as the job finds it: the partitioned summary table and the three small ones, filled from a golden case."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from compare import NUMBERS

TABLE = "reporting_ocpusagelineitem_daily_summary"
TEXTS = ["cluster_id varchar(50)", "cluster_alias varchar(256)", "data_source varchar(64)", "namespace varchar(253)", "node varchar(253)",
         "resource_id varchar(253)", "persistentvolumeclaim varchar(253)", "persistentvolume varchar(253)", "storageclass varchar(253)"]
JSONB = ["pod_labels", "volume_labels", "all_labels", "infrastructure_usage_cost"]
COSTS = ["infrastructure_raw_cost", "infrastructure_project_raw_cost", "cost_model_cpu_cost", "cost_model_memory_cost", "cost_model_volume_cost",
         "distributed_cost"]


def read_csv(path: Path) -> list[dict[str, str | None]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [{k: (None if v == "\\N" else v) for k, v in row.items()} for row in csv.DictReader(file)]


def make_tenant(server: Any, schema: str, case: Path | None = None, default_partition: bool = True, extra: str = "") -> None:
    columns = ["uuid uuid not null", "report_period_id integer", "cost_category_id integer", "usage_start date not null", "usage_end date not null",
               "source_uuid uuid", "supplementary_usage_cost jsonb", "monthly_cost_type text", "cost_model_rate_type text", "raw_currency text",
               *TEXTS, *[f"{c} jsonb" for c in JSONB], *[f"{c} numeric(33,15)" for c in NUMBERS + COSTS]]
    server.sql(f'create schema "{schema}"')
    server.sql(f'create table "{schema}".{TABLE} ({", ".join(columns)}, primary key (usage_start, uuid) {extra}) partition by range (usage_start)')
    server.sql(f'create index on "{schema}".{TABLE} (node)')
    if default_partition:
        server.sql(f'create table "{schema}".{TABLE}_default partition of "{schema}".{TABLE} default')
    server.sql(f'create table "{schema}".reporting_enabledtagkeys (key text, enabled boolean, provider_type text)')
    server.sql(f'create table "{schema}".reporting_ocp_cost_category_namespace (namespace text, cost_category_id integer)')
    server.sql(f'create table "{schema}".reporting_ocp_nodes (node text, resource_id text, node_role text)')
    server.sql(f'create table "{schema}".reporting_ocpusagereportperiod (id integer, provider_id uuid, report_period_start timestamptz)')
    if case is None:
        return
    for row in read_csv(case / "enabled_keys.csv"):
        server.sql(f'insert into "{schema}".reporting_enabledtagkeys values (%s, %s, %s)', row["key"], row["enabled"], row["provider_type"])
    for row in read_csv(case / "cost_categories.csv"):
        server.sql(f'insert into "{schema}".reporting_ocp_cost_category_namespace values (%s, %s)', row["namespace"], row["cost_category_id"])
    for row in read_csv(case / "nodes.csv"):
        server.sql(f'insert into "{schema}".reporting_ocp_nodes values (%s, %s, %s)', row["node"], row["resource_id"], row["node_role"])
    job = json.loads((case / "job.json").read_text())
    server.sql(f'insert into "{schema}".reporting_ocpusagereportperiod values (%s, %s, %s)', job["report_period_id"], job["source_uuid"],
               f"{job['year']}-{job['month']:02}-01 00:00:00+00")


def summary_rows(server: Any, schema: str, like: list[str], where: str = "true") -> list[dict[str, str | None]]:
    """The table's rows in the form of expected.csv."""
    rows = server.sql(f"select {', '.join(f'{c}::text' for c in like)} from \"{schema}\".{TABLE} where {where} order by {', '.join(like)}")
    return [dict(zip(like, row)) for row in rows]
