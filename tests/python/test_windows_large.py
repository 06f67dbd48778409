"""Windows over partitions that several workers share, and values of whole partitions without an order: against numpy and exact sums."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from spilling import eagerly

import gristmill as gm
from gristmill import col

ROWS = 300_000  # more than two stretches of a partition
SETTINGS = [dict(num_workers=1), dict(num_workers=2), dict(num_workers=5, chunk_rows=10_001, batch_rows=777)]


def bits(table: gm.Table) -> bytes:
    sink = pa.BufferOutputStream()
    data = table.to_arrow().combine_chunks()
    with pa.ipc.new_stream(sink, data.schema) as writer:
        writer.write_table(data)
    return sink.getvalue().to_pybytes()


def answer(frame: gm.Frame) -> pa.Table:
    """The same bits at every setting, spilled or not."""
    first = frame.collect(**SETTINGS[0])
    for setting in SETTINGS[1:]:
        assert bits(frame.collect(**setting)) == bits(first), setting
    with eagerly(True):
        assert bits(frame.collect(num_workers=2, memory_limit="256MB")) == bits(first), "spilled"
    return first.to_arrow()


def reals(rng: np.random.Generator, n: int = ROWS) -> np.ndarray:
    """Of many sizes, so that every sum is rounded."""
    return rng.uniform(-1, 1, n) * 2.0 ** rng.integers(-20, 20, n)


def exact(values: np.ndarray, valid: np.ndarray | None = None) -> float | None:
    kept = values if valid is None else values[valid]
    return math.fsum(kept) if len(kept) else None


@pytest.mark.parametrize("nulls", [False, True])
def test_running_sums_of_one_partition(nulls: bool) -> None:
    rng = np.random.default_rng(1)
    x, valid = reals(rng), rng.random(ROWS) > 0.3
    if not nulls:
        valid[:] = True
    ties = np.sort(rng.integers(0, 9, ROWS))  # peers that fill whole stretches
    t = pa.table({"i": np.arange(ROWS), "k": ties, "x": pa.array(x, mask=~valid)})
    got = answer(gm.sql("""select sum(x) over (order by i rows unbounded preceding) a, sum(x) over (order by i) b, sum(x) over (order by k) c,
        sum(x) over (order by i rows between 100000 preceding and 3 following) d, sum(x) over (order by i rows between 2 following and 5 following) e,
        sum(x) over (order by i rows between unbounded preceding and 70000 preceding) f, sum(x) over (rows unbounded preceding) g,
        sum(x) over (order by i rows between current row and unbounded following) h from t order by i""", t=t)).to_pydict()
    ends = np.searchsorted(ties, ties, side="right")
    for i in [*range(6), 65_535, 65_536, 65_537, 131_072, 199_999, *range(ROWS - 6, ROWS), *rng.integers(0, ROWS, 20)]:
        frames = {"a": (0, i + 1), "b": (0, i + 1), "c": (0, ends[i]), "d": (max(0, i - 100_000), min(ROWS, i + 4)), "e": (min(ROWS, i + 2), min(ROWS, i + 6)),
                  "f": (0, max(0, i - 70_000 + 1)), "g": (0, i + 1), "h": (i, ROWS)}
        for name, (low, high) in frames.items():
            assert got[name][i] == exact(x[low:high], valid[low:high]), (name, i)


def test_running_sums_beyond_the_window_of_one_unit() -> None:
    rng = np.random.default_rng(2)
    x = reals(rng)
    x[100_000] = 1e300  # its stretch, and all after it, go the slow way
    x[150_000] = -1e300
    x[200_000] = np.nan
    got = answer(gm.from_pydict({"x": x}).select(col("x").cum_sum().alias("s"), col("x").rolling_sum(3, min_periods=1).alias("r"))).to_pydict()
    for i in [0, 99_999, 100_000, 100_001, 149_999, 150_000, 170_000, 199_999]:
        assert got["s"][i] == math.fsum(x[:i + 1]), i
    assert math.isnan(got["s"][200_000]) and math.isnan(got["s"][ROWS - 1])
    for i in [99_999, 100_000, 100_002, 100_003, 199_999, 200_003]:
        assert got["r"][i] == math.fsum(x[max(0, i - 2):i + 1]), i


def test_other_running_functions_of_one_partition() -> None:
    rng = np.random.default_rng(3)
    x, n = reals(rng), rng.integers(-1000, 1000, ROWS)
    k = np.sort(rng.integers(0, 50_000, ROWS))
    t = pa.table({"i": np.arange(ROWS), "k": k, "x": x, "n": n, "d": pa.array(n.astype(np.int32)).cast(pa.decimal128(12, 0))})
    got = answer(gm.sql("""select rank() over (order by k) r, dense_rank() over (order by k) dr, sum(n) over (order by i) s, sum(d) over (order by i) sd,
        count(*) filter (where n > 0) over (order by k) c, avg(n) over (order by i) m, avg(x) over (order by i rows unbounded preceding) mx,
        stddev(n) over (order by i) sd2, row_number() over (order by k, i) rn from t order by i""", t=t)).to_pydict()
    first, last = np.searchsorted(k, k, side="left"), np.searchsorted(k, k, side="right")
    assert got["r"] == (first + 1).tolist()
    assert got["dr"] == (np.unique(k, return_inverse=True)[1] + 1).tolist()
    assert got["rn"] == list(range(1, ROWS + 1))
    sums = np.cumsum(n)
    assert got["s"] == sums.tolist() and got["sd"] == [Decimal(int(v)) for v in sums]
    assert got["c"] == np.cumsum(n > 0)[last - 1].tolist()
    assert got["m"] == (sums / np.arange(1, ROWS + 1)).tolist()
    for i in [0, 1, 65_536, 131_071, ROWS - 1]:
        assert got["mx"][i] == pytest.approx(math.fsum(x[:i + 1]) / (i + 1), rel=1e-15, abs=1e-300)
        if i > 0:
            assert got["sd2"][i] == pytest.approx(np.std(n[:i + 1].astype(float), ddof=1), rel=1e-12)


def test_an_overflow_in_a_late_stretch_is_an_error() -> None:
    n = np.zeros(ROWS, np.int64)
    n[250_000:250_002] = 2**62
    frame = gm.sql("select sum(n) over (order by i) s from t", t=pa.table({"i": np.arange(ROWS), "n": n}))
    for setting in SETTINGS:
        with pytest.raises(gm.GristmillError, match=r"integer overflow in sum\(n\)"):
            frame.collect(**setting)


KEYS = {
    "few": lambda rng: pa.array(rng.integers(0, 7, ROWS)),
    "many": lambda rng: pa.array(rng.integers(-60_000, 60_000, ROWS)),
    "nulls": lambda rng: pa.array(rng.integers(0, 300, ROWS).astype(np.int16), mask=rng.random(ROWS) < 0.1),
    "far apart": lambda rng: pa.array(rng.integers(0, 9, ROWS) * 10**17),
    "text": lambda rng: pa.array(rng.integers(0, 50, ROWS).astype(str)),
    "dictionary": lambda rng: pa.array(rng.integers(0, 50, ROWS).astype(str)).dictionary_encode(),
    "none": lambda rng: pa.nulls(ROWS, pa.int64()),
}


@pytest.mark.parametrize("keys", KEYS)
def test_values_of_whole_partitions_are_those_of_groups(keys: str) -> None:
    rng = np.random.default_rng(4)
    x = reals(rng)
    x[rng.random(ROWS) < 0.001] = np.nan
    x[rng.random(ROWS) < 0.01] = -0.0
    nothing = rng.random(ROWS) < 0.2
    n = rng.integers(-10**6, 10**6, ROWS)
    g, h = KEYS[keys](rng), rng.integers(0, 3, ROWS)
    number = g.indices if keys == "dictionary" else g.dictionary_encode("encode").indices  # of the partition: g may be NULL
    t = pa.table({"g": g, "h": h, "p": number.to_numpy(zero_copy_only=False) * 3 + h, "b": rng.random(ROWS) < 0.5, "x": pa.array(x, mask=nothing), "y": x.astype(np.float32), "n": n,
                  "u": rng.integers(0, 2**40, ROWS, dtype=np.uint64), "d": pa.array(n.astype(np.int32)).cast(pa.decimal128(12, 2)), "w": pa.array(n.astype("datetime64[D]")),
                  "s": pa.array(n % 1000).cast(pa.string())})
    functions = {"a": "sum(x)", "b0": "avg(x)", "c": "count(x)", "e": "min(x)", "f": "max(x)", "g0": "stddev(x)", "h0": "var_pop(x)", "i": "sum(n)", "j": "avg(n)",
                 "k": "sum(d)", "l": "avg(d)", "m": "max(d)", "o": "sum(u)", "p0": "min(w)", "q": "max(s)", "r": "max(y)", "t0": "count(*)",
                 "v": "sum(x) filter (where b)", "z": "max(n) filter (where n > 999000)", "bb": "min(b)"}
    over = ", ".join(f"{f} over (partition by g, h) as {name}" for name, f in functions.items())
    windows = answer(gm.sql(f"select {over} from t", t=t))
    groups = ", ".join(f"{f} as {name}" for name, f in functions.items())
    joined = gm.sql(f"with q as (select p, {groups} from t group by p) select {', '.join('q.' + name for name in functions)} from t, q where t.p = q.p",
                    t=t).collect().to_arrow()
    assert bits(gm.from_arrow(windows).collect()) == bits(gm.from_arrow(joined).collect())


def test_places_for_values_of_whole_partitions_are_made_once() -> None:
    """The sums take 8 bytes a row, the columns they come from lie side by side already; places made for rows in order took 8 more."""
    n = 1_000_000
    frame = gm.from_pydict({"k": np.arange(n) % 1000, "x": np.arange(n) * 0.5})
    out = frame.with_columns(col("x").sum().over("k").alias("s")).collect(num_workers=1)
    assert out.get_stats()["peak_bytes"] < 12 * n


def test_the_whole_table_is_a_partition() -> None:
    rng = np.random.default_rng(5)
    x = reals(rng)
    got = answer(gm.from_pydict({"x": x}).select(col("x").sum().over().alias("s"), col("x").max().over().alias("m"), gm.count().over().alias("n")))
    assert set(got["s"].to_pylist()) == {math.fsum(x)} and set(got["m"].to_pylist()) == {x.max()} and set(got["n"].to_pylist()) == {ROWS}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_extremes_of_short_frames(dtype: type) -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=ROWS).astype(dtype)
    for value in (np.nan, np.inf, -np.inf, -0.0, 0.0):
        x[rng.random(ROWS) < 0.05] = value
    valid = rng.random(ROWS) > 0.2
    t = pa.table({"i": np.arange(ROWS), "g": np.arange(ROWS) // 5, "x": pa.array(x, mask=~valid)})
    got = answer(gm.sql("""select max(x) over (order by i rows 6 preceding) a, min(x) over (order by i rows 6 preceding) b,
        max(x) over (partition by g order by i rows between 1 preceding and 2 following) c, min(x) over (order by i rows between 3 following and 40 following) d,
        max(x) filter (where i % 3 = 0) over (order by i rows 4 preceding) e, max(x) over (order by i rows 63 preceding) f,
        min(x) over (order by i rows 64 preceding) g from t order by i""", t=t)).to_pydict()
    position = np.arange(ROWS)

    def extreme(low: int, high: int, greatest: bool, also: np.ndarray | None = None) -> float | None:
        keep = valid[low:high] if also is None else valid[low:high] & also[low:high]
        values = x[low:high][keep]
        if len(values) == 0:
            return None
        numbers = values[~np.isnan(values)]
        if greatest:
            return float("nan") if len(numbers) < len(values) else float(numbers.max())
        return float(numbers.min()) if len(numbers) else float("nan")

    for i in [*range(70), *range(65_500, 65_600), *range(ROWS - 50, ROWS), *rng.integers(0, ROWS, 300)]:
        g = i // 5 * 5
        expected = {"a": extreme(max(0, i - 6), i + 1, True), "b": extreme(max(0, i - 6), i + 1, False),
                    "c": extreme(max(g, i - 1), min(g + 5, i + 3), True), "d": extreme(min(ROWS, i + 3), min(ROWS, i + 41), False),
                    "e": extreme(max(0, i - 4), i + 1, True, position % 3 == 0), "f": extreme(max(0, i - 63), i + 1, True),
                    "g": extreme(max(0, i - 64), i + 1, False)}
        for name, value in expected.items():
            if value is None or not math.isnan(value):
                assert got[name][i] == value and (value is None or math.copysign(1, got[name][i]) == math.copysign(1, value + 0.0)), (name, i)
            else:
                assert math.isnan(got[name][i]), (name, i)


@pytest.mark.parametrize("sizes", [[1, 0, 7, 20_000, 3, 100_000, 65_536, 0, 114_453], [150_000, 150_000], [13] * 5000])
def test_columns_that_come_in_pieces(sizes: list[int]) -> None:
    """Those that nobody sorts by are not joined, whatever pieces a table has: results and the columns beside them are those of one piece."""
    rng = np.random.default_rng(3)
    rows = sum(sizes)
    x = reals(rng, rows)
    whole = pa.table({"id": np.arange(rows), "x": pa.array(x, mask=rng.random(rows) < 0.1), "name": pa.array([f"the name of row {i}" for i in range(rows)]),
                      "kind": pa.array(rng.choice(["a", "bc"], rows)).dictionary_encode(), "keep": rng.random(rows) < 0.7})
    pieces, at = [], 0
    for size in sizes:
        pieces += whole.slice(at, size).to_batches() or [whole.to_batches()[0].slice(0, 0)]
        at += size
    query = """select *, sum(x) over (rows unbounded preceding) as total, sum(x) over (rows between 5 preceding and 1 following) as near,
        max(x) over (rows between 3 preceding and current row) as most, count(x) over (rows unbounded preceding) as n, row_number() over () as r,
        sum(x) filter (where keep) over (rows between 100 preceding and current row) as some, sum(x) over () as everything,
        lag(name) over () as before from t"""
    together = answer(gm.sql(query, t=whole.combine_chunks()))
    apart = answer(gm.sql(query, t=pa.Table.from_batches(pieces, schema=whole.schema)))
    kind = apart.column_names.index("kind")  # dictionaries may differ
    assert apart.set_column(kind, "kind", apart["kind"].cast(pa.string())).equals(together.set_column(kind, "kind", together["kind"].cast(pa.string())))
    got, valid = apart.to_pydict(), np.array(whole["x"].is_valid())
    assert got["name"] == whole["name"].to_pylist() and got["kind"] == whole["kind"].to_pylist()
    for i in [0, 1, 7, 8, rows // 2, rows - 1, *rng.integers(0, rows, 20)]:
        assert got["total"][i] == exact(x[:i + 1], valid[:i + 1]), i
        assert got["near"][i] == exact(x[max(0, i - 5):i + 2], valid[max(0, i - 5):i + 2]), i
        assert got["before"][i] == (None if i == 0 else f"the name of row {i - 1}")
    assert got["r"] == list(range(1, rows + 1))
