"""Windows against DuckDB on random data, and rolling float sums against exact fractions."""

from __future__ import annotations

import datetime
import math
import random
from fractions import Fraction

import pyarrow as pa
import pytest

import gristmill as gm
from gristmill import col

SETTINGS = [
    {"num_workers": 1},
    {"num_workers": 2, "chunk_rows": 7, "batch_rows": 7, "min_parallel_rows": 0},
    {"num_workers": 3, "chunk_rows": 64, "batch_rows": 1, "min_parallel_rows": 0},
    {"num_workers": 8, "chunk_rows": 100, "batch_rows": 1024, "min_parallel_rows": 0},
]


def bits(table: gm.Table) -> bytes:
    data = table.to_arrow().combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, data.schema) as writer:
        writer.write_table(data)
    return sink.getvalue().to_pybytes()


def answer(frame: gm.Frame, monkeypatch: pytest.MonkeyPatch, spill: bool = True) -> list[tuple]:
    """The rows, the same bits under every setting, spilled or not."""
    first = frame.collect(**SETTINGS[0])
    for s in SETTINGS[1:]:
        assert bits(frame.collect(**s)) == bits(first), s
    if spill:
        with monkeypatch.context() as patch:
            patch.setenv("GRISTMILL_SPILL_EAGERLY", "1")
            for s in SETTINGS[:2]:
                spilled = frame.collect(**s, memory_limit="64MB")
                assert bits(spilled) == bits(first), ("spilled", s)
    return list(zip(*(c.to_pylist() for c in first.to_arrow().columns)))


def data(seed: int, n: int = 400) -> pa.Table:
    rng = random.Random(seed)
    maybe = lambda v: None if rng.random() < 0.12 else v  # noqa: E731
    real = lambda: rng.choice([float("nan"), float("inf"), -0.0]) if rng.random() < 0.06 else rng.randrange(-40, 40) / 4  # noqa: E731
    day = datetime.date(2024, 1, 25)
    return pa.table({
        "id": pa.array(range(n), pa.int64()),
        "g": pa.array([maybe(rng.choice("abcde")) for _ in range(n)]),
        "h": pa.array([maybe(rng.randrange(4)) for _ in range(n)], pa.int32()),
        "o": pa.array([maybe(rng.randrange(30)) for _ in range(n)], pa.int64()),
        "r": pa.array([maybe(real()) for _ in range(n)], pa.float64()),
        "d": pa.array([maybe(day + datetime.timedelta(days=rng.randrange(90))) for _ in range(n)], pa.date32()),
        "x": pa.array([maybe(rng.randrange(-100, 100)) for _ in range(n)], pa.int64()),
        "f": pa.array([maybe(rng.randrange(-400, 400) / 8) for _ in range(n)], pa.float64()),
        "s": pa.array([maybe("text that is not inlined " * rng.randrange(2) + str(rng.randrange(50))) for _ in range(n)]),
    })


def same(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    return a == b


def compare(query: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    duckdb = pytest.importorskip("duckdb")
    t = data(seed)
    ours = answer(gm.sql(query, t=t), monkeypatch)
    theirs = duckdb.sql(query + " order by id").fetchall()
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        assert all(same(x, y) for x, y in zip(a, b)), f"seed {seed}: {query}\nours   {a}\nDuckDB {b}"


def partition(rng: random.Random) -> str:
    return rng.choice(["", "partition by g", "partition by g, h", "partition by h", "partition by x % 3"])


def order(rng: random.Random, unique: bool) -> str:
    keys = rng.sample(["o", "r", "s", "d", "x"], rng.choice([1, 1, 2]))
    text = ", ".join(k + rng.choice(["", " desc", " nulls first", " desc nulls last"]) for k in keys)
    text = ", ".join(t if "nulls" in t else t + (" nulls first" if "desc" in t else " nulls last") for t in text.split(", "))
    return f"order by {text}" + (", id" if unique else "")


def bound(rng: random.Random, offset: str) -> tuple[str, str]:
    places = ["unbounded preceding", f"{offset} preceding", "current row", f"{offset} following", "unbounded following"]
    a, b = sorted([rng.randrange(0, 4), rng.randrange(1, 5)])
    a, b = min(a, 3), max(b, 1)
    return places[a], places[b]


def exclusion(rng: random.Random) -> str:
    return rng.choice(["", "", "exclude current row", "exclude group", "exclude ties"])


@pytest.mark.parametrize("seed", range(6))
def test_ranks_and_neighbours_are_duckdbs(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    p, q = partition(rng), partition(rng)
    tied, unique = order(rng, False), order(rng, True)
    compare(
        f"""select id, row_number() over ({p} {unique}), rank() over ({p} {tied}), dense_rank() over ({p} {tied}),
            percent_rank() over ({q} {tied}), cume_dist() over ({q} {tied}), ntile({rng.randrange(1, 9)}) over ({p} {unique}),
            lag(s, {rng.randrange(0, 4)}) over ({p} {unique}), lead(x, {rng.randrange(0, 4)}, 7) over ({q} {unique}),
            lag(x, 2, o) over ({p} {unique}), lag(f) over ({p} {unique}) from t""", seed, monkeypatch)


@pytest.mark.parametrize("seed", range(8))
def test_row_frames_are_duckdbs(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(100 + seed)
    parts = []
    for _ in range(3):
        start, end = bound(rng, str(rng.randrange(0, 6)))
        w = f"({partition(rng)} {order(rng, True)} rows between {start} and {end} {exclusion(rng)})"
        for f in ("sum(x)", "sum(f)", "avg(f)", "count(x)", "count(*)", "min(x)", "max(f)", "min(s)", "first_value(s)", "last_value(x)",
                  "nth_value(x, 2)", "stddev(f)", "sum(x) filter (where o > 10)"):
            parts.append(f"{f} over {w}")
    compare(f"select id, {', '.join(parts)} from t", seed, monkeypatch)


@pytest.mark.parametrize("seed", range(8))
def test_range_and_group_frames_are_duckdbs(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(200 + seed)
    parts = []
    functions = ("sum(x)", "sum(f)", "avg(x)", "count(*)", "min(f)", "max(s)")
    for _ in range(2):
        start, end = bound(rng, str(rng.randrange(0, 4)))
        w = f"({partition(rng)} {order(rng, False)} groups between {start} and {end} {exclusion(rng)})"
        parts += [f"{f} over {w}" for f in functions]
        key, offset = rng.choice([("o", "3"), ("r", "1.5"), ("d", "interval '10 days'"), ("d", "interval '1 month'")])
        start, end = bound(rng, offset)
        way = rng.choice(["asc nulls last", "desc nulls last", "asc nulls first", "desc nulls first"])
        w = f"({partition(rng)} order by {key} {way} range between {start} and {end} {exclusion(rng)})"
        parts += [f"{f} over {w}" for f in functions]
    parts.append(f"sum(x) over ({partition(rng)} {order(rng, False)})")
    parts.append(f"max(s) over ({partition(rng)})")
    compare(f"select id, {', '.join(parts)} from t", seed, monkeypatch)


def test_ignoring_nulls_is_duckdbs(monkeypatch: pytest.MonkeyPatch) -> None:
    duckdb = pytest.importorskip("duckdb")
    t = data(3)
    over = {"partition_by": "g", "order_by": ["o", "id"]}
    frame = gm.rows_between(-3, 2, exclude="current_row")
    ours = answer(gm.from_arrow(t).select(
        "id", col("x").lag(2, ignore_nulls=True).over(**over).alias("a"), col("s").lead(1, ignore_nulls=True).over(**over).alias("b"),
        col("x").first_value(True).over(**over, frame=frame).alias("c"), col("x").last_value(True).over(**over, frame=frame).alias("d"),
        col("x").nth_value(2, True).over(**over, frame=frame).alias("e")), monkeypatch)
    w = "(partition by g order by o nulls last, id)"
    r = w[:-1] + " rows between 3 preceding and 2 following exclude current row)"
    theirs = duckdb.sql(f"""select id, lag(x, 2 ignore nulls) over {w}, lead(s ignore nulls) over {w}, first_value(x ignore nulls) over {r},
        last_value(x ignore nulls) over {r}, nth_value(x, 2 ignore nulls) over {r} from t order by id""").fetchall()
    assert ours == theirs


def test_rolling_float_sums_do_not_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(11)
    x = [rng.choice([rng.uniform(-1, 1), rng.uniform(-1, 1) * 10.0 ** rng.randrange(-300, 300), 1e308, -1e308, 5e-324]) for _ in range(600)]
    frame = gm.from_pydict({"x": x}).select(col("x").rolling_sum(5, min_periods=1).alias("s"), col("x").rolling_mean(7, min_periods=1).alias("m"),
                                            col("x").cum_sum().alias("c"))
    for i, (s, m, c) in enumerate(answer(frame, monkeypatch)):
        last = [Fraction(v) for v in x[max(0, i - 4):i + 1]]
        assert s == rounded(sum(last))
        last = [Fraction(v) for v in x[max(0, i - 6):i + 1]]
        assert m == rounded(sum(last) / len(last))
        assert c == rounded(sum(Fraction(v) for v in x[:i + 1]))


def rounded(v: Fraction) -> float:
    try:
        return float(v)
    except OverflowError:
        return math.inf if v > 0 else -math.inf


def test_rolling_and_running_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    pl = pytest.importorskip("polars")
    t = data(5).drop(["r", "d"])
    ours = answer(gm.from_arrow(t).select(
        col("x").cum_sum().alias("a"), col("x").cum_min().alias("b"), col("x").cum_max().alias("c"), col("x").cum_count().alias("d"),
        col("x").rolling_sum(4).alias("e"), col("f").rolling_mean(3, min_periods=1).alias("f"), col("x").rolling_min(5, min_periods=2).alias("g"),
        col("f").rolling_max(5, min_periods=2).alias("h"), col("x").shift(3).alias("i"), col("x").shift(-2, 0).alias("j"), col("x").diff().alias("k"),
        col("x").rank().alias("l"), col("x").rank("min").alias("m"), col("x").rank("dense", descending=True).alias("n"),
        col("s").forward_fill().alias("o"), col("x").backward_fill(1).alias("p"), col("x").rank("max").alias("q"),
        col("f").rolling_std(4, min_periods=2).alias("r"), (col("x") - col("x").mean()).over("g").alias("s")), monkeypatch)
    p = pl.col
    theirs = pl.from_arrow(t).select(
        p("x").cum_sum().alias("a"), p("x").cum_min().alias("b"), p("x").cum_max().alias("c"), p("x").cum_count().alias("d"),
        p("x").rolling_sum(4).alias("e"), p("f").rolling_mean(3, min_samples=1).alias("f"), p("x").rolling_min(5, min_samples=2).alias("g"),
        p("f").rolling_max(5, min_samples=2).alias("h"), p("x").shift(3).alias("i"), p("x").shift(-2, fill_value=0).alias("j"), p("x").diff().alias("k"),
        p("x").rank().alias("l"), p("x").rank("min").alias("m"), p("x").rank("dense", descending=True).alias("n"),
        p("s").forward_fill().alias("o"), p("x").backward_fill(1).alias("p"), p("x").rank("max").alias("q"),
        p("f").rolling_std(4, min_samples=2).alias("r"), (p("x") - p("x").mean()).over("g").alias("s")).rows()
    for i, (a, b) in enumerate(zip(ours, theirs)):
        for column, x, y in zip("abcdefghijklmnopqrs", a, b):
            assert same(x, y), (i, column, x, y)


def test_rolling_by_time_is_open_at_its_far_end(monkeypatch: pytest.MonkeyPatch) -> None:
    day = datetime.date(2024, 2, 27)
    t = gm.from_pydict({"t": [day + datetime.timedelta(days=n) for n in (0, 1, 2, 8, 9, 3)], "g": list("aababa"), "x": [1, 2, 3, 4, 5, 6]})
    assert [r[0] for r in answer(t.select(col("x").rolling_sum_by("t", "7d")), monkeypatch)] == [1, 3, 6, 13, 15, 12]
    assert [r[0] for r in answer(t.select(col("x").rolling_sum_by("t", datetime.timedelta(days=2)).over("g")), monkeypatch)] == [1, 3, 3, 4, 5, 6]
    assert [r[0] for r in answer(t.select(col("x").rolling_max_by("t", "1mo")), monkeypatch)] == [1, 2, 3, 6, 6, 6]


def test_windows_over_groups_and_in_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    t = gm.from_pydict({"g": list("aabbbc"), "x": [1, 2, 3, 4, 5, 6]})
    ours = gm.sql("""select g, sum(x) as s, rank() over (order by sum(x) desc) as place, sum(sum(x)) over (order by g) as running
                     from t group by g window w as (order by g) order by place""", t=t)
    assert answer(ours, monkeypatch) == [("b", 12, 1, 15), ("c", 6, 2, 21), ("a", 3, 3, 3)]
    assert answer(t.filter(col("x").rank("ordinal", descending=True).over("g") == 1), monkeypatch) == [("a", 2), ("b", 5), ("c", 6)]
    grouped = t.group_by("g").agg(col("x").sum().alias("x")).with_columns((col("x") / col("x").sum().over()).alias("share"))
    assert answer(grouped, monkeypatch) == [("a", 3, 3 / 21), ("b", 12, 12 / 21), ("c", 6, 6 / 21)]
    assert answer(t.select(col("x").diff().cum_sum().alias("y")), monkeypatch) == [(None,), (1,), (2,), (3,), (4,), (5,)]


def test_one_large_partition_and_many_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    n = 200_000
    rng = random.Random(2)
    k = [rng.randrange(40_000) for _ in range(n)]
    x = [rng.randrange(1000) for _ in range(n)]
    frame = gm.from_pydict({"k": k, "x": x}).select(
        gm.row_number().over("k").alias("n"), col("x").sum().over("k").alias("s"), col("x").rolling_sum(7, min_periods=1).alias("r"),
        col("x").shift(70_000).alias("far"), col("x").cum_max().alias("top"), gm.row_number().alias("i"), gm.rank().over(order_by="x").alias("rank"))
    sums: dict[int, int] = {}
    for key, v in zip(k, x):
        sums[key] = sums.get(key, 0) + v
    seen: dict[int, int] = {}
    below = [0] * 1001
    for v in x:
        below[v + 1] += 1
    for v in range(1000):
        below[v + 1] += below[v]
    a = frame.collect(num_workers=1).to_arrow()
    assert a.equals(frame.collect(num_workers=3).to_arrow())
    top = 0
    for i, row in enumerate(zip(*(c.to_pylist() for c in a.columns))):
        seen[k[i]] = seen.get(k[i], 0) + 1
        top = max(top, x[i])
        assert row == (seen[k[i]], sums[k[i]], sum(x[max(0, i - 6):i + 1]), x[i - 70_000] if i >= 70_000 else None, top, i + 1, below[x[i]] + 1)


@pytest.mark.parametrize("query, message", [
    ("select sum(x) over (order by o range between 1 preceding and current row) from t where row_number() over () = 1", "not allowed in WHERE"),
    ("select row_number() from t", "needs an OVER clause"),
    ("select abs(x) over () from t", "neither an aggregate nor a window function"),
    ("select sum(x) over w from t", 'no window "w"'),
    ("select sum(x) over (order by s range between 1 preceding and current row) from t", "a number or a time"),
    ("select sum(x) over (order by o, x range between 1 preceding and current row) from t", "exactly one ORDER BY key"),
    ("select sum(x) over (groups between 1 preceding and current row) from t", "GROUPS frames need ORDER BY"),
    ("select sum(x) over (rows between 1 following and current row) from t", "frame starting from following row cannot have preceding rows"),
    ("select sum(x) over (rows between -1 preceding and current row) from t", "must not be negative"),
    ("select sum(x) over (rows between x preceding and current row) from t", "must be a constant"),
    ("select ntile(0) over () from t", "at least one bucket"),
    ("select sum(9223372036854775807) over () from t", "integer overflow"),
])
def test_errors_say_what_is_wrong(query: str, message: str) -> None:
    with pytest.raises(gm.GristmillError) as caught:
        gm.sql(query, t=data(1, 20)).collect()
    assert message in str(caught.value)


def test_expressions_without_an_aggregate_have_nothing_to_place() -> None:
    with pytest.raises(gm.PlanError, match="needs an aggregate or a window function"):
        col("x").over("g")


def test_filters_on_partition_keys_go_below() -> None:
    t = gm.from_pydict({"g": [1, 2], "x": [1, 2]})
    plan = t.with_columns(col("x").max().over("g").alias("m")).filter((col("g") > 1) & (col("m") > 0)).explain()
    assert plan.index("> 0") < plan.index("window max(x)") < plan.index("g > 1")
    assert "window" not in t.with_columns(col("x").max().over("g").alias("m")).select("x").explain()


def test_plans_travel() -> None:
    t = gm.from_pydict({"g": [1, 1, 2], "x": [1, 2, 3]})
    frame = t.select(col("x").sum().over("g", order_by="x", descending=True, frame=gm.range_between(-1, None, exclude="ties")).alias("s"),
                     col("x").lag(1, 9).over("g").alias("l"))
    text = frame.explain()
    assert "sum(x) over (partition by g order by x desc range between 1 preceding and unbounded following exclude ties)" in text


def test_a_partition_larger_than_memory_passes_by(monkeypatch: pytest.MonkeyPatch) -> None:
    n = 500_000
    rng = random.Random(4)
    t = gm.from_arrow(pa.table({"t": pa.array([rng.randrange(n // 3) for _ in range(n)], pa.int64()), "x": pa.array([rng.random() for _ in range(n)])}))
    frame = t.select(
        gm.row_number().over(order_by="t").alias("n"), gm.rank().over(order_by="t").alias("r"), gm.dense_rank().over(order_by="t").alias("d"),
        col("x").sum().over(order_by="t").alias("s"), col("x").lag(3).over(order_by="t").alias("l"), col("x").lead(2).over(order_by="t").alias("m"),
        col("x").mean().over(order_by="t", frame=gm.rows_between(-6, 3)).alias("a"), col("x").max().over(order_by="t", frame=gm.rows_between(-9, 0)).alias("b"),
        col("x").sum().over(order_by="t", frame=gm.rows_between(None, 0)).alias("c")).filter(col("n") % 37 == 5)  # a result that fits
    free = frame.collect(num_workers=2)
    tight = frame.collect(num_workers=2, memory_limit="64MB")
    assert tight.get_stats()["spilled_bytes"] > 0
    assert bits(tight) == bits(free)
    with pytest.raises(gm.MemoryLimitError, match="a partition of a window function has more than"):
        t.select(gm.ntile(7).over(order_by="t").alias("n"), "x").filter(col("n") == 0).collect(num_workers=2, memory_limit="12MB")


def test_a_window_below_the_small_side_of_a_join() -> None:
    small = gm.from_pydict({"g": [1, 1, 2], "x": [1.0, 2.0, 3.0]}).with_columns(col("x").sum().over("g", frame=gm.rows_between(2, 4, exclude="ties")).alias("s"))
    large = gm.from_pydict({"g": [1 + i % 3 for i in range(1000)], "i": list(range(1000))})
    assert small.join(large, on="g").select(gm.count()).collect().to_pylist() == [{"count": 334 + 334 + 333}]
    assert "window sum(x)" in small.join(large, on="g").explain()


def test_a_window_over_no_columns_spills(monkeypatch: pytest.MonkeyPatch) -> None:
    """A column that only the scan's filter needs does not go on into what is spilled."""
    monkeypatch.setenv("GRISTMILL_SPILL_EAGERLY", "1")
    rows = gm.from_arrow(pa.table({"k": pa.array([1, None, 3])})).filter(gm.col("k").is_not_null())
    for workers in (1, 2, 8):
        options = gm.ParallelOptions(num_workers=workers, memory_limit=64 << 20)
        assert rows.with_columns(n=gm.row_number().over()).select("n").collect(options).to_pydict() == {"n": [1, 2]}
