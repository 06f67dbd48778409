"""tpch: queries over Parquet files, this engine against the fastest peer."""

from __future__ import annotations

import argparse
import os

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


def run(options: argparse.Namespace) -> int:
    scale_factor = "0.01" if options.scale == "small" else options.sf
    os.environ[SCALE_FACTOR] = scale_factor
    files = folder(scale_factor, options.strings)
    queries = chosen(WORKLOADS, [f"q{q.strip()}" if q.strip() != "*" else "*" for q in options.queries.split(",")])
    if options.float_sums:
        return float_sums.run([q.name for q in queries], files, options)
    return run_ratios("tpch", [at(q, files) for q in queries], options)
