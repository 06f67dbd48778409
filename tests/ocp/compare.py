"""Rows of two summaries as multisets: text and ids equal, labels equal as JSON, numbers equal to 15 significant digits or nearly so."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

JSON = {"pod_labels", "volume_labels", "all_labels", "infrastructure_usage_cost"}
CAPACITY = {"cpu_core_hours": "node_capacity_cpu_core_hours", "memory_gigabyte_hours": "node_capacity_memory_gigabyte_hours"}
NUMBERS = [
    f"pod_{what}_{unit}" for unit in ("cpu_core_hours", "memory_gigabyte_hours") for what in ("usage", "request", "effective_usage", "limit")
] + [
    "node_capacity_cpu_cores", "node_capacity_cpu_core_hours", "node_capacity_memory_gigabytes", "node_capacity_memory_gigabyte_hours",
    "cluster_capacity_cpu_core_hours", "cluster_capacity_memory_gigabyte_hours", "persistentvolumeclaim_capacity_gigabyte",
    "persistentvolumeclaim_capacity_gigabyte_months", "volume_request_storage_gigabyte_months", "persistentvolumeclaim_usage_gigabyte_months",
]
Row = dict[str, Any]


def read(path: Path) -> list[Row]:
    """`\\N` is NULL, an empty field the empty text."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{k: (None if v == "\\N" else v) for k, v in row.items() if k != "uuid"} for row in csv.DictReader(file)]


def exact_part(row: Row) -> str:
    out = {}
    for name, value in row.items():
        if name in NUMBERS:
            out[name] = value is None
        else:
            out[name] = json.loads(value) if name in JSON and value is not None else value
    return json.dumps(out, sort_keys=True)


def near(ours: str | None, theirs: str | None, scale: str | None) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    a, b = Decimal(ours), Decimal(theirs)
    if f"{a:.14e}" == f"{b:.14e}":
        return True
    return abs(a - b) <= max(Decimal("2e-15"), Decimal("1e-12") * max(abs(a), abs(b), Decimal(scale or 0)))


def scale_of(row: Row, name: str) -> str | None:
    """Unallocated shares are differences: relative to the node's capacity."""
    if row["data_source"] != "Pod" or row["pod_labels"] is not None:
        return None
    return next((row[capacity] for unit, capacity in CAPACITY.items() if name.endswith(unit) and not name.startswith(("node", "cluster"))), None)


def same(ours: Row, theirs: Row) -> bool:
    return all(near(ours[n], theirs[n], scale_of(theirs, n)) for n in NUMBERS)


def differences(ours: list[Row], theirs: list[Row]) -> list[str]:
    """Empty when both are the same multiset; else the first rows without a partner."""
    waiting: dict[str, list[Row]] = {}
    for row in theirs:
        waiting.setdefault(exact_part(row), []).append(row)
    out = []
    for row in ours:
        candidates = waiting.get(exact_part(row), [])
        partner = next((i for i, other in enumerate(candidates) if same(row, other)), None)
        if partner is None:
            close = [{n: (row[n], other[n]) for n in NUMBERS if not near(row[n], other[n], scale_of(other, n))} for other in candidates[:2]]
            out.append(f"only here: {row}" + (f"\n  nearest differ in {close}" if close else ""))
        else:
            candidates.pop(partner)
    out += [f"missing: {row}" for rows in waiting.values() for row in rows]
    return out[:6]
