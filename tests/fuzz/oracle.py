"""The answer of a plan, computed over lists of rows with nothing but Python; DuckDB as a second opinion.

Failures: a value that cannot be computed poisons its cell (a failing filter: its row). The query must fail if poison reaches
the output or an operator that needs the value; it may fail wherever poison was made, for what an operator computes
that nobody asks for is not fixed.
"""

from __future__ import annotations

import functools
import math
import struct
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import pyarrow as pa

import windows
from data import Source
from exact_oracle import rounded, rounded_root
from expressions import X
from join_oracle import MOST_ROWS, Joins, MustFail, TooBig, cast_value
from plans import ORDERED, PAIRS, QUANTILE, Aggregate, NoSql, P, frame_sql
from reference import Poison, RowError, caster, compile_keys, compile_row, divided, limits
from values import NAN, UNITS, canonical, kind, normal, order_key, raw_values, told_apart


class Answer:
    """`rows`, or None if the query must fail, or could: `certain` tells which. `may_fail`: poison was made on the way."""

    def __init__(self, rows: list[tuple] | None, certain: bool, may_fail: bool) -> None:
        self.rows, self.certain, self.may_fail = rows, certain, may_fail


class Oracle(Joins):
    def __init__(self, sources: list[Source]) -> None:
        self.sources = sources
        self.poisoned = False

    def answer(self, p: P) -> Answer:
        try:
            rows = self.rows(p)
        except MustFail:
            limited = any(n.op in ("slice", "join", "asof") for n in p.nodes())  # what is cut off or matches nothing may not be asked for
            return Answer(None, not limited, True)
        if self.poisoned and any(r.__class__ is Poison or any(v.__class__ is Poison for v in r) for r in rows):
            return Answer(None, True, True)
        return Answer(rows, True, self.poisoned)

    def rows(self, p: P) -> list[tuple]:
        out = getattr(self, "_" + p.op)(p)
        if len(out) > MOST_ROWS:
            raise TooBig
        return out

    # Row by row

    def _source(self, p: P) -> list[tuple]:
        return self.sources[p.extra[0]].rows

    def _cells(self, p: P, x: X):
        """A function from a row to the value, or poison."""
        f = compile_row(x, p.names(), self.poisoned)
        if x.op == "col":
            i = p.names().index(x.extra)
            return lambda row: row[i]

        def cell(row):
            try:
                return f(row)
            except RowError as e:
                self.poisoned = True
                return Poison(str(e))

        return cell

    def _filter(self, p: P) -> list[tuple]:
        rows = self.rows(p.inputs[0])
        keep = self._cells(p.inputs[0], p.extra)
        out = []
        for row in rows:
            if row.__class__ is Poison:
                out.append(row)
                continue
            v = keep(row)
            if v is True:
                out.append(row)
            elif v.__class__ is Poison:
                out.append(v)
        return out

    def _project(self, p: P, exprs: list[X]) -> list[tuple]:
        rows = self.rows(p.inputs[0])
        cells = [self._cells(p.inputs[0], x) for x in exprs]
        return [row if row.__class__ is Poison else tuple([f(row) for f in cells]) for row in rows]

    def _select(self, p: P) -> list[tuple]:
        return self._project(p, [x for _, x in p.extra])

    def _with_columns(self, p: P) -> list[tuple]:
        new, old = dict(p.extra), {c.name: c for c in p.inputs[0].columns}
        return self._project(p, [new.get(c.name) or X("col", [], old[c.name].type, c.name) for c in p.columns])

    def _drop(self, p: P) -> list[tuple]:
        return self._project(p, [X("col", [], c.type, c.name) for c in p.columns])

    def _slice(self, p: P) -> list[tuple]:
        offset, length = p.extra
        rows = self.rows(p.inputs[0])
        return rows[offset:] if length is None else rows[offset : offset + length]

    def _explode(self, p: P) -> list[tuple]:
        i, out = p.names().index(p.extra), []
        for row in self.rows(p.inputs[0]):
            if row.__class__ is Poison or row[i].__class__ is Poison:
                out.append(Poison("explode"))
                continue
            for v in row[i] or [None]:
                out.append((*row[:i], v, *row[i + 1 :]))
            if len(out) > MOST_ROWS:
                raise TooBig
        return out

    def _union(self, p: P) -> list[tuple]:
        out = []
        for q in p.inputs:
            rows, names = self.rows(q), q.names()
            parts = []
            for c in p.columns:
                i = names.index(c.name)
                parts.append((i, caster(q.columns[i].type, c.type)))
            if any(cast for _, cast in parts) or [i for i, _ in parts] != list(range(len(names))):
                rows = [r if r.__class__ is Poison else tuple([cast_value(r[i], cast) for i, cast in parts]) for r in rows]
            out += rows
        return out

    # Operators that need their whole input

    def _whole(self, q: P) -> list[tuple]:
        rows = self.rows(q)
        if self.poisoned and any(r.__class__ is Poison for r in rows):
            raise MustFail
        return rows

    def _needed(self, f, rows: list[tuple]) -> list:
        try:
            return [f(r) for r in rows]
        except RowError:
            self.poisoned = True
            raise MustFail from None

    def _sort(self, p: P) -> list[tuple]:
        rows = list(self._whole(p.inputs[0]))
        for x, descending, nulls_first in reversed(p.extra):
            values = self._needed(compile_row(x, p.names(), self.poisoned), rows)
            null_group = -1 if nulls_first else 1
            keys = [(null_group, 0) if v is None else (0, order_key(v)) for v in values]
            order = sorted(range(len(rows)), key=keys.__getitem__)
            if descending:  # nulls stay where they were asked for, equal keys keep their order
                keys = [(-k[0], k[1]) for k in keys]
                order = sorted(range(len(rows) - 1, -1, -1), key=keys.__getitem__)[::-1]
            rows = [rows[i] for i in order]
        return rows

    def _distinct(self, p: P) -> list[tuple]:
        names = p.names()
        subset = [names.index(n) for n in (p.extra or names)]
        seen, out = set(), []
        for row in self._whole(p.inputs[0]):
            if self.poisoned and any(row[i].__class__ is Poison for i in range(len(row))):
                raise MustFail
            key = tuple([normal(row[i]) for i in subset])
            if key not in seen:
                seen.add(key)
                row = list(row)
                for i, v in zip(subset, key):
                    row[i] = v
                out.append(tuple(row))
        return out

    def _group(self, p: P) -> list[tuple]:
        keys, aggregates = p.extra
        rows = self._whole(p.inputs[0])
        made = self._needed(compile_keys([(x, x.type) for _, x in keys], p.inputs[0].names(), self.poisoned), rows)
        groups: dict[tuple, list[int]] = {}
        for i, key in enumerate(made):
            groups.setdefault(key, []).append(i)
        columns = [self._aggregate(a, p.inputs[0], rows, groups.values()) for a in aggregates]
        return [(*key, *values) for key, *values in zip(groups, *columns)]

    def _total(self, p: P) -> list[tuple]:
        rows = self._whole(p.inputs[0])
        columns = [self._aggregate(a, p.inputs[0], rows, [range(len(rows))]) for a in p.extra]
        return list(zip(*columns))

    def _window(self, p: P) -> list[tuple]:
        rows, q = self._whole(p.inputs[0]), p.inputs[0]
        columns = []
        for w in p.extra:
            if self.poisoned:
                keys = [q.names().index(n) for n in (*w.partition, *(name for name, _, _ in w.order))]
                if any(row[k].__class__ is Poison for row in rows for k in keys):
                    raise MustFail
            a = w.aggregate
            if a.function in windows.PLACES:
                values = None if a.argument is None else self._needed(compile_row(a.argument, q.names(), self.poisoned), rows)
                columns.append(windows.places(w, q.names(), rows, values))
                continue
            of_row = windows.frames(w, q.names(), rows, 40 * MOST_ROWS)
            if of_row is None:
                raise TooBig
            columns.append(self._aggregate(a, q, rows, [of_row[i] for i in range(len(rows))]))
        return [(*row, *values) for row, *values in zip(rows, *columns)]

    def _aggregate(self, a: Aggregate, q: P, rows: list[tuple], groups) -> list:
        keep = None
        if a.filter is not None:
            keep = self._needed(compile_row(a.filter, q.names(), self.poisoned), rows)
        values = None
        if a.argument is not None:
            values = self._values(a, compile_row(a.argument, q.names(), self.poisoned), rows, keep)
        seconds = None
        if a.by is not None:
            seconds = self._values(a, compile_row(a.by, q.names(), self.poisoned), rows, keep)
        out = []
        for group in groups:
            picked = group if keep is None else [i for i in group if keep[i] is True]
            try:
                if seconds is not None:
                    out.append(finish_pairs(a, [(values[i], seconds[i]) for i in picked]))
                else:
                    out.append(finish(a, [values[i] for i in picked] if values is not None else picked))
            except RowError:
                self.poisoned = True
                raise MustFail from None
        return out

    def _values(self, a: Aggregate, f, rows: list[tuple], keep) -> list:
        if keep is None:
            return self._needed(f, rows)
        out = []
        for row, k in zip(rows, keep):
            try:
                out.append(f(row))
            except RowError:
                self.poisoned = True
                if k is True:
                    raise MustFail from None
                out.append(None)
        return out


# Aggregates ----------------------------------------------------------------------------------------------------------


def finish(a: Aggregate, values) -> object:
    """The aggregate of a group's values, in order."""
    if a.distinct and a.function in ("var", "std") and kind(a.argument.type) == "int":
        values = [None if v is None else float(v) for v in values]  # cast before they are told apart, as in DuckDB
        return None if not (there := [v for v in first_of_each(values) if v is not None]) else float_aggregate(a, there)
    if a.distinct:
        values = first_of_each(values)
    if a.function == "n_unique":
        return sum(v is not None for v in first_of_each(values))
    if a.function == "implode":
        return list(values) or None
    if a.function == "count":
        return len(values) if a.argument is None else sum(v is not None for v in values)
    if a.function in ("first", "last"):
        return (values[0] if a.function == "first" else values[-1]) if values else None
    there = [v for v in values if v is not None]
    if not there:
        return None
    t = a.argument.type
    if a.function in VALUES:
        return VALUES[a.function](there)
    if a.function in ("skew", "kurtosis"):
        return shape(a.function, [plain_float(v, t) for v in there])
    if a.function == "product":
        return math.prod(there, start=1.0)
    if a.function in ("median", "quantile", "approx_quantile", "approx_median"):
        return quantile(a.function, sorted((plain_float(v, t) for v in there), key=order_key))
    if a.function in ("min", "max"):
        return normal((min if a.function == "min" else max)(there, key=order_key))
    scale = t.scale if kind(t) == "decimal" else 0
    if kind(t) == "float":
        return float_aggregate(a, there)
    there = [int(v) for v in there]
    if a.function in ("var", "std"):  # deviations are of float64 values
        return float_aggregate(a, [divided(v, 10**scale) for v in there])
    if a.function == "sum":
        total = sum(there)
        if (abs(total) >= 10**38) if kind(t) == "decimal" else not limits(pa.int64())[0] <= total <= limits(pa.int64())[1]:
            raise RowError("the sum is too large")
        return total
    return rounded(Fraction(sum(there), len(there) * 10**scale))


def finish_pairs(a: Aggregate, pairs: list[tuple]) -> object:
    """The aggregate of a group's values and what stands beside them, in order."""
    if a.function in ("min_by", "max_by"):
        pairs = [p for p in pairs if p[1] is not None]
        return (min if a.function == "min_by" else max)(pairs, key=lambda p: order_key(p[1]))[0] if pairs else None
    if a.function in ORDERED:
        down = sorted((p for p in pairs if p[1] is not None), key=lambda p: order_key(p[1]), reverse=a.descending)
        return finish(replace(a, by=None), [v for v, _ in down] + [v for v, k in pairs if k is None])
    pairs = [(plain_float(x, a.argument.type), plain_float(y, a.by.type)) for x, y in pairs if x is not None and y is not None]
    n = len(pairs)
    if n == 0 or (a.function == "cov" and n <= a.ddof):
        return None
    if not all(math.isfinite(x) and math.isfinite(y) for x, y in pairs):
        return NAN
    xs, x_unit = common_unit([x for x, _ in pairs])
    ys, y_unit = common_unit([y for _, y in pairs])
    centred = lambda a, b: n * sum([x * y for x, y in zip(a, b)]) - sum(a) * sum(b)  # noqa: E731
    both = centred(xs, ys)
    if a.function == "cov":
        return rounded(Fraction(both, n * (n - a.ddof)) * x_unit * y_unit)
    if a.function.startswith("regr"):
        own = centred(ys, ys)
        if own == 0:
            return NAN
        slope = Fraction(both, own) * x_unit / y_unit
        return rounded(slope if a.function == "regr_slope" else (sum(xs) * x_unit - slope * sum(ys) * y_unit) / n)
    spread = centred(xs, xs) * centred(ys, ys)
    if spread == 0:
        return NAN
    root = rounded_root(Fraction(both * both, spread)) if both else 0.0
    return -root if both < 0 else root


def first_of_each(values: list) -> list:
    seen: dict = {}
    for v in values:
        seen.setdefault(NAN_KEY if v.__class__ is float and v != v else told_apart(v), normal(v) if v.__class__ is float else v)
    return list(seen.values())


def mode(there: list) -> object:
    counts: dict = {}
    for v in there:
        counts.setdefault(NAN_KEY if v.__class__ is float and v != v else told_apart(v), [0, v])[0] += 1
    most = max(c for c, _ in counts.values())
    v = next(v for c, v in counts.values() if c == most)
    return normal(v) if v.__class__ is float else v


def plain_float(v: object, t: pa.DataType) -> float:
    return normal(float(v) if kind(t) == "float" else divided(int(v), 10 ** (t.scale if kind(t) == "decimal" else 0)))


def quantile(function: str, values: list[float]) -> float:
    """Of sorted values."""
    if function.startswith("approx"):
        v = values[math.floor((QUANTILE if function == "approx_quantile" else 0.5) * (len(values) - 1) + 0.5)]
        (bits,) = struct.unpack("<Q", struct.pack("<d", v))
        kept = bits >> 44 << 44
        return v if v != v else struct.unpack("<d", struct.pack("<Q", kept))[0] + 0.0
    place = (0.5 if function == "median" else QUANTILE) * (len(values) - 1)
    low, high = values[math.floor(place)], values[math.ceil(place)]
    weight = place - math.floor(place)
    if weight == 0 or low == high:
        return low
    gap = high - low
    return normal(low + gap * weight if math.isfinite(gap) else low * (1 - weight) + high * weight)


def lower_quantile(there: list) -> object:
    return normal(sorted(there, key=order_key)[math.floor(QUANTILE * (len(there) - 1))])


def folded(f):
    return lambda there: functools.reduce(f, there)


NAN_KEY = ("nan",)
VALUES = {"all": all, "any": any, "mode": mode, "join": "|".join, "lower_quantile": lower_quantile, "bit_and": folded(lambda x, y: x & y),
          "bit_or": folded(lambda x, y: x | y), "bit_xor": folded(lambda x, y: x ^ y)}


def moments(a: Aggregate, whole: list[int], unit: Fraction) -> float | None:
    """Variance or deviation of integers times a unit, rounded once."""
    n = len(whole)
    if n <= a.ddof:
        return None
    total = sum(whole)
    spread = Fraction(n * sum([v * v for v in whole]) - total * total, n * (n - a.ddof)) * unit * unit
    return rounded(spread) if a.function == "var" else rounded_root(spread)


def shape(function: str, values: list[float]) -> float:
    """Skewness or kurtosis of the rows as they are, from sums of powers, rounded once."""
    if not all(map(math.isfinite, values)):
        return NAN
    w, _ = common_unit(values)
    n, (s1, s2, s3, s4) = len(w), (sum([v**p for v in w]) for p in (1, 2, 3, 4))
    second = n * s2 - s1 * s1  # n^2 times the central moment
    if second == 0:
        return NAN
    if function == "kurtosis":
        return rounded(Fraction(n**3 * s4 - 4 * n * n * s1 * s3 + 6 * n * s1 * s1 * s2 - 3 * s1**4, second * second) - 3)
    third = n * n * s3 - 3 * n * s1 * s2 + 2 * s1**3
    root = rounded_root(Fraction(third * third, second**3)) if third else 0.0
    return -root if third < 0 else root


def float_aggregate(a: Aggregate, values: list[float]) -> float | None:
    if a.function in ("var", "std") and len(values) <= a.ddof:
        return None
    if not all(map(math.isfinite, values)):
        if a.function in ("var", "std") or any(v != v for v in values) or (math.inf in values and -math.inf in values):
            return NAN
        return math.inf if math.inf in values else -math.inf
    whole, unit = common_unit(values)
    if a.function == "sum":
        return rounded(sum(whole) * unit)
    if a.function == "mean":
        return rounded(sum(whole) * unit / len(values))
    return moments(a, whole, unit)


def common_unit(values: list[float]) -> tuple[list[int], Fraction]:
    """The values as integers times one power of two."""
    ratios = [v.as_integer_ratio() for v in values]
    most = max(d for _, d in ratios)
    return [n * (most // d) for n, d in ratios], Fraction(1, most)


# The second opinion --------------------------------------------------------------------------------------------------


def order_is_fixed(p: P) -> bool:
    """Whether DuckDB must give these rows in this order, or their choice does not depend on one."""
    if p.op in ("source", "total"):
        return True
    return p.op in ("filter", "select", "with_columns", "drop", "slice") and order_is_fixed(p.inputs[0])


def _unsteady(p: P) -> bool:
    """Deviations lose digits there, and overflow."""
    aggregates = p.extra if p.op == "total" else p.extra[1] if p.op == "group" else []
    return any(a.function in ("var", "std", *PAIRS) for a in aggregates)


def _means_of_huge(p: P, tables: list[pa.Table]) -> bool:
    """A mean is found where it can be written as a number, also where DuckDB's sum is not finite any more."""
    aggregates = {"total": lambda: p.extra, "group": lambda: p.extra[1], "window": lambda: [w.aggregate for w in p.extra]}.get(p.op, list)()
    if not any(a.function == "mean" for a in aggregates):
        return False
    return any(v is not None and 1e300 < abs(v) < math.inf for t in tables for c in t.columns if pa.types.is_floating(c.type) for v in c.to_pylist())


def narrower(t: pa.Table) -> pa.Table:
    """Decimals of 256 bits, which DuckDB does not read, as those of 128."""
    return t.cast(pa.schema([f.with_type(canonical(f.type)) if pa.types.is_decimal256(f.type) else f for f in t.schema]))


def duckdb_rows(p: P, tables: list[pa.Table]) -> Counter | None:
    """The rows as a multiset; None if the plan has no SQL of one meaning."""
    import duckdb

    if any(n.op == "slice" and not order_is_fixed(n) or _unsteady(n) or _means_of_huge(n, tables) for n in p.nodes()):
        return None
    try:
        query = frame_sql(p)
    except NoSql:
        return None
    with duckdb.connect(config={"threads": 1, "preserve_insertion_order": True}) as connection:
        for i, t in enumerate(tables):
            connection.register(f"t{i}", narrower(t))
        try:
            result = connection.sql(query).to_arrow_table()
        except duckdb.Error:
            return None  # types that only one of the engines lets meet, overflow in a narrower type
    if [_loose_kind(f.type) for f in result.schema] != [_loose_kind(c.type) for c in p.columns] or any(f.type == pa.float32() != c.type for f, c in zip(result.schema, p.columns)):
        return None  # types that meet elsewhere
    return multiset(zip(*[comparable(c.type, v) for c, v in ((c, raw_values(c)) for c in result.columns)]))


def _loose_kind(t: pa.DataType) -> str:
    try:
        return "int" if kind(t) == "decimal" and t.scale == 0 else kind(t)
    except TypeError:  # DuckDB's intervals
        return "unknown"


def multiset(rows) -> Counter:
    return Counter(rows)


def comparable(t: pa.DataType, values: list) -> list:
    """Values of one column such that engines with other types and other sums compare equal."""
    k = _loose_kind(t)
    if k == "float":
        return [None if v is None else "NaN" if v != v else float(f"{v:.9g}") + 0.0 for v in values]
    if k == "decimal":
        return [None if v is None else float(f"{v / 10**t.scale:.9g}") for v in values]
    if k in ("list", "map"):
        return [None if v is None else tuple(v) for v in values]
    if k == "timestamp":
        return [None if v is None else Fraction(v, UNITS[t.unit]) for v in values]
    return values
