"""Subqueries in expressions and lateral joins: DuckDB has the same rows, and every setting the same bytes."""

from __future__ import annotations

import io

import duckdb
import pyarrow as pa
import pytest

import gristmill as gm

T = pa.table({"id": [1, 2, 3, 4, 5, 6, 7], "a": [1, 1, 2, None, 3, 2, 9], "b": [10, 20, 10, 30, None, 40, 50], "s": ["x", "y", None, "x", "z", "y", "x"]})
U = pa.table({"k": [1, 1, 2, 3, None, 4, 2], "v": [10, 20, None, 30, 40, 10, 10], "w": [1.5, 2.5, 3.5, None, 0.5, 4.5, 2.0]})
E = pa.table({"k": pa.array([], pa.int64()), "v": pa.array([], pa.int64())})
N = pa.table({"x": [1, None, 3]})
TABLES = {"t": T, "u": U, "e": E, "n": N}

QUERIES = """
select id from t where a in (select k from u)
select id from t where a not in (select k from u)
select id from t where a not in (select k from u where k is not null)
select id from t where a not in (select k from e)
select id from t where a in (select k from e)
select id from t where (a, b) in (select k, v from u)
select id from t where (a, b) not in (select k, v from u where k is not null and v is not null)
select id from t where exists (select 1 from u where k = a)
select id from t where not exists (select 1 from u where k = a)
select id from t where exists (select * from u where k = a and v < b)
select id from t where not exists (select * from u where k = a and v <> b)
select id from t where exists (select 1 from u where v > b)
select id from t where exists (select 1 from u)
select id from t where not exists (select 1 from e)
select id from t where exists (select 1 from u where t.a > 1)
select id from t where exists (select t.a from u)
select id, a in (select k from u) as m from t
select id, a not in (select k from u) as m from t
select id, a in (select k from e) as m, a not in (select k from e) as q from t
select id, a in (select x from n) or b > 25 as m from t
select id from t where a in (select k from u) or b > 25
select id from t where not (a in (select k from u) and b > 5)
select id, exists (select 1 from u where k = a) as m from t
select id, case when exists (select 1 from u where k = a) then 'yes' else 'no' end as m from t
select id, (select max(v) from u where k = a) as m from t
select id, (select count(*) from u where k = a) as m from t
select id, (select count(*) + 1 from u where k = a) as m from t
select id, (select coalesce(sum(v), -1) from u where k = a) as m from t
select id, (select sum(v) + t.b from u where k = a) as m from t
select id, (select count(v) from u where k = a and v < t.b) as m from t
select id, (select count(*) from u where v < t.b) as m from t
select id, (select max(w) from u where k <= a) as m from t
select id, (select max(v) from u) as m, (select min(k) from e) as q from t
select id, (select v from u where false) as m from t
select id from t where b > (select avg(v) from u)
select id from t where b > (select avg(v) from u where k = a)
select id from t where b = (select max(v) from u where k = a) and a < 3
select id from t where (select count(*) from u where k = a) = 0
select id from t where (select count(*) from u where k = a) > (select count(*) from n)
select a, count(*) as c from t group by a having count(*) >= (select count(*) from n where x = a)
select a, sum(b) as c from t group by a having sum(b) > (select avg(v) from u)
select a, sum(b) as c, (select count(*) from u where k = a) as d from t group by a
select a, (select max(v) from u where k = a) as m, count(*) as c from t group by a, (select max(v) from u where k = a)
select sum((select count(*) from u where k = a)) as m from t
select max(b) filter (where a in (select k from u)) as m from t
select count(*) as c from t where a in (select k from u group by k having count(*) > 1)
select id from t order by (select count(*) from u where k = a) desc, id
select id from t where a = any (select k from u)
select id from t where a <> all (select k from u where k is not null)
select id, b > any (select v from u) as m, b >= all (select v from u) as q from t
select id, b > all (select v from u where v is not null) as m, b < any (select v from e) as q, b < all (select v from e) as r from t
select id, b = all (select v from u where k = a) as m, b <> any (select v from u where k = a) as q from t
select id, b <= some (select v from u where k = a) as m from t
select id from t where exists (select 1 from u where k = a and exists (select 1 from n where x = u.k and x < t.b))
select id from t where exists (select 1 from u where k = a and v in (select b from t t2 where t2.a = t.a))
select id, (select max(v) from u where k = a and v > (select min(x) from n where x >= t.a)) as m from t
select id, (select count(*) from u where k in (select x from n where x = t.a)) as m from t
select id, (select (select max(x) from n where x <= u2.k) from (select max(k) as k from u where k <= t.a) u2) as m from t
select id, (select v from u where k = a order by v limit 1) as m from t
select id, (select v from u where k = a order by v desc nulls last limit 1) as m from t
select id, (select v from u where k = a order by w desc nulls last limit 1 offset 1) as m from t
select id, (select distinct k from u where k = a) as m from t
select id, (select sum(v) from (select v from u where k = a) q) as m from t
select id, (select sum(v) from (select distinct v from u where k <= a) q) as m from t
select id, (select count(*) from (select k from u where k = t.a union all select x from n where x = t.a) q) as m from t
select id, (select count(*) from (select k from u where k = t.a union select x from n where x = t.a) q) as m from t
select id from t where exists (select k from u where k = t.a union all select x from n where x = t.a)
select id from t where b in (select v from u where k = a union all select x * 10 from n)
select id, (select count(*) from u join n on k = x and v > t.b) as m from t
select id, (select count(*) from u left join n on k = x where v < t.b) as m from t
select id, (select count(*) from u, n where k = x and k = t.a) as m from t
select id, (select max(c) from (select count(*) as c from u where k = t.a) q) as m from t
select id, (select count(*) from u where k = a having count(*) > 1) as m from t
select id, (select count(*) from u where k = a having count(*) = 0) as m from t
select id from t where exists (select count(*) from u where k = a)
select id from t where exists (select count(*) from u where k = a having count(*) > 1)
select id, (select max(r) from (select row_number() over (order by v) as r from u where k = a) q) as m from t
select id, (select k from u where k = a group by k having sum(v) > 10) as m from t
select id from t where a in (select max(k) from u where v = b)
select id from t where a not in (select k from u where v = b)
select id, a not in (select k from u where v >= b) as m from t
select t.id, n.x from t join n on t.a = n.x and t.b > (select min(v) from u)
select t.id, n.x from t join n on exists (select 1 from u where k = x and k = a)
select t.id, u.v from t left join u on a = k and b in (select x * 10 from n)
select t.id, u.v from t left join u on a = k and exists (select 1 from n where x = k)
select t.id, u.v from t left join u on a = k and v > (select min(x) from n)
select t.id, u.v from t right join u on a = k and (select count(*) from n where x = id) > 0
select t.id, u.v from t full join u on a = k and b > (select min(x) from n where x = id)
select t.id, q.m from t, lateral (select max(v) as m from u where k = t.a) q
select t.id, q.v from t, lateral (select v from u where k = t.a) q
select t.id, q.v from t left join lateral (select v from u where k = t.a) q on true
select t.id, q.v from t left join lateral (select v from u where k = t.a) q on q.v > 10
select t.id, q.c from t cross join lateral (select count(*) as c from u where v < t.b) q
select t.id, q.v from t, lateral (select v, w from u where k = t.a order by w desc nulls last limit 1) q
select t.id, q.z from t, lateral (select t.b + 1 as z from n where x = t.a) q
select t.id, q.c, r.m from t, lateral (select count(*) as c from u where k = t.a) q, lateral (select max(x) as m from n where x <= q.c) r
select t.id, n.x, q.m from t, n, lateral (select max(v) as m from u where k = n.x) q where n.x = t.a
select a from t where a > 1 and exists (select 1 from u where k = a) and b < (select sum(v) from u) and s in (select s from t where id < 5)
select o.a, o.c from (select a, count(*) as c from t group by a) o where o.c = (select count(*) from u where k = o.a)
select id from t where (select k from u where k = 3) = a
select x, (select s from t where id = x) as m from n
select count(*) as c from t where a is not distinct from (select max(k) - 1 from u)
""".strip().splitlines()

OPTIONS = [gm.ParallelOptions(num_workers=1), gm.ParallelOptions(num_workers=2, chunk_rows=1, batch_rows=1, min_parallel_rows=0),
           gm.ParallelOptions(num_workers=8, chunk_rows=2, min_parallel_rows=0), gm.ParallelOptions(num_workers=3, chunk_rows=7, batch_rows=7, min_parallel_rows=0)]


def key(row: tuple) -> tuple:
    return tuple((v is None, str(type(v)), 0 if v is None else v) for v in row)


def as_bytes(table: pa.Table) -> bytes:
    columns = [c.cast(pa.string()) if pa.types.is_string_view(c.type) else c for c in table.columns]  # where views point to may differ
    table = pa.table(columns, names=[str(i) for i in range(len(columns))]).combine_chunks()
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def rows_of(table: pa.Table) -> list[tuple]:
    return [tuple(float(v) if hasattr(v, "as_tuple") else v for v in r) for r in zip(*[c.to_pylist() for c in table.columns])]


@pytest.fixture(scope="module")
def duck() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    for name, table in TABLES.items():
        con.register(name, table)
    return con


@pytest.mark.parametrize("query", QUERIES)
def test_rows_are_duckdbs(query: str, duck: duckdb.DuckDBPyConnection) -> None:
    expected = sorted(rows_of(duck.sql(query).to_arrow_table()), key=key)
    first = None
    for options in OPTIONS:
        table = gm.sql(query, **TABLES).collect(options).to_arrow()
        assert sorted(rows_of(table), key=key) == expected
        first = first or as_bytes(table)
        assert as_bytes(table) == first, f"other bytes with {options}"


@pytest.mark.parametrize("query", ["select id, (select v from u where k = a) from t", "select id, (select v from u) from t", "select id from t where b = (select v from u where k = a)"])
def test_more_than_one_row_is_an_error(query: str) -> None:
    with pytest.raises(gm.DataError, match="more than one row returned by a subquery used as an expression"):
        gm.sql(query, **TABLES).collect()


def test_no_row_outside_asks_for_no_row_inside() -> None:
    assert gm.sql("select (select v from u where k = a) as m from t where id > 100", **TABLES).collect().to_arrow().num_rows == 0
    assert gm.sql("select (select v from u where k = a) as m from t where a = 3", **TABLES).collect().to_arrow()["m"].to_pylist() == [30]


@pytest.mark.parametrize(("query", "message"), [
    ("select (select k, v from u) from t", "subquery must return only one column"),
    ("select 1 from t where a in (select k, v from u)", "subquery has too many columns"),
    ("select 1 from t where (a, b) in (select k from u)", "subquery has too few columns"),
    ("select array(select v from u) from t", r"ARRAY\(subquery\) is not supported yet"),
    ("select 1 from t where (a, b) = (select k, v from u)", "subquery must return only one column"),
    ("select 1 from t where exists (select 1 from u where k = nope)", 'no column "nope"'),
    ("select a from t group by a having (select sum(t.b) from u) > 1", "aggregate of the columns of the query around"),
    ("select 1 from t where a like any (select s from t)", "not supported yet"),
    ("select 1 from t left join u on a = k and exists (select 1 from n where x > v and x < b)", "a subquery that looks at both sides of an outer join"),
])
def test_what_is_not_there_says_so(query: str, message: str) -> None:
    with pytest.raises(gm.PlanError, match=message):
        gm.sql(query, **TABLES).collect()
