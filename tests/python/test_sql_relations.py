"""Random queries of WITH, set operations, grouping sets, DISTINCT ON, QUALIFY and tables made by functions, against DuckDB."""

from __future__ import annotations

import datetime as dt
import decimal
import random

import duckdb
import pyarrow as pa
import pytest

import gristmill as gm

SETTINGS = [dict(num_workers=1), dict(num_workers=2, batch_rows=7, chunk_rows=20, min_parallel_rows=0), dict(num_workers=3, batch_rows=64, chunk_rows=33, min_parallel_rows=0),
            dict(num_workers=8, batch_rows=1000, chunk_rows=100, min_parallel_rows=0)]


def make_table(rng: random.Random, rows: int) -> pa.Table:
    def some(values: list, nulls: float = 0.15) -> list:
        return [None if rng.random() < nulls else rng.choice(values) for _ in range(rows)]

    return pa.table({"a": pa.array(some(list(range(6))), pa.int64()), "b": pa.array(some(["x", "y", "zz", "", "a text beyond twelve bytes"])),
                     "c": pa.array(some([0.0, -0.0, 1.5, float("nan"), float("inf"), -2.25]), pa.float64()),
                     "d": pa.array(some([dt.date(2024, 2, 29), dt.date(1999, 12, 31), dt.date(1970, 1, 1)]), pa.date32()),
                     "e": pa.array(some([decimal.Decimal("1.10"), decimal.Decimal("-7.25"), decimal.Decimal("0.00")]), pa.decimal128(8, 2)),
                     "v": pa.array(some(list(range(-20, 50))), pa.int64())})


class Queries:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def pick(self, *values: str) -> str:
        return self.rng.choice(values)

    def predicate(self) -> str:
        return self.pick("a > 2", "b is not null", "v between 0 and 30", "(a, b) < (3, 'y')", "(a, v) in ((1, 5), (2, 7), (3, 9))", "c > 0 or a = 1", "true", "d < date '2000-01-01'")

    def simple(self, columns: str) -> str:
        source = self.pick("t", "u", "t", "(select * from t union all select * from u) q", "(select distinct a, b, c, d, e, v from u) q")
        return f"select {columns} from {source} where {self.predicate()}"

    def set_operation(self, columns: str, depth: int = 0) -> str:
        if depth > 2 or self.rng.random() < 0.25:
            return self.simple(columns)
        op = self.pick("union", "union all", "intersect", "intersect all", "except", "except all")
        return f"({self.set_operation(columns, depth + 1)}) {op} ({self.set_operation(columns, depth + 1)})"

    def grouping(self) -> str:
        keys = self.rng.sample(["a", "b", "d", "e"], self.rng.randint(1, 3))
        clause = self.pick(f"rollup ({', '.join(keys)})", f"cube ({', '.join(keys)})", f"grouping sets (({', '.join(keys)}), ({keys[0]}), ())",
                           f"grouping sets ({', '.join(keys)})", f"{keys[0]}, rollup ({', '.join(keys[1:] or ['a'])})")
        shown = sorted(set(keys) | ({"a"} if clause.endswith("rollup (a)") else set()))
        values = ["count(*)", "count(v)", "sum(v)", "min(b)", "max(d)", "sum(e)", "count(distinct a)", "sum(v) filter (where a > 2)"]
        having = self.pick("", "", " having count(*) > 1", f" having grouping({keys[0]}) = 0")
        return f"select {', '.join(shown)}, grouping({', '.join(shown)}), {', '.join(self.rng.sample(values, 3))} from {self.pick('t', 'u')} where {self.predicate()} group by {clause}{having}"

    def first_rows(self) -> str:
        key = self.pick("a", "b", "a % 2", "coalesce(b, '-')")
        return f"select distinct on ({key}) {key} as k, v, a, b, d from (select distinct a, b, d, v from t where {self.predicate()}) q order by {key}, v, a, b, d"

    def qualified(self) -> str:
        rank = self.pick("row_number()", "rank()", "dense_rank()")
        return (f"select a, b, v from (select distinct a, b, v from t) q where {self.predicate_of('a', 'b', 'v')} "
                f"qualify {rank} over (partition by {self.pick('a', 'b')} order by v desc, a, b) <= {self.rng.randint(1, 3)}")

    def predicate_of(self, *columns: str) -> str:
        return self.pick("a > 1", "v is not null", "true")

    def with_query(self) -> str:
        return (f"with p(x, y) as ({self.set_operation('a, v', 1)}), q as (select x, count(*) as n, sum(y) as s from p group by x), "
                f"r as (select p.x, p.y, q.n from p join q on p.x = q.x) select x, max(y), min(n) from r group by x union all select x, s, n from q where n > 1")

    def series(self) -> str:
        return (f"select g.n, count(a) from generate_series({self.rng.randint(-3, 2)}, {self.rng.randint(3, 9)}, {self.rng.randint(1, 3)}) as g(n) "
                f"left join {self.pick('t', 'u')} on a = g.n group by g.n")

    def recursive(self) -> str:
        return (f"with recursive e as (select distinct a as x, v % 6 as y from t where a is not null and v is not null), r(x, y) as "
                f"(select x, y from e where x > {self.rng.randint(0, 4)} union select r.x, e.y from r join e on e.x = r.y) select * from r")

    def any(self) -> str:
        kind = self.rng.randrange(8)
        if kind < 2:
            columns = ", ".join(self.rng.sample(["a", "b", "c", "d", "e", "v"], self.rng.randint(1, 3)))
            return self.set_operation(columns)
        return [self.grouping, self.first_rows, self.qualified, self.with_query, self.series, self.recursive][kind - 2]()


def plain(value: object) -> str:
    if isinstance(value, float):
        return "nan" if value != value else repr(value + 0.0)
    if isinstance(value, decimal.Decimal):
        return str(value.normalize() + 0)
    return str(value)


def rows(table: pa.Table) -> list[tuple]:
    return [tuple(plain(v) for v in row) for row in zip(*(c.to_pylist() for c in table.columns))]


@pytest.mark.parametrize("batch", range(6))
def test_random_queries(batch: int) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = random.Random(seed)
    t, u = make_table(rng, 60), make_table(rng, 40)
    con = duckdb.connect()
    con.execute("set default_null_order='nulls_last_on_asc_first_on_desc'; set integer_division=true")
    con.register("t", t)
    con.register("u", u)
    queries = Queries(rng)
    for _ in range(25):
        sql = queries.any()
        want = rows(con.sql(sql).to_arrow_table())
        answers = [gm.sql(sql, t=t, u=u).collect(**s).to_arrow() for s in SETTINGS]
        got = rows(answers[0])
        ordered = "distinct on" in sql
        assert (got if ordered else sorted(got)) == (want if ordered else sorted(want)), sql
        for other in answers[1:]:
            assert rows(other) == got, f"other rows or order at other settings: {sql}"
