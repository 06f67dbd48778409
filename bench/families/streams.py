"""streams: operators over batches of 100,000 rows against the fastest peer, which has the rows as one table; or one of the parts beside that."""

from __future__ import annotations

import argparse

from workloads.streams import WORKLOADS

from . import nexmark, overhead, scaling, stream_kafka
from .ratios import add_ratio_arguments, chosen, run_ratios

HELP = "streams over batches in memory: map, filter, chain, joins, windows; Nexmark; from Kafka"
SCALING = ("map_10m", "filter_10m", "chain_10m", "city_sum_10m")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_ratio_arguments(parser)
    parser.add_argument("--rows", default="*", help="names or patterns, comma-separated (default: all)")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--seconds", type=float, default=8, help="that are measured of each run of --kafka")
    parser.add_argument("--known", default="", help="highest loads of --kafka found and measured before: gristmill=500000; so that peers can be run one by one")
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument("--scaling", action="store_true", help="1 -> 2 workers against two independent processes instead")
    parts.add_argument("--overhead", action="store_true", help="what parallel() costs beside the bare kernels, above and below the threshold, instead")
    parts.add_argument("--nexmark", action="store_true", help="the queries of Nexmark and windows by key instead: events a second")
    parts.add_argument("--kafka", action="store_true", help="from a topic into another instead: highest load and latency, beside a peer")


def run(options: argparse.Namespace) -> int:
    if options.list:
        print("\n".join(WORKLOADS))
        return 0
    if options.nexmark:
        return nexmark.run(options)
    if options.overhead:
        return overhead.run(options)
    if options.kafka:
        return stream_kafka.run(options)
    if options.scaling:
        names = SCALING if options.rows == "*" else options.rows.split(",")
        return scaling.run_rows("streams", [WORKLOADS[n] for n in names], options.pairs, "gristmill", options.scale, options.no_gate)
    return run_ratios("streams", chosen(WORKLOADS, options.rows.split(",")), options)
