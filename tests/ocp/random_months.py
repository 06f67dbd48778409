"""Random small months: every edge of the cost summary's definition mixed, written as folders that `gristmill-ocp case` takes.

    python tests/ocp/random_months.py --count 200 [--seed 1] [--mode trino]

compares so many of them with the same month by SQL in a PostgreSQL server of its own (`gristmill-ocp verify`), at several numbers of
workers; a month that differs stays in the folder that is printed, with its seed.
"""

from __future__ import annotations

import argparse
import calendar
import csv
import datetime as dt
import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]
JOB = ROOT / "build" / "release" / "bin" / "gristmill-ocp"
sys.path.insert(0, str(ROOT / "tests" / "servers"))

Row = dict[str, Any]
POD_NUMBERS = [
    "pod_usage_cpu_core_seconds", "pod_request_cpu_core_seconds", "pod_limit_cpu_core_seconds", "pod_usage_memory_byte_seconds",
    "pod_request_memory_byte_seconds", "pod_limit_memory_byte_seconds", "node_capacity_cpu_cores", "node_capacity_cpu_core_seconds",
    "node_capacity_memory_bytes", "node_capacity_memory_byte_seconds",
]
EFFECTIVE = ["pod_effective_usage_cpu_core_seconds", "pod_effective_usage_memory_byte_seconds"]
STORAGE_NUMBERS = [
    "persistentvolumeclaim_capacity_bytes", "persistentvolumeclaim_capacity_byte_seconds", "volume_request_storage_byte_seconds",
    "persistentvolumeclaim_usage_byte_seconds",
]
KEYS = ["app", "env", "Env", "tier", "a.b/c-d", "Größe", "", "vm_kubevirt_io_name", "ignored", "q\"uote"]
VALUES = ["x", "y", "prod", "", " ", "ü", "日本", "a:b|c", "\"quoted\"", "back\\slash", "tab\tnew\nline", "\U0001f600", "1", "null", "true"]
ODD_VALUES = [1, 0, -1.5, 1e3, 1.10, True, False, None, [1, "a", {"b": None}], {"x": 1, "a": [2]}, 12345678901234567890, 1e-7]
NAMESPACES = ["shop", "team_a-dev", "teamXa-dev", "openshift-dns", "openshift_dns", "kube", "100%", "back\\end", "backend", "Ünï", "", None,
              "Worker unallocated", "Network unattributed", "a_b"]
PATTERNS = ["openshift-%", "openshift\\_%", "openshift_dns", "%", "team_a-dev", "team\\_a-dev", "100\\%", "100%", "back\\\\end", "back\\end", "_n_", "kube", "%-dev",
            "Worker unallocated", "%unallocated", "Platform%", "", "a\\_b", "%\\\\%"]


class Month:
    """One month's rows; everything is drawn from the seed."""

    def __init__(self, seed: int) -> None:
        self.random = r = random.Random(seed)
        self.year, self.month = r.choice([(2025, 10), (2025, 2), (2024, 2), (2025, 4), (2025, 12)])
        last = calendar.monthrange(self.year, self.month)[1]
        first = r.randint(1, last)
        self.start, self.end = dt.date(self.year, self.month, first), dt.date(self.year, self.month, min(last, first + r.choice([0, 0, 1, 3, 30])))
        self.nodes = [f"node-{i}" for i in range(r.randint(1, 4))] + r.choice([[], [""], ["", None], ["nöde"]])
        self.resource_ids = [f"i-{i}" for i in range(len(self.nodes) + 1)] + [None, ""]
        self.namespaces = r.sample(NAMESPACES, r.randint(1, 6))
        self.pods = [f"pod-{i}" for i in range(r.randint(1, 6))] + r.choice([[], ["", None], ["vm-1"]])
        self.claims = [f"claim-{i}" for i in range(3)] + r.choice([[], ["", None]])
        self.volumes = [f"pv-{i}" for i in range(3)] + r.choice([[], ["", None]])
        self.null_rate = r.choice([0, 0, 0.05, 0.3])
        self.odd_rate = r.choice([0, 0.1, 0.5])
        self.label_texts = [self.label_text() for _ in range(r.randint(1, 8))]

    def label_text(self) -> str | None:
        r = self.random
        if r.random() < 0.15:
            return r.choice([None, "", " ", "   ", "{}", " {} "])
        pairs = []
        for _ in range(r.randint(0, 5)):
            value = r.choice(ODD_VALUES) if r.random() < self.odd_rate else r.choice(VALUES)
            pairs.append((r.choice(KEYS), value))
        space = r.choice(["", " "])
        body = f",{space}".join(f"{json.dumps(k, ensure_ascii=r.random() < 0.5)}:{space}{json.dumps(v, ensure_ascii=r.random() < 0.5)}" for k, v in pairs)
        return "{" + body + "}"

    def labels(self) -> str | None:
        """Few texts, so that they meet; the same labels also in another order."""
        r = self.random
        text = r.choice(self.label_texts)
        if text and r.random() < 0.3 and text.strip() not in ("", "{}"):
            entries = list(json.loads(text).items())
            r.shuffle(entries)
            return json.dumps(dict(entries), ensure_ascii=False)
        return text

    def number(self, most: float) -> float | None:
        r = self.random
        if r.random() < self.null_rate:
            return None
        return r.choice([0.0, r.uniform(0, most), float(r.randint(0, int(most))), r.uniform(0, most), most])

    def moments(self) -> list[dt.datetime]:
        """Hours in and around the days asked for, some of them in other months."""
        r = self.random
        days = [self.start + dt.timedelta(days=d) for d in range((self.end - self.start).days + 1)]
        chosen = r.sample(days, min(len(days), 3)) + [self.start - dt.timedelta(days=1), self.end + dt.timedelta(days=1)]
        hours = sorted(r.sample(range(24), r.randint(1, 4)) + [0, 23])
        return [dt.datetime.combine(d, dt.time(h)) for d in chosen for h in hours]

    def pod_rows(self, moments: list[dt.datetime]) -> list[Row]:
        r, out = self.random, []
        effective = r.choice(["no", "all", "some"])
        for _ in range(r.choice([0, 5, 15, 30, 50])):
            identity = {"pod": r.choice(self.pods), "namespace": r.choice(self.namespaces), "node": r.choice(self.nodes),
                        "resource_id": r.choice(self.resource_ids), "pod_labels": self.labels()}
            for moment in r.sample(moments, r.randint(1, len(moments))):
                if r.random() < 0.05:
                    identity = identity | {"node": r.choice(self.nodes)}
                if r.random() < 0.05:
                    identity = identity | {"pod_labels": self.labels()}
                if r.random() < 0.05:
                    identity = identity | {"resource_id": r.choice(self.resource_ids)}
                row = {"interval_start": moment, **identity}
                for name in POD_NUMBERS:
                    row[name] = self.number(28800.0 if "cpu" in name else 3.7e13)
                if effective != "no":
                    for name in EFFECTIVE:
                        row[name] = None if effective == "some" and r.random() < 0.5 else self.number(28800.0 if "cpu" in name else 3.7e13)
                out += [row] * (2 if r.random() < 0.03 else 1)
        return out

    def storage_rows(self, moments: list[dt.datetime]) -> list[Row]:
        r, out = self.random, []
        csi = r.random() < 0.5
        for _ in range(r.choice([0, 3, 10, 20])):
            identity = {"namespace": r.choice(self.namespaces), "pod": r.choice([*self.pods, "", "nobody"]),
                        "persistentvolumeclaim": r.choice(self.claims), "persistentvolume": r.choice(self.volumes),
                        "storageclass": r.choice(["gp3", "gp2", "", None]), "persistentvolume_labels": self.labels(),
                        "persistentvolumeclaim_labels": self.labels()}
            if csi:
                identity |= {"node": r.choice(self.nodes), "csi_driver": r.choice(["d", None]), "csi_volume_handle": r.choice(["h1", "h2", None])}
            for moment in r.sample(moments, r.randint(1, len(moments))):
                row = {"interval_start": moment, **identity}
                for name in STORAGE_NUMBERS:
                    row[name] = self.number(2e10 if name.endswith("bytes") else 7e13)
                out.append(row)
        return out

    def label_rows(self, moments: list[dt.datetime], name: str, values: list[Any]) -> list[Row]:
        r = self.random
        return [{"interval_start": m, name: v, f"{name}_labels": self.labels()}
                for v in values for m in r.sample(moments, r.choice([0, 1, 1, 2, len(moments)]))]

    def daily(self, rows: list[Row], parts: list[str]) -> list[Row]:
        """Rows of days: the hourly ones with numbers of their own, some keys twice."""
        r = self.random
        seen: dict[str, Row] = {}
        for row in rows:
            day = row | {"interval_start": row["interval_start"].replace(hour=0)}
            seen.setdefault(json.dumps([str(day["interval_start"])] + [day.get(p) for p in parts]), day)
        out = list(seen.values())
        return out + r.sample(out, len(out) // 4)


def write_rows(folder: Path, stem: str, rows: list[Row], columns: list[str], numbers: list[str], r: random.Random) -> None:
    """As one file or several, times in one of the forms that files have."""
    moments = r.choice([pa.timestamp("us"), pa.timestamp("ms"), pa.timestamp("ns", "UTC"), pa.string()])

    def column(name: str, part: list[Row]) -> pa.Array:
        values = [row.get(name) for row in part]
        if name == "interval_start":
            if moments == pa.string():
                return pa.array([f"{v:%Y-%m-%d %H:%M:%S} +0000 UTC" for v in values], moments)
            return pa.array(values, pa.timestamp("us")).cast(pa.timestamp(moments.unit, moments.tz))
        if name in numbers:
            return pa.array(values, pa.float64())
        if part and all(v is None for v in values) and r.random() < 0.5:
            return pa.array([float("nan")] * len(part), pa.float64())
        return pa.array(values, pa.string())

    pieces = r.choice([1, 1, 3]) if len(rows) > 3 else 1
    names = ["interval_start", *columns]
    r.shuffle(names)
    if pieces > 1:
        (folder / stem).mkdir()
    for i in range(pieces):
        part = rows[i::pieces]
        path = folder / stem / f"{i}.parquet" if pieces > 1 else folder / f"{stem}.parquet"
        pq.write_table(pa.table([column(n, part) for n in names], names=names), path, row_group_size=r.choice([7, 1000]))


def write_csv(path: Path, head: list[str], rows: list[list[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows([["\\N" if v is None else v for v in row] for row in rows])


def write_month(folder: Path, seed: int) -> None:
    m = Month(seed)
    r = m.random
    folder.mkdir(parents=True)
    moments = m.moments()
    pods, storage = m.pod_rows(moments), m.storage_rows(moments)
    pod_columns = ["pod", "namespace", "node", "resource_id", "pod_labels", *POD_NUMBERS]
    if any(name in row for row in pods for name in EFFECTIVE):
        pod_columns += EFFECTIVE
    storage_columns = ["namespace", "pod", "persistentvolumeclaim", "persistentvolume", "storageclass", "persistentvolume_labels",
                       "persistentvolumeclaim_labels", *STORAGE_NUMBERS]
    if any("csi_driver" in row for row in storage):
        storage_columns += ["node", "csi_driver", "csi_volume_handle"]
    numbers = [*POD_NUMBERS, *EFFECTIVE, *STORAGE_NUMBERS]
    write_rows(folder, "pod", pods, pod_columns, numbers, r)
    if r.random() < 0.8:
        write_rows(folder, "storage", storage, storage_columns, numbers, r)
    for name, values in (("node", m.nodes), ("namespace", m.namespaces)):
        rows = m.label_rows(moments, name, [v for v in values if r.random() < 0.8])
        if r.random() < 0.9:
            write_rows(folder, f"{name}_labels", rows, [name, f"{name}_labels"], numbers, r)
    if r.random() < 0.3:
        write_rows(folder, "pod_daily", m.daily(pods, ["namespace", "node", "pod", "pod_labels"]), pod_columns, numbers, r)
    if r.random() < 0.3:
        write_rows(folder, "storage_daily", m.daily(storage, storage_columns[:7]), storage_columns, numbers, r)
    write_csv(folder / "enabled_keys.csv", ["key", "enabled", "provider_type"],
              [[k, r.choice(["true", "true", "false"]), r.choice(["OCP", "OCP", "AWS"])] for k in KEYS if k != "ignored"])
    write_csv(folder / "cost_categories.csv", ["namespace", "cost_category_id"], [[p, i + 1] for i, p in enumerate(r.sample(PATTERNS, r.randint(0, 7)))])
    roles = ["master", "infra", "worker", "worker", "edge", "", None]
    write_csv(folder / "nodes.csv", ["node", "resource_id", "node_role"],
              [[n, i, r.choice(roles)] for n in m.nodes for i in r.sample(m.resource_ids, r.randint(0, len(m.resource_ids)))])
    (folder / "job.json").write_text(json.dumps({
        "source_uuid": "00000000-0000-4000-8000-0000000000aa", "cluster_id": f"c-{seed}", "cluster_alias": "random 'cluster'", "report_period_id": 7,
        "year": m.year, "month": m.month, "start": str(m.start), "end": str(m.end)}))


def verify(folder: Path, postgres: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([JOB, "verify", folder, "--postgres", postgres, *flags], capture_output=True, text=True, check=False)


def check_months(server: Any, count: int, seed: int, modes: tuple[str, ...]) -> int:
    """How many of the months from `seed` on differ from what SQL says; those stay in a folder that is printed."""
    folder = Path(tempfile.mkdtemp(prefix="gristmill-months-"))
    differ = 0
    for number in range(seed, seed + count):
        month = folder / str(number)
        write_month(month, number)
        same = True
        for mode in modes:
            done = verify(month, server.address, "--mode", mode, "--workers", str((1, 2, 3, 8)[number % 4]))
            if done.returncode != 0:
                same = False
                print(f"seed {number}, {mode}: {month}\n{done.stdout}{done.stderr}", flush=True)
        if same:
            shutil.rmtree(month)
        differ += not same
    if differ == 0:
        folder.rmdir()
    return differ


def main() -> int:
    from postgres import PostgresServer

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="of the first; the others count up")
    parser.add_argument("--mode", choices=("self_hosted", "trino", "both"), default="both")
    options = parser.parse_args()
    server = PostgresServer()
    try:
        differ = check_months(server, options.count, options.seed, ("self_hosted", "trino") if options.mode == "both" else (options.mode,))
    finally:
        server.stop()
    print(f"{options.count} months from seed {options.seed}: {differ} differ")
    return int(differ > 0)


if __name__ == "__main__":
    sys.exit(main())
