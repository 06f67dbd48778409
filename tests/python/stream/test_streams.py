"""Streams in Python: the properties their tests are after, each by its name, against Polars and plain Python."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import gristmill as gm

SEED = 20_261_121
WORKERS = (1, 2, 3, 8)


def rows_of(kind: str, n: int) -> pa.Table:
    """Seeded rows: integers, floats, texts, or all of them with nulls."""
    rng = np.random.default_rng([SEED, n])
    columns: dict[str, Any] = {"id": np.arange(n)}
    if kind in ("ints", "mixed"):
        columns["i"] = pa.array(rng.integers(-1000, 1000, n), mask=rng.random(n) < 0.1 if kind == "mixed" else None)
    if kind in ("floats", "mixed"):
        columns["f"] = pa.array(rng.normal(0, 1e3, n), mask=rng.random(n) < 0.1 if kind == "mixed" else None)
    if kind in ("texts", "mixed"):
        words = np.array(["", "a", "category_1", "a text that is too long to lie in a view", "é ü"])
        columns["t"] = pa.array(words[rng.integers(0, len(words), n)].tolist(), pa.string(), mask=rng.random(n) < 0.1 if kind == "mixed" else None)
    return pa.table(columns)


def batches_of(table: pa.Table, size: int) -> list[pa.RecordBatch]:
    return table.combine_chunks().to_batches(max_chunksize=size)


def stream_of(table: pa.Table, size: int = 50_000) -> gm.Stream:
    return gm.Stream.from_batches(batches_of(table, size), table.schema)


def together(stream: gm.Stream) -> pa.Table:
    batches = list(stream)
    assert all(b.num_rows > 0 for b in batches)
    return pa.Table.from_batches(batches, schema=stream.schema).combine_chunks()


def chain(s: gm.Stream, kind: str) -> gm.Stream:
    if kind == "ints":
        return s.with_columns(j=gm.col("i") * 3 - 1).filter(gm.col("j") % 5 != 0)
    if kind == "floats":
        return s.with_columns(g=(gm.col("f") * 2.5) + 1).filter(gm.col("g") > 0)
    if kind == "texts":
        return s.filter(gm.col("t") != "a").with_columns(u=gm.col("t").str.upper())
    return s.filter(gm.col("i").is_not_null()).with_columns(v=gm.col("f") + gm.col("i")).filter(gm.col("t").str.contains("a"))


def expected(table: pa.Table, kind: str) -> pl.DataFrame:
    d = pl.from_arrow(table)
    assert isinstance(d, pl.DataFrame)
    if kind == "ints":
        return d.with_columns(j=pl.col("i") * 3 - 1).filter(pl.col("j") % 5 != 0)
    if kind == "floats":
        return d.with_columns(g=(pl.col("f") * 2.5) + 1).filter(pl.col("g") > 0)
    if kind == "texts":
        return d.filter(pl.col("t") != "a").with_columns(u=pl.col("t").str.to_uppercase())
    return d.filter(pl.col("i").is_not_null()).with_columns(v=pl.col("f") + pl.col("i")).filter(pl.col("t").str.contains("a", literal=True))


@pytest.mark.parametrize("kind", ["ints", "floats", "texts", "mixed"])
@pytest.mark.parametrize("n", [0, 1, 100, 1_000, 10_000, 100_000, 500_000])
def test_parallel_equals_sequential_including_order(kind: str, n: int) -> None:
    table = rows_of(kind, n)
    want = expected(table, kind)
    for workers in WORKERS:
        s = chain(stream_of(table), kind).parallel(num_workers=workers, morsel_size_kb=64 if workers == 3 else None)
        for got in (together(s), s.collect().to_arrow()):
            assert pl.from_arrow(got).equals(want), f"seed {SEED}, {workers} workers"


@pytest.mark.parametrize("workers", WORKERS)
def test_python_functions_parallel_equal_sequential(workers: int) -> None:
    table = rows_of("floats", 120_000)

    def scaled(batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.append_column("g", pc.multiply(batch.column("f"), 2.0))

    plain = together(stream_of(table).map(scaled).filter(gm.col("g") > 0))
    s = stream_of(table).map(scaled).parallel(num_workers=workers, morsel_size_kb=64).filter(gm.col("g") > 0)
    assert together(s).equals(plain)
    assert s.collect().to_arrow().combine_chunks().equals(plain)


def test_filter_all_gives_no_batch() -> None:
    s = stream_of(rows_of("ints", 100_000)).filter(gm.col("i") > 10_000)
    assert list(s) == [] and s.collect().num_rows == 0 and s.schema.names == ["id", "i"]


def test_threshold_bypass() -> None:
    table = rows_of("ints", 9_000)
    s = stream_of(table).filter(gm.col("i") > 0).parallel(num_workers=4)
    assert len(list(s)) == 1  # the batch as it came, not in morsels
    assert s.get_stats()["total_morsels_processed"] == 1
    assert len(list(s.parallel(num_workers=4, threshold=100, morsel_size_kb=16))) > 1


def test_disabled_and_one_worker() -> None:
    table = rows_of("ints", 60_000)
    threads: set[int] = set()

    def watched(batch: pa.RecordBatch) -> pa.RecordBatch:
        threads.add(threading.get_ident())
        return batch

    for s in (stream_of(table).map(watched).parallel(enabled=False), stream_of(table).map(watched).parallel(num_workers=1)):
        assert together(s).equals(table.combine_chunks())
    assert threads == {threading.get_ident()}


def test_none_and_0_workers_are_all_cores() -> None:
    for n in (0, None):
        s = stream_of(rows_of("ints", 100_000)).filter(gm.col("i") > 0).parallel(num_workers=n)
        list(s)
        assert s.get_stats()["num_workers"] >= 1


def test_empty_batches_are_skipped() -> None:
    schema = pa.schema({"x": pa.int64()})
    empty, full = pa.RecordBatch.from_pylist([], schema=schema), pa.record_batch({"x": [1, 2]})
    assert [b.num_rows for b in gm.Stream.from_batches([empty, full, empty], schema)] == [2]
    assert gm.Stream.from_batches([empty], schema).collect().to_pydict() == {"x": []}
    assert gm.Stream.from_batches([], schema).count() == 0


class Tagging(gm.StreamOperator):
    def process_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch

    def process_morsel(self, morsel: gm.Morsel) -> gm.Morsel | None:
        assert not morsel.processed
        morsel.metadata["number"] = str(morsel.number)
        return super().process_morsel(morsel)


def test_metadata_is_kept() -> None:
    seen: list[int] = []

    class Checking(gm.StreamOperator):
        def process_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
            return batch

        def process_morsel(self, morsel: gm.Morsel) -> gm.Morsel | None:
            assert morsel.metadata == {"number": str(morsel.number)} and morsel.processed
            seen.append(morsel.number)
            return super().process_morsel(morsel)

    s = stream_of(rows_of("ints", 100_000)).apply(Tagging()).map(lambda b: b).apply(Checking()).parallel(num_workers=2, morsel_size_kb=64)
    assert together(s).num_rows == 100_000 and len(seen) > 4


def test_process_morsel_gives_nothing_when_all_is_filtered_out() -> None:
    class Nothing(gm.StreamOperator):
        def process_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch | None:
            return batch.slice(0, 0)

    morsel = gm.Morsel(pa.record_batch({"x": [1]}), number=7, metadata={"a": "b"})
    assert Nothing().process_morsel(morsel) is None
    kept = Tagging().process_morsel(morsel)
    assert kept is not None and kept.number == 7 and kept.processed and kept.metadata == {"a": "b", "number": "7"}
    assert list(gm.Stream.from_pylist([{"x": 1}]).apply(Nothing())) == []


def test_a_wrapped_operator_gives_the_same() -> None:
    class Squares(gm.StreamOperator):
        def process_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch | None:
            return batch.filter(pc.greater(batch.column("i"), 0)).append_column("s", pc.multiply(batch.filter(pc.greater(batch.column("i"), 0)).column("i"), 2))

    table = rows_of("ints", 50_000)
    plain = together(stream_of(table).apply(Squares()))
    for size in (1_000, 50_000):
        assert together(stream_of(table).apply(gm.MorselDriven(Squares(), size))).equals(plain)


def test_an_operator_says_what_it_is() -> None:
    class Keyed(gm.StreamOperator):
        def process_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
            return batch

        def is_stateful(self) -> bool:
            return True

        def partition_keys(self) -> list[str]:
            return ["i"]

    plain, keyed = Tagging(), Keyed()
    assert (plain.is_stateful(), plain.needs_shuffle(), plain.partition_keys(), plain.parallelism_hint(), plain.name) == (False, False, [], 0, "Tagging")
    assert keyed.needs_shuffle() and gm.MorselDriven(keyed).partition_keys() == ["i"]


def test_a_stateful_operator_sees_everything_in_order() -> None:
    class Running(gm.StreamOperator):
        def __init__(self) -> None:
            self.total = 0

        def is_stateful(self) -> bool:
            return True

        def process_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
            if batch.num_rows:
                sums = np.cumsum(batch.column("id").to_numpy()) + self.total
                self.total = int(sums[-1])
            else:
                sums = np.array([], np.int64)
            return batch.append_column("sum", pa.array(sums))

    table = rows_of("ints", 90_000)
    want = np.cumsum(np.arange(90_000))
    for workers in WORKERS:
        got = together(stream_of(table, 20_000).apply(Running()).parallel(num_workers=workers, morsel_size_kb=64, threshold=0))
        assert np.array_equal(got["sum"].to_numpy(), want)


def test_statistics_add_up() -> None:
    table = rows_of("ints", 200_000)
    s = stream_of(table, 100_000).filter(gm.col("i") > 0).map(lambda b: b).parallel(num_workers=2, morsel_size_kb=128)
    kept = s.count()
    assert list(s)
    stats = s.get_stats()
    for name in ("num_workers", "morsel_size_kb", "total_morsels_created", "total_morsels_processed", "processing_time_seconds", "morsels_per_second", "steals"):
        assert name in stats
    assert stats["total_morsels_created"] == stats["total_morsels_processed"] == sum(w["processed_count"] for w in stats["workers"]) > 2
    assert sum(w["rows"] for w in stats["workers"]) == kept  # the pipeline begins behind the users' operator
    assert {"numa_node", "processed_count", "rows", "busy_seconds", "queue_size", "is_idle"} <= stats["workers"][0].keys()
    below, op = stats["user_operators"]
    assert op["rows_in"] == op["rows_out"] == kept and op["seconds"] > 0
    assert stats["processing_time_seconds"] > 0


def test_an_exception_stops_the_stream_and_is_raised_as_it_is() -> None:
    class Mine(Exception):
        pass

    def bad(batch: pa.RecordBatch) -> pa.RecordBatch:
        if batch.num_rows and batch.column("id")[0].as_py() >= 50_000:
            raise Mine("not these")
        return batch

    table = rows_of("ints", 150_000)
    for s in (stream_of(table).map(bad), stream_of(table).map(bad).parallel(num_workers=3, morsel_size_kb=64)):
        got = 0
        with pytest.raises(Mine, match="not these"):
            for batch in s:
                got += batch.num_rows
        assert got == 50_000
        with pytest.raises(Mine):
            s.collect()


def test_the_earliest_rows_error_wins() -> None:
    table = rows_of("ints", 100_000)
    for workers in WORKERS:
        s = stream_of(table).with_columns(a=1 // (gm.col("id") - 70_000)).with_columns(b=1 // (gm.col("id") - 60_001)).parallel(num_workers=workers, morsel_size_kb=64)
        with pytest.raises(gm.DataError) as e:
            list(s)
        assert e.value.row == 60_001


def test_sources_of_python() -> None:
    want = {"x": [1, 2, 3]}
    assert gm.Stream.from_pylist([{"x": 1}, {"x": 2}, {"x": 3}]).collect().to_pydict() == want
    assert gm.Stream.from_table(pa.table(want)).collect().to_pydict() == want
    assert gm.Stream.from_table(pl.DataFrame(want)).collect().to_pydict() == want
    assert gm.Stream.from_iterable([pa.table({"x": [1]}), {"x": [2]}, [{"x": 3}]]).collect().to_pydict() == want
    once = gm.Stream.from_iterable(iter([pa.record_batch({"x": [1, 2]}), pa.record_batch({"x": [3]})]))
    assert once.collect().to_pydict() == want
    with pytest.raises(RuntimeError, match="once"):
        once.collect()

    async def later():  # type: ignore[no-untyped-def]
        for x in (1, 2, 3):
            await asyncio.sleep(0.001)
            yield [{"x": x}]

    assert gm.Stream.from_iterable(later(), schema=pa.schema({"x": pa.int64()})).collect().to_pydict() == want
    with pytest.raises(ValueError, match="schema"):
        gm.Stream.from_iterable([])
    with pytest.raises(TypeError, match="batch of a stream"):
        gm.Stream.from_iterable([42])


@pytest.mark.parametrize("kind", ["plain", "dictionary", "empty between", "nullable differs"])
def test_a_list_is_collected_as_its_batches_one_by_one(kind: str) -> None:
    table = rows_of("mixed", 30_000)
    batches = batches_of(table, 7000)
    if kind == "dictionary":
        batches = [b.set_column(3, "t", b.column("t").dictionary_encode()) for b in batches]
    if kind == "empty between":
        batches[1:1] = [batches[0].slice(0, 0)] * 2
    if kind == "nullable differs":
        batches[2] = batches[2].cast(pa.schema([f.with_nullable(f.name != "id") for f in batches[2].schema]))

    def steps(s: gm.Stream) -> gm.Stream:
        return s.filter(gm.col("i") > 0).with_columns(u=gm.col("t").str.upper())

    one_by_one = steps(gm.Stream.from_iterable((b for b in batches), batches[0].schema)).collect().to_arrow()
    listed = steps(gm.Stream.from_batches(batches))
    assert listed.collect().to_arrow().equals(one_by_one) and one_by_one.num_rows > 10_000
    assert together(listed).cast(one_by_one.schema).equals(one_by_one.combine_chunks())


def test_batches_of_a_list_are_taken_with_their_offsets_nulls_and_dictionaries_and_outlive_it() -> None:
    numbers = np.arange(30_000, dtype=np.int64)
    whole = pa.record_batch({
        "n": pa.array(numbers),  # numpy's memory
        "x": pa.array([None if i % 7 == 0 else i / 4 for i in range(30_000)]),
        "s": pa.array([None if i % 5 == 0 else f"text number {i}" for i in range(30_000)]),
        "b": pa.array([i % 3 == 0 for i in range(30_000)]),
        "d": pa.array([f"d{i % 11}" for i in range(30_000)]).dictionary_encode(),
        "l": pa.array([[i, i + 1] for i in range(30_000)]),
    })
    plain = pa.schema([f.with_type(pa.string()) if f.name == "d" else f for f in whole.schema])
    expected = pa.Table.from_batches([whole.slice(3, 29_990)]).cast(plain)
    batches = [whole.slice(at, min(4_001, 29_993 - at)) for at in range(3, 29_993, 4_001)]
    stream = gm.Stream.from_batches(batches)
    for made in (stream.parallel(2, threshold=0), stream, stream.filter(gm.col("n") >= 0)):
        assert pa.table(made.collect()).cast(plain).equals(expected)
        assert pa.Table.from_batches(list(made)).cast(plain).equals(expected)
    result = stream.select("n", "s", twice=gm.col("n") * 2).collect()
    del whole, batches, stream, numbers, made
    gc.collect()
    table = pa.table(result)
    assert table["n"].to_pylist() == expected["n"].to_pylist()
    assert table["s"].to_pylist() == expected["s"].to_pylist()
    assert table["twice"].to_pylist() == [2 * n for n in expected["n"].to_pylist()]


def test_every_run_reads_a_list_as_it_is_then() -> None:
    batches = [pa.record_batch({"x": [1, 2]})]
    s = gm.Stream.from_batches(batches).filter(gm.col("x") > 1)
    assert s.collect().to_pydict() == {"x": [2]}
    batches.append(pa.record_batch({"x": [3]}))
    assert s.collect().to_pydict() == {"x": [2, 3]}
    batches.append({"x": [4]})  # type: ignore[arg-type]
    assert s.collect().to_pydict() == {"x": [2, 3, 4]}
    assert [b.to_pydict() for b in s] == [{"x": [2]}, {"x": [3]}, {"x": [4]}]


def test_a_batch_of_another_schema_is_an_error() -> None:
    s = gm.Stream.from_batches([pa.record_batch({"x": [1]}), pa.record_batch({"x": ["a"]})])
    with pytest.raises(gm.DataError, match="x string"):
        list(s)


def test_files_and_sql(tmp_path: Path) -> None:
    table = rows_of("mixed", 30_000)
    frame = gm.from_arrow(table)
    frame.sink_parquet(tmp_path / "t.parquet")
    frame.sink_csv(tmp_path / "t.csv")
    frame.sink_ndjson(tmp_path / "t.ndjson")
    frame.sink_ipc(tmp_path / "t.arrow")
    want = frame.filter(gm.col("i") > 0).select("id", "i").collect().to_arrow()
    for source in (gm.Stream.from_parquet(tmp_path / "t.parquet"), gm.Stream.from_csv(tmp_path / "t.csv"), gm.Stream.from_ndjson(tmp_path / "t.ndjson"),
                   gm.Stream.from_ipc(tmp_path / "t.arrow"), gm.Stream.from_sql("select * from frame", frame=frame)):
        s = source.filter(gm.col("i") > 0).select("id", "i")
        assert s.collect().to_arrow().equals(want)
        assert together(s).equals(want.combine_chunks())
    s = gm.Stream.from_parquet(tmp_path / "t.parquet").map(lambda b: b)
    assert s.write_parquet(tmp_path / "again.parquet") == 30_000
    assert gm.read_parquet(tmp_path / "again.parquet").to_arrow().equals(table.cast(gm.read_parquet(tmp_path / "t.parquet").schema))
    assert s.filter(gm.col("i") > 0).write_csv(tmp_path / "some.csv") == want.num_rows


def test_joins_with_tables_and_streams() -> None:
    left, right = rows_of("mixed", 40_000), pa.table({"i": pa.array([*range(-500, 500), None]), "r": list(range(1001))})
    l, r = pl.from_arrow(left), pl.from_arrow(right)
    for how, polars in (("inner", "inner"), ("left", "left"), ("semi", "semi"), ("anti", "anti")):
        want = l.join(r, on="i", how=polars, maintain_order="left_right" if how in ("inner", "left") else "left")  # type: ignore[union-attr,arg-type,call-arg]
        for s in (stream_of(left, 9_000).join(gm.from_arrow(right), "i", how), stream_of(left, 15_000).join(gm.Stream.from_table(right), on="i", how=how)):
            assert pl.from_arrow(together(s)).equals(want), how
    full = stream_of(left).join(gm.from_arrow(right), "i", "full").collect()
    assert full.equals(gm.from_arrow(left).join(gm.from_arrow(right), "i", "full").collect())
    two = stream_of(left).join(gm.from_arrow(left).select("id", "i", w=gm.col("f")), on=["id", "i"])
    assert two.count() == left.num_rows - left["i"].null_count


def test_aggregates_sorts_and_the_rest() -> None:
    table = rows_of("mixed", 70_000)
    f, s = gm.from_arrow(table), stream_of(table, 8_000)
    same = [
        (s.group_by("t").aggregate(gm.col("f").sum(), n=gm.count()), f.group_by("t").agg(gm.col("f").sum(), n=gm.count())),
        (s.aggregate(gm.col("i").mean()), f.select(gm.col("i").mean())),
        (s.distinct("t"), f.distinct("t")),
        (s.sort("f", descending=True), f.sort("f", descending=True)),
        (s.top(9, "f"), f.sort("f", descending=True).head(9)),
        (s.limit(12_345), f.head(12_345)),
        (s.union(s.filter(gm.col("i") > 5)), f.union(f.filter(gm.col("i") > 5))),
        (s.rename({"i": "j"}).drop("f"), f.rename({"i": "j"}).drop("f")),
    ]
    for stream, frame in same:
        assert stream.collect().equals(frame.collect())
        assert gm.Table(together(stream)).equals(frame.collect())


def test_string_filters() -> None:
    table = pa.table({"t": ["Apple", "banana", "APPLE pie", None, "grape", "a.c", "abc"]})
    s = gm.Stream.from_table(table)
    assert s.filter_equals("t", "apple").count() == 0 and s.filter_equals("t", "apple", ignore_case=True).count() == 1
    assert s.filter_contains("t", "pp").collect().to_pydict() == {"t": ["Apple"]}
    assert s.filter_contains("t", "a.c").collect().to_pydict() == {"t": ["a.c"]}
    assert s.filter_starts_with("t", "app", ignore_case=True).collect().to_pydict() == {"t": ["Apple", "APPLE pie"]}
    assert s.filter_ends_with("t", "e").collect().to_pydict() == {"t": ["Apple", "APPLE pie", "grape"]}
    assert s.filter_regex("t", "^a.c$").collect().to_pydict() == {"t": ["a.c", "abc"]}
    assert s.filter_regex("t", "^APPLE", ignore_case=True).count() == 2


def test_an_endless_iterable_is_read_as_far_as_asked() -> None:
    asked = []

    def numbers():  # type: ignore[no-untyped-def]
        for n in itertools.count():
            asked.append(n)
            yield pa.record_batch({"n": list(range(n * 10, n * 10 + 10))})

    got = []
    for batch in gm.Stream.from_iterable(numbers()).filter(gm.col("n") % 2 == 0):
        got += batch.column("n").to_pylist()
        if len(got) >= 20:
            break
    assert got == list(range(0, 40, 2)) and len(asked) == 4
    assert gm.Stream.from_iterable(numbers()).take(15).num_rows == 15


def test_async_iteration_does_not_block_the_loop() -> None:
    async def source():  # type: ignore[no-untyped-def]
        for n in range(5):
            await asyncio.sleep(0.01)
            yield pa.record_batch({"n": [n]})

    async def main() -> tuple[list[int], int]:
        got, ticks = [], 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.002)

        ticking = asyncio.create_task(tick())
        s = gm.Stream.from_iterable(source(), schema=pa.schema({"n": pa.int64()})).with_columns(m=gm.col("n") * 2)
        async for batch in s:
            got += batch.column("m").to_pylist()
        ticking.cancel()
        return got, ticks

    got, ticks = asyncio.run(main())
    assert got == [0, 2, 4, 6, 8] and ticks > 5


def test_leaving_a_loop_ends_the_run_and_frees_it() -> None:
    table = rows_of("ints", 400_000)
    before = threading.active_count()
    for _ in range(5):
        for batch in gm.Stream.from_table(table).distinct("id"):
            assert batch.num_rows
            break
    gc.collect()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_replay_and_checkpoint_need_each_other(tmp_path: Path) -> None:
    table = rows_of("ints", 10_000)
    assert together(gm.Stream.replay(table).filter(gm.col("i") > 0).checkpoint(tmp_path / "c", 0.05)).num_rows == pc.sum(pc.greater(table["i"], 0)).as_py()
    with pytest.raises(gm.PlanError, match="replay"):
        gm.Stream.from_table(table).checkpoint(tmp_path / "d").collect()


def test_settings_that_make_no_sense_say_so() -> None:
    s = stream_of(rows_of("ints", 10))
    for bad in (lambda: s.parallel(num_workers=-1), lambda: s.parallel(morsel_size_kb=-2), lambda: s.limit(-1), lambda: s.filter(gm.col("nope") > 1),
                lambda: s.checkpoint("/tmp/x", 0).collect()):
        with pytest.raises((gm.PlanError, ValueError)):
            bad()
    with pytest.raises(TypeError, match="schema="):
        s.map(lambda b: 1 / 0)
