"""files: text in, answers or other files out, this engine against the fastest peer."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from measure import report
from measure.row import Row
from workloads.file_inputs import text_file
from workloads.files import WORKLOADS

from .ratios import add_ratio_arguments, chosen, run_ratios

HELP = "CSV and NDJSON: count, one column, 1 %% of the rows, convert"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_ratio_arguments(parser)
    parser.add_argument("--rows", default="*", help="names or patterns, comma-separated (default: all)")
    parser.add_argument("--list", action="store_true", help="print the names and stop")


def broken_gates(rows: Sequence[Row]) -> list[str]:
    """What does not hold: geometric mean <= 1, no row > 1.5."""
    s = report.summary(rows)
    broken = []
    if s["measured"] and s["geometric_mean"] > 1.0:
        broken.append(f"geometric mean {s['geometric_mean']:.2f} > 1")
    if s["above_own_gate"]:
        broken.append("above 1.5: " + ", ".join(s["above_own_gate"]))
    return broken


def run(options: argparse.Namespace) -> int:
    if options.list:
        print("\n".join(WORKLOADS))
        return 0
    rows = chosen(WORKLOADS, options.rows.split(","))
    small = options.scale == "small"
    paths = {w.name: str(text_file(w.source, w.form, small)) for w in rows}
    try:
        return run_ratios("files", rows, options, paths=paths, gates=broken_gates)
    finally:
        for path in set(paths.values()):
            for written in Path(path).parent.glob(f"{Path(path).name}.*"):  # by engines' processes that ended with their last file
                written.unlink()
