"""What people expect of a package: pickling, copies, threads, notebooks, progress, settings, conversions, types."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gristmill as gm
from gristmill import col, progress

ROOT = Path(__file__).parents[2]


@pytest.fixture
def table() -> gm.Table:
    return gm.from_pydict({"a": [1, 2, None], "s": ["x", None, "long enough to be no inline view"], "f": [0.5, float("nan"), None]}).collect()


def test_tables_are_pickled_and_copied(table: gm.Table) -> None:
    again = pickle.loads(pickle.dumps(table))
    assert again.equals(table) and again.schema == table.schema
    assert copy.copy(table) is table and copy.deepcopy([table])[0] is table
    empty = table[:0]
    assert pickle.loads(pickle.dumps(empty)).equals(empty)


def test_frames_are_pickled_with_their_tables(table: gm.Table, tmp_path: Path) -> None:
    pq.write_table(table.to_arrow(), tmp_path / "t.parquet")
    memory, files = table.lazy(), gm.scan_parquet(tmp_path / "t.parquet")
    both = memory.filter(col("a") > 1).join(files.select("a", z=col("s")), on="a", how="left").union(memory.with_columns(z=col("s")))
    for f in (memory, files, both, memory.group_by("s").agg(gm.count()), gm.from_pydict({"d": pa.array(["x", "y"]).dictionary_encode()})):
        again = pickle.loads(pickle.dumps(f))
        assert again.collect().equals(f.collect())
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).collect().num_rows)"
    out = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(both), capture_output=True, check=True)
    assert int(out.stdout) == both.collect().num_rows
    with pytest.raises(gm.PlanError, match="user function"):
        pickle.dumps(memory.select(gm.udf(lambda x: x, returns="int64", name="f")("a")))
    with pytest.raises(gm.PlanError, match="memory"):
        memory.serialize()


def test_shared_frames_from_many_threads(table: gm.Table) -> None:
    big = gm.from_pydict({"k": list(range(1000)) * 20, "v": [float(i) for i in range(20_000)]})
    query = big.group_by("k").agg(col("v").sum()).join(big.distinct("k"), on="k").sort("k", descending=True).with_row_index()
    expected = query.collect()
    assert expected.num_rows == 1000
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda i: query.collect(num_workers=1 + i % 3, min_parallel_rows=0), range(40)))
    assert all(r.equals(expected) for r in results)
    derived: list[int] = []
    threads = [threading.Thread(target=lambda i=i: derived.append(big.filter(col("k") < i).collect().num_rows)) for i in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(derived) == [20 * i for i in range(16)]


def test_indexing_and_iteration(table: gm.Table) -> None:
    assert table["a"].to_pylist() == [1, 2, None] and table[["s", "a"]].columns == ["s", "a"]
    assert table[-1]["s"].startswith("long") and table[0]["a"] == 1
    assert table[1:]["a"].to_pylist() == [2, None] and table[::-1]["a"].to_pylist() == [None, 2, 1]
    assert [r["a"] for r in table] == [1, 2, None] and "a" in table and "q" not in table
    assert table.rows()[0] == (1, "x", 0.5)
    assert table.select(col("a").sum()).item() == 3
    for bad in (7, -4):
        with pytest.raises(IndexError):
            table[bad]
    with pytest.raises(TypeError, match="indexed by"):
        table[1.5]
    with pytest.raises(ValueError, match="one row"):
        table.item()


def test_equality(table: gm.Table) -> None:
    assert table.equals(table.lazy().collect()) and not table.equals(table[:2]) and not table.equals(table.rename({"a": "b"}))
    assert table.equals(table.reverse(), check_order=False) and not table.equals(table.reverse())
    assert not gm.from_pydict({"x": [1.0, None]}).collect().equals(gm.from_pydict({"x": [None, 1.0]}).collect())
    assert table.equals(table.to_arrow())


def test_tables_have_the_methods_of_frames(table: gm.Table) -> None:
    assert table.filter(col("a") > 1)["a"].to_pylist() == [2]
    assert table.group_by("s").agg(gm.count()).num_rows == 3
    assert table.join(table, on="a", how="semi").num_rows == 2
    assert table.with_columns(b=col("a") * 2).drop("s", "f").sort("b", descending=True).to_pydict() == {"a": [2, 1, None], "b": [4, 2, None]}
    assert table.fill_null(0)["a"].to_pylist() == [1, 2, 0] and table.tail(1)["a"].to_pylist() == [None]
    lazy, eager = {n for n in dir(gm.Frame) if not n.startswith("_")}, {n for n in dir(gm.Table) if not n.startswith("_")}
    assert {"filter", "select", "with_columns", "group_by", "sort", "join", "head", "tail", "pivot", "unpivot", "sample", "describe"} <= lazy & eager


def test_eager_reads(table: gm.Table, tmp_path: Path) -> None:
    table.lazy().sink_parquet(tmp_path / "t.parquet")
    table.lazy().sink_ipc(tmp_path / "t.arrow")
    (tmp_path / "t.csv").write_text("a,b\n1,x\n2,y\n")
    assert gm.read_parquet(tmp_path / "t.parquet").equals(table)
    assert gm.read_ipc(tmp_path / "t.arrow", options=gm.ParallelOptions(num_workers=1)).equals(table)
    assert gm.read_csv(tmp_path / "t.csv").to_pydict() == {"a": [1, 2], "b": ["x", "y"]}


def test_conversions() -> None:
    p = pl.DataFrame({"a": [1, None], "b": ["x", "y"]})
    assert gm.from_polars(p).collect().to_polars().equals(p) and gm.from_polars(p.lazy()).collect().num_rows == 2
    d = pd.DataFrame({"a": [1.0, np.nan]})
    assert gm.from_pandas(d).collect().to_pydict() == {"a": [1.0, None]}
    assert gm.from_dict({"a": [1]}).collect().to_dict() == {"a": [1]}
    structured = np.array([(1, 2.5), (3, 4.5)], dtype=[("i", "i8"), ("f", "f8")])
    assert gm.from_numpy(structured).collect().to_pydict() == {"i": [1, 3], "f": [2.5, 4.5]}
    assert gm.from_numpy({"a": np.arange(3)}).collect()["a"].to_pylist() == [0, 1, 2]
    assert gm.from_numpy(np.eye(2)).columns == ["column_0", "column_1"]
    with pytest.raises(ValueError, match="2 columns"):
        gm.from_numpy(np.eye(2), ["a"])
    assert pa.table(gm.from_dict({"a": [1]})).num_rows == 1 and pl.DataFrame(gm.from_dict({"a": [1]}).collect()).height == 1


def test_html(table: gm.Table) -> None:
    tricky = gm.from_pydict({"<b>": ["<script>", None]}).collect()
    html = tricky._repr_html_()
    assert "&lt;script&gt;" in html and "<script>" not in html and "<i>null</i>" in html and "2 rows, 1 column" in html
    long = gm.from_pydict({"x": list(range(100))}).collect()
    with gm.Config(html_rows=4):
        html = long._repr_html_()
    assert html.count("<tr>") == 6 and "<td>99</td>" in html and "<td>50</td>" not in html and "100 rows" in html
    assert "filter" in table.lazy().filter(col("a") > 1)._repr_html_() and "&gt;" in table.lazy().filter(col("a") > 1)._repr_html_()


def test_config(table: gm.Table) -> None:
    long = gm.from_pydict({"x": list(range(100))}).collect()
    with gm.Config(table_rows=4):
        few = repr(long)
        with gm.Config(table_rows=6):
            assert len(repr(long)) > len(few)
        assert repr(long) == few
    gm.Config.set(num_workers=1)
    try:
        assert long.lazy().collect(min_parallel_rows=0).get_stats()["num_workers"] == 1
    finally:
        gm.Config.reset()
    with pytest.raises(TypeError, match="unknown setting"):
        gm.Config(colour="red")
    with pytest.raises(ValueError, match="not a size"):
        gm.Config(memory_limit="lots")


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_in_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    slow = gm.udf(lambda x: time.sleep(0.002) or x, returns="int64", name="slow")
    query = gm.from_pydict({"x": list(range(300))}).select(slow("x"))
    monkeypatch.setattr(progress, "_QUIET_SECONDS", 0.05)
    monkeypatch.setattr(progress, "_EVERY_SECONDS", 0.02)
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    query.collect(num_workers=1, chunk_rows=20)
    assert "step 1 of 1" in screen.getvalue() and "rows" in screen.getvalue() and screen.getvalue().endswith("\r\x1b[K")
    with gm.Config(progress=False):
        monkeypatch.setattr(sys, "stderr", quiet := Screen())
        query.collect(num_workers=1)
    assert quiet.getvalue() == ""
    monkeypatch.setattr(sys, "stderr", plain := io.StringIO())
    query.collect(num_workers=1)
    assert plain.getvalue() == ""


def test_progress_counts_rows_and_steps() -> None:
    f = gm.from_pydict({"k": list(range(5000)), "v": [1] * 5000}).group_by("k").agg(col("v").sum()).sort("k")
    seen = gm._engine.Progress()
    f._f.collect({"num_workers": 2, "min_parallel_rows": 0, "chunk_rows": 500, "progress": seen}, gm.Cancellation())
    assert seen.steps()[0] == seen.steps()[1] > 1 and seen.morsels()[0] == seen.morsels()[1] > 10 and seen.rows() >= 5000


def test_streaming_batches(table: gm.Table) -> None:
    f = gm.from_pydict({"x": list(range(10_000))}).with_row_index()
    batches = list(f.collect_batches(num_workers=2, min_parallel_rows=0, chunk_rows=700, batch_rows=100))
    assert len(batches) > 5 and pa.Table.from_batches(batches)["index"].to_pylist() == list(range(10_000))


def test_the_types_of_the_package() -> None:
    out = subprocess.run([sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "-p", "gristmill"], capture_output=True, text=True,
                         cwd=ROOT / "python")
    assert out.returncode == 0, out.stdout + out.stderr


@pytest.mark.parametrize("example", sorted(p.name for p in (ROOT / "examples").glob("*.py") if p.name not in ("demo.py", "trips.py", "kafka_to_postgres.py")))
def test_examples_run(example: str, tmp_path: Path) -> None:
    source = (ROOT / "examples" / example).read_text()
    assert source.count("\n") < 60
    out = subprocess.run([sys.executable, str(ROOT / "examples" / example)], capture_output=True, text=True, cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    assert out.stdout.strip()
