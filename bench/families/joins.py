"""joins: this engine against the fastest peer, in memory."""

from __future__ import annotations

from measure.report import Gates
from workloads.joins import WORKLOADS

from .ratios import Family

HELP = "joins of tables in memory: hash joins, the questions of db-benchmark, as-of"
_FAMILY = Family("joins", WORKLOADS, Gates(mean=0.95, most=1.2, all=1.6))
add_arguments, run = _FAMILY.add_arguments, _FAMILY.run
