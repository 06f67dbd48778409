"""tpch: queries over Parquet files, this engine against the fastest peer."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass

from engines import OURS
from measure import report
from measure.row import Row

from workloads.tpch import WORKLOADS, at
from workloads.tpch_files import folder
from workloads.tpch_scale import SCALE_FACTOR

from . import float_sums
from .ratios import add_ratio_arguments, chosen, run_ratios

HELP = "TPC-H queries from Parquet"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_ratio_arguments(parser)
    parser.add_argument("--queries", default="*", help=f"numbers, comma-separated (known: {', '.join(q[1:] for q in WORKLOADS)})")
    parser.add_argument("--sf", default="1", help="scale factor; with --scale small always 0.01")
    parser.add_argument("--float-sums", action="store_true", help="exact sums beside plain ones, decimals read as doubles, instead")
    parser.add_argument("--strings", choices=("view", "utf8"), default="view", help="string type that the files declare")


@dataclass(frozen=True)
class Total:
    """Of one engine's mode, over all rows: the medians of its runs in the search for the fastest, its largest peak above its idle process."""

    seconds: float
    peak_mib: float
    peak_row: str


def totals(rows: Sequence[Row]) -> dict[str, Total]:
    """By "engine mode"; without those who have not answered every row."""
    modes = [who for who in (rows[0].medians if rows else {}) if all(who in r.medians and who in r.peaks for r in rows)]
    largest = {who: max(rows, key=lambda r: r.peaks[who]) for who in modes}
    found = {who: Total(sum(r.medians[who] for r in rows), largest[who].peaks[who], largest[who].name) for who in modes}
    return dict(sorted(found.items(), key=lambda item: item[1].seconds))


def totals_text(rows: Sequence[Row]) -> str:
    table = [[who, f"{t.seconds:.2f}", f"{t.peak_mib:.0f} in {t.peak_row}"] for who, t in totals(rows).items()]
    return "\n" + report.markdown_table(("engine", f"{len(rows)} queries, seconds", "largest peak above the idle process, MiB"), table) + "\n"


def broken_gates(rows: Sequence[Row]) -> list[str]:
    """What does not hold: the total of the fastest peer, 1.8 of the fastest on each query, DuckDB's largest peak."""
    found = totals(rows)
    ours = {who: t for who, t in found.items() if who.startswith(OURS)}
    peers = {who: t for who, t in found.items() if who not in ours}
    broken = [f"{r.name} {r.ratio:.2f} > 1.8" for r in rows if r.ratio is not None and r.ratio > 1.8]
    if ours and peers:
        best, peer = min(t.seconds for t in ours.values()), min(t.seconds for t in peers.values())
        if best > peer:
            broken.append(f"total {best:.2f} s > {peer:.2f} s")
    duckdb = [t.peak_mib for who, t in peers.items() if who.startswith("duckdb")]
    peak = max((t.peak_mib for t in ours.values()), default=0.0)
    if duckdb and peak > min(duckdb):
        broken.append(f"largest peak {peak:.0f} MiB > DuckDB's {min(duckdb):.0f}")
    return broken


def run(options: argparse.Namespace) -> int:
    scale_factor = "0.01" if options.scale == "small" else options.sf
    os.environ[SCALE_FACTOR] = scale_factor
    files = folder(scale_factor, options.strings)
    queries = chosen(WORKLOADS, [f"q{q.strip()}" if q.strip() != "*" else "*" for q in options.queries.split(",")])
    if options.float_sums:
        return float_sums.run([q.name for q in queries], files, options)
    return run_ratios("tpch", [at(q, files) for q in queries], options, gates=broken_gates, closing=totals_text)
