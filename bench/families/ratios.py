"""What families share that compare this engine with the fastest peer row by row."""

from __future__ import annotations

import argparse
import fnmatch
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from engines import ALL, OURS
from measure import report
from measure.row import Row, measure
from workloads.workload import Workload


def add_ratio_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engines", default=",".join(ALL), help="comma-separated; without gristmill only the peers are compared")
    parser.add_argument("--pairs", type=int, default=7, help="interleaved pairs a row (at least 7 for a number to quote)")
    parser.add_argument("--retries", type=int, default=2, help="further measurements of a row that fails its gate")
    parser.add_argument("--scale", choices=("full", "small"), default="full", help="small: a hundredth of the rows; checks answers, times mean nothing")
    parser.add_argument("--no-gate", action="store_true", help="exit 0 whatever the ratios")


def chosen(workloads: Mapping[str, Workload], patterns: Sequence[str]) -> list[Workload]:
    for pattern in patterns:
        if not fnmatch.filter(workloads, pattern):
            raise SystemExit(f"no row is called {pattern!r}; --list prints them")
    return [w for w in workloads.values() if any(fnmatch.fnmatch(w.name, p) for p in patterns)]


def run_ratios(family: str, workloads: Sequence[Workload], options: argparse.Namespace, paths: Mapping[str, str] | None = None,
               gates: Callable[[Sequence[Row]], list[str]] = report.Gates().broken, closing: Callable[[Sequence[Row]], str] = lambda rows: "") -> int:
    """Measures, reports and gives the exit code. `paths`: the file that a row's queries begin with; `closing`: what stands below the rows."""
    engines = options.engines.split(",")
    if unknown := set(engines) - set(ALL):
        raise SystemExit(f"unknown engines: {', '.join(sorted(unknown))}; known: {', '.join(ALL)}")
    small = options.scale == "small"
    rows = []
    for workload in workloads:
        start = time.monotonic()
        try:
            row = measure(family, workload, engines, options.pairs, small, 0 if small or options.no_gate else options.retries, (paths or {}).get(workload.name, ""))
        except KeyboardInterrupt:
            print(f"interrupted in {workload.name}; reporting the rows before it", file=sys.stderr)
            break
        rows.append(row)
        bad = "; ".join(f"{who} {why}" for who, why in row.problems.items())
        cells = [str(cell) for cell in report.line(row)[1:6] if cell]
        print(f"{row.name}: {' | '.join(cells)} ({time.monotonic() - start:.0f} s){' -- ' + bad if bad else ''}", file=sys.stderr, flush=True)
    report.save(family + ("-small" if small else ""), report.of_rows(family, rows) + closing(rows), report.as_json(rows))
    if len(rows) < len(workloads):
        return 130
    if OURS not in engines:
        return 0
    wrong = report.summary(rows)["ours_wrong_or_failed"]
    broken = [] if small or options.no_gate else gates(rows)
    for text in ([f"wrong or failed: {', '.join(wrong)}"] if wrong else []) + broken:
        print(f"GATE DOES NOT HOLD: {text}")
    return 1 if broken or (wrong and not options.no_gate) else 0


class Family:
    """A family of rows over tables in memory that has only its workloads and its gates to say."""

    def __init__(self, name: str, workloads: Mapping[str, Workload], gates: report.Gates = report.Gates()) -> None:
        self._name, self._workloads, self._gates = name, workloads, gates

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_ratio_arguments(parser)
        parser.add_argument("--rows", default="*", help="names or patterns, comma-separated (default: all)")
        parser.add_argument("--list", action="store_true", help="print the names and stop")

    def run(self, options: argparse.Namespace) -> int:
        if options.list:
            print("\n".join(self._workloads))
            return 0
        return run_ratios(self._name, chosen(self._workloads, options.rows.split(",")), options, gates=self._gates.broken)
