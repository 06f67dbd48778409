"""What joins give, by dictionaries and loops: the part of the oracle in oracle.py that joins."""

from __future__ import annotations

import math
from bisect import bisect_left

from expressions import X, common
from plans import P
from reference import Poison, RowError, caster, compile_keys, compile_row
from values import order_key

MOST_ROWS = 1_500_000
MOST_PAIRS = 200_000  # that a condition looks at


class TooBig(Exception):
    """More rows than this evaluator cares to make."""


class MustFail(Exception):
    """No value can be given for what an operator needs."""


class Joins:
    def _join(self, p: P) -> list[tuple]:
        how, pairs, by_name, nulls_equal, _, where = p.extra
        left, right = p.inputs
        left_rows, right_rows = self.rows(left), self._whole(right)
        if not pairs and len(left_rows) * len(right_rows) > MOST_PAIRS:
            raise TooBig
        table, key_of = self._table(left, right, pairs, nulls_equal, right_rows)
        meets = self._condition(p, where)
        joined = self._joiner(p, right_rows)
        matched, out, seen = set(), [], 0
        for row in left_rows:
            if row.__class__ is Poison:
                out.append(row)
                continue
            try:
                candidates = table.get(key_of(row), ())
                seen += len(candidates)  # without a condition too: of a semi join's pairs no row may come
                if seen > (4 * MOST_ROWS if where is None else MOST_PAIRS):
                    raise TooBig
                matches = [j for j in candidates if meets is None or meets(row, right_rows[j]) is True]
            except RowError as e:
                self.poisoned = True
                out.append(Poison(str(e)))
                continue
            matched.update(matches)
            if how in ("semi", "anti"):
                if bool(matches) == (how == "semi"):
                    out.append(row)
                continue
            out += [joined(row, j) for j in matches]
            if not matches and how in ("left", "full"):
                out.append(joined(row, None))
            if len(out) > MOST_ROWS:
                raise TooBig
        if how in ("right", "full"):
            out += [joined(None, j) for j in range(len(right_rows)) if j not in matched]
        return out

    def _joiner(self, p: P, right_rows: list[tuple]):
        """A function from a left row or None and the number of a right row or None to the row they make."""
        how, pairs, by_name = p.extra[:3]
        left, right = p.inputs
        hidden = {b for _, b in pairs} if by_name else set()
        kept = [i for i, n in enumerate(right.names()) if n not in hidden]
        merged = []  # left column, right column, their casts to the one that shows
        for a, b in pairs if by_name and how in ("right", "full") else ():
            i, k = left.names().index(a), right.names().index(b)
            merged.append((i, k, caster(left.columns[i].type, p.columns[i].type) if how == "full" else None, caster(right.columns[k].type, p.columns[i].type)))
        nothing = (None,) * len(left.names())

        def joined(row: tuple | None, j: int | None) -> tuple:
            own = row if row is not None else nothing
            if merged:
                own = list(own)
                for i, k, cast, other_cast in merged:
                    other = None if j is None else cast_value(right_rows[j][k], other_cast)
                    own[i] = other if how == "right" or own[i] is None else cast_value(own[i], cast)
            return (*own, *[None if j is None else right_rows[j][k] for k in kept])

        return joined

    def _table(self, left: P, right: P, pairs: list, nulls_equal: bool, right_rows: list[tuple]):
        """Numbers of right rows by key, and the key of a left row."""
        types = {n: c.type for n, c in zip(left.names(), left.columns)}, {n: c.type for n, c in zip(right.names(), right.columns)}
        keys = [], []
        for a, b in pairs:
            t = common(types[0][a], types[1][b])
            keys[0].append((X("col", [], types[0][a], a), t))
            keys[1].append((X("col", [], types[1][b], b), t))
        table: dict[tuple, list[int]] = {}
        for j, key in enumerate(self._needed(compile_keys(keys[1], right.names(), self.poisoned), right_rows)):
            if nulls_equal or None not in key:
                table.setdefault(key, []).append(j)
        return table, compile_keys(keys[0], left.names(), self.poisoned)

    def _condition(self, p: P, where: X | None):
        """Of a left and a right row; an inner join's names."""
        if where is None:
            return None
        suffix, left, right = p.extra[4], p.inputs[0].names(), p.inputs[1].names()
        names = [*left, *[n + suffix if n in left else n for n in right]]
        test = compile_row(where, names[::-1], self.poisoned)  # of a name twice the left one is meant
        return lambda row, other: test((*row, *other)[::-1])

    def _asof(self, p: P) -> list[tuple]:
        a, b, one, pairs, by_name, strategy, tolerance, exact, _ = p.extra
        left, right = p.inputs
        left_rows, right_rows = self.rows(left), self._whole(right)
        table, key_of = self._table(left, right, pairs, False, right_rows)
        i, j = left.names().index(a), right.names().index(b)
        near_of = self._needed(compile_row(X("col", [], right.columns[j].type, b), right.names(), self.poisoned), right_rows)
        hidden = ({b} if one else set()) | ({y for _, y in pairs} if by_name else set())
        kept = [k for k, n in enumerate(right.names()) if n not in hidden]
        rows = {key: [(order_key(near_of[n]), n) for n in numbers if near_of[n] is not None] for key, numbers in table.items()}
        near = Near(strategy, tolerance, exact, rows)
        out = []
        for row in left_rows:
            try:
                if row.__class__ is Poison or row[i].__class__ is Poison:
                    raise RowError("as-of")
                n = near.find(key_of(row), row[i])
            except RowError as e:
                out.append(Poison(str(e)))
                continue
            out.append((*row, *[None if n is None else right_rows[n][k] for k in kept]))
        return out


class Near:
    """For a key and a value the number of the nearest right row."""

    def __init__(self, strategy: str, tolerance: float | None, exact: bool, rows: dict[tuple, list]) -> None:
        self.strategy, self.tolerance, self.exact = strategy, tolerance, exact
        self.rows = {key: sorted(r) for key, r in rows.items()}

    def find(self, key: tuple, value) -> int | None:
        rows = self.rows.get(key)
        if not rows or value is None:
            return None
        v, far = order_key(value), 1 << 60
        back = bisect_left(rows, (v, far if self.exact else -1)) - 1 if self.strategy != "forward" else -1
        forward = bisect_left(rows, (v, -1 if self.exact else far)) if self.strategy != "backward" else len(rows)
        if back < 0 and forward == len(rows):
            return None
        best = back if back >= 0 else forward
        if back >= 0 and forward < len(rows) and distance(v, rows[forward][0]) < distance(v, rows[back][0]):
            best = forward
        word, n = rows[best]
        return n if self.tolerance is None or distance(v, word) <= self.tolerance else None


def distance(v, w) -> float:
    """Of order keys; NaN is infinitely far from everything else. Tolerances are finite."""
    if v == w:
        return 0
    if isinstance(v, tuple):
        return math.inf if v[0] or w[0] else abs(v[1] - w[1])
    return abs(v - w)


def cast_value(v, cast):
    return v if v is None or cast is None or v.__class__ is Poison else cast(v)
