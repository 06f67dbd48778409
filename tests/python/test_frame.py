"""The face of frames: what a user writes and gets."""

from __future__ import annotations

import datetime as dt
import threading
import time
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

import gristmill as gm
from gristmill import col


def test_the_chain_of_the_readme(trips: gm.Frame) -> None:
    out = (trips.filter((col("fare") > 5) & col("zone").is_not_null())
           .with_columns((col("fare") / col("km")).alias("per_km"))
           .group_by("zone").agg(col("per_km").mean(), col("fare").sum().alias("total"), gm.count())
           .sort("total", descending=True).head(20).collect(gm.ParallelOptions(num_workers=0, min_parallel_rows=10_000)))
    assert out.to_pylist() == [{"zone": "A", "per_km": 4.0, "total": 12.0, "count": 1}, {"zone": "B", "per_km": 3.75, "total": 7.5, "count": 1}]


def test_select_keeps_names_of_leftmost_columns(trips: gm.Frame) -> None:
    assert trips.select(col("fare") * 2, (col("km") + col("fare")).alias("x"), twice=col("km") * 2).columns == ["fare", "x", "twice"]


def test_duplicate_names_are_refused(trips: gm.Frame) -> None:
    with pytest.raises(gm.PlanError, match='"fare"'):
        trips.select("fare", col("fare") + 1).collect()


def test_unknown_column_suggests_the_nearest(trips: gm.Frame) -> None:
    with pytest.raises(gm.PlanError, match='no column "fair"; did you mean "fare"'):
        trips.filter(col("fair") > 1).collect()


def test_schema_without_running(trips: gm.Frame) -> None:
    assert trips.select("zone", n=col("km").cast("int64")).schema == pa.schema([("zone", pa.string()), ("n", pa.int64())])


def test_types_pass_through_unchanged() -> None:
    table = pa.table({
        "i8": pa.array([1, None], pa.int8()), "u64": pa.array([2**64 - 1, 0], pa.uint64()), "f32": pa.array([1.5, None], pa.float32()),
        "b": [True, None], "s": ["é", None], "ls": pa.array(["a", "b"], pa.large_string()), "bin": [b"\x00", None], "d": [dt.date(2026, 1, 1), None],
        "ts": pa.array([1, 2], pa.timestamp("ns", "UTC")), "dec": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
        "dic": pa.array(["x", None]).dictionary_encode(), "li": [[1, 2], None], "st": [{"a": 1}, None], "n": pa.nulls(2)})
    out = gm.from_arrow(table).collect().to_arrow()
    assert out.schema == table.schema
    assert out.to_pylist() == table.to_pylist()


@pytest.mark.parametrize("how,expected", [
    ("inner", [(1, "a", "x"), (1, "a", "y"), (3, "c", "z")]),
    ("left", [(1, "a", "x"), (1, "a", "y"), (2, "b", None), (3, "c", "z"), (None, "d", None)]),
])
def test_joins_keep_left_then_right_order(how: str, expected: list) -> None:
    left = gm.from_pydict({"k": [1, 2, 3, None], "l": ["a", "b", "c", "d"]})
    right = gm.from_pydict({"k": [3, 1, 1, None], "r": ["z", "x", "y", "n"]})
    rows = [tuple(r.values()) for r in left.join(right, on="k", how=how).collect().to_pylist()]
    assert rows == expected


def test_semi_and_anti_joins() -> None:
    left, right = gm.from_pydict({"k": [1, 2, None]}), gm.from_pydict({"k": [2, 2, None]})
    assert left.join(right, on="k", how="semi").collect().to_pydict() == {"k": [2]}
    assert left.join(right, on="k", how="anti").collect().to_pydict() == {"k": [1, None]}
    assert left.join(right, on="k", how="semi", nulls_equal=True).collect().to_pydict() == {"k": [2, None]}


def test_join_suffix_and_both_keys() -> None:
    a, b = gm.from_pydict({"id": [1], "v": [1]}), gm.from_pydict({"key": [1], "v": [2]})
    assert a.join(b, left_on="id", right_on="key").collect().to_pylist() == [{"id": 1, "v": 1, "key": 1, "v_right": 2}]


def test_sort_is_stable_and_places_nulls() -> None:
    f = gm.from_pydict({"k": [2, None, 1, 2, None], "i": [0, 1, 2, 3, 4]})
    assert f.sort("k").collect().to_pydict()["i"] == [2, 0, 3, 1, 4]
    assert f.sort("k", descending=True).collect().to_pydict()["i"] == [0, 3, 2, 1, 4]
    assert f.sort("k", nulls_first=True).collect().to_pydict()["i"] == [1, 4, 2, 0, 3]


def test_nan_is_greatest_and_equal_to_itself() -> None:
    f = gm.from_pydict({"x": [float("nan"), 1.0, -0.0, 0.0, float("nan")]})
    groups = f.group_by("x").agg(gm.count()).collect()
    assert groups["count"].to_pylist() == [2, 1, 2]
    zero = groups["x"].to_pylist()[2]
    assert zero == 0 and str(zero) == "0.0"
    assert f.sort("x").collect()["x"].to_pylist()[:3] == [0.0, 0.0, 1.0]


def test_explode_and_distinct_and_union() -> None:
    f = gm.from_pydict({"id": [1, 2, 3], "v": [[1, 2], [], None]})
    assert f.explode("v").collect().to_pydict() == {"id": [1, 1, 2, 3], "v": [1, 2, None, None]}
    g = gm.from_pydict({"a": [1, 2, 1], "b": ["x", "y", "z"]})
    assert g.distinct("a").collect().to_pydict() == {"a": [1, 2], "b": ["x", "y"]}
    assert gm.concat([g, g.select("b", "a")]).collect().num_rows == 6


def test_slices_and_limits() -> None:
    f = gm.from_pydict({"a": list(range(100))})
    assert f.slice(90, 20).collect()["a"].to_pylist() == list(range(90, 100))
    assert f.head(0).collect().num_rows == 0
    assert f.filter(col("a") % 2 == 0).head(3).collect()["a"].to_pylist() == [0, 2, 4]
    assert f.head(10).group_by(col("a") % 2).agg(gm.count()).collect()["count"].to_pylist() == [5, 5]


def test_a_limit_met_beats_a_later_error() -> None:
    f = gm.from_pydict({"a": [1, 1, 1, 0]})
    assert f.select(col("a") // col("a")).head(3).collect().num_rows == 3
    with pytest.raises(gm.DataError, match="division by zero"):
        f.select(col("a") // col("a")).collect()


@pytest.mark.parametrize("rows", [1, 7, 0])
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_the_first_bad_row_is_reported_whatever_the_settings(rows: int, workers: int) -> None:
    values = np.ones(5000, dtype=np.int64)
    values[[1234, 4321]] = 0
    f = gm.from_pydict({"a": values}).select(100 // col("a"))
    with pytest.raises(gm.DataError) as caught:
        f.collect(num_workers=workers, chunk_rows=rows * 100, batch_rows=rows, min_parallel_rows=0)
    assert caught.value.row == 1234


def test_overflow_and_casts_name_the_value() -> None:
    with pytest.raises(gm.DataError, match="9223372036854775807"):
        gm.from_pydict({"a": [2**63 - 1]}).select(col("a") + 1).collect()
    with pytest.raises(gm.DataError, match='cannot cast "x1"') as caught:
        gm.from_pydict({"s": ["1", "x1"]}).select(col("s").cast("int64")).collect()
    assert caught.value.row == 1
    assert gm.from_pydict({"s": ["1", "x1"]}).select(col("s").try_cast("int64")).collect().to_pydict() == {"s": [1, None]}


def test_float_sums_are_exact() -> None:
    f = gm.from_pydict({"x": [1e100, 1.0, -1e100, 1e-30]})
    assert f.select(col("x").sum()).collect()["x"].to_pylist() == [1.0]


def test_conversions(trips: gm.Frame) -> None:
    t = trips.collect()
    assert t.to_polars().shape == (4, 3)
    assert t.to_pandas().shape == (4, 3)
    assert set(t.to_numpy()) == {"zone", "fare", "km"}
    assert pa.table(t).equals(t.to_arrow())
    assert gm.from_arrow(t.to_polars()).collect().to_pylist() == t.to_pylist()
    assert "zone" in str(t) and "null" in str(t)
    assert t.get_stats()["num_workers"] == 1


def test_batches_stream_in_order_and_stop_early() -> None:
    f = gm.from_pydict({"a": np.arange(200_000)})
    seen = [b.num_rows for b in f.collect_batches(chunk_rows=10_000, num_workers=2)]
    assert sum(seen) == 200_000
    batches = f.collect_batches(chunk_rows=1000, num_workers=2)
    assert next(batches).column(0)[0].as_py() == 0
    batches.close()


def test_cancel_within_50_ms() -> None:
    f = gm.from_pydict({"a": np.arange(3_000_000) % 1000}).select((col("a") * 2.0).pow(1.1).ln().exp().sqrt().alias("y"))
    big = gm.concat([f] * 40)
    cancel = gm.Cancellation()
    times = {}

    def work() -> None:
        try:
            big.group_by("y").agg(gm.count()).collect(cancel=cancel, num_workers=2)
        except gm.CancelledError:
            times["end"] = time.perf_counter()

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.1)
    start = time.perf_counter()
    cancel.cancel()
    thread.join()
    assert "end" in times, "the query finished before it could be cancelled"
    assert times["end"] - start < 0.25  # 50 ms on a quiet machine


def test_timeout() -> None:
    f = gm.from_pydict({"a": np.arange(3_000_000) % 1000}).select((col("a") * 2.0).pow(1.1).ln().exp().alias("y"))
    with pytest.raises(gm.TimeoutError):
        gm.concat([f] * 60).group_by("y").agg(gm.count()).collect(timeout=0.05)


def test_files_round_trip(tmp_path, trips: gm.Frame) -> None:
    for kind, scan in (("parquet", gm.scan_parquet), ("ipc", gm.scan_ipc)):
        path = tmp_path / f"t.{kind}"
        assert getattr(trips, f"sink_{kind}")(path) == 4
        assert scan(path).collect().to_pylist() == trips.collect().to_pylist()
        assert [p.name for p in tmp_path.iterdir()].count(path.name) == 1
    (tmp_path / "t.csv").write_text("a,b\n1,x\n2,\n")
    assert gm.scan_csv(tmp_path / "t.csv").select(col("a") + 1).collect().to_pydict() == {"a": [2, 3]}


def test_a_failed_sink_leaves_nothing_behind(tmp_path) -> None:
    with pytest.raises(gm.DataError):
        gm.from_pydict({"a": [1, 0]}).select(1 // col("a")).sink_parquet(tmp_path / "out.parquet")
    assert list(tmp_path.iterdir()) == []


def test_serialised_plans_travel(tmp_path, trips: gm.Frame) -> None:
    trips.sink_parquet(tmp_path / "t.parquet")
    f = gm.scan_parquet(tmp_path / "t.parquet").filter(col("fare") > 5).group_by("zone").agg(col("km").sum())
    assert gm.deserialize(f.serialize()).collect() == f.collect()


def test_threads_share_frames(trips: gm.Frame) -> None:
    f = gm.from_pydict({"k": np.arange(100_000) % 10}).group_by("k").agg(gm.count())
    expected = f.collect()
    results: list = []
    threads = [threading.Thread(target=lambda: results.append(f.collect(num_workers=2, min_parallel_rows=0))) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(results) == 8 and all(r == expected for r in results)


def test_explain(trips: gm.Frame) -> None:
    f = trips.filter(col("fare") > 5).select("zone")
    assert "scan" in f.explain() and "fare > 5" in f.explain()
    analyzed = f.explain(analyze=True)
    assert "rows" in analyzed and "ms" in analyzed and "workers" in analyzed


def test_options_are_checked() -> None:
    with pytest.raises(gm.PlanError, match="num_workers"):
        gm.from_pydict({"a": [1]}).collect(num_workers=-1)
    with pytest.raises(ValueError, match="not a size"):
        gm.ParallelOptions(memory_limit="much")
    with pytest.raises(TypeError):
        bool(col("a") > 1)


def test_errors_behind_a_group_come_before_the_groups_own_later_ones() -> None:
    """The first group's sum overflows when squared, the second group's does not fit itself: at any batch size the first is the error."""
    f = gm.from_pydict({"k": [0, 1, 1], "g": [2**62, 2**62, 2**62]}).group_by("k").agg(col("g").sum().alias("s")).select(col("s") * col("s"))
    messages = set()
    for settings in ({}, {"batch_rows": 1}, {"batch_rows": 1, "chunk_rows": 1, "num_workers": 2, "min_parallel_rows": 0}):
        with pytest.raises(gm.DataError) as raised:
            f.collect(**settings)
        messages.add(str(raised.value))
    assert len(messages) == 1 and "4611686018427387904 * 4611686018427387904" in messages.pop()


@pytest.mark.parametrize("strategy", ["auto", "fixed_chunks", "cache_friendly", "memory_bound"])
def test_strategies_cut_the_work_and_not_the_answer(strategy: str) -> None:
    n = 50_000
    frame = gm.from_pydict({"k": [i * 7919 % 100 for i in range(n)], "v": [i / 7 for i in range(n)], "s": [f"text {i % 1000}" for i in range(n)]})
    query = frame.filter(gm.col("v") > 10).group_by("k", "s").agg(gm.col("v").sum().alias("total"), gm.count()).sort("k", "s")
    want = query.collect(num_workers=1).to_arrow()
    for chunk_rows in (0, 777):
        got = query.collect(gm.ParallelOptions(num_workers=3, strategy=strategy, chunk_rows=chunk_rows, min_parallel_rows=0)).to_arrow()
        assert got.combine_chunks().equals(want.combine_chunks())
