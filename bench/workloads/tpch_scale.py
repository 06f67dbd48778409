"""The scale factor of TPC-H's tables. The engines' processes read the workloads anew and find them by name, so it comes to them in the environment."""

from __future__ import annotations

import os

SCALE_FACTOR = "GRISTMILL_BENCH_TPCH_SF"


def q11_fraction() -> float:
    return 0.0001 / float(os.environ.get(SCALE_FACTOR, "1"))
