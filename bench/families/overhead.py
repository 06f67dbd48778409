"""streams --overhead: what `.parallel()` costs, on one worker, so that it has the same work on one core as without.

Batches of 100,000 rows are cut into morsels, handed over and put back in order, beside the same stream without `.parallel()`. Batches of 100 rows are
under the threshold and go straight through, beside the bare kernels in a loop. A filter and a projection of one column: little work a row, so the
price shows.
"""

from __future__ import annotations

import argparse
import statistics

from measure import report

from . import kernels

ELIGIBLE, SMALL = 1.05, 2000.0  # of the time without it; nanoseconds a batch more than the kernels


def run(options: argparse.Namespace) -> int:
    if not kernels.has_google_benchmark():
        print("Google Benchmark is not installed (libbenchmark-dev); nothing to run")
        return 1
    found = kernels.measure("^(small_batch|eligible)/(parallel|stream|bare)", max(options.pairs, 7), 0.02 if options.scale == "small" else 0.2,
                            {"GRISTMILL_WORKERS": "1"})
    rows, broken = [], []
    for size, what in (("eligible", "100,000 rows"), ("small_batch", "100 rows")):
        parallel, stream, bare = (statistics.median(found[f"{size}/{way}"]) for way in ("parallel", "stream", "bare"))
        good = parallel <= ELIGIBLE * stream if size == "eligible" else parallel <= bare + SMALL
        spread = f"{min(found[f'{size}/parallel']) / 1e3:.2f}..{max(found[f'{size}/parallel']) / 1e3:.2f}"
        rows.append([what, f"{parallel / 1e3:.2f}", spread, f"{stream / 1e3:.2f}", f"{bare / 1e3:.2f}", f"{parallel / stream:.3f}",
                     f"{(parallel - bare) / 1e3:+.2f}" + ("" if good else " !")])
        if not good:
            broken.append(f"{what}: {parallel / stream:.3f} of the time without it, {(parallel - bare) / 1e3:+.2f} us a batch beside the kernels")
    head = ("batch", "parallel() us a batch", "spread", "without us", "kernels us", "ratio to without", "us more than kernels")
    text = (f"# streams: overhead\n\nMedian of {max(options.pairs, 7)} repetitions, in mixed order, one worker. Gates: at most {ELIGIBLE} of the time without `.parallel()` for "
            f"batches of 100,000 rows, at most {SMALL / 1e3:.0f} us more than the kernels for those of 100.\n\n{report.markdown_table(head, rows)}\n")
    report.save("streams-overhead" + ("-small" if options.scale == "small" else ""), text, {"nanoseconds": found})
    if options.scale == "small" or options.no_gate:
        return 0
    for line in broken:
        print(f"GATE DOES NOT HOLD: {line}")
    return int(bool(broken))
