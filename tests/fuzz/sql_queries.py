"""Random SELECTs: joins of all kinds, subqueries at any depth, grouping and its sets, windows with frames, set operations, WITH, VALUES, lateral items.

What would depend on an order that SQL leaves open is ordered by everything. Every query's columns are c0, c1, ...
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from sql_expressions import KINDS, Column, Expressions, Scope

_OFTEN = ("int", "int", "text", "text", "dec", "date", "float", "bool")


@dataclass(frozen=True)
class Query:
    sql: str
    kinds: list[str]

    @property
    def names(self) -> list[str]:
        return [f"c{i}" for i in range(len(self.kinds))]

    def columns(self, alias: str) -> list[Column]:
        return [Column(alias, n, k) for n, k in zip(self.names, self.kinds)]


class Queries(Expressions):
    def __init__(self, rng: random.Random, tables: dict[str, dict[str, str]]) -> None:
        """`tables`: for each, its columns' kinds by name."""
        super().__init__(rng)
        self._tables = {name: [Column("", c, k) for c, k in columns.items()] for name, columns in tables.items()}
        self._with: dict[str, list[Column]] = {}
        self._aliases = 0

    def _alias(self) -> str:
        self._aliases += 1
        return f"q{self._aliases}"

    def _kinds(self, most: int = 3) -> list[str]:
        return [self.rng.choice(_OFTEN) for _ in range(self.rng.randint(1, most))]

    # Subqueries

    def scalar(self, scope: Scope, kind: str, depth: int) -> str:
        inner, from_text = self._from(scope, depth, at_most=2)
        where = self._where(inner, depth)
        call = self._aggregate(inner, kind, 0)
        if self.chance(0.2):
            call = f"coalesce({call}, {self.literal(kind)})"
        having = f" having count(*) > {self.rng.randint(0, 2)}" if self.chance(0.1) else ""
        return f"(select {call} from {from_text}{where}{having})"

    def subquery(self, scope: Scope, kinds: list[str], depth: int) -> str:
        inner, from_text = self._from(scope, depth, at_most=2)
        where = self._where(inner, depth)
        if self.chance(0.15):
            key = self.value(inner, kinds[0], 0)
            rest = "".join(f", {self._aggregate(inner, k, 0)}" for k in kinds[1:])
            return f"select {key}{rest} from {from_text}{where} group by 1"
        text = f"select {'distinct ' if self.chance(0.1) else ''}{', '.join(self.value(inner, k, 0) for k in kinds)} from {from_text}{where}"
        if self.chance(0.1):
            other, other_from = self._from(scope, depth, at_most=1)
            operator = self.rng.choice(["union", "union all", "intersect", "except"])
            text = f"{text} {operator} select {', '.join(self.value(other, k, 0) for k in kinds)} from {other_from}{self._where(other, depth)}"
        return text

    # FROM

    def _item(self, depth: int) -> tuple[str, list[Column]]:
        alias = self._alias()
        roll = self.rng.random()
        if depth > 0 and roll < 0.15:
            inner = self.select(None, depth - 1)
            return f"({inner.sql}) {alias}", inner.columns(alias)
        if roll < 0.18:
            kinds = self._kinds(2)
            rows = ", ".join(f"({', '.join(self.literal(k) if i else self.literal(k, 0) for k in kinds)})" for i in range(self.rng.randint(1, 3)))
            names = [f"v{i}" for i in range(len(kinds))]
            return f"(values {rows}) {alias}({', '.join(names)})", [Column(alias, n, k) for n, k in zip(names, kinds)]
        if roll < 0.20:
            return f"generate_series(0, {self.rng.randint(0, 4)}) {alias}(n)", [Column(alias, "n", "int")]
        known = self._tables | self._with
        name = self.rng.choice(list(self._with)) if self._with and self.chance(0.5) else self.rng.choice(list(known))
        return f"{name} {alias}", [Column(alias, c.name, c.kind) for c in known[name]]

    def _from(self, outer: Scope | None, depth: int, at_most: int = 3) -> tuple[Scope, str]:
        text, columns = self._item(depth)
        first, after_lateral = 0, False  # of the columns since the last comma: what ON may name
        for _ in range(self.rng.randint(0, at_most - 1)):
            roll = self.rng.random()
            if depth > 0 and roll < 0.08:
                alias = self._alias()
                inner = self.select(Scope(columns), 0, lateral=True)
                first, after_lateral = len(columns), True
                text += f", lateral ({inner.sql}) {alias}"
                columns = columns + inner.columns(alias)
                continue
            other, more = self._item(depth)
            if roll < 0.35:
                first, after_lateral = len(columns), False
                text += f", {other}"
            else:
                kind = self.rng.choice(["join", "join", "left join"] if after_lateral else ["join", "join", "left join", "right join", "full join"])
                text = f"{text} {kind} {other} on {self._on(columns[first:], more, kind, depth)}"
            columns = columns + more
        return Scope(columns, outer), text

    def _on(self, left: list[Column], right: list[Column], kind: str, depth: int) -> str:
        shared = [(a, b) for a in left for b in right if a.kind == b.kind and a.kind != "bool"]
        if not shared:
            return "true"
        text = "{} = {}".format(*self.rng.choice(shared))
        if self.chance(0.15):
            text += " and {} = {}".format(*self.rng.choice(shared))
        if depth > 0 and self.chance(0.3) and kind != "full join":
            text += f" and {self.condition(Scope(left + right), 0)}"
        return text

    def _where(self, scope: Scope, depth: int) -> str:
        parts = [self.condition(scope, depth) for _ in range(self.rng.choice([0, 0, 1, 1, 2]))]
        if scope.outer is not None and self.chance(0.6):
            shared = [(a, b) for a in scope.columns for b in scope.outer.columns if a.kind == b.kind and a.kind != "bool"]
            if shared:
                parts.append("{} = {}".format(*self.rng.choice(shared)))
        return f" where {' and '.join(parts)}" if parts else ""

    # Aggregates and windows

    def _aggregate(self, scope: Scope, kind: str, depth: int) -> str:
        own = Scope(scope.columns)  # an aggregate of a column around a subquery belongs to the query around

        def x(k: str) -> str:
            if k == "int" and scope.outer and self._own(scope, k) and self.chance(0.2):
                return f"({self._own(scope, k)} + {self.value(scope, k, 0)})"
            return self.value(own, k, depth)

        filtered = f" filter (where {self.condition(own, 0)})" if self.chance(0.15) else ""
        distinct = "distinct " if self.chance(0.15) else ""
        extreme = f"{self.rng.choice(['min', 'max'])}({x(kind)}){filtered}"
        if kind == "int":
            return self.rng.choice([f"count(*){filtered}", f"count({distinct}{x(self.rng.choice(KINDS))}){filtered}", f"(sum({distinct}{x('int')}){filtered})::bigint", extreme])
        if kind == "dec":
            return self.rng.choice([f"sum({distinct}{x('dec')}){filtered}", extreme])
        if kind == "float":
            return self.rng.choice([f"sum({x('float')}){filtered}", f"(avg({x(self.rng.choice(['int', 'float', 'dec']))}){filtered})::float8", extreme,
                                    f"(var_pop({x('int')}){filtered})::float8"])
        if kind == "bool":
            return f"{self.rng.choice(['bool_and', 'bool_or'])}({x('bool')}){filtered}"
        if kind == "text" and self.chance(0.4):
            text = x("text")
            return f"string_agg({text}, ',' order by {text}){filtered}"
        return extreme

    def _frame(self, scope: Scope) -> tuple[str, str]:
        """An order, and a frame over it: by range and groups along one key, by rows along everything."""
        everything = ", ".join(self._directed(str(c)) for c in scope.columns)
        keys = [c for c in scope.columns if c.kind == "int"]
        roll = self.rng.random()
        bounds = lambda: self.rng.choice([("unbounded preceding", "current row"), ("{} preceding", "current row"), ("{} preceding", "{} following"),  # noqa: E731
                                          ("current row", "unbounded following"), ("{} following", "{} following"), ("{} preceding", "{} preceding")])
        def frame(unit: str) -> str:
            low, high = bounds()
            near, far = sorted((self.rng.randint(0, 2), self.rng.randint(0, 3)))
            a, b = (far, near) if high.endswith("preceding") else (near, far)
            exclude = self.rng.choice(["", "", "", " exclude current row", " exclude group", " exclude ties"]) if unit != "rows" else ""
            return f" {unit} between {low.format(a)} and {high.format(b)}{exclude}"

        if roll < 0.35:
            return everything, ""
        if roll < 0.7 or not keys:
            return everything, frame("rows")
        key = self._directed(str(self.rng.choice(keys)))
        return key, frame(self.rng.choice(["range", "groups"]))

    def _directed(self, key: str) -> str:
        return key + self.rng.choice(["", "", "", " desc", " nulls first", " desc nulls last"])

    def _window(self, scope: Scope, kind: str) -> str:
        own = Scope(scope.columns)
        partition = f"partition by {self.rng.choice(scope.columns)} " if self.chance(0.5) else ""
        everything = ", ".join(self._directed(str(c)) for c in scope.columns)
        if kind == "int" and self.chance(0.5):
            call = self.rng.choice(["row_number()", "rank()", "dense_rank()", f"ntile({self.rng.randint(1, 4)})"])
            return f"({call} over ({partition}order by {everything}))::bigint"
        if kind == "float" and self.chance(0.3):
            return f"{self.rng.choice(['percent_rank()', 'cume_dist()'])} over ({partition}order by {everything})"
        x = self.value(own, kind, 0)
        if self.chance(0.3):
            default = f", {self.literal(kind, 0)}" if self.chance(0.3) else ""
            return f"{self.rng.choice(['lag', 'lead'])}({x}, {self.rng.randint(0, 3)}{default}) over ({partition}order by {everything})"
        order, frame = self._frame(own)
        if self.chance(0.25):
            call = self.rng.choice([f"first_value({x})", f"last_value({x})", f"nth_value({x}, {self.rng.randint(1, 3)})"])
            return f"{call} over ({partition}order by {everything}{frame if 'rows' in frame else ''})"
        calls = {"int": [f"(sum({x})", "(count(*)", f"(count({x})"], "dec": [f"(sum({x})"], "float": [f"(avg({self.value(own, 'int', 0)})", f"(sum({x})"]}
        call = self.rng.choice([*calls.get(kind, []), *([f"(min({x})", f"(max({x})"] if kind != "bool" else [f"(bool_or({x})"])])
        cast = {"int": "::bigint", "float": "::float8"}.get(kind, "")
        return f"{call} over ({partition}order by {order}{frame})){cast}"

    # SELECT

    def _grouped(self, scope: Scope, kinds: list[str], depth: int, sets: bool) -> tuple[list[str], str]:
        """Outputs with the last an aggregate, and what follows WHERE."""
        last = self._aggregate(scope, kinds[-1], min(depth, 1))
        having = f" having count(*) > {self.rng.randint(0, 2)}" if self.chance(0.25) else ""
        if having and depth > 0 and self.chance(0.3):
            having = f" having count(*) > {self.scalar(Scope([]), 'int', 0)}"
        if not sets:
            keys = [self.value(Scope(scope.columns), k, 0) for k in kinds[:-1]]
            group = f" group by {', '.join(str(i + 1) for i in range(len(keys)))}" if keys else ""
            return [*keys, last], group + having
        columns = [scope_column for k in kinds[:-1] if (scope_column := self._own(scope, k)) is not None]
        if len(columns) < len(kinds) - 1 or not columns or len(set(columns)) < len(columns):
            return self._grouped(scope, kinds, depth, False)
        names = ", ".join(map(str, columns))
        clause = self.rng.choice([f"rollup ({names})", f"cube ({names})", f"grouping sets (({names}), ({columns[0]}), ())", f"grouping sets (({columns[-1]}), ())"])
        if "sets ((" in clause and len(columns) > 1 and names not in clause:
            clause = f"grouping sets (({names}), ({columns[-1]}))"
        if kinds[-1] == "int" and self.chance(0.3):
            last = f"grouping({names})::bigint"
        return [*map(str, columns), last], f" group by {clause}{having}"

    def _own(self, scope: Scope, kind: str) -> Column | None:
        fitting = [c for c in scope.columns if c.kind == kind]
        return self.rng.choice(fitting) if fitting else None

    def select(self, outer: Scope | None, depth: int, lateral: bool = False, kinds: list[str] | None = None) -> Query:
        scope, from_text = self._from(outer, depth, at_most=1 if lateral else 3)
        where = self._where(scope, depth)
        kinds = kinds or self._kinds()
        roll = self.rng.random()
        head, tail = "select", ""
        if roll < 0.35:
            outputs, tail = self._grouped(scope, kinds, depth, sets=not lateral and self.chance(0.3))
        elif roll < 0.42 and not lateral and outer is None:
            return self._first_of_each(scope, f"{from_text}{where}", kinds)
        else:
            outputs = [self.value(scope, k, depth) for k in kinds]
            if roll < 0.56 and not lateral:
                outputs[-1] = self._window(scope, kinds[-1])
            if self.chance(0.12):
                head = "select distinct"
        text = f"{head} {', '.join(f'{o} as c{i}' for i, o in enumerate(outputs))} from {from_text}{where}{tail}"
        if depth > 0 and self.chance(0.15) and not lateral:
            operator = self.rng.choice(["union", "union all", "intersect", "except", "intersect all", "except all"])
            text = f"({text}) {operator} ({self.select(outer, 0, kinds=kinds).sql})"
        return Query(text, kinds)

    def _first_of_each(self, scope: Scope, rest: str, kinds: list[str]) -> Query:
        key = str(self.rng.choice(scope.columns))
        order = ", ".join([self._directed(key), *(self._directed(str(c)) for c in scope.columns if str(c) != key)])
        own = Scope(scope.columns)
        outputs = ", ".join(f"{self.value(own, k, 0)} as c{i}" for i, k in enumerate(kinds))
        return Query(f"select distinct on ({key}) {outputs} from {rest} order by {order}", kinds)

    def query(self) -> str:
        parts = []
        if self.chance(0.25):
            for _ in range(self.rng.randint(1, 2)):
                inner, name = self.select(None, 1), f"w{len(self._with)}"
                parts.append(f"{name} as {self.rng.choice(['', '', 'materialized '])}({inner.sql})")
                self._with[name] = inner.columns("")
        with_text = f"with {', '.join(parts)} " if parts else ""
        q = self.select(None, self.rng.choice([1, 2, 2, 3]))
        if self.chance(0.25):
            order = ", ".join(self._directed(str(i + 1)) for i in range(len(q.kinds)))
            offset = f" offset {self.rng.randint(0, 3)}" if self.chance(0.3) else ""
            return f"{with_text}select * from ({q.sql}) z order by {order} limit {self.rng.randint(0, 6)}{offset}"
        return with_text + q.sql
