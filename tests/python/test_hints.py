"""What somebody who comes from pandas or Polars is told: names of those libraries lead to ours, and what would mean something else is refused."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
from pathlib import Path
from typing import Any, Callable

import pyarrow as pa
import pytest

import gristmill as gm
from gristmill import hints
from gristmill.stream import tumbling

FRAME = gm.from_pydict({"a": [1, 2], "b": ["x", None]})


@pytest.mark.parametrize("attempt, error, said", [
    (lambda: FRAME.to_pandas(), AttributeError, "a frame is lazy: collect() gives a table"),
    (lambda: FRAME.shape, AttributeError, "collect() gives a table"),
    (lambda: FRAME.groupby("a"), AttributeError, 'here it is group_by("a").agg(...)'),
    (lambda: FRAME.write_csv("x"), AttributeError, "sink_csv(path, ...)"),
    (lambda: FRAME.sum(), AttributeError, "select(gm.all().sum())"),
    (lambda: FRAME["a"], TypeError, 'select("a")'),
    (lambda: FRAME.nothing_like_it, AttributeError, "'Frame' object has no attribute 'nothing_like_it'"),
    (lambda: FRAME.collect().collect(), AttributeError, "a table is data already"),
    (lambda: FRAME.collect().collect_batches(), AttributeError, "lazy() gives a frame"),
    (lambda: FRAME.collect().to_csv("x"), AttributeError, "here it is sink_csv(path, ...)"),
    (lambda: FRAME.collect().height, AttributeError, "here it is num_rows, or len(table)"),
    (lambda: FRAME.collect().to_dicts(), AttributeError, "here it is to_pylist()"),
    (lambda: FRAME.fetchall(), AttributeError, "here it is collect().rows()"),
    (lambda: FRAME.b, AttributeError, "the column is gm.col('b') in expressions"),
    (lambda: FRAME.collect().b, AttributeError, "the column is table['b'], or gm.col('b')"),
    (lambda: FRAME.select("nope").b, AttributeError, "'Frame' object has no attribute 'b'"),
    (lambda: FRAME.collect().group_by("a").mean(), AttributeError, 'agg(gm.col("a").mean())'),
    (lambda: gm.connect().execute("select 1").fetchall(), AttributeError, "here it is collect().rows()"),
    (lambda: gm.connect().execute("select 1").to_pandas(), AttributeError, "here it is collect().to_pandas"),
    (lambda: FRAME.fliter(), AttributeError, "did you mean 'filter'?"),
    (lambda: gm.col("b").str.uper(), AttributeError, "did you mean 'upper'?"),
    (lambda: FRAME.filter("a > 1"), TypeError, "select * from frame where a > 1"),
    (lambda: FRAME.group_by("a", maintain_order=True), TypeError, "the order of their first row"),
    (lambda: FRAME.sort("a", ascending=False), TypeError, "no option 'ascending'; here it is descending"),
    (lambda: FRAME.sort("a", descnding=True), TypeError, "no option 'descnding'; did you mean 'descending'?"),
    (lambda: FRAME.collect().rename(columns={"a": "x"}), TypeError, "rename({...})"),
    (lambda: FRAME.collect().pivot(columns="a", values="b"), TypeError, "no option 'columns'; here it is on"),
    (lambda: FRAME.join(FRAME, on="a", how="outer"), ValueError, 'here it is "full"'),
    (lambda: FRAME.collect(threads=2), TypeError, "no option 'threads'; here it is num_workers"),
    (lambda: FRAME.collect(streaming=True), TypeError, "no option 'streaming'; nothing to say"),
    (lambda: FRAME.collect(num_workers="two"), TypeError, "num_workers is a whole number, not 'two'"),
    (lambda: FRAME.collect(timeout="1s"), TypeError, "timeout is a number of seconds, not '1s'"),
    (lambda: FRAME.sink_parquet("x", partition_cols=["a"]), TypeError, "here it is partition_by"),
    (lambda: gm.read_csv("x", sep=";"), TypeError, "no option 'sep'; here it is separator"),
    (lambda: gm.scan_csv("x", seperator=";"), TypeError, "did you mean 'separator'?"),
    (lambda: gm.read_parquet("x", columns=["a"]), TypeError, "a select(...) behind it"),
    (lambda: gm.col("a").fill_null(strategy="forward"), TypeError, "forward_fill()"),
    (lambda: gm.col("a").is_between(1, 2), AttributeError, "between(low, high)"),
    (lambda: gm.col("a")["b"], TypeError, 'struct.field("a")'),
    (lambda: gm.col("a", "b"), TypeError, "selectors.by_name('a', 'b')"),
    (lambda: gm.from_pydict({"a": [1], "b": [1, "x"]}), ValueError, 'column "b"'),
    (lambda: FRAME.group_by("a").count(), AttributeError, "agg(gm.count())"),
    (lambda: FRAME.group_by_dynamic("a", every=1).mean(), AttributeError, 'agg(gm.col("a").mean())'),
    (lambda: FRAME.group_by("a").agg({"b": "max"}), TypeError, "gm.col('b').max()"),
    (lambda: FRAME.group_by("a").agg(most=("b", "max")), TypeError, "most=gm.col('b').max()"),
    (lambda: FRAME.with_columns(c=len), TypeError, 'gm.udf(f)("a")'),
    (lambda: gm.col("a").apply(len), AttributeError, "gm.udf(f)(column)"),
    (lambda: gm.col("a").map(len), TypeError, "gm.udf(f)(column)"),
    (lambda: gm.col("b").str.to_uppercase(), AttributeError, "upper()"),
    (lambda: gm.col("b").list.len(), AttributeError, "length()"),
    (lambda: gm.col("a").cast(dict), TypeError, 'a type is a text like "int64"'),
    (lambda: gm.Frame({"a": [1]}), TypeError, "frames are made by from_pydict"),  # type: ignore[arg-type]
    (lambda: gm.DataFrame({"a": [1]}), AttributeError, "gm.from_pydict({...})"),
    (lambda: gm.max("a"), AttributeError, 'gm.col("a").max()'),
    (lambda: gm.Retry, AttributeError, "from gristmill.flow import Retry"),
    (lambda: gm.Int64, AttributeError, 'cast("int64")'),
    (lambda: gm.nothing_like_it, AttributeError, "module 'gristmill' has no attribute 'nothing_like_it'"),
])
def test_what_is_said(attempt: Callable[[], Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error) as raised:
        attempt()
    assert said in str(raised.value)


def test_names_that_are_explained_do_not_exist_and_what_is_told_does() -> None:
    owners = [(hints._ROWS, gm.Frame), (hints._SINKS, gm.Frame), (hints._GROUPS, gm.GroupBy), (hints._EXPRESSIONS, gm.Expr),
              (hints._TEXT, type(gm.col("a").str)), (hints._LISTS, type(gm.col("a").list))]
    for known, owner in owners:
        for name, told in known.items():
            assert not hasattr(owner, name), (owner, name)
            method = told.split("(")[0]
            if known is not hints._ROWS and method.isidentifier() and method != "sort":
                assert hasattr(owner, method) or method == "agg", (owner, told)
    assert not set(hints._MODULE) & set(gm.__all__)


def test_a_notebook_tells_a_wrong_plan_once() -> None:
    from IPython.core.formatters import DisplayFormatter

    wrong, shown = FRAME.select("nope"), DisplayFormatter()
    told = []
    for formatter in shown.formatters.values():
        try:
            formatter.__class__.__call__.__wrapped__(formatter, wrong)
        except gm.PlanError as e:
            told.append(str(e))
        except NotImplementedError:
            pass
    assert told == ['no column "nope"; known: a, b']


def test_missing_attributes_stay_missing() -> None:
    assert not hasattr(FRAME, "__array__") and not hasattr(FRAME.collect(), "nothing") and getattr(gm.col("a"), "nothing", 5) == 5
    assert pickle.loads(pickle.dumps(FRAME)).collect() == FRAME.collect() and copy.deepcopy(FRAME) is FRAME
    with pytest.raises(TypeError):
        iter(FRAME).__next__()


def test_types_of_python_are_types() -> None:
    t = gm.from_pydict({"a": ["1", "2"], "d": ["2026-01-02", None]})
    out = t.select(gm.col("a").cast(int), b=gm.col("a").cast(float), c=gm.col("a").cast(bytes), d=gm.col("d").cast(dt.date)).collect()
    assert out.to_pylist() == [{"a": 1, "b": 1.0, "c": b"1", "d": dt.date(2026, 1, 2)}, {"a": 2, "b": 2.0, "c": b"2", "d": None}]
    assert gm.udf(lambda a: a, returns=int).returns == pa.int64()


def test_a_function_of_groups_gets_lists_where_it_says_so() -> None:
    @gm.udf(kind="aggregate")
    def span(x: list) -> float:
        assert type(x) is list
        return max(v for v in x if v is not None) - min(v for v in x if v is not None)

    @gm.udf(kind="vector")
    def doubled(x: list[int]) -> int:  # type: ignore[misc]
        return [2 * v for v in x]  # type: ignore[return-value]

    f = gm.from_pydict({"g": [1, 1, 2, 1], "x": [1.5, 4.0, 2.0, None], "n": [1, 2, 3, 4]})
    assert f.group_by("g").agg(span("x").alias("s")).collect().to_pydict() == {"g": [1, 2], "s": [2.5, 0.0]}
    assert f.select(doubled("n")).collect().to_pydict() == {"n": [2, 4, 6, 8]}


def test_tables_are_printed_without_an_empty_line_and_shown_with_types_that_cast_takes() -> None:
    types = {"a": "float64", "b": "timestamp(us,UTC)", "c": "list<string>", "d": "date", "e": "struct<x:int64,y:decimal(5,2)>", "f": "time(us)",
             "g": "map<string,int32>"}
    t = gm.from_pydict({n: [None] for n in types}).select(*[gm.col(n).cast(t) for n, t in types.items()]).collect()
    assert str(t).endswith("1 row, 7 columns")
    shown = t._repr_html_()
    for text in types.values():
        assert f"<small>{text.replace('<', '&lt;').replace('>', '&gt;')}</small>" in shown


def test_numbers_are_printed_plainly() -> None:
    t = gm.from_pydict({"x": [300000.0, 1e-4, 1e20, -0.0, 123456789.25]}).collect()
    assert [w for w in ("300000.0", "0.0001", "1e+20", "123456789.25") if w not in str(t)] == []
    assert "3e+05" not in str(t)


def test_an_outcome_shows_what_happened_only() -> None:
    with gm.connect() as session:
        assert repr(session.execute("create table t as select 1 as a")) == "Outcome(command='CREATE TABLE', frame=None, changed=1)"


def test_replay_takes_paths(tmp_path: Path) -> None:
    rows = gm.from_pydict({"ts": [dt.datetime(2026, 1, 1, 0, 0, s) for s in (1, 2, 11, 12, 13)], "k": ["a", "b", "a", "a", "b"]})
    rows.sink_parquet(tmp_path / "it's.parquet")
    rows.sink_csv(tmp_path / "rows.csv")
    counts = []
    for source in (tmp_path / "it's.parquet", str(tmp_path / "*.csv"), rows):
        windows = gm.Stream.replay(source).with_watermark("ts", delay="1s").window(tumbling("10s"), by="k").aggregate(n=gm.count())
        counts.append([(r["k"], r["n"]) for r in windows.collect().to_pylist()])
    assert counts == [[("a", 1), ("b", 1), ("a", 2), ("b", 1)]] * 3


def test_errors_of_readers_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"a": 1}, {"a": 2}]')
    (tmp_path / "pretty.json").write_text('[\n {\n  "a": 1\n }\n]')
    for name in ("a.json", "pretty.json"):
        with pytest.raises(gm.IoError, match="is a JSON array, not NDJSON.*jq -c"):
            gm.scan_ndjson(tmp_path / name).collect()
    gm.from_pydict({"a": [1]}).sink_parquet(tmp_path / "a.parquet")
    gm.from_pydict({"a": [1]}).sink_ipc(tmp_path / "a.arrow")
    gm.from_pydict({"a": [1]}).sink_csv(tmp_path / "a.csv.gz")
    (tmp_path / "a.csv.gz").rename(tmp_path / "plain.csv")
    for name, told in [("a.parquet", "is a Parquet file; read it as Parquet"), ("a.arrow", "is an Arrow IPC file"), ("plain.csv", 'is compressed with gzip; compression="gzip"')]:
        for scan in (gm.scan_csv, gm.scan_ndjson):
            with pytest.raises(gm.IoError, match=f"not text: .*{told}"):
                scan(tmp_path / name).collect()
    assert gm.read_csv(tmp_path / "plain.csv", compression="gzip").to_pydict() == {"a": [1]}
    (tmp_path / "par1.csv").write_text("PAR1,ARROW1\n1,2\n")
    assert gm.read_csv(tmp_path / "par1.csv").to_pydict() == {"PAR1": [1], "ARROW1": [2]}
    (tmp_path / "semi.csv").write_text("a;b\n1;2,5\n")
    with pytest.raises(gm.DataError, match="expected 1 column, found 2.*separator="):
        gm.scan_csv(tmp_path / "semi.csv").collect()
    for given, told in [("double", "it is called float64"), ("Int64", "it is called int64"), ("timestamp[us]", r"timestamp\(us\)"), ("date32[day]", "it is called date"),
                        ("varchar", "it is called string"), ("flaot", "types are written like")]:
        with pytest.raises(gm.PlanError, match=told):
            gm.scan_csv(tmp_path / "semi.csv", separator=";", schema_overrides={"a": given}).collect()


def test_tables_write_and_meet_tables(tmp_path: Path) -> None:
    table = FRAME.collect()
    assert table.sink_parquet(tmp_path / "t.parquet") == table.sink_csv(tmp_path / "t.csv") == table.sink_ndjson(tmp_path / "t.ndjson") == 2
    assert gm.read_parquet(tmp_path / "t.parquet") == gm.read_csv(tmp_path / "t.csv") == gm.read_ndjson(tmp_path / "t.ndjson") == table.limit(9)
    assert gm.concat([table, FRAME]).collect().to_pydict() == table.union(table).to_pydict() == {"a": [1, 2] * 2, "b": ["x", None] * 2}
    assert FRAME.join(table, on="a").collect().columns == ["a", "b", "b_right"]
    assert table.cross_join(table).num_rows == 4 and table.join_asof(table, on="a").num_rows == 2


def test_types_of_columns_are_given_as_cast_takes_them(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,c\n1,2,3\n")
    read = gm.read_csv(tmp_path / "t.csv", schema_overrides={"a": float, "b": pa.string(), "c": "int8"})
    assert [str(t) for t in read.schema.types] == ["double", "string", "int8"]


def test_pythons_functions_of_numbers_take_expressions() -> None:
    f = gm.from_pydict({"x": [-1.26, None]}).select(a=abs(gm.col("x")), b=round(gm.col("x"), 1), c=round(gm.col("x")))
    assert f.collect().to_pydict() == {"a": [1.26, None], "b": [-1.3, None], "c": [-1.0, None]}


def test_an_empty_text_is_a_column_of_a_pivot() -> None:
    f = gm.from_pydict({"i": [1, 1, 1], "k": ["", "b", None], "v": [1, 2, 3]})
    assert f.pivot("k", index="i", values="v", aggregate="avg").collect().to_pydict() == {"i": [1], "": [1.0], "b": [2.0], "null": [3.0]}


def test_durations_are_printed_as_time() -> None:
    spans = [dt.timedelta(days=-179, seconds=20855), dt.timedelta(0), dt.timedelta(hours=2), dt.timedelta(minutes=1, microseconds=1500), None]
    text = str(gm.from_pydict({"d": spans}).collect())
    for shown in ("-178d 18h 12m 25s", " 0s ", " 2h ", "1m 0.0015s", "null"):
        assert shown in text, shown
