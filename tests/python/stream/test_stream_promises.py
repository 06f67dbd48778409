"""What streams promise of their sources, morsels, operators and ways to take the rows; the list of all promises is in test_stream_properties.py."""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from postgres import PostgresServer

import gristmill as gm

SEED = 20_261_122


def numbered(rows: int, first: int = 0) -> pa.RecordBatch:
    return pa.record_batch({"n": pa.array(range(first, first + rows), pa.int64())})


def test_only_the_source_knows_whether_a_stream_ends() -> None:
    def steps(source: gm.Stream) -> gm.Stream:
        return source.filter(gm.col("n") % 3 == 0).map(lambda b: b.append_column("m", pc.multiply(b.column("n"), 2))).select("n", "m")

    def endless() -> Any:
        return (numbered(100, 100 * i) for i in itertools.count())

    ends = steps(gm.Stream.from_batches([numbered(100, 100 * i) for i in range(20)])).collect().to_pydict()
    assert ends["n"] == list(range(0, 2000, 3))
    got: list[int] = []
    for batch in steps(gm.Stream.from_iterable(endless())):
        got += batch.column("m").to_pylist()
        if len(got) >= len(ends["m"]):
            break
    assert got[:len(ends["m"])] == ends["m"]


def test_cores_are_those_the_process_may_use() -> None:
    code = """
import os, gristmill as gm
s = gm.Stream.from_pylist([{"x": i} for i in range(20_000)]).parallel(None, threshold=0).filter(gm.col("x") > 5)
assert s.collect().num_rows == 19_994
print(s.get_stats()["num_workers"])
"""
    allowed = sorted(os.sched_getaffinity(0))
    environment = {k: v for k, v in os.environ.items() if k != "GRISTMILL_WORKERS"}
    for cpus in ({allowed[0]}, set(allowed)):
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment,
                             preexec_fn=lambda c=cpus: os.sched_setaffinity(0, c))
        assert 1 <= int(out.stdout) <= len(cpus)  # a quota of the control group may allow fewer


def test_morsels_are_slices_without_copies() -> None:
    batch = numbered(200_000)
    base = batch.column("n").buffers()[1]
    seen: list[tuple[int, int]] = []

    def look(morsel: pa.RecordBatch) -> pa.RecordBatch:
        values = morsel.column("n")
        if len(values):
            seen.append((values.buffers()[1].address + 8 * values.offset, len(values)))
        return morsel

    s = gm.Stream.from_batches([batch]).map(look).parallel(2, morsel_size_kb=64, threshold=0)
    assert pa.Table.from_batches(list(s))["n"].to_pylist() == list(range(200_000))
    assert len(seen) > 8 and sum(n for _, n in seen) == 200_000
    for address, rows in seen:  # each lies where the rows of the batch lie
        assert base.address <= address and address + 8 * rows <= base.address + base.size


def test_pieces_are_put_together_only_where_asked() -> None:
    source = gm.Stream.from_batches([numbered(60_000), numbered(7, 60_000), numbered(40_000, 60_007)])
    pieces: list[int] = []

    class Counting(gm.StreamOperator):
        def process_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
            pieces.append(batch.num_rows)
            return batch

    s = source.map(lambda b: b).apply(Counting()).parallel(3, morsel_size_kb=32, threshold=1_000)
    got = [b.num_rows for b in s]
    assert len(got) > 10 and sorted(got) == sorted(n for n in pieces if n) and 7 in got  # what one operator gave is what the next one saw and what leaves
    rebatched = list(s.rebatch(25_000))
    assert [b.num_rows for b in rebatched] == [25_000] * 4 + [7]
    assert [n for b in rebatched for n in b.column("n").to_pylist()] == list(range(100_007))


def test_order_is_given_up_only_when_asked() -> None:
    def late(batch: pa.RecordBatch) -> pa.RecordBatch:
        if batch.num_rows and batch.column("n")[0].as_py() == 0:
            for _ in range(200_000):  # the first morsel is the slowest
                pass
        return batch

    table = pa.Table.from_batches([numbered(300_000)])
    for workers in (1, 2, 3, 8):
        ordered = gm.Stream.from_table(table).map(late).parallel(workers, morsel_size_kb=64, threshold=0)
        assert ordered.collect().to_pydict()["n"] == list(range(300_000))
        free = ordered.parallel(workers, morsel_size_kb=64, threshold=0, ordered=False)
        assert sorted(free.collect().to_pydict()["n"]) == list(range(300_000))


def test_rows_of_a_query_that_postgresql_answers(server: PostgresServer) -> None:
    server.sql("drop table if exists promised")
    server.sql("create table promised as select i as id, i * 0.5::float8 as x, case when i % 3 = 0 then null else 'name ' || i end as name from generate_series(1, 5000) i")
    s = gm.Stream.from_postgres(server.uri, "select id, x, name from promised where id > 10 order by id").filter(gm.col("name").is_not_null())
    want = [{"id": i, "x": i * 0.5, "name": f"name {i}"} for i in range(11, 5001) if i % 3]
    assert s.collect().to_arrow().to_pylist() == want
    assert s.write_postgres(server.uri, "promised_too", mode="create") == len(want)
    assert server.sql("select count(*), sum(id) from promised_too") == [(len(want), sum(r["id"] for r in want))]


def test_ways_to_take_the_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"a": i, "b": f"text {i}", "c": None if i % 4 == 0 else i / 8} for i in range(2_500)]
    s = gm.Stream.from_batches([pa.RecordBatch.from_pylist(rows[at:at + 700]) for at in range(0, 2_500, 700)]).filter(gm.col("a") >= 5)
    want = rows[5:]
    assert s.count() == len(want) and s.collect().num_rows == len(want)
    assert s.take(9).to_arrow().to_pylist() == want[:9] and s.take(0).num_rows == 0 and s.take(10_000).num_rows == len(want)
    seen: list[dict[str, Any]] = []
    s.foreach(lambda batch: seen.extend(batch.to_pylist()))
    assert seen == want
    assert s.write_parquet(tmp_path / "out.parquet") == s.write_csv(tmp_path / "out.csv") == len(want)
    assert s.write_ndjson(tmp_path / "out.ndjson") == s.write_ipc(tmp_path / "out.arrow") == len(want)
    for path in ("out.parquet", "out.csv", "out.ndjson", "out.arrow"):
        assert gm.Stream.replay(str(tmp_path / path)).collect().to_arrow().to_pylist() == want, path
    s.write_console(rows=2)
    assert capsys.readouterr().out.splitlines() == [str(r) for r in want[:2]]


@pytest.mark.parametrize("seed", range(3))
def test_joins_of_every_kind(seed: int) -> None:
    rng = random.Random(SEED + seed)
    print("seed", SEED + seed)

    def side(n: int, name: str) -> pa.Table:
        return pa.table({"k": pa.array([rng.choice([None, *range(40)]) for _ in range(n)], pa.int64()),
                         "g": pa.array([rng.choice([None, "a", "b"]) for _ in range(n)]), name: list(range(n))})

    left, right = side(900, "l"), side(300, "r")
    frames = {"left": pl.from_arrow(left), "right": pl.from_arrow(right)}
    for on in (["k"], ["k", "g"]):
        for how in ("inner", "left", "right", "full", "semi", "anti"):
            s = gm.Stream.from_batches(left.to_batches(max_chunksize=250)).join(gm.Stream.from_batches(right.to_batches(max_chunksize=70)), on=on, how=how)
            want = frames["left"].join(frames["right"], on=on, how=how, coalesce=True) if how in ("right", "full") else frames["left"].join(frames["right"], on=on, how=how)
            columns = sorted(want.columns)
            got = pl.from_arrow(s.parallel(3, threshold=0).collect().to_arrow())
            assert sorted(got.columns) == columns, (on, how)
            assert sorted(got.select(columns).rows(), key=repr) == sorted(want.select(columns).rows(), key=repr), (on, how)


@pytest.mark.parametrize("strategy", ["backward", "forward", "nearest"])
def test_asof_joins_of_every_kind(strategy: str) -> None:
    rng = random.Random(SEED)
    print("seed", SEED)
    trades = pa.table({"t": sorted(rng.sample(range(20_000), 800)), "by": [rng.choice("ab") for _ in range(800)]})
    quotes = pa.table({"t": sorted(rng.sample(range(20_000), 500)), "by": [rng.choice("ab") for _ in range(500)], "q": list(range(500))})
    s = gm.Stream.from_batches(trades.to_batches(max_chunksize=90)).join_asof(gm.from_arrow(quotes), on="t", by="by", strategy=strategy, tolerance=25)
    left, right = pl.from_arrow(trades), pl.from_arrow(quotes)
    assert isinstance(left, pl.DataFrame) and isinstance(right, pl.DataFrame)
    want = left.join_asof(right, on="t", by="by", strategy=strategy, tolerance=25, check_sortedness=False)  # type: ignore[arg-type]
    for workers in (1, 3):
        got = pl.from_arrow(s.parallel(workers, threshold=0).collect().to_arrow())
        assert isinstance(got, pl.DataFrame)
        assert got.select("t", "by").rows() == want.select("t", "by").rows()
        if strategy != "nearest":
            assert got["q"].to_list() == want["q"].to_list()
            continue
        times = dict(enumerate(quotes["t"].to_pylist()))  # of two that are equally near either may be meant
        distance = [[None if q is None else abs(times[q] - t) for t, q in zip(f["t"], f["q"])] for f in (got, want)]
        assert distance[0] == distance[1]


def test_buckets_and_differences_of_time() -> None:
    rng = random.Random(SEED)
    rows, now = [], 0
    for i in range(3_000):
        now += rng.randrange(9)
        rows.append({"t": now, "k": rng.choice("abc"), "i": i})
    s = gm.Stream.from_batches([pa.RecordBatch.from_pylist(rows[at:at + 333]) for at in range(0, 3_000, 333)]).with_watermark("t")
    assert s.time_bucket(7, column="t").collect().to_arrow()["bucket"].to_pylist() == [r["t"] // 7 * 7 for r in rows]
    last: dict[str, int] = {}
    want = []
    for r in rows:
        want.append(None if r["k"] not in last else r["t"] - last[r["k"]])
        last[r["k"]] = r["t"]
    for workers in (1, 2, 8):
        assert s.time_difference(by="k").parallel(workers, threshold=0).collect().to_arrow()["time_difference"].to_pylist() == want


def test_a_killed_process_goes_on_with_nothing_lost_and_nothing_twice(tmp_path: Path) -> None:
    """A file read, windows by key, a file an epoch: killed in the middle, again and again."""
    rng = random.Random(SEED)
    print("seed", SEED)
    rows = [{"t": i // 3, "k": f"k{rng.randrange(9)}", "x": rng.randrange(1000)} for i in range(30_000)]
    gm.from_arrow(pa.Table.from_pylist(rows)).sink_parquet(tmp_path / "in.parquet")
    code = """
import sys, time
import gristmill as gm
from gristmill.stream import tumbling
def slow(batch):
    time.sleep(0.002)
    return batch
s = gm.Stream.replay(sys.argv[1] + "/in.parquet", 200).map(slow).with_watermark("t").window(tumbling(50), by="k").aggregate(n=gm.count(), x=gm.col("x").sum())
print("begun", flush=True)
s.checkpoint(sys.argv[1] + "/state", 0.03).parallel(int(sys.argv[2]), threshold=0).write_ndjson(sys.argv[1] + "/out")
"""
    killed = 0
    for attempt in range(40):
        child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str((2, 1, 3)[attempt % 3])], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stdout is not None and child.stdout.readline() == "begun\n"
        try:
            _, error = child.communicate(timeout=rng.random() * 0.25 if attempt < 4 else 60)
            assert child.returncode == 0, error
            break
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            killed += 1
    want: dict[tuple[str, int], list[int]] = {}
    for r in rows:
        window = want.setdefault((r["k"], r["t"] // 50 * 50), [0, 0])
        window[0] += 1
        window[1] += r["x"]
    got = [json.loads(line) for file in sorted((tmp_path / "out").glob("*.ndjson")) for line in file.read_text().splitlines()]
    assert killed >= 1
    assert sorted((r["k"], r["window_start"], r["n"], r["x"]) for r in got) == sorted((k, start, n, x) for (k, start), (n, x) in want.items())


ITERATES = """
import sys, time
import gristmill as gm
for batch in gm.Stream.replay(sys.argv[1], 50).checkpoint(sys.argv[2], interval_seconds=0.02):
    print(*batch.column("n").to_pylist(), flush=True)
    time.sleep(0.02)
print("end", flush=True)
"""


def test_rows_that_a_killed_caller_had_not_taken_come_again(tmp_path: Path) -> None:
    """Killed with rows ready that nobody had asked for, whatever checkpoints there were: a run begins where the one before was, or earlier."""
    source = tmp_path / "numbers.csv"
    source.write_text("n\n" + "".join(f"{i}\n" for i in range(8_000)))
    rng = random.Random(SEED)
    seen: set[int] = set()
    begins: list[int] = []
    ended = False
    while not ended:
        assert len(begins) < 20
        most = 8 + rng.randrange(20) if len(begins) < 5 else 1 << 30
        child = subprocess.Popen([sys.executable, "-c", ITERATES, str(source), str(tmp_path / "state")], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for lines, line in enumerate(child.stdout):
            ended = line == "end\n"
            if ended or not line.endswith("\n"):
                break
            numbers = [int(n) for n in line.split()]
            if lines == 0:
                begins.append(numbers[0])
                assert numbers[0] == 0 or numbers[0] - 1 in seen, f"run {len(begins)} begins with {numbers[0]}"
            seen.update(numbers)
            if lines == most:
                child.kill()
        child.stdout.close()
        child.wait()
    assert seen == set(range(8_000))
    assert max(begins) > 0, "no run went on where the one before was"
