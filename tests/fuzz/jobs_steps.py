"""Random transforms of jobs, and what they do to a row by the rules of SQL, computed here in plain Python."""

from __future__ import annotations

import datetime
import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]
INT64 = 2**63


class Bad(Exception):
    """The row cannot be handled: rejected, skipped or the end of the run, as the policy says."""


@dataclass
class Step:
    yaml: str
    apply: Callable[[Row], Row | None]  # None: filtered; Bad: the policy decides


@dataclass
class Plan:
    """Steps row by row, then at most one over all rows."""

    steps: list[Step] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)  # columns behind all steps
    over_all: tuple[str, Callable[[list[Row]], list[Row]]] | None = None
    chooses: bool = True  # the last one drops rows (they count as filtered); else it merges them


def _checked(value: int) -> int:
    if not -INT64 <= value < INT64:
        raise Bad("overflow")
    return value


def _divide(a: int, b: int) -> int:
    if b == 0:
        raise Bad("division by zero")
    return _checked(abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1))


def _modulo(a: int, b: int) -> int:
    return a - b * _divide(a, b)


def _of(function: Callable[..., Any]) -> Callable[..., Any]:
    """NULL in, NULL out."""
    return lambda *values: None if any(v is None for v in values) else function(*values)


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d+", text):
        raise Bad("no integer")
    return _checked(int(text))


def _epoch(text: str) -> int:
    try:
        moment = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        raise Bad("no moment") from None
    return int(moment.replace(tzinfo=datetime.timezone.utc).timestamp())


def _or_null(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def guarded(value: Any) -> Any:
        try:
            return function(value)
        except Bad:
            return None

    return guarded


@dataclass(frozen=True)
class Expression:
    sql: str
    column: str
    function: Callable[[Any], Any]
    kind: str


def _expressions(rng: random.Random, kinds: dict[str, str]) -> list[Expression]:
    """Everything that can be computed of one column."""
    out: list[Expression] = []
    for name, kind in kinds.items():
        k = rng.randrange(1, 9)
        if kind == "int":
            out += [Expression(f"{name} + {k}", name, _of(lambda v, k=k: _checked(v + k)), "int"),
                    Expression(f"{name} * {k} - 1", name, _of(lambda v, k=k: _checked(_checked(v * k) - 1)), "int"),
                    Expression(f"{name} % {k}", name, _of(lambda v, k=k: _modulo(v, k)), "int"),
                    Expression(f"100 / {name}", name, _of(lambda v: _divide(100, v)), "int"),
                    Expression(f"{name} * 9223372036854775807", name, _of(lambda v: _checked(v * (INT64 - 1))), "int"),
                    Expression(f"coalesce({name}, {k})", name, lambda v, k=k: k if v is None else v, "int"),
                    Expression(f"case when {name} > {k} then 'big' else 'small' end", name, lambda v, k=k: "big" if v is not None and v > k else "small", "text")]
        if kind == "float":
            out += [Expression(f"{name} * 2.5 + 1", name, _of(lambda v: v * 2.5 + 1), "float"), Expression(f"sqrt(abs({name}))", name, _of(lambda v: math.sqrt(abs(v))), "float"),
                    Expression(f"coalesce({name}, 0.5)", name, lambda v: 0.5 if v is None else v, "float")]
        if kind in ("text", "digits", "rfc3339"):
            out += [Expression(f"length({name})", name, _of(len), "int"), Expression(f"{name} || '_x'", name, _of(lambda v: v + "_x"), "text"),
                    Expression(f"coalesce({name}, 'none')", name, lambda v: "none" if v is None else v, "text"),
                    Expression(f"substr({name}, 1, {k})", name, _of(lambda v, k=k: v[:k]), "text")]
    return out


def _conditions(rng: random.Random, kinds: dict[str, str]) -> list[Expression]:
    out: list[Expression] = []
    for name, kind in kinds.items():
        k = rng.randrange(-9, 10)
        if kind == "int":
            out += [Expression(f"{name} > {k}", name, _of(lambda v, k=k: v > k), "bool"), Expression(f"{name} % 3 <> 0", name, _of(lambda v: _modulo(v, 3) != 0), "bool"),
                    Expression(f"10 / {name} >= 0", name, _of(lambda v: _divide(10, v) >= 0), "bool")]
        if kind == "float":
            out += [Expression(f"{name} > {k * 50}.5", name, _of(lambda v, k=k: v > float(f"{k * 50}.5")), "bool")]
        if kind == "bool":
            out += [Expression(name, name, lambda v: v, "bool"), Expression(f"not {name}", name, _of(lambda v: not v), "bool")]
        if kind == "text":
            out += [Expression(f"{name} in ('a', 'ann', 'small')", name, _of(lambda v: v in ("a", "ann", "small")), "bool"),
                    Expression(f"{name} like '%o%'", name, _of(lambda v: "o" in v), "bool")]
        out += [Expression(f"{name} is not null", name, lambda v: v is not None, "bool")]
    return out


def condition(rng: random.Random, kinds: dict[str, str]) -> Expression:
    return rng.choice(_conditions(rng, kinds))


def _quoted(sql: str) -> str:
    return '"' + sql + '"'


def _rename(rng: random.Random, plan: Plan) -> None:
    old = rng.choice(list(plan.kinds))
    new = f"{old}_{len(plan.steps)}"
    plan.kinds = {new if name == old else name: kind for name, kind in plan.kinds.items()}
    plan.steps.append(Step(f"rename: {{{old}: {new}}}", lambda row: {new if k == old else k: v for k, v in row.items()}))


def _casts(kind: str) -> list[tuple[str, Callable[[Any], Any], str]]:
    return {
        "digits": [("int64", _of(_integer), "int"), ("try int64", _or_null(_of(_integer)), "int")],
        "rfc3339": [("unix_seconds from rfc3339", _of(_epoch), "int")],
        "int": [("string", _of(str), "digits"), ("float64", _of(float), "float")],
        "bool": [("string", _of(lambda v: "true" if v else "false"), "text")],
    }.get(kind, [])


def _cast(rng: random.Random, plan: Plan) -> None:
    able = [name for name, kind in plan.kinds.items() if _casts(kind)]
    if not able:
        return
    name = rng.choice(able)
    form, function, kind = rng.choice(_casts(plan.kinds[name]))
    plan.kinds = plan.kinds | {name: kind}
    plan.steps.append(Step(f"cast: {{{name}: {form}}}", lambda row: {k: function(v) if k == name else v for k, v in row.items()}))


def _compute(rng: random.Random, plan: Plan) -> None:
    made = {}
    for _ in range(rng.randrange(1, 4)):
        able = _expressions(rng, plan.kinds)
        if not able:
            return
        name = rng.choice(list(plan.kinds)) if rng.random() < 0.2 else f"made_{len(plan.steps)}_{len(made)}"
        made[name] = rng.choice(able)
    plan.kinds = plan.kinds | {name: e.kind for name, e in made.items()}
    text = ", ".join(f"{name}: {_quoted(e.sql)}" for name, e in made.items())
    plan.steps.append(Step(f"compute: {{{text}}}", lambda row: row | {name: e.function(row[e.column]) for name, e in made.items()}))


def _filter(rng: random.Random, plan: Plan) -> None:
    e = condition(rng, plan.kinds)
    plan.steps.append(Step(f"filter: {_quoted(e.sql)}", lambda row: row if e.function(row[e.column]) is True else None))


def _select(rng: random.Random, plan: Plan) -> None:
    kept = [name for name in plan.kinds if rng.random() < 0.8] or list(plan.kinds)
    rng.shuffle(kept)
    plan.kinds = {name: plan.kinds[name] for name in kept}
    plan.steps.append(Step(f"select: [{', '.join(kept)}]", lambda row: {name: row[name] for name in kept}))


def _drop(rng: random.Random, plan: Plan) -> None:
    if len(plan.kinds) < 2:
        return
    gone = rng.choice(list(plan.kinds))
    plan.kinds = {name: kind for name, kind in plan.kinds.items() if name != gone}
    plan.steps.append(Step(f"drop: [{gone}]", lambda row: {k: v for k, v in row.items() if k != gone}))


def _dedupe(rng: random.Random, plan: Plan) -> None:
    able = [name for name, kind in plan.kinds.items() if kind != "float"]
    if not able:
        return
    keys = rng.sample(able, min(len(able), rng.randrange(1, 3)))

    def apply(rows: list[Row]) -> list[Row]:
        seen: dict[tuple[Any, ...], Row] = {}
        for row in rows:
            seen.setdefault(tuple(row[k] for k in keys), row)
        return list(seen.values())

    plan.over_all = (f"dedupe: {{key: [{', '.join(keys)}]}}", apply)


def _aggregate(rng: random.Random, plan: Plan) -> None:
    groups = [name for name, kind in plan.kinds.items() if kind in ("text", "bool")]
    numbers = [name for name, kind in plan.kinds.items() if kind == "int"]
    if not groups or not numbers:
        return
    group, number = rng.choice(groups), rng.choice(numbers)

    def apply(rows: list[Row]) -> list[Row]:
        sums: dict[Any, list[Any]] = {}
        for row in rows:
            entry = sums.setdefault(row[group], [0, None])
            entry[0] += 1
            if row[number] is not None:
                entry[1] = (entry[1] or 0) + row[number]
        if any(s is not None and not -INT64 <= s < INT64 for _, s in sums.values()):
            raise Bad("the sum is too large")
        return [{"key": key, "rows": n, "total": total} for key, (n, total) in sums.items()]

    plan.over_all = (f'sql: "select {group} as key, count(*) as rows, sum({number}) as total from input group by {group}"', apply)
    plan.chooses = False
    plan.kinds = {"key": plan.kinds[group], "rows": "int", "total": "int"}


def make_plan(rng: random.Random, kinds: dict[str, str]) -> Plan:
    plan = Plan(kinds=dict(kinds))
    for _ in range(rng.choice([0, 1, 1, 2, 3, 4, 6])):
        rng.choice([_rename, _cast, _cast, _compute, _compute, _filter, _select, _drop])(rng, plan)
    if rng.random() < 0.25:
        rng.choice([_dedupe, _aggregate])(rng, plan)
    return plan
