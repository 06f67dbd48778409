"""Window functions of random plans: what one is, the engine's form, the naive answer."""

from __future__ import annotations

from dataclasses import dataclass, field

import gristmill as gm
from values import normal, order_key


RANKS = ("row_number", "rank", "dense_rank", "percent_rank", "cume_dist")
PLACES = (*RANKS, "ntile", "lag", "lead")


@dataclass
class Window:
    """`aggregate`: a plans.Aggregate, whose function may also be one of PLACES. `distance` is the number of buckets of ntile. `order`: (column, descending, nulls_first).
    `frame`: rows before and after, None for the default."""

    aggregate: object
    partition: list[str]
    order: list[tuple[str, bool, bool]] = field(default_factory=list)
    frame: tuple[int | None, int | None] | None = None
    exclude: str | None = None
    distance: int = 1

    def __str__(self) -> str:
        rows = "" if self.frame is None else f" rows {self.frame} exclude {self.exclude}"
        return f"{self.aggregate} over ({self.partition} by {self.order}{rows})"


def build_window(w: Window, built: gm.Expr) -> gm.Expr:
    """`built`: the aggregate, or the argument of another function."""
    f = w.aggregate.function
    if f in RANKS:
        e = getattr(gm, f)()
    elif f == "ntile":
        e = gm.ntile(w.distance)
    elif f in ("lag", "lead"):
        e = getattr(built, f)(w.distance)
    else:
        e = built
    frame = None if w.frame is None else gm.rows_between(*w.frame, exclude=w.exclude)
    return e.over(w.partition, order_by=[gm.col(n) for n, _, _ in w.order], descending=[d for _, d, _ in w.order],
                  nulls_first=[n for _, _, n in w.order], frame=frame).alias(w.aggregate.name)


def partitions(w: Window, names: list[str], rows: list[tuple]) -> list[list[int]]:
    """Row numbers of each partition, in order."""
    at = [names.index(n) for n in w.partition]
    found: dict[tuple, list[int]] = {}
    for i, row in enumerate(rows):
        found.setdefault(tuple(normal(row[k]) for k in at), []).append(i)
    for members in found.values():
        for name, descending, nulls_first in reversed(w.order):
            k = names.index(name)
            present = [i for i in members if rows[i][k] is not None]
            present.sort(key=lambda i: order_key(rows[i][k]), reverse=descending)  # Python keeps the order of equals both ways
            absent = [i for i in members if rows[i][k] is None]
            members[:] = absent + present if nulls_first else present + absent
    return list(found.values())


def peers(w: Window, names: list[str], rows: list[tuple], members: list[int]) -> list[tuple]:
    at = [names.index(n) for n, _, _ in w.order]
    return [tuple(normal(rows[i][k]) for k in at) for i in members]


def frames(w: Window, names: list[str], rows: list[tuple], most: int) -> dict[int, list[int]] | None:
    """Of each row, the rows of its frame, in order; nothing when they are more than `most` together."""
    out: dict[int, list[int]] = {}
    total = 0
    for members in partitions(w, names, rows):
        keys = peers(w, names, rows, members)
        end = 0
        for p, i in enumerate(members):
            if w.frame is None:
                if end <= p:
                    end = p + 1
                    while end < len(members) and keys[end] == keys[p]:
                        end += 1
                out[i] = members[:end]
                total += end
                if total > most:
                    return None
                continue
            start, stop = w.frame
            places = range(0 if start is None else max(0, p + start), len(members) if stop is None else max(0, min(len(members), p + stop + 1)))
            total += len(places)
            if total > most:
                return None
            kept = [q for q in places if not (w.exclude == "current_row" and q == p) and not (w.exclude == "group" and keys[q] == keys[p])
                    and not (w.exclude == "ties" and keys[q] == keys[p] and q != p)]
            out[i] = [members[q] for q in kept]
    return out


def places(w: Window, names: list[str], rows: list[tuple], values: list | None) -> list:
    """The functions of PLACES."""
    out: list = [None] * len(rows)
    f = w.aggregate.function
    for members in partitions(w, names, rows):
        keys = peers(w, names, rows, members)
        rank = dense = 0
        size = len(members)
        for p, i in enumerate(members):
            if p == 0 or keys[p] != keys[p - 1]:
                rank, dense = p + 1, dense + 1
                last = p + 1
                while last < size and keys[last] == keys[p]:
                    last += 1
            if f == "row_number":
                out[i] = p + 1
            elif f == "rank":
                out[i] = rank
            elif f == "dense_rank":
                out[i] = dense
            elif f == "percent_rank":
                out[i] = (rank - 1) / (size - 1) if size > 1 else 0.0
            elif f == "cume_dist":
                out[i] = last / size
            elif f == "ntile":
                small, larger = divmod(size, w.distance)  # the first buckets have one row more
                out[i] = p // (small + 1) + 1 if p < larger * (small + 1) else larger + (p - larger * (small + 1)) // small + 1
            else:
                q = p - w.distance if f == "lag" else p + w.distance
                out[i] = values[members[q]] if 0 <= q < len(members) else None
    return out
