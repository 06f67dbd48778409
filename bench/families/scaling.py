"""scaling: what a second worker brings, against what the machine has to give.

Two independent processes with one worker each, run at the same time, show how much a second core is worth here: memory,
caches and clocks are shared, so it is less than one. Efficiency = the time of such a process / (2 x the time of one
process with two workers): 1 means that nothing is lost by working together.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from engines import OURS
from measure import report
from measure.session import Session, Timing
from workloads.frames import WORKLOADS
from workloads.workload import Workload

HELP = "1 -> 2 workers against two independent processes"
NAMES = ("map_10m", "groupby_sum_g10", "groupby_sum_g1k", "join_sum", "sort_float")


@dataclass
class Scaling:
    name: str
    one: Timing = field(default_factory=Timing)
    two: Timing = field(default_factory=Timing)
    apart: Timing = field(default_factory=Timing)

    @property
    def efficiencies(self) -> list[float]:
        return [a / (2 * t) for a, t in zip(self.apart.seconds, self.two.seconds)]

    @property
    def efficiency(self) -> float:
        return statistics.median(self.efficiencies)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", default=",".join(NAMES), help="names of frames rows, comma-separated")
    parser.add_argument("--pairs", type=int, default=9, help="rounds a row")
    parser.add_argument("--engine", default=OURS, help="any engine; gates are for gristmill")
    parser.add_argument("--scale", choices=("full", "small"), default="full")
    parser.add_argument("--no-gate", action="store_true")


def _measure(family: str, workload: Workload, pairs: int, engine: str, small: bool) -> Scaling:
    result = Scaling(workload.name)
    first, second, both = (Session(engine, family, workload, small, threads) for threads in (1, 1, 2))
    with first, second, both:
        sessions = (first, second, both)
        alone = {s: min(s.run() for _ in range(2)) for s in sessions}
        for s in sessions:
            s.settle(max(alone.values()) / 4)  # at least four runs a measurement: neighbours overlap but for its ends
        for _ in range(pairs):
            both.run(result.two)
            first.start()
            second.start()
            times = first.finish(), second.finish()
            result.apart.seconds.append(statistics.mean(times))
            first.run(result.one)
    return result


def run(options: argparse.Namespace) -> int:
    return run_rows("frames", [WORKLOADS[n] for n in options.rows.split(",")], options.pairs, options.engine, options.scale, options.no_gate)


def run_rows(family: str, workloads: Sequence[Workload], pairs: int, engine: str, scale: str, no_gate: bool) -> int:
    """Measures rows of a family of workloads, reports and gives the exit code."""
    results = []
    for workload in workloads:
        results.append(_measure(family, workload, pairs, engine, scale == "small"))
        print(f"{workload.name}: {results[-1].efficiency:.2f}", file=sys.stderr, flush=True)
    rows = [[r.name, f"{r.efficiency:.2f}", f"{min(r.efficiencies):.2f}..{max(r.efficiencies):.2f}", *(f"{t.median * 1e3:.1f}" for t in (r.one, r.two, r.apart)),
             f"{r.one.median / r.two.median:.2f}", f"{2 * r.one.median / r.apart.median:.2f}"] for r in results]
    head = ("row", "efficiency", "spread", "1 worker ms", "2 workers ms", "two processes, each ms", "speed-up", "of two processes")
    middle = statistics.median(r.efficiency for r in results)
    text = f"# scaling of {engine}\n\n{report.markdown_table(head, rows)}\n\nMedian efficiency {middle:.2f}; gate: 0.9, none below 0.8.\n"
    report.save(("scaling" if family == "frames" else f"{family}-scaling") + ("-small" if scale == "small" else ""), text,
                {"median": middle, "rows": [asdict(r) | {"efficiency": r.efficiency} for r in results]})
    if no_gate or scale == "small" or engine != OURS:
        return 0
    failed = middle < 0.9 or any(r.efficiency < 0.8 for r in results)
    if failed:
        print("GATE DOES NOT HOLD: scaling")
    return int(failed)
