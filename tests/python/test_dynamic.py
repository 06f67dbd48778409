"""Time windows against Polars and plain Python."""

from __future__ import annotations

import datetime as dt
import random
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
import pytest

import gristmill as gm
from gristmill import col

SETTINGS = [dict(num_workers=w, chunk_rows=c, batch_rows=b, min_parallel_rows=0) for w, c, b in [(1, 0, 0), (2, 100, 7), (3, 64, 16)]]


def table(seed: int, unit: str = "us", zone: str | None = None) -> pa.Table:
    print("seed", seed)
    r = random.Random(seed)
    start = dt.datetime(2023, 12, 20, tzinfo=dt.timezone.utc)
    times = [None if r.random() < 0.05 else start + dt.timedelta(seconds=r.randint(-5_000_000, 5_000_000)) for _ in range(400)]
    plain = pa.array([t if t is None else t.replace(tzinfo=None) for t in times], pa.timestamp(unit))
    return pa.table({"t": plain.cast(pa.timestamp(unit, zone)) if zone else plain, "k": [r.choice("ab") for _ in times], "v": [r.randint(0, 99) for _ in times]})


def everywhere(frame: gm.Frame) -> list[dict]:
    first = frame.collect(**SETTINGS[0])
    for s in SETTINGS[1:]:
        assert frame.collect(**s) == first
    return first.to_pylist()


CASES = [dict(every="1h"), dict(every="15m", offset="5m"), dict(every="1d"), dict(every="2d"), dict(every="1w"), dict(every="1mo"), dict(every="1q"),
         dict(every="1y"), dict(every="2mo"), dict(every="1d", period="6h"), dict(every="1d", closed="right", label="right"), dict(every="1mo", label="right")]


@pytest.mark.parametrize("options", CASES, ids=str)
@pytest.mark.parametrize("unit", ["us", "ms"])
def test_windows_match_polars(options: dict, unit: str) -> None:
    data = table(1, unit)
    ours = everywhere(gm.from_arrow(data).group_by_dynamic("t", **options).agg(col("v").sum(), gm.count().alias("n")))
    p = pl.from_arrow(data).drop_nulls("t").sort("t")  # type: ignore[union-attr]
    theirs = p.group_by_dynamic("t", every=options["every"], period=options.get("period"), offset=options.get("offset"), closed=options.get("closed", "left"),
                                label=options.get("label", "left"), start_by="window").agg(pl.col("v").sum(), pl.len().alias("n"))
    assert ours == [{k: v for k, v in r.items()} for r in theirs.to_dicts()]


@pytest.mark.parametrize("every,period,offset,closed", [(6, 24, 0, "left"), (7, 10, 0, "left"), (3, 9, 1, "right"), (5, 23, -2, "left")])
def test_windows_that_overlap(every: int, period: int, offset: int, closed: str) -> None:
    """Every window that has rows; Polars leaves out those that begin before the first row."""
    data = table(5)
    ours = everywhere(gm.from_arrow(data).group_by_dynamic("t", every=f"{every}h", period=f"{period}h", offset=f"{offset}h", closed=closed)
                      .agg(col("v").sum(), gm.count().alias("n")))
    hour, epoch = dt.timedelta(hours=1), dt.datetime(1970, 1, 1)
    rows = [r for r in data.to_pylist() if r["t"] is not None]
    first = int((min(r["t"] for r in rows) - epoch) / hour) // every - period // every - 2
    last = int((max(r["t"] for r in rows) - epoch) / hour) // every + 2
    expected = []
    for k in range(first, last):
        start = epoch + (k * every + offset) * hour
        end = start + period * hour
        inside = [r["v"] for r in rows if (start <= r["t"] < end if closed == "left" else start < r["t"] <= end)]
        if inside:
            expected.append({"t": start, "v": sum(inside), "n": len(inside)})
    assert ours == expected


def test_keys_beside_windows() -> None:
    data = table(2)
    ours = everywhere(gm.from_arrow(data).group_by_dynamic("t", every="1w", by="k").agg(col("t").max().alias("last"), col("v").mean()))
    p = pl.from_arrow(data).drop_nulls("t").sort("k", "t")  # type: ignore[union-attr]
    theirs = p.group_by_dynamic("t", every="1w", group_by="k").agg(pl.col("t").max().alias("last"), pl.col("v").mean()).sort("k", "t")
    assert [(r["k"], r["t"], r["last"]) for r in ours] == [(r["k"], r["t"], r["last"]) for r in theirs.to_dicts()]


def test_days_follow_the_wall_clock_of_the_zone() -> None:
    data = table(3, zone="America/New_York")
    ours = everywhere(gm.from_arrow(data).group_by_dynamic("t", every="1d").agg(gm.count()))
    counts: dict[dt.date, int] = {}
    for t in data["t"].to_pylist():
        if t is not None:
            counts[t.date()] = counts.get(t.date(), 0) + 1
    zone = ZoneInfo("America/New_York")
    assert [(r["t"], r["count"]) for r in ours] == [(dt.datetime(d.year, d.month, d.day, tzinfo=zone), n) for d, n in sorted(counts.items())]
    hours = everywhere(gm.from_arrow(data).group_by_dynamic("t", every="1h").agg(gm.count()))
    assert all(r["t"].minute == 0 for r in hours)


def test_integers_and_dates() -> None:
    f = gm.from_pydict({"i": [-7, -1, 0, 4, 5, None, 12], "v": [1] * 7})
    assert everywhere(f.group_by_dynamic("i", every=5).agg(gm.count())) == [
        {"i": -10, "count": 1}, {"i": -5, "count": 1}, {"i": 0, "count": 2}, {"i": 5, "count": 1}, {"i": 10, "count": 1}]
    assert everywhere(f.group_by_dynamic("i", every=5, period=10).agg(gm.count()))[0] == {"i": -15, "count": 1}
    d = gm.from_pydict({"d": [dt.date(2024, 1, 31), dt.date(2024, 2, 1), dt.date(2024, 2, 29)]})
    assert everywhere(d.group_by_dynamic("d", every="1mo").agg(gm.count())) == [{"d": dt.date(2024, 1, 1), "count": 1}, {"d": dt.date(2024, 2, 1), "count": 2}]


@pytest.mark.parametrize("options,message", [
    (dict(every="1 fortnight"), "cannot read every"), (dict(every="0h"), "longer than nothing"), (dict(every="1mo", period="1d"), "both be months"),
    (dict(every="5"), "durations like 1h"), (dict(every="1ns"), "finer than"), (dict(every="1us", period="1d"), "windows")])
def test_bad_windows(options: dict, message: str) -> None:
    with pytest.raises(gm.PlanError, match=message):
        gm.from_arrow(table(4)).group_by_dynamic("t", **options).agg(gm.count()).collect()


def test_bad_columns_and_edges() -> None:
    f = gm.from_pydict({"s": ["x"]})
    with pytest.raises(gm.PlanError, match="timestamp, a date or an integer"):
        f.group_by_dynamic("s", every="1h").agg(gm.count()).collect()
    with pytest.raises(ValueError, match="edge"):
        f.group_by_dynamic("s", every="1h", closed="both")
