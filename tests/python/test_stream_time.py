"""Event time from Python: windows, joins of streams and time series against plain Python."""

from __future__ import annotations

import doctest
import importlib
import random
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gristmill as gm
from gristmill.stream import count_window, hopping, session, tumbling


def test_examples_of_docstrings_run() -> None:
    failed, tried = doctest.testmod(importlib.import_module("gristmill.stream.windows"))
    assert tried >= 10 and failed == 0


def events(seed: int, n: int, disorder: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    print("seed", seed)
    rows, now = [], 1000
    for i in range(n):
        now += rng.randrange(4)
        rows.append({"t": now - rng.randrange(disorder + 1), "k": rng.choice("abcde"), "x": rng.randrange(-50, 50) / 4, "i": i})
    return rows


def batches(rows: list[dict[str, Any]], seed: int) -> list[pa.RecordBatch]:
    rng = random.Random(seed)
    schema = pa.schema({"t": pa.int64(), "k": pa.string(), "x": pa.float64(), "i": pa.int64()})
    out, at = [], 0
    while at < len(rows):
        n = rng.randrange(1, 300)
        out.append(pa.RecordBatch.from_pylist(rows[at:at + n], schema=schema))
        at += n
    return out


def stream_of(rows: list[dict[str, Any]], seed: int, workers: int) -> gm.Stream:
    return gm.Stream.from_batches(batches(rows, seed)).parallel(workers, threshold=0)


def in_time(rows: list[dict[str, Any]], delay: int, late: list[dict[str, Any]], size: int | None = None) -> list[dict[str, Any]]:
    """Rows that are not late: of windows (`size`) those whose window is open."""
    greatest, out = None, []
    for r in rows:
        mark = None if greatest is None else greatest - delay
        end = r["t"] if size is None else r["t"] // size * size + size
        is_late = mark is not None and (end <= mark if size is not None else r["t"] < mark)
        (late if is_late else out).append(r)
        greatest = r["t"] if greatest is None else max(greatest, r["t"])
    return out


@pytest.mark.parametrize("seed", range(4))
def test_tumbling_windows_are_those_of_plain_python(seed: int) -> None:
    rows = events(seed, 5000, 30)
    late: list[dict[str, Any]] = []
    groups: dict[tuple[int, int, str], list[dict[str, Any]]] = {}
    for r in in_time(rows, 10, late, 25):
        start = r["t"] // 25 * 25
        groups.setdefault((start + 25, start, r["k"]), []).append(r)
    expected = [{"k": k, "window_start": start, "window_end": end, "n": len(g), "sum": sum(r["x"] for r in g), "last": g[-1]["i"]}
                for (end, start, k), g in sorted(groups.items(), key=lambda item: (item[0][0], item[1][0]["i"]))]
    assert late
    for workers in (1, 2, 3, 8):
        seen: list[int] = []
        out = (stream_of(rows, seed * 10 + workers, workers).with_watermark("t", delay=10)
               .window(tumbling(25), by="k", late=lambda b: seen.extend(b.column("i").to_pylist()))
               .aggregate(n=gm.count(), sum=gm.col("x").sum(), last=gm.col("i").last()))
        assert out.collect().to_arrow().to_pylist() == expected
        assert seen == [r["i"] for r in late]


def test_windows_of_timestamps_take_texts_and_timedeltas() -> None:
    start = datetime(2026, 1, 1)
    rows = [{"ts": start + timedelta(seconds=s), "v": s} for s in (0, 5, 61, 122)]
    s = gm.Stream.from_pylist(rows).with_watermark("ts", delay="1s", idle_after="1m")
    for size in ("1m", timedelta(minutes=1), "60s"):
        out = s.window(tumbling(size)).aggregate(v=gm.col("v").sum()).collect().to_pydict()
        assert out["v"] == [5, 61, 122]
        assert out["window_start"] == [start, start + timedelta(minutes=1), start + timedelta(minutes=2)]
    hops = s.window(hopping("2m", "1m")).aggregate(n=gm.count()).collect().to_pydict()
    assert hops["n"] == [2, 3, 2, 1]
    assert s.window(session("50s")).aggregate(n=gm.count()).collect().to_pydict()["n"] == [2, 1, 1]
    assert s.window(count_window(3)).aggregate(n=gm.count()).collect().to_pydict() == {"n": [3, 1]}


def test_what_is_computed_of_aggregates_and_windows_over_windows() -> None:
    rows = [{"t": t, "x": float(t)} for t in range(100)]
    first = gm.Stream.from_pylist(rows).with_watermark("t").window(tumbling(10)).aggregate(per=gm.col("x").sum() / gm.count())
    assert first.collect().to_pydict()["per"] == [4.5 + 10 * i for i in range(10)]
    second = first.window(tumbling(50)).aggregate(n=gm.count(), top=gm.col("per").max())
    assert second.collect().to_pydict() == {"window_start": [0, 50, 100], "window_end": [50, 100, 150], "n": [4, 5, 1], "top": [34.5, 84.5, 94.5]}


@pytest.mark.parametrize("seed", range(3))
def test_an_interval_join_makes_every_pair(seed: int) -> None:
    left, right = events(seed, 800, 8), events(seed + 50, 700, 8)
    dropped: list[dict[str, Any]] = []
    l, r = in_time(left, 8, dropped), in_time(right, 8, dropped)
    assert not dropped  # the delay covers the disorder
    expected = sorted((a["i"], b["i"]) for a in l for b in r if a["k"] == b["k"] and a["t"] - 3 <= b["t"] <= a["t"] + 6)
    previous = None
    for workers in (1, 3):
        a = stream_of(left, seed + workers, workers).with_watermark("t", 8)
        b = stream_of(right, seed + 7 * workers, workers).with_watermark("t", 8)
        out = a.interval_join(b, on="k", lower=-3, upper=6).collect().to_arrow()
        pairs = list(zip(out.column("i").to_pylist(), out.column("i_right").to_pylist()))
        assert sorted(pairs) == expected
        assert previous is None or pairs == previous
        previous = pairs


def test_an_asof_join_of_streams_is_that_of_frames() -> None:
    rng = random.Random(4)
    trades = [{"t": 2 * i, "s": rng.choice("XY"), "n": i} for i in range(500)]
    quotes = [{"t": 3 * i + 1, "s": rng.choice("XY"), "bid": float(i)} for i in range(300)]
    a, b = gm.Stream.from_pylist(trades).with_watermark("t"), gm.Stream.from_pylist(quotes).with_watermark("t")
    out = a.asof_join(b, on="s", tolerance=20).collect().to_arrow()
    frame = gm.from_arrow(pa.Table.from_pylist(trades)).join_asof(gm.from_arrow(pa.Table.from_pylist(quotes)), left_on="t", right_on="t", by="s", tolerance=20)
    assert out.column("bid").to_pylist() == frame.collect().to_arrow().column("bid").to_pylist()


def test_rolling_values_are_those_of_frames() -> None:
    rows = events(9, 2000, 0)
    frame = gm.from_arrow(pa.Table.from_pylist(rows))
    for function in ("sum", "mean", "min", "max", "std"):
        want = frame.select(y=getattr(gm.col("x"), f"rolling_{function}")(7).over("k")).collect().to_pydict()["y"]
        got = stream_of(rows, 3, 2).rolling("x", 7, function, by="k", name="y").collect().to_pydict()["y"]
        assert got == want, function


def test_resampled_series_have_no_gaps() -> None:
    s = gm.Stream.from_pylist([{"t": 5, "k": "a", "x": 1.0}, {"t": 27, "k": "b", "x": 5.0}, {"t": 38, "k": "a", "x": 4.0}]).with_watermark("t")
    out = s.resample(10, "k", x=gm.col("x").last(), fill="forward").collect().to_arrow().to_pylist()
    assert [(r["k"], r["window_start"], r["x"]) for r in out] == [("a", 0, 1.0), ("b", 20, 5.0), ("a", 10, 1.0), ("a", 20, 1.0), ("a", 30, 4.0)]


def test_a_refreshing_table_is_read_again(tmp_path: Any) -> None:
    path = str(tmp_path / "names.parquet")
    pq.write_table(pa.table({"id": [1], "name": ["old"]}), path)

    def rows() -> Any:
        yield [{"id": 1}]
        pq.write_table(pa.table({"id": [1], "name": ["new"]}), path)
        yield [{"id": 1}]

    s = gm.Stream.from_iterable(rows(), pa.schema({"id": pa.int64()}))
    assert s.join_refreshing(lambda: gm.scan_parquet(path), "id", refresh="1us").collect().to_pydict()["name"] == ["old", "new"]


def test_errors_say_what_is_missing() -> None:
    s = gm.Stream.from_pylist([{"t": 1, "k": "a", "when": "x"}])
    with pytest.raises(gm.PlanError, match="with_watermark"):
        s.window(tumbling(10)).aggregate(gm.count())
    with pytest.raises(gm.PlanError, match="not a timestamp"):
        s.with_watermark("when")
    with pytest.raises(gm.PlanError, match="whole number"):
        s.with_watermark("t").window(tumbling("10s")).aggregate(gm.count())
    with pytest.raises(gm.PlanError, match="no fixed length"):
        gm.Stream.from_pylist([{"ts": datetime(2026, 1, 1)}]).with_watermark("ts").window(tumbling("1mo")).aggregate(gm.count())
    with pytest.raises(gm.PlanError, match="did you mean|known"):
        s.with_watermark("t").fill("k", "forwards")
    with pytest.raises(gm.DataError, match="event time"):
        gm.Stream.from_pylist([{"t": 1}, {"t": None}]).with_watermark("t").window(tumbling(10)).aggregate(gm.count()).collect()
    with pytest.raises(TypeError, match="tumbling"):
        s.with_watermark("t").window("10s")  # type: ignore[arg-type]


def test_the_callers_error_in_late_ends_the_run() -> None:
    def refuse(batch: pa.RecordBatch) -> None:
        raise KeyError("late")

    s = gm.Stream.from_pylist([{"t": 1}, {"t": 50}, {"t": 2}]).with_watermark("t")
    with pytest.raises(Exception, match="late"):
        s.window(tumbling(10), late=refuse).aggregate(gm.count()).collect()


@pytest.mark.parametrize("attempt", range(4))
def test_a_stream_that_is_stopped_loses_no_window(tmp_path: Any, attempt: int) -> None:
    """Also when stop() comes while its source has been read to the end, and an epoch is on its way."""
    table = pa.Table.from_pylist(events(11 + attempt, 40_000, 20))

    def job(workers: int) -> gm.Stream:
        windows = gm.Stream.replay(table, 1000).with_watermark("t", 20).window(tumbling(50), by="k")
        return windows.aggregate(n=gm.count(), last=gm.col("i").last()).parallel(workers, threshold=0)

    seen: dict[tuple[str, int], dict[str, Any]] = {}
    for run, workers in enumerate((2, 3, 1, 8)):
        stream, stopped = job(workers).checkpoint(str(tmp_path), 0.01), False
        for n, batch in enumerate(stream):
            for row in batch.to_pylist():
                assert seen.setdefault((row["k"], row["window_start"]), row) == row
            if run < 3 and n >= 5 and not stopped:
                stream.stop()
                stopped = True
        if not stopped:
            break
    assert sorted(map(str, seen.values())) == sorted(map(str, job(1).collect().to_arrow().to_pylist()))
