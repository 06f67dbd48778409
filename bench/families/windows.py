"""windows: this engine against the fastest peer, in memory."""

from __future__ import annotations

import argparse

from workloads.windows import WORKLOADS

from .ratios import add_ratio_arguments, chosen, run_ratios

HELP = "window functions over tables in memory"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_ratio_arguments(parser)
    parser.add_argument("--rows", default="*", help="names or patterns, comma-separated (default: all)")
    parser.add_argument("--list", action="store_true", help="print the names and stop")


def run(options: argparse.Namespace) -> int:
    if options.list:
        print("\n".join(WORKLOADS))
        return 0
    return run_ratios("windows", chosen(WORKLOADS, options.rows.split(",")), options)
