"""Parts of a plan that several branches read: one computation, the same answer at any setting, memory and errors as told."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import gristmill as gm
from gristmill import col

ROWS = 200_000


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(11)
    return pa.table({
        "k": rng.integers(0, 5_000, ROWS),
        "g": pa.array([f"group {i}" for i in rng.integers(0, 40, ROWS)]),
        "v": rng.normal(size=ROWS),
    })


SELF_JOIN = """
with sums as (select k, g, count(*) n, sum(v) s from t group by k, g),
     best as (select k, max(n) n from sums group by k)
select a.k, a.g, a.n, a.s, b.n best, c.g other
from sums a join best b on a.k = b.k join sums c on c.k = a.k and c.n = b.n
where a.n > 1 order by a.k, a.g, c.g
"""


def counted(counter: list[int], table: pa.Table) -> gm.Frame:
    def once(k: int) -> int:
        counter[0] += 1
        return k

    return gm.from_arrow(table).with_columns(gm.udf(once, returns="int64")(col("k")).alias("k"))


def test_sql_with_read_three_times(table: pa.Table) -> None:
    data = table  # the name it has in the other engine
    frame = gm.sql(SELF_JOIN, t=data)
    assert frame.explain().count("computed once") == 1
    expected = duckdb.sql(SELF_JOIN.replace(" t ", " data ")).to_arrow_table()
    first = frame.collect().to_arrow()
    for name in ("k", "g", "n", "best", "other"):
        assert first[name].to_pylist() == expected[name].to_pylist(), name
    assert np.allclose(first["s"], expected["s"])
    for workers in (1, 2, 3, 8):
        for memory in (0, 32_000_000):
            for batch in (0, 100):
                options = gm.ParallelOptions(num_workers=workers, memory_limit=memory, batch_rows=batch, chunk_rows=batch)
                assert frame.collect(options).to_arrow().equals(first), (workers, memory, batch)


def test_a_frame_used_twice_runs_once(table: pa.Table) -> None:
    counter = [0]
    small = table.slice(0, 3_000)
    groups = counted(counter, small).group_by("k").agg(gm.count().alias("n"))
    both = groups.filter(col("n") > 1).join(groups.select(col("k"), col("n").alias("again")), on="k")
    out = both.collect(gm.ParallelOptions(num_workers=2)).to_arrow()
    assert counter[0] == small.num_rows
    assert out["n"].to_pylist() == out["again"].to_pylist()


def test_kept_rows_beyond_memory_go_to_disk(table: pa.Table) -> None:
    wide = gm.from_arrow(table).with_columns(gm.concat_ws("-", col("g"), col("k")).alias("text"))
    groups = wide.group_by("k", "g").agg(col("v").sum().alias("s"), col("text").min().alias("text"))
    both = groups.join(groups.select("k", "g", col("s").alias("again")), on=["k", "g"])
    free = both.collect().to_arrow()
    limited = both.collect(gm.ParallelOptions(memory_limit=48_000_000)).to_arrow()
    assert limited.equals(free) and free.num_rows == groups.collect().num_rows


def test_errors_in_a_part_are_the_querys(table: pa.Table) -> None:
    bad = gm.from_arrow(pa.table({"k": [1, 2, 3, 3], "t": ["1", "2", "x", "4"]}))
    groups = bad.with_columns(col("t").cast("int64")).group_by("k").agg(col("t").sum())
    both = groups.join(groups.select("k", col("t").alias("again")), on="k")
    texts = set()
    for workers in (1, 2, 8):
        with pytest.raises(gm.GristmillError) as e:
            both.collect(gm.ParallelOptions(num_workers=workers))
        texts.add(str(e.value))
    assert len(texts) == 1 and "x" in texts.pop()


def test_a_sink_leaves_nothing_when_a_part_fails(tmp_path) -> None:
    bad = gm.from_arrow(pa.table({"k": [1, 3], "t": ["1", "x"]}))
    groups = bad.with_columns(col("t").cast("int64")).group_by("k").agg(col("t").sum())
    both = groups.join(groups.select("k", col("t").alias("again")), on="k")
    with pytest.raises(gm.GristmillError):
        both.sink_parquet(tmp_path / "out.parquet")
    assert list(tmp_path.iterdir()) == []


def test_analyze_and_statistics_tell_of_parts(table: pa.Table) -> None:
    groups = gm.from_arrow(table).group_by("k").agg(gm.count().alias("n"))
    both = groups.join(groups.select("k", col("n").alias("again")), on="k")
    text = both.explain(analyze=True)
    assert "shared #1, computed once:" in text and "rows 200,000 in" in text
