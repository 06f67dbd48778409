"""Right, full, cross and as-of joins, and joins with conditions, against DuckDB, Polars and plain Python on random data."""

from __future__ import annotations

import datetime
import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

import gristmill as gm
from gristmill import col

SETTINGS = [{"num_workers": 1}, {"num_workers": 4, "chunk_rows": 7, "batch_rows": 5, "min_parallel_rows": 0}]


def rows_of(frame: gm.Frame) -> list[tuple]:
    answers = [[tuple(r.values()) for r in frame.collect(**s).to_pylist()] for s in SETTINGS]
    assert answers[0] == answers[1]
    return answers[0]


def tables(seed: int, n: int = 300) -> tuple[pa.Table, pa.Table]:
    rng = random.Random(seed)
    key = lambda: None if rng.random() < 0.1 else rng.randrange(60)  # noqa: E731
    left = pa.table({"k": pa.array([key() for _ in range(n)], pa.int64()), "a": pa.array(range(n), pa.int64()), "x": pa.array([rng.randrange(100) for _ in range(n)])})
    right = pa.table({"k": pa.array([key() for _ in range(n // 2)], pa.int64()), "b": pa.array(range(n // 2), pa.int64()), "y": pa.array([rng.randrange(100) for _ in range(n // 2)])})
    return left, right


def test_right_join_gives_pairs_then_right_rows_without_a_match() -> None:
    left, right = gm.from_pydict({"k": [1, 2, None], "l": ["a", "b", "c"]}), gm.from_pydict({"k": [3, 2, None, 1, 2], "r": [1, 2, 3, 4, 5]})
    assert rows_of(left.join(right, on="k", how="right")) == [(1, "a", 4), (2, "b", 2), (2, "b", 5), (3, None, 1), (None, None, 3)]
    assert rows_of(left.join(right, left_on="k", right_on="k", how="right"))[3] == (None, None, 3, 1)


def test_full_join_coalesces_the_key() -> None:
    left, right = gm.from_pydict({"k": [1, 2, None], "l": ["a", "b", "c"]}), gm.from_pydict({"k": [3, 2, None], "r": [1, 2, 3]})
    full = left.join(right, on="k", how="full")
    assert full.columns == ["k", "l", "r"]
    assert rows_of(full) == [(1, "a", None), (2, "b", 2), (None, "c", None), (3, None, 1), (None, None, 3)]
    assert rows_of(left.join(right, on="k", how="full", nulls_equal=True)) == [(1, "a", None), (2, "b", 2), (None, "c", 3), (3, None, 1)]


@pytest.mark.parametrize("how", ["left", "right", "full", "inner"])
@pytest.mark.parametrize("where", [None, "x < y", "x + y > 100"])
def test_joins_are_duckdbs(how: str, where: str | None) -> None:
    duckdb = pytest.importorskip("duckdb")
    conditions = {None: None, "x < y": col("x") < col("y"), "x + y > 100": col("x") + col("y") > 100}
    for seed in range(3):
        l, r = tables(seed)  # noqa: F841 - DuckDB reads the variables
        ours = rows_of(gm.from_arrow(l).join(gm.from_arrow(r), left_on="k", right_on="k", how=how, where=conditions[where]))
        on = "l.k = r.k" + (f" and {where}" if where else "")
        assert Counter(ours) == Counter(duckdb.sql(f"select * from l {how} join r on {on}").fetchall())
        assert ours == [tuple(t.values()) for t in gm.sql(f"select l.k as k, a, x, r.k as k2, b, y from l {how} join r on {on}", l=l, r=r).collect().to_pylist()]


def test_a_condition_is_enough_without_keys() -> None:
    left, right = tables(7, 60)
    pairs = [(a, b) for a, x in zip(*(left[c].to_pylist() for c in "ax")) for b, y in zip(*(right[c].to_pylist() for c in "by")) if x > y + 80]
    joined = gm.from_arrow(left).join(gm.from_arrow(right), how="inner", where=col("x") > col("y") + 80)
    assert rows_of(joined.select("a", "b")) == pairs
    semi = gm.from_arrow(left).join(gm.from_arrow(right), how="semi", where=col("x") > col("y") + 80)
    assert rows_of(semi.select("a")) == [(a,) for a in dict.fromkeys(a for a, _ in pairs)]
    anti = gm.from_arrow(left).join(gm.from_arrow(right), how="anti", where=col("x") > col("y") + 80)
    assert {a for (a,) in rows_of(anti.select("a"))} == set(range(60)) - {a for a, _ in pairs}


def test_cross_join_is_two_loops() -> None:
    a, b = gm.from_pydict({"a": list(range(50)), "n": [1] * 50}), gm.from_pydict({"b": list(range(30)), "n": [2] * 30})
    assert rows_of(a.cross_join(b)) == [(i, 1, j, 2) for i in range(50) for j in range(30)]
    assert a.join(b, how="cross").columns == ["a", "n", "b", "n_right"]
    assert rows_of(a.cross_join(b.filter(col("b") > 100))) == []
    with pytest.raises(ValueError, match="no keys"):
        a.join(b, on="n", how="cross")


@pytest.mark.parametrize("strategy", ["backward", "forward", "nearest"])
@pytest.mark.parametrize("tolerance", [None, 4])
def test_join_asof_is_polars(strategy: str, tolerance: int | None) -> None:
    polars = pytest.importorskip("polars")
    for seed in range(4):
        rng = random.Random(seed)
        l = {"t": [rng.randrange(1000) for _ in range(200)], "g": [rng.choice("ab") for _ in range(200)], "i": list(range(200))}
        times = rng.sample(range(1000), 80)
        r = {"t": times, "g": [rng.choice("ab") for _ in times], "v": [100 * t for t in times]}
        ours = rows_of(gm.from_pydict(l).join_asof(gm.from_pydict(r), on="t", by="g", strategy=strategy, tolerance=tolerance).select("i", "v"))
        theirs = (polars.DataFrame(l).sort("t").join_asof(polars.DataFrame(r).sort("t"), on="t", by="g", strategy=strategy, tolerance=tolerance)
                  .sort("i").select("i", "v").rows())
        if strategy == "nearest":  # equally near rows are a matter of taste
            at = dict(zip(l["i"], l["t"]))
            distance = lambda row: None if row[1] is None else abs(row[1] // 100 - at[row[0]])  # noqa: E731
            ours, theirs = [distance(x) for x in ours], [distance(x) for x in theirs]
        assert ours == theirs


def test_join_asof_ties_exactness_and_nulls() -> None:
    left, right = gm.from_pydict({"t": [5, None, 1, 6]}), gm.from_pydict({"t": [5, 3, 5, None, 7], "v": [0, 1, 2, 3, 4]})
    value = lambda **options: [v for _, v in rows_of(left.join_asof(right, on="t", **options))]  # noqa: E731
    assert value() == [2, None, None, 2]
    assert value(strategy="forward") == [0, None, 1, 4]
    assert value(strategy="nearest") == [2, None, 1, 2]
    assert value(allow_exact=False) == [1, None, None, 2]
    assert value(strategy="forward", tolerance=1) == [0, None, None, 4]


@pytest.mark.parametrize("order", ["ascending", "descending", "shuffled", "saw"])
@pytest.mark.parametrize("keys", [0, 1, 7, 20_000])
def test_join_asof_of_many_rows_in_any_order(order: str, keys: int) -> None:
    """Searches go out from the last row found: wherever that was. 20,000 keys share the places where searches remember it."""
    rng = np.random.default_rng(keys)
    n, m = 60_000, 40_000
    t = np.sort(rng.integers(-50, 3 * m, n))
    t = {"ascending": t, "descending": t[::-1], "shuffled": rng.permutation(t), "saw": t.reshape(-1, 100).T.ravel()}[order]
    left = {"t": t, "k": rng.integers(0, max(keys, 1), n)}
    right = {"t": rng.permutation(np.repeat(np.arange(m // 2) * 6, 2)), "k": rng.integers(0, max(keys, 1), m), "v": np.arange(m)}
    by = {"by": "k"} if keys else {}
    # By key, then time, then place: backward takes the last of equal ones, forward the first.
    place = np.lexsort((right["v"], right["t"], right["k"]))
    words = right["k"][place] * 10**9 + right["t"][place]
    wanted = left["k"] * 10**9 + left["t"]
    for strategy, exact in (("backward", True), ("backward", False), ("forward", True), ("forward", False)):
        found = np.searchsorted(words, wanted, side="right" if (strategy == "backward") == exact else "left") - (strategy == "backward")
        inside = (found >= 0) & (found < m)
        row = place[np.clip(found, 0, m - 1)]
        inside &= right["k"][row] == left["k"]
        frame = gm.from_pydict(left).join_asof(gm.from_pydict(right).drop([] if keys else "k"), on="t", strategy=strategy, allow_exact=exact, **by)
        for workers in (1, 3):
            got = frame.collect(num_workers=workers, min_parallel_rows=0).to_arrow()
            assert got["t"].to_numpy().tolist() == left["t"].tolist()
            assert got["v"].to_pylist() == [int(v) if there else None for v, there in zip(row, inside)], (strategy, exact)


ON = {"int64": np.int64, "uint64": np.uint64, "int16": np.int16, "float64": np.float64, "timestamp": "datetime64[us]"}


@pytest.mark.parametrize("kind", ON)
@pytest.mark.parametrize("seed", range(4))
def test_join_asof_without_keys_however_the_sides_lie(kind: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sides in the order of `on` are walked together, others searched: sorted or not, sparse and dense, with ties, nulls and rows left out."""
    rng = np.random.default_rng([seed, *kind.encode()])
    for case in range(6):
        n, m = (int(rng.choice([0, 1, 3, 500, 9000])) for _ in range(2))
        span = int(rng.choice([1, 50, 20_000]))
        base = 0 if kind == "uint64" else -span // 2
        l, r = (rng.integers(base, base + span, size) for size in (n, m))
        if rng.random() < 0.7:
            l.sort()
        if rng.random() < 0.7:
            r.sort()
        hole, kept = rng.random(n) < (0.1 if rng.random() < 0.3 else 0), rng.random(n) < rng.choice([1.1, 0.6, 0.05])
        gone = rng.random(m) < (0.1 if rng.random() < 0.3 else 0)
        on = lambda values, missing: pa.array(values.astype(ON[kind]), mask=missing)  # noqa: E731, B023
        left = gm.from_arrow(pa.table({"t": on(l, hole), "i": np.arange(n), "keep": pa.array(kept)}))
        right = gm.from_arrow(pa.table({"t": on(r, gone), "v": np.arange(m)}))
        place = np.flatnonzero(~gone)[np.argsort(r[~gone], kind="stable")]
        words, rows = r[place], np.flatnonzero(kept)
        for strategy, exact, tolerance in (("backward", True, None), ("backward", False, 3), ("forward", True, 5), ("forward", False, None), ("nearest", True, None), ("nearest", False, 2)):
            wanted = []
            for i in rows:
                back = np.searchsorted(words, l[i], side="right" if exact else "left") - 1 if strategy != "forward" else -1
                ahead = np.searchsorted(words, l[i], side="left" if exact else "right") if strategy != "backward" else len(words)
                found = [int(p) for p in (back, ahead) if 0 <= p < len(words)]
                best = min(found, key=lambda p: abs(int(words[p]) - int(l[i])), default=None)  # noqa: B023 - of equally near ones the one before
                if best is None or hole[i] or (tolerance is not None and abs(int(words[best]) - int(l[i])) > tolerance):
                    wanted.append((int(i), None))
                else:
                    wanted.append((int(i), int(place[best])))
            limit = None if tolerance is None else datetime.timedelta(microseconds=tolerance) if kind == "timestamp" else tolerance
            frame = left.filter(col("keep")).join_asof(right, on="t", strategy=strategy, allow_exact=exact, tolerance=limit).select("i", "v")
            for settings in ({"num_workers": 1}, {"num_workers": 2, "chunk_rows": 700, "min_parallel_rows": 0}, {"num_workers": 8, "chunk_rows": 64, "batch_rows": 33, "min_parallel_rows": 0}):
                got = frame.collect(**settings).to_arrow()
                assert list(zip(got["i"].to_pylist(), got["v"].to_pylist())) == wanted, (case, strategy, exact, tolerance, settings)
            with monkeypatch.context() as patch:
                patch.setenv("GRISTMILL_SPILL_EAGERLY", "1")
                got = frame.collect(num_workers=2, min_parallel_rows=0).to_arrow()
            assert list(zip(got["i"].to_pylist(), got["v"].to_pylist())) == wanted, (case, strategy, exact, tolerance, "spilled")


def test_join_asof_on_times_takes_a_timedelta() -> None:
    day = datetime.datetime(2024, 1, 1)
    at = lambda *hours: [day + datetime.timedelta(hours=h) for h in hours]  # noqa: E731
    left, right = gm.from_pydict({"t": at(1, 5, 9)}), gm.from_pydict({"t": at(0, 4), "v": [1, 2]})
    joined = left.join_asof(right, on="t", tolerance=datetime.timedelta(hours=2))
    assert joined.collect().to_pydict()["v"] == [1, 2, None]
    assert "join asof backward on t ~ t within" in joined.explain()
    with pytest.raises(gm.PlanError, match="a duration"):
        left.join_asof(right, on="t", tolerance=1.5).collect()
    with pytest.raises(gm.PlanError, match="numbers or times"):
        gm.from_pydict({"s": ["x"]}).join_asof(gm.from_pydict({"s": ["y"]}), on="s").collect()


@pytest.mark.parametrize("how", ["right", "full", "left", "semi", "anti"])
def test_spilled_joins_are_the_same(how: str) -> None:
    left, right = tables(11, 120_000)
    joined = gm.from_arrow(left).join(gm.from_arrow(right), left_on="a", right_on="b", how=how, where=col("x") < col("y") + 50)
    whole, capped = joined.collect(), joined.collect(memory_limit="24MB", num_workers=2)
    assert whole.to_arrow().equals(capped.to_arrow())


def test_plans_with_the_new_joins_can_be_written_down(tmp_path) -> None:
    left, right = tables(5)
    gm.from_arrow(left).sink_parquet(tmp_path / "l.parquet")
    gm.from_arrow(right).sink_parquet(tmp_path / "r.parquet")
    l, r = gm.scan_parquet(tmp_path / "l.parquet"), gm.scan_parquet(tmp_path / "r.parquet")
    for frame in (l.join(r, on="k", how="full"), l.join(r, on="k", how="right", where=col("x") < col("y")), l.cross_join(r.head(3)),
                  l.join_asof(r, left_on="x", right_on="y", by="k", strategy="nearest", tolerance=9, allow_exact=False)):
        again = gm.deserialize(frame.serialize())
        assert again.collect().to_arrow().equals(frame.collect().to_arrow())
        assert again.serialize() == frame.serialize()
        assert again.explain() == frame.explain()


@pytest.mark.parametrize("how", ["semi", "anti"])
def test_an_error_behind_a_join_is_the_same_wherever_rows_lay(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that were on disk do not know their place in the source any more; so none does behind a join."""
    rows = gm.from_pydict({"k": list(range(200)), "t": ["1"] * 150 + ["x"] * 50})
    other = gm.from_pydict({"k": [0] if how == "anti" else list(range(200))})
    said = set()
    for eagerly in ("0", "1"):
        monkeypatch.setenv("GRISTMILL_SPILL_EAGERLY", eagerly)
        for workers in (1, 2):
            with pytest.raises(gm.DataError, match="x") as e:
                rows.join(other, on="k", how=how).with_columns(n=gm.col("t").cast("int64")).collect(num_workers=workers)
            said.add((str(e.value), e.value.row))
    assert len(said) == 1, said
