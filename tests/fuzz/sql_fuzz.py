#!/usr/bin/env python3
"""Random SQL over small random tables: the rows DuckDB gives, and the same bytes at every setting.

    python tests/fuzz/sql_fuzz.py --seconds 600           until the time is over
    python tests/fuzz/sql_fuzz.py --seed 7 --case 123     one case again

Joins, subqueries of all kinds and depths, grouping, set operations, windows, lateral items. Values are whole numbers and short texts with many
NULLs and repetitions; what would depend on an order that SQL leaves open is ordered by everything. What the engine says it does not support,
or DuckDB does not, is counted and passed by.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import time
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

import gristmill as gm


@dataclass
class Column:
    table: str
    name: str
    kind: str  # "int" or "text"

    def __str__(self) -> str:
        return f"{self.table}.{self.name}" if self.table else self.name


@dataclass
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


@dataclass
class Query:
    sql: str
    kinds: list[str]
    names: list[str] = field(default_factory=list)


class Generator:
    def __init__(self, rng: random.Random, tables: dict[str, pa.Table]) -> None:
        self.rng, self.tables, self.aliases = rng, tables, 0

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def alias(self) -> str:
        self.aliases += 1
        return f"q{self.aliases}"

    # Expressions

    def literal(self, kind: str) -> str:
        if self.chance(0.05):
            return "null::bigint" if kind == "int" else "null::text"
        return str(self.rng.randint(-1, 6)) if kind == "int" else f"'{self.rng.choice('abcd')}'"

    def value(self, scope: Scope, kind: str, depth: int) -> str:
        column = scope.pick(self.rng, kind)
        roll = self.rng.random()
        if column is None or roll < 0.15:
            return self.literal(kind)
        if roll < 0.65 or depth <= 0:
            return str(column)
        if roll < 0.75 and kind == "int":
            return f"({self.value(scope, kind, depth - 1)} {self.rng.choice('+-')} {self.value(scope, kind, depth - 1)})"
        if roll < 0.82:
            return f"coalesce({self.value(scope, kind, depth - 1)}, {self.literal(kind)})"
        if roll < 0.88:
            return f"case when {self.condition(scope, depth - 1)} then {self.value(scope, kind, depth - 1)} else {self.value(scope, kind, depth - 1)} end"
        return self.scalar(scope, kind, depth - 1)

    def scalar(self, scope: Scope, kind: str, depth: int) -> str:
        """A subquery of one row."""
        inner, from_text = self.from_clause(scope, depth, at_most=2)
        where = self.where(inner, depth)
        x = self.value(inner, kind, 0)
        function = self.rng.choice(["min", "max", "count", "sum"] if kind == "int" else ["min", "max"])
        call = "count(*)" if function == "count" and self.chance(0.5) else f"{function}({x})"
        if function == "sum":
            call = f"{call}::bigint"
        if self.chance(0.2):
            call = f"coalesce({call}, {self.literal(kind)})"
        having = f" having count(*) > {self.rng.randint(0, 2)}" if self.chance(0.1) else ""
        return f"(select {call} from {from_text}{where}{having})"

    def subquery(self, scope: Scope, kinds: list[str], depth: int) -> str:
        inner, from_text = self.from_clause(scope, depth, at_most=2)
        where = self.where(inner, depth)
        if self.chance(0.15):
            key = self.value(inner, kinds[0], 0)
            rest = ", ".join(f"max({self.value(inner, k, 0)})" for k in kinds[1:])
            return f"select {key}{', ' if rest else ''}{rest} from {from_text}{where} group by {key}"
        values = ", ".join(self.value(inner, k, 0) for k in kinds)
        text = f"select {'distinct ' if self.chance(0.1) else ''}{values} from {from_text}{where}"
        if self.chance(0.1):
            other, other_from = self.from_clause(scope, depth, at_most=1)
            operator = self.rng.choice(["union", "union all"])
            text = f"{text} {operator} select {', '.join(self.value(other, k, 0) for k in kinds)} from {other_from}{self.where(other, depth)}"
        return text

    def condition(self, scope: Scope, depth: int) -> str:
        roll = self.rng.random()
        kind = "int" if self.chance(0.8) else "text"
        if depth > 0 and roll < 0.2:
            joiner = self.rng.choice([" and ", " or "])
            return "(" + joiner.join(self.condition(scope, depth - 1) for _ in range(2)) + ")"
        if depth > 0 and roll < 0.27:
            return f"not ({self.condition(scope, depth - 1)})"
        if depth > 0 and roll < 0.4:
            return f"{'not ' if self.chance(0.4) else ''}exists ({self.subquery(scope, ['int'], depth - 1)})"
        if depth > 0 and roll < 0.52:
            return f"{self.value(scope, kind, 0)} {'not ' if self.chance(0.4) else ''}in ({self.subquery(scope, [kind], depth - 1)})"
        if depth > 0 and roll < 0.57:
            operator = self.rng.choice(["=", "<>", "<", "<=", ">", ">="])
            return f"{self.value(scope, 'int', 0)} {operator} {self.rng.choice(['any', 'all'])} ({self.subquery(scope, ['int'], depth - 1)})"
        if roll < 0.63:
            return f"{self.value(scope, kind, 0)} is {'not ' if self.chance(0.5) else ''}null"
        if roll < 0.68:
            return f"{self.value(scope, kind, 0)} in ({', '.join(self.literal(kind) for _ in range(3))})"
        operator = self.rng.choice(["=", "=", "=", "<>", "<", "<=", ">", ">="])
        return f"{self.value(scope, kind, min(depth, 1))} {operator} {self.value(scope, kind, min(depth, 1))}"

    def where(self, scope: Scope, depth: int) -> str:
        parts = [self.condition(scope, depth) for _ in range(self.rng.choice([0, 1, 1, 2]))]
        if scope.outer is not None and self.chance(0.6):
            own, around = [c for c in scope.columns if c.kind == "int"], [c for c in scope.outer.columns if c.kind == "int"]
            if own and around:
                parts.append(f"{self.rng.choice(own)} = {self.rng.choice(around)}")
        return f" where {' and '.join(parts)}" if parts else ""

    # Queries

    def item(self, scope: Scope | None, depth: int) -> tuple[str, list[Column]]:
        alias = self.alias()
        if depth > 0 and self.chance(0.15):
            inner = self.select(None, depth - 1, named=True)
            return f"({inner.sql}) {alias}", [Column(alias, n, k) for n, k in zip(inner.names, inner.kinds)]
        name = self.rng.choice(list(self.tables))
        columns = [Column(alias, f.name, "text" if pa.types.is_string(f.type) else "int") for f in self.tables[name].schema]
        return f"{name} {alias}", columns

    def from_clause(self, outer: Scope | None, depth: int, at_most: int = 3) -> tuple[Scope, str]:
        text, columns = self.item(outer, depth)
        first, after_lateral = 0, False  # of the columns since the last comma: what ON may name
        for _ in range(self.rng.randint(0, at_most - 1)):
            roll = self.rng.random()
            if depth > 0 and roll < 0.08:
                inner = self.select(Scope(columns), 0, named=True, lateral=True)
                alias = self.alias()
                first, after_lateral = len(columns), True
                text += f", lateral ({inner.sql}) {alias}"
                columns = columns + [Column(alias, n, k) for n, k in zip(inner.names, inner.kinds)]
                continue
            other, more = self.item(outer, depth)
            both = Scope(columns[first:] + more)
            left, right = [c for c in columns[first:] if c.kind == "int"], [c for c in more if c.kind == "int"]
            equality = f"{self.rng.choice(left)} = {self.rng.choice(right)}" if left and right else "true"
            if roll < 0.4:
                first, after_lateral = len(columns), False
                text += f", {other}"
            else:
                kind = self.rng.choice(["join", "join", "left join"] if after_lateral else ["join", "join", "left join", "right join", "full join"])
                if depth > 0 and self.chance(0.3) and kind != "full join":
                    equality += f" and {self.condition(both, 0)}"
                text = f"{text} {kind} {other} on {equality}"
            columns = columns + more
        return Scope(columns, outer), text

    def select(self, outer: Scope | None, depth: int, named: bool = False, lateral: bool = False) -> Query:
        scope, from_text = self.from_clause(outer, depth, at_most=1 if lateral else 3)
        where = self.where(scope, depth)
        kinds = [self.rng.choice(["int", "int", "text"]) for _ in range(self.rng.randint(1, 3))]
        names = [f"c{i}" for i in range(len(kinds))]
        roll = self.rng.random()
        if roll < 0.35:
            keys = [self.value(Scope(scope.columns), k, 0) for k in kinds[:-1]]
            aggregate = self.rng.choice(["count(*)", f"sum({self.value(scope, 'int', 1)})::bigint", f"min({self.value(scope, 'int', 0)})",
                                         f"count(distinct {self.value(scope, 'text', 0)})"])
            kinds[-1] = "int"
            outputs = [*keys, aggregate]
            group = f" group by {', '.join(str(i + 1) for i in range(len(keys)))}" if keys else ""
            having = f" having count(*) > {self.rng.randint(0, 2)}" if self.chance(0.3) else ""
            if having and depth > 0 and self.chance(0.3):
                having = f" having count(*) > {self.scalar(Scope([]), 'int', 0)}"
            tail = group + having
            head = "select"
        else:
            outputs = [self.value(scope, k, depth) for k in kinds]
            if roll < 0.45 and not lateral:
                order = ", ".join(str(c) for c in scope.columns)
                over = f"over ({'partition by ' + str(scope.columns[0]) + ' ' if self.chance(0.5) else ''}order by {order})"
                outputs[-1] = self.rng.choice([f"row_number() {over}", f"rank() {over}", f"sum({self.value(Scope(scope.columns), 'int', 0)}) {over}::bigint"])
                kinds[-1] = "int"
            head = "select distinct" if self.chance(0.15) else "select"
            tail = ""
        text = f"{head} {', '.join(f'{o} as {n}' for o, n in zip(outputs, names))} from {from_text}{where}{tail}"
        if depth > 0 and self.chance(0.12) and not lateral:
            other = self.select(outer, 0, named=True)
            pairs = list(zip(kinds, other.kinds))
            if all(a == b for a, b in pairs) and len(kinds) == len(other.kinds):
                text = f"({text}) {self.rng.choice(['union', 'union all'])} ({other.sql})"
        return Query(text, kinds, names)

    def query(self) -> str:
        q = self.select(None, self.rng.choice([1, 2, 2, 3]))
        if self.chance(0.2):
            places = ", ".join(str(i + 1) for i in range(len(q.kinds)))
            return f"select * from ({q.sql}) z order by {places} limit {self.rng.randint(0, 6)}"
        return q.sql


def make_tables(rng: random.Random) -> dict[str, pa.Table]:
    tables = {}
    for t in range(3):
        n = rng.choice([0, 1, 3, 8, 12])

        def column(values: list) -> list:
            return [None if rng.random() < 0.2 else rng.choice(values) for _ in range(n)]

        tables[f"t{t}"] = pa.table({"a": pa.array(column(list(range(5))), pa.int64()), "b": pa.array(column(list(range(4))), pa.int64()),
                                    "s": pa.array(column(list("abc")), pa.string())})
    return tables


def plain(value: object) -> object:
    return int(value) if value is not None and not isinstance(value, str) else value


def rows_of(table: pa.Table) -> list[tuple]:
    rows = [tuple(plain(v) for v in r) for r in zip(*[c.to_pylist() for c in table.columns])]
    return sorted(rows, key=lambda r: tuple((v is None, str(v)) for v in r))


def as_bytes(table: pa.Table) -> bytes:
    columns = [c.cast(pa.string()) if pa.types.is_string_view(c.type) else c for c in table.columns]  # where views point to may differ
    table = pa.table(columns, names=[str(i) for i in range(len(columns))]).combine_chunks()
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


SETTINGS = [dict(num_workers=1), dict(num_workers=2, chunk_rows=1, batch_rows=1, min_parallel_rows=0), dict(num_workers=8, chunk_rows=3, min_parallel_rows=0)]


@dataclass
class Outcome:
    status: str  # "same", "unsupported", "passed by", "different"
    detail: str = ""


def run_case(seed: int, case: int) -> Outcome:
    rng = random.Random(f"{seed}:{case}")
    tables = make_tables(rng)
    query = Generator(rng, tables).query()
    con = duckdb.connect()
    con.execute("set threads = 1")
    for name, table in tables.items():
        con.register(name, table)
    try:
        expected = rows_of(con.sql(query).to_arrow_table())
    except duckdb.Error as e:
        return Outcome("passed by", f"{query}\nDuckDB: {e}")
    finally:
        con.close()
    first = None
    for setting in SETTINGS:
        try:
            table = gm.sql(query, **tables).collect(gm.ParallelOptions(**setting)).to_arrow()
        except gm.GristmillError as e:
            if "not supported" in str(e):
                return Outcome("unsupported", f"{query}\n{e}")
            return Outcome("different", f"{query}\n{e}")
        if rows_of(table) != expected:
            return Outcome("different", f"{query}\n{setting}\nexpected {expected}\ngot      {rows_of(table)}\ntables {({n: t.to_pydict() for n, t in tables.items()})}")
        data = as_bytes(table)
        first = first or data
        if data != first:
            return Outcome("different", f"{query}\n{setting}: other bytes")
    return Outcome("same")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--case", type=int)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--cases", type=int, default=1 << 60)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    if options.case is not None:
        print(run_case(options.seed, options.case))
        return 0
    counts: dict[str, int] = {}
    end = time.monotonic() + options.seconds
    case = failed = 0
    while case < options.cases and time.monotonic() < end:
        outcome = run_case(options.seed, case)
        counts[outcome.status] = counts.get(outcome.status, 0) + 1
        if outcome.status == "different":
            failed += 1
            print(f"case {case}\n{outcome.detail}\n", flush=True)
        case += 1
    print(counts)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
