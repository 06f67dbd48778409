"""Tables in memory: every operator of a frame, and the questions of db-benchmark."""

from __future__ import annotations

from . import frames_groups, frames_joins, frames_order, frames_rows, h2o_groups, h2o_joins
from .workload import by_name

WORKLOADS = by_name([*frames_rows.ROWS, *frames_groups.ROWS, *frames_joins.ROWS, *frames_order.ROWS, *h2o_groups.ROWS, *h2o_joins.ROWS])
