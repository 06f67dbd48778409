"""Golden cases laid out as a store has them: the two layouts, hourly and daily, split over several files."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

KINDS = ["pod", "storage", "node_labels", "namespace_labels"]
MONTH_TYPES = dict(zip(KINDS, ["pod_usage", "storage_usage", "node_labels", "namespace_labels"]))
DAY_TYPES = dict(zip(KINDS, ["openshift_pod_usage_line_items", "openshift_storage_usage_line_items_daily", "openshift_node_labels_line_items",
                             "openshift_namespace_labels_line_items"]))


def job_of(case: Path) -> dict[str, Any]:
    return json.loads((case / "job.json").read_text())


def folder_of(layout: str, job: dict[str, Any], schema: str, kind: str, daily: bool = False, day: int = 1) -> str:
    account = schema.removeprefix("acct")
    when = f"source={job['source_uuid']}/year={job['year']}/month={job['month']:02}"
    if layout == "month_folders":
        return f"data/parquet/{'daily/' if daily else ''}{account}/OCP/{MONTH_TYPES[kind]}/{when}"
    return f"data/{schema.removeprefix('org')}/OCP/{when}/day={day:02}/{DAY_TYPES[kind]}"


def lay_out(case: Path, root: Path, layout: str, schema: str, seed: int = 0, files: int = 1) -> list[Path]:
    """Rows of each kind, shuffled and split over `files` files when there is more than one."""
    rng = random.Random(seed)
    job, made = job_of(case), []
    for kind in KINDS:
        for daily in (False, True):
            source = case / f"{kind}{'_daily' if daily else ''}.parquet"
            if not source.exists():
                continue
            assert layout == "month_folders" or not daily
            table = pq.read_table(source)
            rows = list(range(table.num_rows))
            if files > 1:
                rng.shuffle(rows)
            for number in range(files):
                part = table.take(pa.array(rows[number::files], pa.int64())) if files > 1 else table
                folder = root / folder_of(layout, job, schema, kind, daily, day=rng.randint(1, 28))
                folder.mkdir(parents=True, exist_ok=True)
                path = folder / f"part-{number}-{kind}.parquet"
                pq.write_table(part, path, row_group_size=max(1, rng.randint(1, 200)))
                made.append(path)
    return made
