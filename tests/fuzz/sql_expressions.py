"""Random SQL expressions of a wanted kind over the columns in reach, in the words that PostgreSQL, DuckDB and this engine share.

Nothing here can fail for some rows only (no division by zero, no overflow): which rows an engine looks at first is its own business.
Floats are halves of small integers, so that their sums are exact in any order.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

KINDS = ("int", "text", "dec", "date", "float", "bool")
SQL_TYPES = {"int": "bigint", "text": "text", "dec": "numeric(9,2)", "date": "date", "float": "float8", "bool": "boolean"}
COMPARABLE = ("int", "int", "int", "text", "text", "dec", "date", "float")
COMPARISONS = ("=", "=", "=", "<>", "<", "<=", ">", ">=")


@dataclass(frozen=True)
class Column:
    table: str
    name: str
    kind: str

    def __str__(self) -> str:
        return f"{self.table}.{self.name}" if self.table else self.name


@dataclass(frozen=True)
class Scope:
    columns: list[Column]
    outer: Scope | None = None

    def pick(self, rng: random.Random, kind: str) -> Column | None:
        """Mostly a column of this query, sometimes one of a query around it."""
        scope: Scope | None = self
        while scope is not None:
            fitting = [c for c in scope.columns if c.kind == kind]
            if fitting and (scope.outer is None or rng.random() < 0.7):
                return rng.choice(fitting)
            scope = scope.outer
        fitting = [c for c in self.columns if c.kind == kind]
        return rng.choice(fitting) if fitting else None


class Expressions(ABC):
    """`subquery(scope, kinds, depth)` and `scalar(scope, kind, depth)` come from who writes queries (sql_queries.py)."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    @abstractmethod
    def subquery(self, scope: Scope, kinds: list[str], depth: int) -> str: ...

    @abstractmethod
    def scalar(self, scope: Scope, kind: str, depth: int) -> str: ...

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def literal(self, kind: str, nulls: float = 0.05) -> str:
        if self.chance(nulls):
            return f"null::{SQL_TYPES[kind]}"
        rng = self.rng
        return {"int": lambda: str(rng.randint(-1, 6)), "text": lambda: f"'{rng.choice(['a', 'b', 'c', 'd', 'ab', 'b c', ''])}'::text",
                "dec": lambda: f"{rng.choice(['0.50', '1.25', '2.00', '-1.75', '3.10'])}::numeric(9,2)", "date": lambda: f"date '2024-0{rng.randint(1, 4)}-0{rng.randint(1, 9)}'",
                "float": lambda: f"{rng.choice(['0.5', '1', '-1.5', '2'])}::float8", "bool": lambda: rng.choice(["true", "false"])}[kind]()

    def value(self, scope: Scope, kind: str, depth: int) -> str:
        column = scope.pick(self.rng, kind)
        roll = self.rng.random()
        if column is None or roll < 0.12:
            if kind == "bool" and depth > 0:
                return f"({self.condition(scope, 0)})"
            return self.literal(kind)
        if roll < 0.55 or depth <= 0:
            return str(column)
        if roll < 0.62:
            return f"coalesce({self.value(scope, kind, depth - 1)}, {self.literal(kind)})"
        if roll < 0.68:
            return f"case when {self.condition(scope, depth - 1)} then {self.value(scope, kind, depth - 1)} else {self.value(scope, kind, depth - 1)} end"
        if roll < 0.71 and kind != "bool":
            return f"{self.rng.choice(['greatest', 'least'])}({self.value(scope, kind, depth - 1)}, {self.value(scope, kind, depth - 1)})"
        if roll < 0.73:
            return f"nullif({self.value(scope, kind, depth - 1)}, {self.literal(kind, 0)})"
        if roll < 0.86 and kind != "bool":
            return self.rng.choice(_MAKERS[kind])(self, scope, depth - 1)
        return f"({self.condition(scope, depth - 1)})" if kind == "bool" else self.scalar(scope, kind, depth - 1)

    # Conditions

    def condition(self, scope: Scope, depth: int) -> str:
        roll = self.rng.random()
        kind = self.rng.choice(COMPARABLE)
        x = lambda: self.value(scope, kind, 0)  # noqa: E731
        if depth > 0 and roll < 0.16:
            joiner = self.rng.choice([" and ", " or "])
            return "(" + joiner.join(self.condition(scope, depth - 1) for _ in range(self.rng.choice([2, 2, 3]))) + ")"
        if depth > 0 and roll < 0.22:
            return f"not ({self.condition(scope, depth - 1)})"
        if depth > 0 and roll < 0.33:
            return f"{self._not()}exists ({self.subquery(scope, ['int'], depth - 1)})"
        if depth > 0 and roll < 0.42:
            return f"{x()} {self._not()}in ({self.subquery(scope, [kind], depth - 1)})"
        if depth > 0 and roll < 0.46:
            return f"{x()} {self.rng.choice(COMPARISONS)} {self.rng.choice(['any', 'all'])} ({self.subquery(scope, [kind], depth - 1)})"
        if depth > 0 and roll < 0.48:
            return f"({x()}, {self.value(scope, 'int', 0)}) {self._not()}in ({self.subquery(scope, [kind, 'int'], depth - 1)})"
        if roll < 0.54:
            return f"{x()} is {self._not()}null"
        if roll < 0.59:
            return f"{x()} {self._not()}in ({', '.join(self.literal(kind) for _ in range(3))})"
        if roll < 0.63:
            return f"{x()} {self._not()}between {self.literal(kind)} and {x()}"
        if roll < 0.67:
            return f"{x()} is {self._not()}distinct from {x()}"
        if roll < 0.70:
            return f"{self.value(scope, 'text', 0)} {self._not()}{self.rng.choice(['like', 'ilike'])} '{self.rng.choice(['a%', '%b', '_', '%c%', 'A_'])}'"
        if roll < 0.73:
            return f"({self.value(scope, 'bool', 0)}) is {self._not()}{self.rng.choice(['true', 'false'])}"
        if roll < 0.75:
            return f"({x()}, {self.value(scope, 'int', 0)}) {self.rng.choice(['=', '<', '>=', '<>'])} ({x()}, {self.literal('int', 0)})"
        return f"{self.value(scope, kind, min(depth, 1))} {self.rng.choice(COMPARISONS)} {self.value(scope, kind, min(depth, 1))}"

    def _not(self) -> str:
        return "not " if self.chance(0.4) else ""


Maker = Callable[[Expressions, Scope, int], str]


def _of(template: str, *kinds: str) -> Maker:
    """{0}, {1} are values of these kinds, {n} a small positive number."""
    return lambda e, scope, depth: template.format(*(e.value(scope, k, depth) for k in kinds), n=e.rng.randint(1, 3))


_MAKERS: dict[str, list[Maker]] = {
    "int": [_of("({0} + {1})", "int", "int"), _of("({0} - {1})", "int", "int"), _of("({0} * {n})", "int"), _of("-({0})", "int"), _of("abs({0})", "int"),
            _of("(({0}) / {n})", "int"), _of("(({0}) % 3)", "int"), _of("length({0})::bigint", "text"), _of("extract(day from {0})::bigint", "date"),
            _of("extract(month from {0})::bigint", "date"), _of("extract(dow from {0})::bigint", "date"), _of("({0} - {1})::bigint", "date", "date"),
            _of("strpos({0}, {1})::bigint", "text", "text"), _of("({0})::int::bigint", "bool"), _of("round({0})::bigint", "dec")],
    "text": [_of("({0} || {1})", "text", "text"), _of("upper({0})", "text"), _of("substr({0}, {n})", "text"), _of("replace({0}, 'a', 'xy')", "text"),
             _of("left({0}, {n})", "text"), _of("right({0}, {n})", "text"), _of("trim({0})", "text"), _of("repeat({0}, {n})", "text"), _of("reverse({0})", "text"),
             _of("({0})::text", "int"), _of("concat({0}, '-', {1})", "text", "text"), _of("lpad({0}, 4, '.')", "text"), _of("split_part({0}, 'b', {n})", "text"),
             _of("({0})::text", "date")],
    "dec": [_of("({0} + {1})", "dec", "dec"), _of("({0} - {1})", "dec", "dec"), _of("({0} * {n})", "dec"), _of("-({0})", "dec"), _of("abs({0})", "dec"),
            _of("round({0}, 1)", "dec"), _of("({0} + {1})", "dec", "int"), _of("({0})::numeric(9,2)", "int"), _of("floor({0})", "dec")],
    "date": [_of("({0} + {n})", "date"), _of("({0} - {n})", "date"), _of("date_trunc('month', {0})::date", "date"), _of("({0} + interval '{n} month')::date", "date")],
    "float": [_of("({0} + {1})", "float", "float"), _of("({0} - {1})", "float", "float"), _of("({0} * 0.5::float8)", "float"), _of("({0})::float8", "int"),
              _of("({0})::float8", "dec"), _of("abs({0})", "float"), _of("floor({0})", "float")],
}
