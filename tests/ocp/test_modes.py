"""Every point where the two incumbents differ, each as a small month and the rows that the definition gives for it in both modes."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compare import read
from random_months import EFFECTIVE, POD_NUMBERS, STORAGE_NUMBERS, verify, write_csv
from test_golden import run

Row = dict[str, Any]
GIGABYTE = 2.0**30
NULL = None


def pod(**changed: Any) -> Row:
    """An hour of a pod: 1 core used, half a core asked for, 2 and 1 GiB, on a node of 4 cores and 16 GiB."""
    row: Row = {"pod": "p", "namespace": "shop", "node": "n", "resource_id": "i", "pod_labels": '{"app": "x"}', "node_capacity_cpu_cores": 4.0,
                "node_capacity_cpu_core_seconds": 4 * 3600.0, "node_capacity_memory_bytes": 16 * GIGABYTE,
                "node_capacity_memory_byte_seconds": 16 * GIGABYTE * 3600}
    for what, cores in (("usage", 1.0), ("request", 0.5), ("limit", 2.0)):
        row |= {f"pod_{what}_cpu_core_seconds": cores * 3600, f"pod_{what}_memory_byte_seconds": 2 * cores * GIGABYTE * 3600}
    return {"interval_start": dt.datetime(2025, 10, 7, 5), **row, **dict.fromkeys(EFFECTIVE), **changed}


def storage(**changed: Any) -> Row:
    """An hour of a claim of 31 GiB, half of it asked for and a quarter used."""
    return {"interval_start": dt.datetime(2025, 10, 7, 5), "namespace": "shop", "pod": "p", "persistentvolumeclaim": "c", "persistentvolume": "v",
            "storageclass": "s", "persistentvolume_labels": "{}", "persistentvolumeclaim_labels": "{}",
            "persistentvolumeclaim_capacity_bytes": 31 * GIGABYTE, "persistentvolumeclaim_capacity_byte_seconds": 31 * GIGABYTE * 86400,
            "volume_request_storage_byte_seconds": 31 * GIGABYTE * 43200, "persistentvolumeclaim_usage_byte_seconds": 31 * GIGABYTE * 21600,
            **changed}


@dataclass
class Point:
    name: str
    files: dict[str, list[Row]]
    columns: list[str]  # of the rows below; numbers as numbers, labels as objects
    self_hosted: list[list[Any]]
    trino: list[list[Any]]
    patterns: list[list[Any]] = field(default_factory=list)


LABELS = ["namespace", "pod_labels", "all_labels", "pod_usage_cpu_core_hours"]
CPU = ["namespace", "pod_effective_usage_cpu_core_hours", "pod_effective_usage_memory_gigabyte_hours"]
CAPACITY = ["namespace", "node_capacity_cpu_core_hours", "node_capacity_memory_gigabyte_hours", "cluster_capacity_cpu_core_hours",
            "cluster_capacity_memory_gigabyte_hours", "pod_usage_cpu_core_hours"]
MONTHS = ["data_source", "persistentvolumeclaim_capacity_gigabyte_months", "volume_request_storage_gigabyte_months",
          "persistentvolumeclaim_usage_gigabyte_months"]
REST = "Worker unallocated"

POINTS = [
    Point("pod labels NULL: {} below node and namespace, or NULL as a whole",
          {"pod": [pod(pod_labels=NULL)], "namespace_labels": [{"interval_start": dt.datetime(2025, 10, 7), "namespace": "shop",
                                                               "namespace_labels": '{"app": "ns"}'}]},
          LABELS,
          [["shop", {"app": "ns"}, {"app": "ns"}, 1.0], [REST, NULL, {}, 3.0]],
          [["shop", NULL, {}, 1.0], [REST, NULL, {}, 3.0]]),
    Point("pod labels blank, not NULL: {} in both",
          {"pod": [pod(pod_labels="  ")]}, LABELS,
          [["shop", {}, {}, 1.0], [REST, NULL, {}, 3.0]],
          [["shop", {}, {}, 1.0], [REST, NULL, {}, 3.0]]),
    Point("pod labels NULL and {} of one namespace: one group, or two",
          {"pod": [pod(pod_labels=NULL), pod(pod="q", pod_labels="{}")]}, LABELS,
          [["shop", {}, {}, 2.0], [REST, NULL, {}, 2.0]],
          [["shop", NULL, {}, 1.0], ["shop", {}, {}, 1.0], [REST, NULL, {}, 2.0]]),
    Point("effective usage missing, request NULL: usage, or NULL",
          {"pod": [pod(pod_request_cpu_core_seconds=NULL)]}, CPU,
          [["shop", 1.0, 2.0], [REST, 3.0, 14.0]],
          [["shop", NULL, 2.0], [REST, NULL, 14.0]]),
    Point("effective usage missing, usage NULL: request, or NULL; one of two pods leaves the other's sum",
          {"pod": [pod(pod_usage_memory_byte_seconds=NULL), pod(pod="q")]}, CPU,
          [["shop", 2.0, 3.0], [REST, 2.0, 13.0]],
          [["shop", 2.0, 2.0], [REST, 2.0, 14.0]]),
    Point("effective usage given, the others NULL: it counts in both",
          {"pod": [pod(pod_request_cpu_core_seconds=NULL, pod_effective_usage_cpu_core_seconds=7200.0)]}, CPU,
          [["shop", 2.0, 2.0], [REST, 2.0, 14.0]],
          [["shop", 2.0, 2.0], [REST, 2.0, 14.0]]),
    Point("no capacity of a node and its cluster: 0 and a negative rest, or NULL",
          {"pod": [pod(node_capacity_cpu_core_seconds=NULL, node_capacity_memory_byte_seconds=NULL)]}, CAPACITY,
          [["shop", 0.0, 0.0, 0.0, 0.0, 1.0], [REST, 0.0, 0.0, 0.0, 0.0, -1.0]],
          [["shop", NULL, NULL, NULL, NULL, 1.0], [REST, NULL, NULL, NULL, NULL, NULL]]),
    Point("a daily row without hourly ones: its capacity is missing in the same way, the cluster's is there",
          {"pod": [pod(node="other")], "pod_daily": [pod()]}, CAPACITY,
          [["shop", 0.0, 0.0, 4.0, 16.0, 1.0], [REST, 0.0, 0.0, 4.0, 16.0, -1.0]],
          [["shop", NULL, NULL, 4.0, 16.0, 1.0], [REST, NULL, NULL, 4.0, 16.0, NULL]]),
    Point("a volume that no pod uses: shared by one, or NULL",
          {"storage": [storage(pod="nobody")]}, MONTHS,
          [["Storage", 1.0, 0.5, 0.25]],
          [["Storage", 1.0, NULL, NULL]]),
    Point("a claim whose volume is NULL, used by a pod: no count either",
          {"pod": [pod(node="")], "storage": [storage(persistentvolume=NULL)]}, MONTHS,
          [["Storage", 1.0, 0.5, 0.25]],
          [["Storage", 1.0, NULL, NULL]]),
    Point("a volume on node NULL: the count is 0, which is 1 in both",
          {"pod": [pod(node=NULL)], "storage": [storage()]}, MONTHS,
          [["Storage", 1.0, 0.5, 0.25]],
          [["Storage", 1.0, 0.5, 0.25]]),
    Point("a backslash in a pattern: escapes the next character, or stands for itself",
          {"pod": [pod(namespace="a_b"), pod(namespace="a\\xb"), pod(namespace="axb")]}, ["namespace", "cost_category_id"],
          [["a\\xb", NULL], ["a_b", 1], ["axb", NULL], [REST, NULL]],
          [["a\\xb", 1], ["a_b", NULL], ["axb", NULL], [REST, NULL]],
          patterns=[["a\\_b", 1]]),
    Point("patterns without a backslash: the same in both",
          {"pod": [pod(namespace="a_b"), pod(namespace="axb"), pod(namespace="a%")]}, ["namespace", "cost_category_id"],
          [["a%", 2], ["a_b", 1], ["axb", 1], [REST, NULL]],
          [["a%", 2], ["a_b", 1], ["axb", 1], [REST, NULL]],
          patterns=[["a_b", 1], ["a%", 0], ["a_", 2]]),
]


def write_point(folder: Path, point: Point) -> None:
    folder.mkdir()
    numbers = {*POD_NUMBERS, *EFFECTIVE, *STORAGE_NUMBERS}
    for stem, rows in point.files.items():
        names = list(rows[0])
        columns = [pa.array([r[n] for r in rows], pa.timestamp("us") if n == "interval_start" else pa.float64() if n in numbers else pa.string()) for n in names]
        pq.write_table(pa.table(columns, names=names), folder / f"{stem}.parquet")
    write_csv(folder / "enabled_keys.csv", ["key", "enabled", "provider_type"], [["app", "true", "OCP"]])
    write_csv(folder / "cost_categories.csv", ["namespace", "cost_category_id"], point.patterns)
    write_csv(folder / "nodes.csv", ["node", "resource_id", "node_role"], [["n", "i", "worker"]])
    (folder / "job.json").write_text(json.dumps({
        "source_uuid": "00000000-0000-4000-8000-0000000000aa", "cluster_id": "c", "cluster_alias": "a", "report_period_id": 7,
        "year": 2025, "month": 10, "start": "2025-10-07", "end": "2025-10-07"}))


def typed(name: str, value: str | None) -> Any:
    if value is None or name in ("namespace", "data_source"):
        return value
    return json.loads(value) if name.endswith("labels") or name == "cost_category_id" else float(value)


@pytest.mark.parametrize("mode", ["self_hosted", "trino"])
@pytest.mark.parametrize("point", POINTS, ids=lambda p: p.name)
def test_point(point: Point, mode: str, tmp_path: Path, postgres: str) -> None:
    write_point(tmp_path / "month", point)
    run(tmp_path / "month", tmp_path / "out.csv", "--mode", mode)
    rows = [[typed(n, row[n]) for n in point.columns] for row in read(tmp_path / "out.csv")]
    expected = point.self_hosted if mode == "self_hosted" else point.trino
    assert sorted(map(repr, rows)) == sorted(map(repr, expected))
    done = verify(tmp_path / "month", postgres, "--mode", mode)
    assert done.returncode == 0, done.stdout + done.stderr


def test_most_points_differ() -> None:
    same = [p.name for p in POINTS if p.self_hosted == p.trino]
    assert len(same) == 4 and all("both" in name for name in same)
