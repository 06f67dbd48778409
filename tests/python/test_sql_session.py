"""Sessions: tables, views, prepared statements, parameters, settings, COPY, DESCRIBE; what a failing statement leaves behind."""

from __future__ import annotations

import concurrent.futures
import ctypes
import datetime as dt
import decimal
import os
import random
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gristmill as gm


@pytest.fixture
def session() -> gm.Session:
    s = gm.connect()
    s.execute("create table t as select n as id, n % 3 as k, 'name ' || n::text as s from generate_series(1, 10) g(n)")
    return s


def rows(s: gm.Session, sql: str, params: object = None, **tables: object) -> list[tuple]:
    table = s.execute(sql, params, **tables).collect().to_arrow()
    return list(zip(*(c.to_pylist() for c in table.columns)))


def test_create_insert_drop(session: gm.Session) -> None:
    assert session.execute("create table u (a int, b text, c decimal(8,2), d date, l bigint[])").changed == 0
    assert session.execute("insert into u values (1, 'x', 1.5, '2024-02-29', [1, 2]), (2, null, default, null, null)").changed == 2
    assert session.execute("insert into u (b, a) select s, id from t where id > 8").changed == 2
    assert rows(session, "select * from u") == [
        (1, "x", decimal.Decimal("1.50"), dt.date(2024, 2, 29), [1, 2]), (2, None, None, None, None), (9, "name 9", None, None, None),
        (10, "name 10", None, None, None)]
    assert session.execute("create table if not exists u as select 1 as x").changed == 0
    assert session.execute("create or replace table u as select 1 as x").changed == 1
    assert rows(session, "select * from u") == [(1,)]
    assert session.execute("create temp table v (p, q) as select id, k from t").changed == 10
    assert session.tables()["v"].names == ["p", "q"]
    session.execute("create table empty as select * from t with no data; insert into empty select * from t; truncate empty")
    assert rows(session, "select count(*) from empty") == [(0,)]
    session.execute("drop table u, v; drop table if exists u")
    assert sorted(session.tables()) == ["empty", "t"]


def test_a_table_in_many_parts(session: gm.Session) -> None:
    session.execute("create table log (n bigint, s text)")
    for i in range(300):
        session.execute("insert into log values ($1, $2)", [i, f"a text that is no inline view {i}"])
    session.execute("insert into log select n + 300, null from generate_series(0, 4999) g(n)")
    assert rows(session, "select count(*), sum(n), count(s), max(s) from log") == [(5300, sum(range(5300)), 300, "a text that is no inline view 99")]
    assert [r[0] for r in rows(session, "select n from log")] == list(range(5300))
    assert session.execute("insert into log select * from log").changed == 5300


@pytest.mark.parametrize("statement, said", [
    ("create table t as select 1 as a", 'table "t" is there already'),
    ("create table d as select 1 as a, 2 as a", '"a"'),
    ("create view t as select 1", 'table "t" is there already'),
    ("insert into t values (1)", "INSERT has 3 columns, but 1 values"),
    ("insert into t (id, nope) values (1, 2)", 'no column "nope"'),
    ("insert into t (id, id) values (1, 2)", 'column "id" is named twice'),
    ("insert into tt values (1, 2, '3')", 'the session has no table "tt"; did you mean "t"?'),
    ("insert into t values (1, 'x', 'y')", 'cannot cast "x"'),
    ("drop table nope", 'the session has no table "nope"'),
    ("drop view t", '"t" is a table'),
    ("create table c (a int primary key)", "constraints and defaults of a column are not supported"),
    ("create table c (a nosuchtype)", "nosuchtype"),
    ("update t set k = 1", "UPDATE is not supported"),
    ("delete from t", "DELETE is not supported"),
    ("alter table t add column x int", "ALTER TABLE is not supported"),
    ("begin", "a transaction"),
    ("insert into t values (1, 2, '3') returning id", "RETURNING is not supported"),
    ("copy t to 'x.unknown'", "cannot tell the format"),
    ("copy t to '/tmp/x.csv' (formatt csv)", 'COPY has no option "formatt"'),
    ("set nosuch = 1", 'no setting "nosuch"'),
    ("set threads = 'many'", "setting threads: a whole number"),
    ("set timezone = 'Europe/Berlin'", "the session's zone is UTC"),
    ("execute nope", 'no prepared statement "nope"'),
    ("create view v as select * from missing", 'no table "missing"'),
    ("create schema s", "CREATE SCHEMA is not supported"),
    ("select $1", "no value was given for parameter 1"),
])
def test_errors_name_the_reason_and_change_nothing(session: gm.Session, statement: str, said: str) -> None:
    before = rows(session, "select * from t")
    with pytest.raises(gm.GristmillError) as caught:
        out = session.execute(statement)
        out.collect()
    assert said in str(caught.value)
    assert rows(session, "select * from t") == before and list(session.tables()) == ["t"]


def test_views_follow_their_tables(session: gm.Session) -> None:
    session.execute("create view big as select id, s from t where id > 7; create view names (n) as select s from big")
    assert rows(session, "select n from names order by n") == [("name 10",), ("name 8",), ("name 9",)]
    session.execute("insert into t values (11, 2, 'name 11')")
    assert rows(session, "select count(*) from names") == [(4,)]
    session.execute("create or replace view big as select id, s from t where id = 1")
    assert rows(session, "select * from names") == [("name 1",)]
    session.execute("create or replace view big as select * from names")
    with pytest.raises(gm.PlanError, match="reads itself"):
        session.execute("select * from big")
    session.execute("drop view names, big")
    assert list(session.tables()) == ["t"]


def test_prepared_statements_and_parameters(session: gm.Session) -> None:
    session.execute("prepare p as select id from t where k = $1 and id > $2 order by id; prepare i (bigint, bigint, text) as insert into t values ($1, $2, $3)")
    assert rows(session, "execute p(1, 4)") == [(7,), (10,)]
    assert session.execute("execute i(20, 1, 'twenty')").changed == 1
    assert rows(session, "execute p(1, 1 + 8)") == [(10,), (20,)]
    with pytest.raises(gm.PlanError, match="takes 2 values, not 1"):
        session.execute("execute p(1)")
    with pytest.raises(gm.PlanError, match="there already|already"):
        session.execute("prepare p as select 1")
    session.execute("deallocate p; deallocate all")
    assert rows(session, "select count(*) from t where s = ?", ["twenty"]) == [(1,)]
    assert rows(session, "select id from t where k = :k and id < :most order by id", {"k": 2, "most": 6}) == [(2,), (5,)]
    assert rows(session, "select $2::text || $1::text", ["b", "a"]) == [("ab",)]
    assert rows(session, "select x from (values (1), (2), (3)) v(x) where x in (?, ?) limit ?", [1, 3, 1]) == [(1,)]
    with pytest.raises(gm.PlanError, match="has 1 parameters, but 2 values"):
        session.execute("select ?", [1, 2])
    with pytest.raises(gm.PlanError, match="parameter :nope"):
        session.execute("select :nope", {"other": 1})
    with pytest.raises(gm.PlanError, match="not both"):
        session.execute("select ?, $1", [1])
    values = [True, 7, 1.5, "text", b"bytes", None, dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 12, 30), decimal.Decimal("12.34"), [1, 2], pa.scalar(3, pa.int8())]
    for value in values:
        assert rows(session, "select $1", [value]) == [(value.as_py() if isinstance(value, pa.Scalar) else value,)]
    assert gm.sql("select a + ? as b from x", params=[5], x=pa.table({"a": [1, 2]})).collect().to_pydict() == {"b": [6, 7]}


def test_names_are_found_in_the_order_that_is_promised(session: gm.Session) -> None:
    one, t = pa.table({"a": [1]}), pa.table({"a": [99]})  # noqa: F841 - found by name
    assert session.execute("select a from one").collect().to_pydict() == {"a": [1]}
    assert session.sql("select a from one").collect().to_pydict() == {"a": [1]}
    assert session.execute("select max(id) as n from t").collect().to_pydict() == {"n": [10]}  # the session before the caller's variables
    assert rows(session, "select a from t", t=t) == [(99,)]  # what is given before the session
    session.register("given", t)
    assert rows(session, "select a from given") == [(99,)]
    with pytest.raises(gm.PlanError, match="cannot be changed"):
        session.execute("insert into given values (1)")


def test_several_statements_and_the_last_outcome(session: gm.Session) -> None:
    out = session.execute("select 1 / (id - id) from t limit 0; insert into t values (0, 0, null);; select count(*) as n from t;")
    assert out.command == "SELECT" and out.collect().to_pydict() == {"n": [11]}
    with pytest.raises(gm.DataError):
        session.execute("insert into t values (12, 0, null); select 1 / (id - id) from t; insert into t values (13, 0, null)")
    assert rows(session, "select max(id) from t") == [(12,)]  # what came before the failing one stays
    with pytest.raises(gm.PlanError, match="line 2"):
        session.execute("insert into t values (14, 0, null);\nselect from where")
    assert rows(session, "select max(id) from t") == [(12,)]  # nothing of a text that cannot be read is run


@pytest.mark.parametrize("ending, options", [("parquet", ""), ("csv", ""), ("csv", "(delimiter ';', header true, quote '''')"), ("ndjson", ""), ("arrow", ""),
                                            ("csv.gz", ""), ("txt", "(format csv, delimiter E'\\t')"), ("out", "(format parquet)")])
def test_copy_there_and_back(session: gm.Session, tmp_path: Path, ending: str, options: str) -> None:
    file = tmp_path / f"out.{ending}"
    assert session.execute(f"copy (select id, s, k from t where id > 2) to '{file}' {options}").changed == 8
    session.execute("create table back (id bigint, s text, k bigint)")
    assert session.execute(f"copy back from '{file}' {options}").changed == 8
    assert rows(session, "select * from back") == rows(session, "select id, s, k from t where id > 2")
    assert session.execute(f"copy t (k, id) to '{file}' {options}").changed == 10
    session.execute(f"truncate back; copy back (k, id) from '{file}' {options}")
    assert rows(session, "select id, s, k from back") == rows(session, "select id, null, k from t")


def test_reading_functions(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1;2,5;x\n2;3,5;NA\n")
    (tmp_path / "b.csv").write_text("3;4,5;y\n")
    out = gm.sql(f"select * from read_csv('{tmp_path}/a.csv', delim => ';', header => false, decimal_comma => true, nullstr => 'NA', names => ['i', 'f', 's'])")
    assert out.collect().to_pydict() == {"i": [1, 2], "f": [2.5, 3.5], "s": ["x", None]}
    both = gm.sql(f"select count(*) as n from read_csv(['{tmp_path}/a.csv', '{tmp_path}/b.csv'], sep = ';', header = false)")
    assert both.collect().to_pydict() == {"n": [3]}
    typed = gm.sql(f"select * from read_csv('{tmp_path}/b.csv', sep := ';', header := false, schema := 'a:int32 b:string c:string') as r(x)")
    assert typed.schema == pa.schema([("x", pa.int32()), ("b", pa.string()), ("c", pa.string())])
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "p.parquet")
    pq.write_table(pa.table({"a": [3]}), tmp_path / "q.parquet")
    assert gm.sql(f"select sum(a) as s from read_parquet(['{tmp_path}/p.parquet', '{tmp_path}/q.parquet'])").collect().to_pydict() == {"s": [6]}
    (tmp_path / "x.ndjson").write_text('{"a": 1, "b": "x"}\n{"a": 2}\n')
    assert gm.sql(f"select a, b from read_json('{tmp_path}/x.ndjson') order by a desc").collect().to_pydict() == {"a": [2, 1], "b": [None, "x"]}
    with pytest.raises(gm.IoError):
        gm.sql("select * from read_csv('/nowhere/x.csv')").collect()


def test_describe_summarize_show_explain(session: gm.Session, tmp_path: Path) -> None:
    assert rows(session, "describe t") == [("id", "int64", "yes"), ("k", "int64", "yes"), ("s", "string", "yes")]
    assert rows(session, "describe select id / 2.0 as half from t") == rows(session, "desc select id / 2.0 as half from t")
    assert [r[0] for r in rows(session, "show columns from t")] == ["id", "k", "s"]
    session.execute("create view w as from t")
    assert rows(session, "show tables") == [("t", "table"), ("w", "view")]
    summary = session.execute("summarize t").collect().to_pydict()
    assert summary["column_name"] == ["id", "k", "s"] and summary["count"] == [10, 10, 10] and summary["nulls"] == [0, 0, 0]
    assert summary["min"] == ["1", "0", "name 1"] and summary["max"] == ["10", "2", "name 9"] and summary["mean"][:2] == [5.5, 1.0]
    assert summary["q50"][0] == 5.5 and summary["mean"][2] is None and summary["approx_unique"] == [10, 3, 10]
    plan = "\n".join(r[0] for r in rows(session, "explain select k, count(*) from t where id > 3 group by k"))
    assert "aggregate" in plan.lower() and "id > 3" in plan
    assert "rows" in "\n".join(r[0] for r in rows(session, "explain analyze select k, count(*) from t group by k"))
    assert gm.sql("describe x", x=pa.table({"a": [1]})).collect().to_pydict()["column_name"] == ["a"]
    with pytest.raises(gm.PlanError, match="connect"):
        gm.sql("create table t as select 1 as a").collect()


def test_settings(session: gm.Session) -> None:
    session.execute("set threads = 3; set memory_limit = '512MB'; set timeout to '30s'; set exact_float_sums = off")
    shown = dict((r[0], r[1]) for r in rows(session, "show all"))
    assert shown["threads"] == "3" and shown["memory_limit"] == "512000000" and shown["timeout"] == "30000" and shown["exact_float_sums"] == "false"
    session.execute("reset threads")
    assert rows(session, "show threads") == [("0",)]
    session.execute("set timeout = 1")
    with pytest.raises(gm.TimeoutError):
        session.execute("create table slow as select count(*) as n from generate_series(1, 1000000000) a(x) where x % 7 = sqrt(x)")
    session.execute("reset all")
    assert rows(session, "select count(*) from t") == [(10,)]
    assert gm.connect(num_workers=2)._s.num_workers() == 2


def test_a_closed_session_says_so() -> None:
    s = gm.connect()
    frame = s.sql("select 1 as a")
    s.close()
    with pytest.raises(ValueError, match="closed"):
        s.execute("select 1")
    assert frame.collect().to_pydict() == {"a": [1]}


def test_recursion_is_bounded_and_can_be_stopped() -> None:
    endless = "with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t"
    with pytest.raises(gm.TimeoutError):
        gm.sql(endless).collect(timeout=0.3)
    doubling = "with recursive t(n, s) as (select 1, repeat('x', 1000) union all select n + k, s from t, generate_series(1, 4) g(k)) select count(*) from t"
    with pytest.raises(gm.MemoryLimitError):
        gm.sql(doubling).collect(memory_limit="64MB")
    reach = "with recursive r(a, b) as (select a, b from e union select r.a, e.b from r join e on r.b = e.a) select * from r"
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = random.Random(seed)
    e = pa.table({"a": [rng.randrange(60) for _ in range(150)], "b": [rng.randrange(60) for _ in range(150)]})
    want = sorted(duckdb.sql(reach).fetchall())
    answers = [gm.sql(reach, e=e).collect(num_workers=w, batch_rows=b, chunk_rows=c, min_parallel_rows=0).to_arrow() for w, b, c in
               ((1, 0, 0), (2, 7, 20), (3, 100, 1), (8, 1, 50))]
    assert sorted(zip(answers[0]["a"].to_pylist(), answers[0]["b"].to_pylist())) == want
    assert all(a.equals(answers[0]) for a in answers)
    assert e.num_rows == 150


def free_thread_keys() -> int:
    """Thread-specific keys that the process may still make; it has 1024 of them."""
    libc = ctypes.CDLL(None)
    made = []
    key = ctypes.c_uint()
    while libc.pthread_key_create(ctypes.byref(key), None) == 0:
        made.append(key.value)
    for k in made:
        libc.pthread_key_delete(ctypes.c_uint(k))
    return len(made)


def test_statements_use_up_nothing_of_the_process() -> None:
    gm.sql("select 1").collect()
    before = free_thread_keys()
    for i in range(30):
        gm.sql(f"select {i}").collect()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda i: gm.sql(f"select {i} as n").collect().to_pydict()["n"][0], range(200))) == list(range(200))
    assert free_thread_keys() >= before - 8  # threads of the pool, not statements


def test_a_forked_process_parses_too() -> None:
    gm.sql("select 1").collect()
    child = os.fork()
    if child == 0:
        os._exit(0 if gm.sql("select 41 + 1 as n").explain() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
