"""Join questions of db-benchmark: all columns of x, then those of the right side without its key."""

from __future__ import annotations

from .h2o_tables import sizes
from .workload import Table, Workload, sql

_ROWS = 10_000_000
_SMALL, _MEDIUM, _BIG = sizes(_ROWS)
_RIGHT = {
    "small": (Table("h2o_small", _SMALL), ["id1", "id4", "v2"]),
    "medium": (Table("h2o_medium", _MEDIUM), ["id1", "id2", "id4", "id5", "v2"]),
    "big": (Table("h2o_big", _BIG), ["id1", "id2", "id3", "id4", "id5", "id6", "v2"]),
}
_LEFT = ["id1", "id2", "id3", "id4", "id5", "id6", "v1"]


def _question(q: str, right: str, key: str, how: str = "inner") -> Workload:
    table, columns = _RIGHT[right]
    rest = [c for c in columns if c != key]
    chosen = ", ".join([*(f"x.{c}" for c in _LEFT), *(f"r.{c} as r_{c}" for c in rest)])
    pyarrow_how = {"inner": "inner", "left": "left outer"}[how]
    named = [c if c not in _LEFT else f"{c}_right" for c in rest]
    return Workload(f"h2o_join_{q}", {"x": Table("h2o_x", _ROWS), "r": table}, sql(
        f"select {chosen} from x {how} join r on x.{key} = r.{key}",
        polars=lambda t: t.x.join(t.r, on=key, how=how),
        pyarrow=lambda t: t.x.join(t.r, key, join_type=pyarrow_how, right_suffix="_right").select([*_LEFT, *named]),
        gristmill=lambda t: t.x.join(t.r, on=key, how=how),
    ))


ROWS = [
    _question("q1", "small", "id1"),
    _question("q2", "medium", "id2"),
    _question("q3", "medium", "id2", "left"),
    _question("q4", "medium", "id5"),
    _question("q5", "big", "id3"),
]
