"""Structs, lists taken apart, folders and the time in SQL; DuckDB beside it where it means the same."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import gristmill as gm

SEED = random.SystemRandom().randrange(1 << 30)
INNER = pa.struct([("x", pa.float64()), ("Y", pa.string())])


def rows(seed: int, n: int = 120) -> pa.Table:
    rng = random.Random(seed)
    maybe = lambda v: None if rng.random() < 0.15 else v  # noqa: E731
    texts = ["a", "b", "a longer text than twelve", "ä", ""]
    struct = lambda: maybe({"a": maybe(rng.randrange(5)), "b": maybe(rng.choice(texts)), "inside": maybe({"x": maybe(rng.randrange(9) / 4), "Y": rng.choice(texts)}),  # noqa: E731
                            "l": maybe([maybe(rng.randrange(3)) for _ in range(rng.randrange(3))])})
    return pa.table({
        "id": pa.array(range(n), pa.int64()),
        "s": pa.array([struct() for _ in range(n)], pa.struct([("a", pa.int64()), ("b", pa.string()), ("inside", INNER), ("l", pa.list_(pa.int64()))])),
        "tags": pa.array([maybe([maybe(rng.choice(texts)) for _ in range(rng.randrange(4))]) for _ in range(n)], pa.list_(pa.string())),
        "nums": pa.array([maybe([maybe(rng.randrange(9)) for _ in range(rng.randrange(4))]) for _ in range(n)], pa.list_(pa.int64())),
        "many": pa.array([maybe([maybe({"k": rng.randrange(3)}) for _ in range(rng.randrange(3))]) for _ in range(n)], pa.list_(pa.struct([("k", pa.int64())]))),
    })


BESIDE_DUCKDB = [
    "select s.a, s.b from t", "select t.s.a as x, (s).b as z, (t.s).a as y from t", "select s.inside.x from t", "select id, S.Inside.y as z from t",
    "select id from t where s.a > 2 and s.inside.x is not null", "select s.a, count(*) as n from t group by s.a order by s.a nulls last",
    "select t.id, u.id as other from t join t as u on t.s.a = u.s.a and t.id < u.id where t.id < 20 order by 1, 2",
    "select t.id, u.id as other from t left join t as u on t.s.a = u.id where t.id < 20 order by 1, 2",
    "select max(s.a) over (partition by s.b order by id) as total from t order by id", "select s.* from t", "select id, t.s.a from t",
    "select many[1].k as first from t", "select id, (many[1]).k as first from t order by s.a nulls first, id",
    "select s.a from (select id, s from t) as q", "select max(s.inside.x) as m from t having max(s.a) > 1",
    "select id, unnest(tags) as tag from t", "select unnest(nums) + 1 as n, id from t", "select upper(unnest(tags)) as tag from t where id % 2 = 0",
    "select id, unnest(nums) as n, unnest(tags) as tag from t", "select distinct unnest(nums) as n from t order by n nulls first",
    "select id, unnest(nums) as n from t order by id, n nulls first limit 20", "select unnest(s.l) as e, s.a from t", "select unnest([1, 2, 3]) as n",
    "select tag, count(*) as n from (select unnest(tags) as tag from t) as q group by tag order by n desc, tag nulls last",
    "select unnest(array_agg(id order by id)) as i from t where id < 5", "select id from t where id in (select unnest(nums) from t)",
    "select id, unnest(nums) as n, row_number() over (order by id) as r from t",
]


@pytest.mark.parametrize("query", BESIDE_DUCKDB)
def test_beside_duckdb(query: str) -> None:
    t = rows(SEED)
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("t", t)
        want = connection.sql(query).to_arrow_table()
    frame = gm.sql(query, t=t)
    got = frame.collect(num_workers=1).to_arrow()
    assert got.column_names == want.column_names, SEED
    assert sorted(map(repr, got.to_pylist())) == sorted(map(repr, want.to_pylist())), SEED
    assert frame.collect(num_workers=3, chunk_rows=7, batch_rows=3, min_parallel_rows=0).to_arrow().to_pylist() == got.to_pylist(), SEED


def test_a_table_comes_before_a_struct_of_its_name() -> None:
    a = pa.table({"a": [{"b": 1, "c": 2}], "b": [10]})
    assert gm.sql("select a.b, a.c, (a).c as d from a", a=a).collect().to_pylist() == [{"b": 10, "c": 2, "d": 2}]
    assert gm.sql("select a.b from a as other", a=a).collect().to_pylist() == [{"b": 1}]


def test_all_fields_of_a_tables_struct() -> None:
    t = rows(2)
    want = gm.sql("select id, s.a as a, s.b as b, s.inside as inside, s.l as l from t").collect().to_pylist()
    for way in ("t.s.*", "(s).*", "(t.s).*", "S.*"):
        assert gm.sql(f"select id, {way} from t", t=t).collect().to_pylist() == want, way


def test_groups_by_entries() -> None:
    t = pa.table({"tags": [["x", "y"], ["x"], [], None, ["y", "x"]], "v": [1, 2, 3, 4, 5]})
    for by in ("tag", "1", "all"):
        got = gm.sql(f"select unnest(tags) as tag, sum(v) as v, count(*) as n from t group by {by} order by tag", t=t).collect().to_pylist()
        assert got == [{"tag": "x", "v": 8, "n": 3}, {"tag": "y", "v": 6, "n": 2}], by


@pytest.mark.parametrize("query, message", [
    ("select s.none from t", 'the struct has no field "none"'), ("select s.A1 from t", 'no field "a1"; did you mean "a"'), ("select id.x from t", 'no table "id" in this query'),
    ("select z.a from t", 'no table "z" in this query'), ("select s.a.b from t", '"b" cannot be a field of int64'), ("select id.* from t", "only a table or a struct"),
    ("select z.* from t", 'no table "z"'), ("select id from t where unnest(nums) = 1", "unnest stands in FROM or in a select list"),
    ("select sum(unnest(nums)) from t", "inside an aggregate"), ("select unnest(id) from t", "unnest takes lists, not int64"),
    ("select unnest(nums, tags) from t", "takes one list"), ("select unnest(array[unnest(nums)]) from t", "unnest of unnest"),
    ("select (select unnest(nums) limit 1) from t", "refers to the query around"),
    ("pivot t on id using count(*)", "PIVOT is not part of this SQL; a frame does it"), ("select * from t pivot (count(id) for id in (1, 2))", "PIVOT is not part"),
    ("unpivot t on id, nums", "UNPIVOT is not part of this SQL; a frame does it"), ("select current_time", "current_time is not supported"),
])
def test_errors(query: str, message: str) -> None:
    with pytest.raises(gm.PlanError) as e:
        gm.sql(query, t=rows(1)).collect()
    assert message in str(e.value)


def test_pivot_is_still_a_name() -> None:
    assert gm.sql("select pivot, pivot + 1 as unpivot from t as pivot", t=pa.table({"pivot": [1]})).collect().to_pylist() == [{"pivot": 1, "unpivot": 2}]


def test_the_time_is_one_value_of_a_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dt.datetime.now(dt.timezone.utc)
    session = gm.connect()
    session.execute("create view v as select now() as n from range(3)")
    t = session.sql("""select now() as a, current_timestamp as b, transaction_timestamp() as c, localtimestamp as d, current_date as e, today() as f,
                       current_timestamp(0) as g, v.n as h from v""").collect().to_arrow()
    after = dt.datetime.now(dt.timezone.utc)
    assert t.num_rows == 3 and len({tuple(r.values()) for r in t.to_pylist()}) == 1
    r = t.to_pylist()[0]
    assert before <= r["a"] <= after and r["a"] == r["b"] == r["c"] == r["h"] == r["d"].replace(tzinfo=dt.timezone.utc)
    assert r["e"] == r["f"] == r["a"].date() and r["g"].microsecond == 0 and abs(r["g"] - r["a"]) <= dt.timedelta(seconds=0.5)
    assert [str(f.type) for f in t.schema][:5] == ["timestamp[us, tz=UTC]"] * 3 + ["timestamp[us]", "date32[day]"]
    later = session.sql("select n from v").collect().to_pylist()[0]["n"]
    assert later > r["a"]  # a view is read anew
    session.execute("prepare p as select now() as n")
    first, second = (session.execute("execute p").collect().to_pylist()[0]["n"] for _ in range(2))
    assert later < first < second
    assert gm.sql("select count(*) as n from range(5) as r(i) where now() - interval '1 day' < now() and date '2020-01-01' < current_date").collect().to_pylist() == [{"n": 5}]
    assert gm.sql("select current_date").columns == ["current_date"] and gm.sql("select now()").columns == ["now"]


def test_a_folder_in_quotes_reads_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for year in (2023, 2024):
        (tmp_path / "lake" / f"year={year}").mkdir(parents=True)
        gm.from_pydict({"v": [year, 1]}).sink_parquet(tmp_path / "lake" / f"year={year}" / "a.parquet")
    monkeypatch.chdir(tmp_path)
    for name in ("lake", "lake/", str(tmp_path / "lake")):
        got = gm.sql(f"select year, sum(v) as v from '{name}' group by year order by year").collect().to_pylist()
        assert got == [{"year": 2023, "v": 2024}, {"year": 2024, "v": 2025}], name
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.csv").write_text("x\n1\n")
    (tmp_path / "texts" / "b.csv").write_text("x\n2\n")
    assert gm.sql("select sum(x) as x from 'texts'").collect().to_pylist() == [{"x": 3}]
    with pytest.raises(gm.PlanError, match='no table "lake"'):
        gm.sql("select * from lake, t", t=pa.table({"x": [1]})).collect()  # a name without quotes is a table's
    (tmp_path / "empty").mkdir()
    with pytest.raises(gm.GristmillError, match="empty"):
        gm.sql("select * from 'empty'").collect()


def test_filter_by_names() -> None:
    f = gm.from_pydict({"zone": ["A", "B", "A", None], "n": [1, 2, 3, 4]})
    assert f.filter(zone="A").collect().to_pydict() == {"zone": ["A", "A"], "n": [1, 3]}
    assert f.filter(gm.col("n") > 1, zone="A").collect().to_pydict() == {"zone": ["A"], "n": [3]}
    assert f.filter(zone="A", n=gm.col("n")).collect().num_rows == 2 and f.filter(zone=None).collect().num_rows == 0
    assert f.collect().filter(zone="B").to_pydict() == {"zone": ["B"], "n": [2]}
    with pytest.raises(gm.PlanError, match='no column "zon"'):
        f.filter(zon="A").collect()
