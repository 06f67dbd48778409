"""The OpenShift cost job on a realistic month: made, summed up, checked by another engine, shown.

Run by ./run demo. Options: --rows 2M, --seed 1, --folder DIR, --postgres (checks by SQL in a PostgreSQL server of its own, started and
stopped here), --trips (the trips query of trips.py instead). Everything is local; a second run replaces what the first one wrote.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
JOB = ROOT / "build" / "release" / "bin" / "gristmill-ocp"
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests" / "servers")]

import gristmill as gm  # noqa: E402
from gristmill import col  # noqa: E402


@dataclass
class Step:
    """One run of the program."""

    seconds: float
    peak_mib: float
    output: str
    code: int


def run(*arguments: str | Path) -> Step:
    """The program with these arguments, its time and its peak memory."""
    start = time.perf_counter()
    process = subprocess.Popen([JOB, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Step(time.perf_counter() - start, usage.ru_maxrss / 1024, output.strip(), process.returncode)


def must(step: Step) -> Step:
    if step.code != 0:
        sys.exit(f"gristmill-ocp failed with {step.code}: {step.output}")
    return step


def size_of(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*.parquet"))


def show(result: Path) -> None:
    rows = gm.scan_parquet(result)
    kinds = rows.group_by("data_source", "usage_start").agg(gm.count().alias("rows")).group_by("data_source").agg(
        col("rows").sum(), gm.count().alias("days")).sort("data_source")
    print(kinds.collect())
    print("\nwhere the CPU hours of the month went, the first ten namespaces:")
    by_namespace = rows.filter(col("data_source") == "Pod").group_by("namespace").agg(
        col("pod_usage_cpu_core_hours").cast("float64").sum().round(1).alias("cpu hours used"),
        col("pod_request_cpu_core_hours").cast("float64").sum().round(1).alias("requested"),
        col("pod_usage_memory_gigabyte_hours").cast("float64").sum().round(0).alias("GiB hours used"),
        col("node").n_unique().alias("nodes"))
    print(by_namespace.sort("cpu hours used", descending=True).head(10).collect())


def check_with_duckdb(folder: Path, result: Path) -> None:
    from ocp.duckdb_month import difference

    start = time.perf_counter()
    wrong = difference(result, folder)
    if wrong:
        sys.exit(f"WRONG: DuckDB computes something else: {wrong}")
    print(f"checked: DuckDB computes the same rows by a SQL program of its own ({time.perf_counter() - start:.1f} s)")


def check_with_postgres(folder: Path, result: Path) -> None:
    from postgres import PostgresServer

    print("starting a PostgreSQL server ...")
    server = PostgresServer()
    try:
        step = run("verify", folder, "--postgres", server.address, "--result", result)
    finally:
        server.stop()
    print(f"checked by SQL in PostgreSQL ({step.seconds:.1f} s): {step.output}")
    if step.code != 0:
        sys.exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="2M", help="pod rows of the month, nearly")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "demo")
    parser.add_argument("--postgres", action="store_true", help="check in PostgreSQL as well")
    parser.add_argument("--trips", action="store_true", help="some million trips, a query and its plan instead")
    options = parser.parse_args()
    if options.trips:
        sys.path.insert(0, str(Path(__file__).parent))
        import trips

        return trips.main()
    month, result = options.folder / "month", options.folder / "summary.parquet"
    if options.folder.exists() and not (options.folder / "month" / "job.json").exists() and any(options.folder.iterdir()):
        sys.exit(f"{options.folder} holds something else; name another folder")
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    made = must(run("generate", "--shape", "month", "--rows", options.rows, "--seed", str(options.seed), "--out", month))
    print(f"generated in {made.seconds:.1f} s, {size_of(month) / 1e6:.0f} MB of Parquet: {made.output}")
    job = must(run("case", month, "--out", result))
    rows = int(made.output.split()[0])
    print(f"summed up in {job.seconds:.2f} s with {job.peak_mib:.0f} MiB: {rows / job.seconds / 1e6:.1f} million rows a second\n")
    show(result)
    print()
    check_with_duckdb(month, result)
    if options.postgres:
        check_with_postgres(month, result)
    cluster = json.loads((month / "job.json").read_text())["cluster_alias"]
    print(f"\n{cluster}: the usage is in {month}, the summary in {result}")


if __name__ == "__main__":
    main()
