"""The cost summary of a generated folder as a Polars program (self_hosted rules): Parquet in, Parquet out, streaming.

Label sets are one column a key, as the enabled keys are known; equal sets are equal columns.
"""

from __future__ import annotations

import calendar
import datetime as dt
import json
from pathlib import Path

import polars as pl

GIB = 2.0**-30
TIMES = {"cpu": "cpu_core", "memory": "memory_byte"}
RESERVED = ["Platform unallocated", "Worker unallocated", "Network unattributed", "Storage unattributed"]
INFRA = '{"cpu": 0.000000000, "memory": 0.000000000, "storage": 0.000000000}'


def _scan(folder: Path, kind: str, first: dt.date, last: dt.date) -> pl.LazyFrame:
    begin, end = dt.datetime.combine(first, dt.time()), dt.datetime.combine(last + dt.timedelta(days=1), dt.time())
    return pl.scan_parquet(folder / kind / "*.parquet").filter(pl.col("interval_start").is_between(begin, end, closed="left")).with_columns(
        day=pl.col("interval_start").dt.date())


def _parsed(texts: pl.LazyFrame, column: str, keys: list[str], prefix: str) -> pl.LazyFrame:
    """Each distinct text with a column a key."""
    blank = pl.when(pl.col(column).str.strip_chars(" ") == "").then(pl.lit("{}")).otherwise(pl.col(column)).fill_null("{}")
    fields = blank.str.json_decode(pl.Struct({k: pl.String for k in keys})).struct
    return texts.select(column).unique().with_columns(fields.field(k).alias(prefix + k) for k in keys)


def _merged(keys: list[str], prefixes: list[str]) -> list[pl.Expr]:
    return [pl.coalesce([prefix + k for prefix in prefixes]).alias(f"label {k}") for k in keys]


def _text(keys: list[str]) -> pl.Expr:
    parts = [pl.format('"{}":"{}"', pl.lit(k), pl.col(f"label {k}")) for k in keys]
    return pl.lit("{") + pl.concat_str(parts, separator=",", ignore_nulls=True) + pl.lit("}")


def _categories(names: pl.DataFrame, patterns: list[tuple[str, int]]) -> pl.DataFrame:
    """(namespace, cost_category_id), one row a matching pattern."""
    import re

    def matcher(pattern: str) -> re.Pattern[str]:
        out, i = "", 0
        while i < len(pattern):
            if pattern[i] == "\\":
                i += 1
                out += re.escape(pattern[i])
            else:
                out += {"%": ".*", "_": "."}.get(pattern[i], re.escape(pattern[i]))
            i += 1
        return re.compile(out, re.DOTALL)

    compiled = [(matcher(p), c) for p, c in patterns]
    rows = [(n, c) for n in names["namespace"].drop_nulls() for m, c in compiled if m.fullmatch(n)]
    return pl.DataFrame(rows, schema={"namespace": pl.String, "cost_category_id": pl.Int64}, orient="row")


def to_parquet(folder: Path, out: Path) -> None:
    job = json.loads((folder / "job.json").read_text())
    first, last = dt.date.fromisoformat(job["start"]), dt.date.fromisoformat(job["end"])
    enabled = pl.read_csv(folder / "enabled_keys.csv", infer_schema=False).filter((pl.col("enabled") == "true") & (pl.col("provider_type") == "OCP"))
    keys = sorted({*enabled["key"], "vm_kubevirt_io_name"})
    table = pl.read_csv(folder / "cost_categories.csv", infer_schema=False)
    patterns = [(p, int(c)) for p, c in zip(table["namespace"], table["cost_category_id"])]
    roles = pl.read_csv(folder / "nodes.csv", infer_schema=False).group_by("node", "resource_id").agg(pl.col("node_role").max())

    hourly = _scan(folder, "pod", first, last)
    seconds = [f"pod_{w}_{u}_seconds" for u in TIMES.values() for w in ("usage", "request", "effective_usage", "limit")]
    daily_plan = hourly.group_by("day", "namespace", "node", "pod", "pod_labels").agg(
        pl.col("resource_id").max(), *(pl.col(s).sum() for s in seconds), pl.col("node_capacity_cpu_cores").max(), pl.col("node_capacity_memory_bytes").max())
    capacity_plan = hourly.group_by("day", "interval_start", "node").agg(
        nc=pl.col("node_capacity_cpu_core_seconds").max(), nm=pl.col("node_capacity_memory_byte_seconds").max()).group_by("day", "node").agg(
        pl.col("nc").sum(), pl.col("nm").sum())
    daily, nodes = pl.collect_all([daily_plan, capacity_plan], engine="streaming")
    clusters = nodes.group_by("day").agg(cc=pl.col("nc").sum(), cm=pl.col("nm").sum())
    sets = {}
    for kind, name in (("node_labels", "node"), ("namespace_labels", "namespace")):
        rows = _scan(folder, kind, first, last).select("day", name, kind).unique().collect(engine="streaming").lazy()
        sets[name] = rows.join(_parsed(rows, kind, keys, f"{name} "), on=kind).drop(kind).unique().collect()

    own = _parsed(daily.lazy(), "pod_labels", keys, "own ").collect()
    kinds = _categories(daily.select("namespace").unique(), patterns)
    labels = [f"label {k}" for k in keys]
    items = (daily.lazy().filter(pl.col("node") != "").join(own.lazy(), on="pod_labels", how="left", nulls_equal=True)
             .join(sets["node"].lazy(), on=["day", "node"], how="left").join(sets["namespace"].lazy(), on=["day", "namespace"], how="left")
             .join(kinds.lazy(), on="namespace", how="left").join(nodes.lazy(), on=["day", "node"], how="left").join(clusters.lazy(), on="day", how="left")
             .with_columns(_merged(keys, ["own ", "namespace ", "node "])))

    def hours(what: str, unit: str) -> pl.Expr:
        return pl.col(f"pod_{what}_{TIMES[unit]}_seconds").sum() / 3600 * (GIB if unit == "memory" else 1)

    names = {"cpu": "cpu_core_hours", "memory": "memory_gigabyte_hours"}
    pods = items.group_by("day", "namespace", "node", *labels).agg(
        pl.col("resource_id", "cost_category_id").max(),
        *(hours(w, u).alias(f"pod_{w}_{names[u]}") for u in TIMES for w in ("usage", "request", "effective_usage", "limit")),
        pl.col("node_capacity_cpu_cores").max(), (pl.col("nc").max() / 3600).alias("node_capacity_cpu_core_hours"),
        (pl.col("node_capacity_memory_bytes").max() * GIB).alias("node_capacity_memory_gigabytes"),
        (pl.col("nm").max() / 3600 * GIB).alias("node_capacity_memory_gigabyte_hours"), (pl.col("cc").max() / 3600).alias("cluster_capacity_cpu_core_hours"),
        (pl.col("cm").max() / 3600 * GIB).alias("cluster_capacity_memory_gigabyte_hours")).collect(engine="streaming")

    fixed = ["node_capacity_cpu_cores", "node_capacity_cpu_core_hours", "node_capacity_memory_gigabytes", "node_capacity_memory_gigabyte_hours",
             "cluster_capacity_cpu_core_hours", "cluster_capacity_memory_gigabyte_hours"]
    shares = (pods.filter(~pl.col("namespace").is_in(RESERVED)).join(roles, on=["node", "resource_id"], how="left").group_by("node", "day").agg(
        pl.col("node_role", "resource_id").max(), *(pl.col(c).max() for c in fixed),
        *((pl.col(f"node_capacity_{n}").max() - pl.col(f"pod_{w}_{n}").sum()).alias(f"pod_{w}_{n}") for n in names.values() for w in ("usage", "request", "effective_usage")))
        .with_columns(namespace=pl.when(pl.col("node_role").is_in(["master", "infra"])).then(pl.lit("Platform unallocated"))
                      .when(pl.col("node_role") == "worker").then(pl.lit("Worker unallocated")).otherwise(pl.lit(None, pl.String))).drop("node_role"))
    shares = shares.join(_categories(shares.select("namespace").unique(), patterns), on="namespace", how="left")
    parts = [pods.with_columns(_text(keys).alias("pod_labels"), data_source=pl.lit("Pod"), infrastructure_usage_cost=pl.lit(INFRA)).drop(labels),
             shares.with_columns(data_source=pl.lit("Pod"))]
    if (folder / "storage").is_dir():
        parts.append(_volumes(folder, first, last, daily, sets, kinds, patterns, keys))
    _write(pl.concat(parts, how="diagonal_relaxed"), job, out)


def _volumes(folder: Path, first: dt.date, last: dt.date, daily: pl.DataFrame, sets: dict[str, pl.DataFrame], kinds: pl.DataFrame,
             patterns: list[tuple[str, int]], keys: list[str]) -> pl.DataFrame:
    months = 86400 * calendar.monthrange(first.year, first.month)[1]
    texts = ["persistentvolume_labels", "persistentvolumeclaim_labels"]
    volumes = _scan(folder, "storage", first, last).group_by(
        "day", "namespace", "pod", "persistentvolumeclaim", "persistentvolume", "storageclass", "csi_volume_handle", *texts).agg(
        pl.col("persistentvolumeclaim_capacity_bytes").max(), pl.col("persistentvolumeclaim_capacity_byte_seconds").sum(),
        pl.col("volume_request_storage_byte_seconds").sum(), pl.col("persistentvolumeclaim_usage_byte_seconds").sum()).collect(engine="streaming")
    users = volumes.select("day", "persistentvolumeclaim", "persistentvolume", "pod", "namespace").unique().join(
        daily.select("day", "namespace", "pod", "node", "resource_id").unique(), on=["day", "namespace", "pod"]).unique()
    counts = users.group_by("day", "persistentvolume").agg(nodes=pl.col("node").n_unique())
    rows = volumes.join(users.drop("persistentvolume"), on=["day", "persistentvolumeclaim", "pod", "namespace"], how="left")
    for text, prefix in zip(texts, ("volume ", "claim ")):
        rows = rows.join(_parsed(volumes.lazy(), text, keys, prefix).collect(), on=text, how="left", nulls_equal=True)
    more = _categories(volumes.select("namespace").unique(), patterns)
    rows = (rows.join(sets["node"], on=["day", "node"], how="left").join(sets["namespace"], on=["day", "namespace"], how="left")
            .join(counts, on=["day", "persistentvolume"], how="left").join(more, on="namespace", how="left")
            .with_columns(_merged(keys, ["claim ", "volume ", "namespace ", "node "])))
    labels = [f"label {k}" for k in keys]
    share = pl.max_horizontal(pl.col("nodes").max().fill_null(1), 1)
    out = rows.group_by("namespace", "node", "resource_id", "persistentvolumeclaim", "persistentvolume", "storageclass", "csi_volume_handle", "day", *labels).agg(
        pl.col("cost_category_id").max(), (pl.col("persistentvolumeclaim_capacity_bytes").max() * GIB).alias("persistentvolumeclaim_capacity_gigabyte"),
        (pl.col("persistentvolumeclaim_capacity_byte_seconds").sum() / months * GIB).alias("persistentvolumeclaim_capacity_gigabyte_months"),
        (pl.col("volume_request_storage_byte_seconds").sum() / share / months * GIB).alias("volume_request_storage_gigabyte_months"),
        (pl.col("persistentvolumeclaim_usage_byte_seconds").sum() / share / months * GIB).alias("persistentvolumeclaim_usage_gigabyte_months"))
    return out.with_columns(_text(keys).alias("volume_labels"), data_source=pl.lit("Storage"), infrastructure_usage_cost=pl.lit(INFRA)).drop(
        *labels, "csi_volume_handle")


def _write(rows: pl.DataFrame, job: dict[str, object], out: Path) -> None:
    from ocp.duckdb_month import EXACT, NUMBERS

    types = {"volume_labels": pl.String, "persistentvolumeclaim": pl.String, "persistentvolume": pl.String, "storageclass": pl.String}
    rows = rows.with_columns(pl.lit(None, types.get(n, pl.Float64)).alias(n) for n in [*types, *NUMBERS] if n not in rows.columns)
    rows = rows.with_columns(
        pl.lit(job["report_period_id"]).alias("report_period_id"), pl.lit(job["cluster_id"]).alias("cluster_id"), pl.lit(job["cluster_alias"]).alias("cluster_alias"),
        pl.lit(job["source_uuid"]).alias("source_uuid"), pl.col("day").alias("usage_start"), pl.col("day").alias("usage_end"),
        pl.coalesce("pod_labels", "volume_labels", pl.lit("{}")).alias("all_labels"))
    rows.select(*EXACT, *(pl.col(n).cast(pl.Decimal(33, 15)) for n in NUMBERS)).write_parquet(out, compression="zstd")
