"""Plans: a small tree of frame operations, the engine's frame and SQL for it, and a random generator.

Every node knows its columns, so what is built on top of it is valid.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

import gristmill as gm
from data import Column, Source
from expressions import BOOL, FLOAT64, INT64, Generator, NoSql, X, build, common, quoted, sql
from values import NESTED, kind, limits
from windows import PLACES, RANKS, Window, build_window


QUANTILE = 0.3
ORDERED = ("implode", "join", "first", "last")  # which order_by() changes
PAIRS = ("cov", "corr", "regr_slope", "regr_intercept")  # of two numbers


@dataclass
class Aggregate:
    name: str
    function: str
    argument: X | None
    ddof: int = 1
    filter: X | None = None
    by: X | None = None  # the second value, or what the rows are ordered by
    distinct: bool = False
    descending: bool = False

    def __str__(self) -> str:
        where = f" filter {self.filter}" if self.filter else ""
        by = f", by {self.by}{' desc' if self.descending else ''}" if self.by is not None else ""
        return f"{self.name}: {self.function}({'distinct ' if self.distinct else ''}{self.argument or ''}{by}{', ddof=0' if self.ddof == 0 else ''}){where}"

    def expressions(self) -> list[X]:
        return [x for x in (self.argument, self.by, self.filter) if x is not None]


@dataclass
class P:
    """One operation. `extra` by `op`:

    source: (number, "memory" | "parquet" | "ipc" | "csv")   filter: X   select, with_columns: [(name, X)]   drop: [name]
    group: ([(name, X)], [Aggregate])   total: [Aggregate]
    window: [Window]
    join: (how, [(left column, right column)], by name on both sides, nulls_equal, suffix, condition or None)
    asof: (left column, right column, by name, [(left column, right column)], those by name, strategy, tolerance or None, allow_exact, suffix)
    sort: [(X, descending, nulls_first)]   slice: (offset, length or None)   distinct: [name] or None   union: None   explode: name
    """

    op: str
    inputs: list["P"]
    columns: list[Column]
    extra: Any = None

    def names(self) -> list[str]:
        return [c.name for c in self.columns]

    def nodes(self) -> list["P"]:
        return [n for i in self.inputs for n in i.nodes()] + [self]

    def text(self, indent: int = 0) -> str:
        return "\n".join([" " * indent + f"{self.op} {_shown(self.extra)}".rstrip(), *(i.text(indent + 2) for i in self.inputs)])


def _shown(v: Any) -> str:
    if isinstance(v, (list, tuple)):
        return "[" + ", ".join(map(_shown, v)) + "]"
    return "" if v is None else str(v)


# The engine's form ---------------------------------------------------------------------------------------------------


def build_aggregate(a: Aggregate) -> gm.Expr:
    if a.function == "count" and a.argument is None:
        e = gm.count()
    elif a.function in ("var", "std"):
        e = getattr(build(a.argument), a.function)(ddof=a.ddof)
    elif a.function in PAIRS:
        e = getattr(gm, a.function)(build(a.argument), build(a.by), *([a.ddof] if a.function == "cov" else []))
    elif a.function in ("min_by", "max_by"):
        e = getattr(build(a.argument), a.function)(build(a.by))
    elif a.function in ("quantile", "approx_quantile"):
        e = getattr(build(a.argument), a.function)(QUANTILE)
    elif a.function == "lower_quantile":
        e = build(a.argument).quantile(QUANTILE, "lower")
    elif a.function == "join":
        e = build(a.argument).str.join("|")
    else:
        e = getattr(build(a.argument), a.function)()
    if a.distinct:
        e = e.distinct()
    if a.by is not None and a.function in ORDERED:
        e = e.order_by(build(a.by), descending=a.descending)
    if a.filter is not None:
        e = e.filter(build(a.filter))
    return e.alias(a.name)


def build_frame(p: P, sources: dict[tuple[int, str], gm.Frame]) -> gm.Frame:
    inputs = [build_frame(i, sources) for i in p.inputs]
    named = lambda pairs: [build(x).alias(n) for n, x in pairs]  # noqa: E731
    match p.op:
        case "source":
            return sources[p.extra]
        case "filter":
            return inputs[0].filter(build(p.extra))
        case "select":
            return inputs[0].select(*named(p.extra))
        case "with_columns":
            return inputs[0].with_columns(*named(p.extra))
        case "drop":
            return inputs[0].drop(*p.extra)
        case "group":
            return inputs[0].group_by(*named(p.extra[0])).agg(*map(build_aggregate, p.extra[1]))
        case "total":
            return inputs[0].select(*map(build_aggregate, p.extra))
        case "window":
            arguments = [w.aggregate.argument if w.aggregate.function in PLACES else None for w in p.extra]
            made = [build_aggregate(w.aggregate) if w.aggregate.function not in PLACES else None if x is None else build(x) for w, x in zip(p.extra, arguments)]
            return inputs[0].with_columns(*(build_window(w, e) for w, e in zip(p.extra, made)))
        case "join":
            how, pairs, by_name, nulls_equal, suffix, where = p.extra
            if how == "cross":
                return inputs[0].cross_join(inputs[1], suffix=suffix)
            keys = {"where": None if where is None else build(where)}
            keys |= {"on": [a for a, _ in pairs]} if by_name else {"left_on": [a for a, _ in pairs], "right_on": [b for _, b in pairs]}
            return inputs[0].join(inputs[1], how=how, suffix=suffix, nulls_equal=nulls_equal, **keys)
        case "asof":
            a, b, one, pairs, by_name, strategy, tolerance, allow_exact, suffix = p.extra
            keys = {"on": a} if one else {"left_on": a, "right_on": b}
            keys |= {"by": [x for x, _ in pairs]} if by_name else {"left_by": [x for x, _ in pairs], "right_by": [y for _, y in pairs]}
            return inputs[0].join_asof(inputs[1], strategy=strategy, tolerance=tolerance, allow_exact=allow_exact, suffix=suffix, **keys)
        case "sort":
            return inputs[0].sort([build(x) for x, _, _ in p.extra], descending=[d for _, d, _ in p.extra], nulls_first=[f for _, _, f in p.extra])
        case "slice":
            return inputs[0].slice(*p.extra) if p.extra[0] or p.extra[1] is None else inputs[0].head(p.extra[1])
        case "distinct":
            return inputs[0].distinct(p.extra)
        case "union":
            return inputs[0].union(*inputs[1:])
        case "explode":
            return inputs[0].explode(p.extra)
    raise ValueError(p.op)


# SQL's form ----------------------------------------------------------------------------------------------------------

_AGGREGATES = {"count": "count", "sum": "sum", "mean": "avg", "min": "min", "max": "max", "all": "bool_and", "any": "bool_or", "bit_and": "bit_and",
               "bit_or": "bit_or", "bit_xor": "bit_xor", "n_unique": "count"}


def aggregate_sql(a: Aggregate) -> str:
    if a.function in ("var", "std") and a.argument is not None:
        name = {"var": "var_", "std": "stddev_"}[a.function] + ("samp" if a.ddof else "pop")
    else:
        name = _AGGREGATES.get(a.function)
    if name is None:
        raise NoSql
    where = f" filter (where {sql(a.filter)})" if a.filter is not None else ""
    distinct = "distinct " if a.distinct or a.function == "n_unique" else ""
    return f"{name}({distinct}{'*' if a.argument is None else sql(a.argument)}){where} as {quoted(a.name)}"


def frame_sql(p: P) -> str:
    """A query over the tables t0, t1, ..., as nested selects."""
    if p.op == "source":
        return f"select {_all(p)} from t{p.extra[0]}"
    inputs = [frame_sql(i) for i in p.inputs]
    source = f"({inputs[0]}) as q"
    match p.op:
        case "filter":
            return f"select {_all(p)} from {source} where {sql(p.extra)}"
        case "select":
            return "select " + ", ".join(f"{sql(x)} as {quoted(n)}" for n, x in p.extra) + f" from {source}"
        case "with_columns":
            new = dict(p.extra)
            return "select " + ", ".join(f"{sql(new[n])} as {quoted(n)}" if n in new else quoted(n) for n in p.names()) + f" from {source}"
        case "drop":
            return f"select {_all(p)} from {source}"
        case "group":
            keys, aggregates = p.extra
            listed = [f"{sql(x)} as {quoted(n)}" for n, x in keys] + [aggregate_sql(a) for a in aggregates]
            return f"select {', '.join(listed)} from {source} group by " + ", ".join(sql(x) for _, x in keys)
        case "total":
            return "select " + ", ".join(map(aggregate_sql, p.extra)) + f" from {source}"
        case "join":
            how, pairs, by_name, nulls_equal, suffix, where = p.extra
            if how in ("semi", "anti") or nulls_equal:
                raise NoSql
            left, right = p.inputs
            new = {n: n + suffix if n in left.names() else n for n in right.names()}  # unique names, so that a condition is clear
            if len({*left.names(), *new.values()}) < len(left.names()) + len(new):
                raise NoSql
            of_key = {a: new[b] for a, b in pairs} if by_name else {}
            shown = {"right": lambda a: f"r.{quoted(of_key[a])}", "full": lambda a: f"coalesce(q.{quoted(a)}, r.{quoted(of_key[a])})"}
            listed = [f"{shown[how](n) if n in of_key and how in shown else 'q.' + quoted(n)} as {quoted(n)}" for n in left.names()]
            listed += [f"r.{quoted(new[n])} as {quoted(new[n])}" for n in right.names() if new[n] not in of_key.values()]
            on = " and ".join([f"q.{quoted(a)} = r.{quoted(new[b])}" for a, b in pairs] + ([] if where is None else [f"({sql(where)})"]))
            renamed = ", ".join(f"{quoted(n)} as {quoted(m)}" for n, m in new.items())
            joined = f"{how} join (select {renamed} from ({inputs[1]}) as i) as r" + (f" on {on}" if on else "")
            return f"select {', '.join(listed)} from {source} {joined}"
        case "sort":
            by = ", ".join(f"{sql(x)} {'desc' if d else 'asc'} nulls {'first' if f else 'last'}" for x, d, f in p.extra)
            return f"select {_all(p)} from {source} order by {by}"
        case "slice":
            limit = "" if p.extra[1] is None else f" limit {p.extra[1]}"
            return f"select {_all(p)} from {source}{limit} offset {p.extra[0]}"
        case "distinct":
            if p.extra is None:
                return f"select distinct {_all(p)} from {source}"
        case "union":
            parts = [f"select {_all(p)} from ({text}) as u{i}" for i, text in enumerate(inputs)]
            return " union all ".join(parts)
    raise NoSql


def _all(p: P) -> str:
    return ", ".join(map(quoted, p.names()))


# Types of aggregates -------------------------------------------------------------------------------------------------


def sum_type(t: pa.DataType) -> pa.DataType:
    if kind(t) == "decimal":
        return pa.decimal128(38, t.scale)
    return FLOAT64 if kind(t) == "float" else INT64


def aggregate_type(function: str, argument: X | None) -> pa.DataType:
    if function in ("count", "n_unique", *RANKS, "ntile") and function not in ("percent_rank", "cume_dist"):
        return INT64
    if function in ("mean", "var", "std", "median", "quantile", "approx_quantile", "approx_median", "skew", "kurtosis", "percent_rank", "cume_dist", *PAIRS):
        return FLOAT64
    if function == "implode":
        return pa.list_(argument.type)
    return sum_type(argument.type) if function == "sum" else argument.type


# Columns of joins ----------------------------------------------------------------------------------------------------


def right_columns(left: list[Column], right: list[Column], hidden: set[str], suffix: str) -> list[Column] | None:
    names = {c.name for c in left}
    columns = left + [replace(c, name=c.name + suffix if c.name in names else c.name) for c in right if c.name not in hidden]
    return columns if len({c.name for c in columns}) == len(columns) else None


def join_columns(how: str, pairs: list[tuple[str, str]], by_name: bool, suffix: str, left: list[Column], right: list[Column]) -> list[Column] | None:
    """What a join gives; None if two columns would have one name."""
    if how in ("semi", "anti"):
        return list(left)
    other = {c.name: c for c in right}
    of_key = dict(pairs) if by_name else {}
    out = []
    for c in left:
        k = other[of_key[c.name]] if c.name in of_key and how in ("right", "full") else None
        if k is not None and how == "right":
            c = replace(k, name=c.name)
        elif k is not None:
            c = Column(c.name, common(c.type, k.type), None if c.bound is None or k.bound is None else max(c.bound, k.bound))
        out.append(c)
    return right_columns(out, right, set(of_key.values()), suffix)


# Random plans --------------------------------------------------------------------------------------------------------


@dataclass
class PlanGenerator:
    rng: Any
    sources: list[Source]
    failures: float
    serial: int = field(default=0, init=False)

    def fresh(self) -> str:
        self.serial += 1
        return f"n{self.serial}"

    def expressions(self, p: P) -> Generator:
        return Generator(self.rng, p.columns, self.failures)

    def plan(self, depth: int) -> P:
        p = self.source()
        for _ in range(depth):
            p = self.step(p, depth)
        return p

    def source(self) -> P:
        rng = self.rng
        i = rng.randrange(len(self.sources))
        columns = self.sources[i].columns
        via = rng.choice(["memory", "memory", "memory", "parquet", "ipc"])
        return P("source", [], list(columns), (i, via))

    def step(self, p: P, depth: int) -> P:
        makers = [self.filter, self.filter, self.filter, self.select, self.with_columns, self.with_columns, self.group, self.group, self.total, self.window, self.window, self.join,
                  self.join, self.join, self.asof, self.sort, self.sort, self.slice, self.distinct, self.union, self.explode, self.drop]
        return self.rng.choice(makers)(p, depth) or self.filter(p, depth)

    def filter(self, p: P, depth: int) -> P:
        return P("filter", [p], p.columns, self.expressions(p).predicate(self.rng.randint(0, 3)))

    def _new(self, x: X, name: str | None = None) -> tuple[tuple[str, X], Column]:
        name = name or self.fresh()
        return (name, x), Column(name, x.type, x.bound)

    def select(self, p: P, depth: int) -> P:
        rng, made = self.rng, []
        kept = rng.sample(p.columns, rng.randint(0, len(p.columns)))
        for c in kept:
            made.append(((c.name, X("col", [], c.type, c.name, c.bound)), c))
        g = self.expressions(p)
        for _ in range(rng.randint(0 if made else 1, 3)):
            made.append(self._new(g.value(rng.randint(0, 3))))
        rng.shuffle(made)
        return P("select", [p], [c for _, c in made], [e for e, _ in made])

    def with_columns(self, p: P, depth: int) -> P:
        rng, g = self.rng, self.expressions(p)
        made = [self._new(g.value(rng.randint(1, 3))) for _ in range(rng.randint(1, 2))]
        if rng.random() < 0.3:
            made.append(self._new(g.value(2), rng.choice(p.columns).name))
        new = {c.name: c for _, c in made}
        columns = [new.pop(c.name, c) for c in p.columns] + [c for _, c in made if c.name in new]
        return P("with_columns", [p], columns, [e for e, _ in made])

    def drop(self, p: P, depth: int) -> P | None:
        if len(p.columns) < 2:
            return None
        gone = self.rng.sample(p.names(), self.rng.randint(1, len(p.columns) - 1))
        return P("drop", [p], [c for c in p.columns if c.name not in gone], gone)

    def _keys(self, p: P) -> list[Column]:
        return [c for c in p.columns if kind(c.type) not in NESTED]

    def group(self, p: P, depth: int) -> P | None:
        rng, candidates = self.rng, self._keys(p)
        if not candidates:
            return None
        keys = []
        weights = [3 if c.name.startswith("k") else 1 for c in candidates]
        for c in {c.name: c for c in rng.choices(candidates, weights, k=rng.choice([1, 1, 1, 2, 2, 3]))}.values():
            x = X("col", [], c.type, c.name, c.bound)
            if rng.random() < 0.15:
                x = self.expressions(p).value(2, comparable=True) or x
                keys.append(self._new(x))
            else:
                keys.append(((c.name, x), c))
        aggregates, columns = self.aggregates(p, {c.name for _, c in keys})
        return P("group", [p], [c for _, c in keys] + columns, ([e for e, _ in keys], aggregates))

    def total(self, p: P, depth: int) -> P:
        aggregates, columns = self.aggregates(p, set())
        return P("total", [p], columns, aggregates)

    def aggregates(self, p: P, taken: set[str], plain: bool = False) -> tuple[list[Aggregate], list[Column]]:
        """`plain`: those that also work over windows."""
        rng, g = self.rng, self.expressions(p)
        out, columns = [], []
        rows = max((len(s.rows) for s in self.sources), default=1) * 100
        for _ in range(rng.choice([1, 1, 2, 3, 4])):
            f = rng.choice(["count", "count", "sum", "sum", "mean", "min", "max", "first", "last", "var", "std"] if plain or rng.random() < 0.5 else
                           ["n_unique", "n_unique", "mode", "implode", "join", "median", "quantile", "lower_quantile", "approx_quantile", "cov", "corr",
                            "min_by", "max_by", "all", "any", "bit_and", "bit_or", "bit_xor", "skew", "kurtosis", "product", "approx_median", "regr_slope", "regr_intercept"])
            x = self.argument(g, f, rows)
            if x is None and f != "count":
                f = "count"
            a = Aggregate(self.fresh(), f, x, rng.choice([0, 1, 1]) if f in ("var", "std", "cov") else 1)
            if rng.random() < 0.15:
                a.filter = g.predicate(1)
            if f in PAIRS:
                a.by = self.argument(g, f, rows)
            elif f in ("min_by", "max_by") or (not plain and f in ORDERED and rng.random() < 0.3):
                a.by = g.value(rng.choice([0, 0, 1]), comparable=True)
                a.descending = f in ORDERED and a.by is not None and rng.random() < 0.5
            if not plain and a.by is None and x is not None and f in ("sum", "mean", "count", "var", "implode", "join", "median"):
                a.distinct = rng.random() < 0.15
            if a.by is None and f in (*PAIRS, "min_by", "max_by"):
                a.function = f = "mode" if f.endswith("by") else "var"
            out.append(a)
            picked = f in ("min", "max", "first", "last", "mode", "min_by", "max_by", "lower_quantile") and x is not None
            bound = x.bound if picked else rows if f in ("count", "n_unique") else None
            columns.append(Column(a.name, aggregate_type(f, x), bound))
        return out, columns

    def window(self, p: P, depth: int) -> P | None:
        rng, keys = self.rng, self._keys(p)
        windows, columns = [], []
        rows = max((len(s.rows) for s in self.sources), default=1) * 100
        for _ in range(rng.choice([1, 1, 2, 3])):
            partition = [c.name for c in rng.sample(keys, min(len(keys), rng.choice([0, 1, 1, 2])))]
            order = [(c.name, rng.random() < 0.4, rng.random() < 0.3) for c in rng.sample(keys, min(len(keys), rng.choice([0, 1, 1, 2])))]
            if windows and rng.random() < 0.5:
                partition, order = windows[0].partition, windows[0].order
            if rng.random() < 0.4:
                f = rng.choice(PLACES)
                x = self.expressions(p).value(rng.choice([0, 1])) if f in ("lag", "lead") else None
                a = Aggregate(self.fresh(), f, x)
                windows.append(Window(a, partition, order, distance=rng.choice([0, 1, 2, 5]) if f != "ntile" else rng.choice([1, 2, 3, 10])))
                bound = rows if x is None else x.bound
                columns.append(Column(a.name, aggregate_type(f, x), bound))
                continue
            (a, *_), (c, *_) = self.aggregates(p, set(), plain=True)
            w = Window(a, partition, order)
            if rng.random() < 0.7 or not order:  # the whole partition, or some rows around
                start, end = sorted([rng.randrange(-6, 7), rng.randrange(-6, 7)])
                w.frame = (start, end) if rng.random() < 0.8 or rows > 40_000 else (None, None)
                w.exclude = rng.choice([None, None, "current_row", "group", "ties"])
            windows.append(w)
            columns.append(c)
        return P("window", [p], [*p.columns, *columns], windows)

    def argument(self, g: Generator, f: str, rows: int) -> X | None:
        rng = self.rng
        if f == "count" and rng.random() < 0.4:
            return None
        if f in ("count", "first", "last", "n_unique", "mode", "min_by", "max_by"):
            return g.value(rng.choice([0, 0, 1, 2]))
        if f in ("min", "max", "implode", "lower_quantile"):
            return g.value(rng.choice([0, 0, 1, 2]), comparable=True)
        if f in ("join", "all", "any", "bit_and", "bit_or", "bit_xor"):
            k = {"join": "string", "all": "bool", "any": "bool"}.get(f, "int")
            return g.column(k) if k in g.by_kind else None
        kinds = [k for k in ("int", "float", "float", "decimal", "bool") if k in g.by_kind and (f != "product" or k == "float")]
        if not kinds:
            return None
        k = rng.choice(kinds)
        x = g.column(k) if k == "bool" else g.number(rng.choice([0, 0, 1, 2]), k)
        if f == "product" and x.type != FLOAT64:
            return X("cast", [x], FLOAT64)
        if f == "sum" and kind(x.type) in ("int", "decimal") and rng.random() > self.failures:
            top = limits(INT64)[1] if kind(x.type) == "int" else 10**38 - 1
            if x.bound is None or x.bound * rows > top:
                return X("cast", [x], FLOAT64)
        return x

    def join(self, p: P, depth: int) -> P | None:
        rng = self.rng
        right = p if rng.random() < 0.07 else self.plan(rng.choice([0, 0, 0, 1, 2]) if depth > 1 else 0)
        pairs = [(a, b) for a in self._keys(p) for b in self._keys(right) if self._joins(a, b)]
        if rng.random() < 0.1:
            return self.cross(p, right)
        if not pairs:
            return None
        best = [(a, b) for a, b in pairs if a.name == b.name == "k"]
        chosen = [rng.choice(best if best and rng.random() < 0.7 else pairs)]
        if rng.random() < 0.25:
            chosen += [q for q in [rng.choice(pairs)] if q[0].name != chosen[0][0].name and q[1].name != chosen[0][1].name]
        by_name = all(a.name == b.name for a, b in chosen) and rng.random() < 0.8
        how = rng.choice(["inner", "inner", "left", "semi", "anti", "right", "right", "full", "full"])
        suffix = "_right" if rng.random() < 0.7 else "_" + self.fresh()
        named = [(a.name, b.name) for a, b in chosen]
        where = None
        if rng.random() < 0.25:
            if rng.random() < 0.3 and self.few_pairs(p, right) and how != "inner":  # no keys at all
                named, by_name = [], False
            pair = join_columns("inner", named, by_name, suffix, p.columns, right.columns)
            where = Generator(rng, pair, self.failures).predicate(rng.randint(0, 2)) if pair else None
        columns = join_columns(how, named, by_name, suffix, p.columns, right.columns)
        if columns is None or not named and where is None:
            return None
        nulls_equal = bool(named) and rng.random() < 0.2
        return P("join", [p, right], columns, (how, named, by_name, nulls_equal, suffix, where))

    def few_pairs(self, left: P, right: P) -> bool:
        sizes = [sum(len(self.sources[n.extra[0]].rows) for n in q.nodes() if n.op == "source") for q in (left, right)]
        return sizes[0] * sizes[1] <= 50_000

    def cross(self, p: P, right: P) -> P | None:
        suffix = "_" + self.fresh()
        columns = join_columns("cross", [], False, suffix, p.columns, right.columns)
        return P("join", [p, right], columns, ("cross", [], False, False, suffix, None)) if columns and self.few_pairs(p, right) else None

    def asof(self, p: P, depth: int) -> P | None:
        rng = self.rng
        right = p if rng.random() < 0.07 else self.plan(rng.choice([0, 0, 0, 1, 2]) if depth > 1 else 0)
        near = [(a, b) for a in p.columns for b in right.columns if a.type == b.type and kind(a.type) in ("int", "float", "date", "timestamp")]
        if not near:
            return None
        best = [(a, b) for a, b in near if a.name == b.name]
        a, b = rng.choice(best if best and rng.random() < 0.6 else near)
        pairs = [(x, y) for x in self._keys(p) for y in self._keys(right) if self._joins(x, y) and x.name != a.name and y.name != b.name]
        chosen = [rng.choice(pairs)] if pairs and rng.random() < 0.7 else []
        one, by_name = a.name == b.name and rng.random() < 0.8, all(x.name == y.name for x, y in chosen) and rng.random() < 0.8
        tolerance = None if rng.random() < 0.5 else rng.choice([0, 1, 10, 1000, 10**12])
        if tolerance is not None and kind(a.type) == "float":
            tolerance = rng.choice([0.0, 0.5, 10.0, 1e30])
        suffix = "_" + self.fresh()
        named = [(x.name, y.name) for x, y in chosen]
        hidden = ({b.name} if one else set()) | ({y for _, y in named} if by_name else set())
        columns = right_columns(p.columns, right.columns, hidden, suffix)
        if columns is None:
            return None
        strategy = rng.choice(["backward", "forward", "nearest"])
        return P("asof", [p, right], columns, (a.name, b.name, one, named, by_name, strategy, tolerance, rng.random() < 0.7, suffix))

    def _joins(self, a: Column, b: Column) -> bool:
        """Keys whose casts to the common type cannot fail."""
        t = common(a.type, b.type)
        if t is None or {kind(a.type), kind(b.type)} == {"date", "timestamp"}:
            return False
        if kind(t) in ("timestamp", "decimal"):
            return a.type == b.type
        return kind(t) != "float" or kind(a.type) == kind(b.type)

    def sort(self, p: P, depth: int) -> P | None:
        rng, candidates = self.rng, self._keys(p)
        if not candidates:
            return None
        keys = []
        for c in rng.sample(candidates, min(len(candidates), rng.choice([1, 1, 2, 3]))):
            x = X("col", [], c.type, c.name, c.bound)
            if rng.random() < 0.15:
                x = self.expressions(p).value(2, comparable=True) or x
            keys.append((x, rng.random() < 0.4, rng.random() < 0.3))
        out = P("sort", [p], p.columns, keys)
        return self.slice(out, depth) if rng.random() < 0.3 else out

    def slice(self, p: P, depth: int) -> P:
        rng = self.rng
        offset = 0 if rng.random() < 0.6 else rng.choice([1, 5, 5, 100, 10_000])
        length = rng.choice([0, 1, 5, 20, 20, 100, 100, 1000, 1000, 50_000]) if offset == 0 or rng.random() < 0.8 else None
        return P("slice", [p], p.columns, (offset, length))

    def distinct(self, p: P, depth: int) -> P | None:
        names = [c.name for c in self._keys(p)]
        if not names:
            return None
        if len(names) == len(p.columns) and self.rng.random() < 0.5:
            return P("distinct", [p], p.columns, None)
        return P("distinct", [p], p.columns, self.rng.sample(names, self.rng.randint(1, min(3, len(names)))))

    def union(self, p: P, depth: int) -> P | None:
        """Columns of both sides by the types that meet, in another order on the right."""
        rng = self.rng
        right = p if rng.random() < 0.2 else self.plan(rng.choice([0, 0, 1]))
        used, pairs = set(), []
        for a in p.columns:
            for b in right.columns:
                if b.name not in used and self._unites(a, b):
                    used.add(b.name)
                    pairs.append((a, b))
                    break
        if not pairs:
            return None
        side = lambda q, cs: P("select", [q], [replace(c, name=a.name) for a, c in cs],  # noqa: E731
                               [(a.name, X("col", [], c.type, c.name, c.bound)) for a, c in cs])
        left = p if len(pairs) == len(p.columns) else side(p, [(a, a) for a, _ in pairs])
        columns = [Column(a.name, common(a.type, b.type), None if a.bound is None or b.bound is None else max(a.bound, b.bound)) for a, b in pairs]
        return P("union", [left, side(right, rng.sample(pairs, len(pairs)))], columns)

    def _unites(self, a: Column, b: Column) -> bool:
        t = common(a.type, b.type)
        return t is not None and (a.type == b.type or kind(t) in ("int", "float"))

    def explode(self, p: P, depth: int) -> P | None:
        lists = [c for c in p.columns if kind(c.type) == "list"]
        if not lists:
            return None
        c = self.rng.choice(lists)
        return P("explode", [p], [replace(d, type=d.type.value_type, bound=None) if d.name == c.name else d for d in p.columns], c.name)


def random_plan(rng, sources: list[Source]) -> P:
    failures = 0.6 if rng.random() < 0.15 else 0.002
    return PlanGenerator(rng, sources, failures).plan(rng.choice([1, 2, 2, 3, 3, 4, 5]))


__all__ = ["Aggregate", "BOOL", "NoSql", "P", "build_frame", "frame_sql", "random_plan"]
