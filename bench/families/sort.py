"""sort: this engine against the fastest peer, in memory."""

from __future__ import annotations

from measure.report import Gates
from workloads.sort import WORKLOADS

from .ratios import Family

HELP = "tables in memory sorted, and the best of them"
_FAMILY = Family("sort", WORKLOADS, Gates(mean=0.95, most=1.2, all=1.6))
add_arguments, run = _FAMILY.add_arguments, _FAMILY.run
