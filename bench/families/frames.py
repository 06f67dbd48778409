"""frames: this engine against the fastest peer, in memory."""

from __future__ import annotations

from workloads.frames import WORKLOADS

from .ratios import Family

HELP = "tables in memory: operators and the questions of db-benchmark"
_FAMILY = Family("frames", WORKLOADS)
add_arguments, run = _FAMILY.add_arguments, _FAMILY.run
