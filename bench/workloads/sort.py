"""Tables in memory sorted by one key and by two, and the best thousand of them."""

from __future__ import annotations

from dataclasses import replace

from . import frames_order
from .workload import Table, Workload, by_name, sql

M = 1_000_000
_COLUMNS = ("g1k", "s10", "value")


def _two_keys(name: str, key: str) -> Workload:
    keys = [key, "value"]
    return Workload(name, {"t": Table("groups", 10 * M, _COLUMNS)}, sql(
        f"select * from t order by {key}, value desc",
        polars=lambda t: t.t.sort(keys, descending=[False, True]),
        pyarrow=lambda t: t.t.sort_by([(key, "ascending"), ("value", "descending")]),
        pandas=lambda t: t.t.sort_values(keys, ascending=[True, False]),
        gristmill=lambda t: t.t.sort(*keys, descending=[False, True]),
    ), order=(_COLUMNS.index(key), 2))


_BOTH = [w for w in frames_order.ROWS if not w.name.startswith("sort_then")]
WORKLOADS = by_name([replace(w, gate=1.2) for w in (*_BOTH, _two_keys("sort_two_keys", "g1k"), _two_keys("sort_string_and_number", "s10"))])
