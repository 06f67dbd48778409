#!/usr/bin/env python3
"""Random graphs of functions against one plain loop: ./run fuzz-flows --count N --seed S.

Graphs of 1 to 200 nodes: async, blocking, computing and trivial functions, classes, generators, batches, flows and maps in flows; some fail, some fail at
first and are called again. Values, order and errors must be those of the loop; what is cancelled on the way must have given a prefix. A failing seed
is printed with the command that repeats it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python" / "flow"))

from random_graphs import check, check_prefix  # noqa: E402


def one(seed: int) -> None:
    r = random.Random(seed)
    size = r.choice([r.randint(1, 9), r.randint(1, 9), r.randint(1, 9), r.randint(10, 60)]) if r.random() < 0.98 else r.randint(100, 200)
    if r.random() < 0.2:
        check_prefix(seed, size, 30 if size < 20 else 8)
    else:
        check(seed, size, 12 if size < 10 else 4)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run fuzz-flows", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=10_000, help="of the first graph")
    options = parser.parse_args()
    began, broken = time.monotonic(), []
    for seed in range(options.seed, options.seed + options.count):
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                one(seed)
        except BaseException as e:  # noqa: BLE001 - any is a finding, Ctrl-C ends
            if isinstance(e, KeyboardInterrupt):
                raise
            traceback.print_exc()
            print(f"FAILED: ./run fuzz-flows --count 1 --seed {seed}", flush=True)
            broken.append(seed)
    print(f"{options.count} graphs in {time.monotonic() - began:.0f} s, {len(broken)} failed{': ' + ', '.join(map(str, broken)) if broken else ''}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
