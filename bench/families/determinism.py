"""determinism: how many different results equal runs give, down to the bit, at 1, 2, 4 and 8 threads."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from engines import ALL, OURS
from measure import report
from measure.engine_process import EngineFailed
from measure.session import Session
from workloads.determinism import WORKLOADS
from workloads.workload import Workload

HELP = "different float results among equal runs"
MODES = {"duckdb": ("arrow",)}  # a native table holds the same bits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engines", default=",".join(ALL))
    parser.add_argument("--rows", default=",".join(WORKLOADS))
    parser.add_argument("--repeats", type=int, default=20, help="runs at each number of threads")
    parser.add_argument("--threads", default="1,2,4,8")
    parser.add_argument("--scale", choices=("full", "small"), default="full")
    parser.add_argument("--no-gate", action="store_true")


def _count(engine: str, workload: Workload, options: argparse.Namespace) -> Iterator[tuple[str, int, int]]:
    """(mode, different bits, different orders of rows) over all threads and repeats."""
    values: dict[str, set[str]] = {}
    orders: dict[str, set[str]] = {}
    for threads in map(int, options.threads.split(",")):
        with Session(engine, "determinism", workload, options.scale == "small", threads) as session:
            for mode in MODES.get(engine, session.modes):
                session.mode = mode
                seen = session.bits(options.repeats)
                values.setdefault(mode, set()).update(seen["values"])
                orders.setdefault(mode, set()).update(seen["orders"])
    for mode in values:
        yield mode, len(values[mode]), len(orders[mode])


def run(options: argparse.Namespace) -> int:
    names = options.rows.split(",")
    counts: dict[str, dict[str, str]] = {}
    failed = False
    for engine in options.engines.split(","):
        for name in names:
            try:
                for mode, values, orders in _count(engine, WORKLOADS[name], options):
                    counts.setdefault(f"{engine} {mode}", {})[name] = f"{values} ({orders})"
                    failed |= engine == OURS and (values, orders) != (1, 1)
            except EngineFailed as e:
                counts.setdefault(engine, {})[name] = f"FAILED: {e}"
                failed |= engine == OURS
            print(f"{engine} {name} done", file=sys.stderr, flush=True)
    runs = options.repeats * len(options.threads.split(","))
    table = report.markdown_table(("engine", *names), [[who, *(cells.get(n, "-") for n in names)] for who, cells in counts.items()])
    text = f"# determinism\n\nDifferent bits of sums and means among {runs} equal runs at {options.threads} threads; in brackets, counting the order of rows too.\n\n{table}\n"
    report.save("determinism" + ("-small" if options.scale == "small" else ""), text, {"runs": runs, "counts": counts})
    if failed:
        print("GATE DOES NOT HOLD: this engine gives more than one result")
    return int(failed and not options.no_gate)
