"""A smaller plan and less data that still show the problem: dropped operators, simpler parameters, fewer rows and columns."""

from __future__ import annotations

import time
from dataclasses import replace

import pyarrow as pa

from data import Column, Source, source_of
from expressions import X
from plans import ORDERED, P, join_columns, right_columns

SECONDS = 20.0


class Invalid(Exception):
    """The operator does not stand on these inputs."""


def smaller(plan: P, sources: list[Source], problem, check):
    """(plan, sources, problem); `check(plan, sources, problem)` gives the problem of a candidate, or None."""
    end = time.monotonic() + SECONDS
    changed = True
    while changed:
        changed = False
        for candidate in candidates(plan, sources):
            if time.monotonic() > end:
                return plan, sources, problem
            try:
                found = check(*candidate, problem)
            except Exception:  # noqa: BLE001 - a candidate that makes no sense
                continue
            if found is not None and found.verdict == problem.verdict:
                (plan, sources), problem, changed = candidate, found, True
                break
    return plan, sources, problem


def candidates(plan: P, sources: list[Source]):
    for p in without_operators(plan):
        try:
            yield fitted(p), sources
        except Invalid:
            pass
    for i, s in enumerate(sources):
        for t in fewer_rows(s.table):
            yield plan, [*sources[:i], source_of(t), *sources[i + 1 :]]
    for p in simpler_parameters(plan):
        try:
            yield fitted(p), sources
        except Invalid:
            pass


def fewer_rows(t: pa.Table):
    n = t.num_rows
    if t.column(0).num_chunks > 1:
        yield t.combine_chunks()
    size = n // 2
    while size >= 1:
        for begin in range(0, n, size):
            yield pa.concat_tables([t.slice(0, begin), t.slice(begin + size)])
            if begin // size > 6:
                break
        size //= 2 if n < 200 else 4


def replaced(p: P, path: list[int], by) -> P:
    if not path:
        return by(p)
    return replace(p, inputs=[replaced(q, path[1:], by) if i == path[0] else q for i, q in enumerate(p.inputs)])


def paths(p: P, here: tuple = ()):
    yield list(here), p
    for i, q in enumerate(p.inputs):
        yield from paths(q, (*here, i))


def without_operators(plan: P):
    for path, p in paths(plan):
        for q in p.inputs:
            yield replaced(plan, path, lambda _, q=q: q)
        if p.op == "source" and p.extra[1] != "memory":
            yield replaced(plan, path, lambda p: replace(p, extra=(p.extra[0], "memory")))


def shorter(items: list, least: int = 1):
    if len(items) > least:
        for i in range(len(items)):
            yield items[:i] + items[i + 1 :]


def simpler(x: X):
    """Arguments in place of their call, where the type stays."""
    for a in x.args:
        if a.type == x.type:
            yield a
    for i, a in enumerate(x.args):
        for b in simpler(a):
            yield replace(x, args=[*x.args[:i], b, *x.args[i + 1 :]])


def simpler_parameters(plan: P):
    for path, p in paths(plan):
        for extra in simpler_extra(p):
            yield replaced(plan, path, lambda p, extra=extra: replace(p, extra=extra))


def simpler_extra(p: P):
    match p.op:
        case "filter":
            yield from simpler(p.extra)
        case "select" | "with_columns":
            yield from shorter(p.extra)
            for i, (n, x) in enumerate(p.extra):
                for y in simpler(x):
                    yield [*p.extra[:i], (n, y), *p.extra[i + 1 :]]
        case "group":
            keys, aggregates = p.extra
            yield from ((k, aggregates) for k in shorter(keys))
            yield from ((keys, a) for a in simpler_aggregates(aggregates, 0))
        case "total":
            yield from simpler_aggregates(p.extra, 1)
        case "window":
            yield from shorter(p.extra, 1)
            for i, w in enumerate(p.extra):
                others = [replace(w, partition=x) for x in shorter(w.partition)] + [replace(w, order=x) for x in shorter(w.order)]
                yield from ([*p.extra[:i], o, *p.extra[i + 1 :]] for o in others)
        case "sort":
            yield from shorter(p.extra)
        case "join":
            how, pairs, *rest, where = p.extra
            yield from ((how, q, *rest, where) for q in shorter(pairs))
            if where is not None and pairs:
                yield (how, pairs, *rest, None)
            if where is not None:
                yield from ((how, pairs, *rest, w) for w in simpler(where))
        case "distinct":
            yield from shorter(p.extra or [])


def simpler_aggregates(aggregates: list, least: int):
    yield from shorter(aggregates, least)
    for i, a in enumerate(aggregates):
        if a.filter is not None:
            yield [*aggregates[:i], replace(a, filter=None), *aggregates[i + 1 :]]
        if a.distinct:
            yield [*aggregates[:i], replace(a, distinct=False), *aggregates[i + 1 :]]
        if a.by is not None and a.function in ORDERED:
            yield [*aggregates[:i], replace(a, by=None), *aggregates[i + 1 :]]
        for x in simpler(a.by) if a.by is not None else ():
            yield [*aggregates[:i], replace(a, by=x), *aggregates[i + 1 :]]
        for x in simpler(a.argument) if a.argument is not None else ():
            yield [*aggregates[:i], replace(a, argument=x), *aggregates[i + 1 :]]


# Columns after a change ----------------------------------------------------------------------------------------------


def fitted(p: P) -> P:
    """The plan with its columns computed again; Invalid if a name is missing or has another type."""
    inputs = [fitted(q) for q in p.inputs]
    p = replace(p, inputs=inputs)
    if p.op == "source":
        return p
    below = {c.name: c for c in inputs[0].columns}
    for x in expressions_of(p):
        check_columns(x, below)
    return replace(p, columns=columns_of(p, below))


def expressions_of(p: P) -> list[X]:
    match p.op:
        case "filter":
            return [p.extra]
        case "select" | "with_columns":
            return [x for _, x in p.extra]
        case "group":
            return [x for _, x in p.extra[0]] + [x for a in p.extra[1] for x in a.expressions()]
        case "total":
            return [x for a in p.extra for x in a.expressions()]
        case "window":
            return [x for w in p.extra for x in w.aggregate.expressions()]
        case "sort":
            return [x for x, _, _ in p.extra]
    return []


def check_columns(x: X, below: dict[str, Column]) -> None:
    if x.op == "col" and (x.extra not in below or below[x.extra].type != x.type):
        raise Invalid
    for a in x.args:
        check_columns(a, below)


def columns_of(p: P, below: dict[str, Column]) -> list[Column]:
    from plans import aggregate_type

    columns = list(below.values())
    made = lambda aggregates: [Column(a.name, aggregate_type(a.function, a.argument)) for a in aggregates]  # noqa: E731
    match p.op:
        case "select":
            return [Column(n, x.type) for n, x in p.extra]
        case "with_columns":
            new = {n: Column(n, x.type) for n, x in p.extra}
            return [new.pop(c.name, c) for c in columns] + list(new.values())
        case "drop":
            if not set(p.extra) <= set(below):
                raise Invalid
            return [c for c in columns if c.name not in p.extra]
        case "group":
            return [Column(n, x.type) for n, x in p.extra[0]] + made(p.extra[1])
        case "total":
            return made(p.extra)
        case "window":
            if not {n for w in p.extra for n in [*w.partition, *(o[0] for o in w.order)]} <= set(below):
                raise Invalid
            return columns + made([w.aggregate for w in p.extra])
        case "explode":
            if p.extra not in below or not hasattr(below[p.extra].type, "value_type"):
                raise Invalid
            return [replace(c, type=c.type.value_type) if c.name == p.extra else c for c in columns]
        case "distinct":
            if not set(p.extra or []) <= set(below):
                raise Invalid
        case "join" | "asof":
            return joined_columns(p, below)
        case "union":
            if any({c.name: c.type for c in q.columns} != {c.name: c.type for c in p.columns} for q in p.inputs):
                raise Invalid
    return columns


def joined_columns(p: P, left: dict[str, Column]) -> list[Column]:
    right = {c.name: c for c in p.inputs[1].columns}
    pairs = p.extra[1] if p.op == "join" else [*p.extra[3], p.extra[:2]]
    if any(a not in left or b not in right or left[a].type != right[b].type for a, b in pairs):
        raise Invalid
    if p.op == "join":
        how, _, by_name, _, suffix, where = p.extra
        if where is not None:
            pair = right_columns(list(left.values()), list(right.values()), {b for _, b in pairs} if by_name else set(), suffix)
            check_columns(where, {c.name: c for c in pair or []})
        columns = join_columns(how, pairs, by_name, suffix, list(left.values()), list(right.values()))
    else:
        hidden = ({p.extra[1]} if p.extra[2] else set()) | ({b for _, b in p.extra[3]} if p.extra[4] else set())
        columns = right_columns(list(left.values()), list(right.values()), hidden, p.extra[8])
    if columns is None:
        raise Invalid
    return columns
