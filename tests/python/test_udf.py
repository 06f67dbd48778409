"""User functions: everywhere an expression stands, the same at every setting, with the user's own exceptions."""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import gristmill as gm
from gristmill import col

SETTINGS = [dict(num_workers=w, chunk_rows=c, batch_rows=b, min_parallel_rows=0) for w, c, b in [(1, 0, 0), (2, 100, 7), (3, 64, 1), (3, 1000, 64)]]


@gm.udf
def collatz(n: int) -> int:
    return n // 2 if n % 2 == 0 else 3 * n + 1


@gm.udf(nulls="call")
def shown(x: int | None, s: str | None) -> str:
    return f"{x}/{s}"


def everywhere(frame: gm.Frame) -> pa.Table:
    first = frame.collect(**SETTINGS[0]).to_arrow()
    for s in SETTINGS[1:]:
        assert frame.collect(**s).to_arrow().equals(first), s
    return first


def random_frame(seed: int, rows: int = 900) -> tuple[gm.Frame, list[dict]]:
    print("seed", seed)
    r = random.Random(seed)
    data = [{"n": None if r.random() < 0.1 else r.randint(-99, 99), "s": r.choice(["a", "b", None, "long text that is no inline view"]), "k": r.randint(0, 5)}
            for _ in range(rows)]
    schema = pa.schema([("n", pa.int64()), ("s", pa.string()), ("k", pa.int64())])
    return gm.from_pylist(data, schema), data


def step(n: int) -> int:
    return n // 2 if n % 2 == 0 else 3 * n + 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_scalar_function_in_every_operator(seed: int) -> None:
    f, rows = random_frame(seed)
    mapped = [None if r["n"] is None else step(r["n"]) for r in rows]
    assert everywhere(f.select(collatz("n")))["n"].to_pylist() == mapped
    assert everywhere(f.with_columns(c=collatz(collatz("n")) + 1))["c"].to_pylist() == [None if m is None else step(m) + 1 for m in mapped]
    assert everywhere(f.filter(collatz("n") > 50)).to_pylist() == [r for r, m in zip(rows, mapped) if m is not None and m > 50]
    assert everywhere(f.select(shown("n", "s").alias("t")))["t"].to_pylist() == [f"{r['n']}/{r['s']}" for r in rows]
    sums: dict[int, int] = {}
    for r, m in zip(rows, mapped):
        sums[r["k"] % 2] = sums.get(r["k"] % 2, 0) + (m or 0)
    odd = gm.udf(lambda k: k % 2, returns="int64", name="odd")
    groups = everywhere(f.group_by(odd("k").alias("g")).agg(collatz("n").sum().alias("s"))).to_pylist()
    assert {g["g"]: g["s"] for g in groups} == sums
    by = everywhere(f.sort(collatz("n"), descending=True))["n"].to_pylist()
    assert [m for m in (None if n is None else step(n) for n in by) if m is not None] == sorted((m for m in mapped if m is not None), reverse=True)
    right = gm.from_pydict({"g": [0, 1], "name": ["even", "odd"]})
    joined = everywhere(f.with_columns(g=odd("k")).join(right, on="g").select("k", "name")).to_pylist()
    assert joined == [{"k": r["k"], "name": "odd" if r["k"] % 2 else "even"} for r in rows]
    case = gm.when(col("k") > 2).then(collatz("n")).otherwise(gm.lit(-1)).alias("c")
    assert everywhere(f.select(case))["c"].to_pylist() == [m if r["k"] > 2 else -1 for r, m in zip(rows, mapped)]


def test_functions_see_only_rows_that_get_to_them() -> None:
    seen: list[int] = []

    @gm.udf(deterministic=False)
    def note(x: int) -> int:
        seen.append(x)
        return 100 // (x - 5)

    f = gm.from_pydict({"x": list(range(10))})
    f.filter(col("x") < 5).with_columns(y=note("x")).filter(col("x") > 2).collect(num_workers=1)
    assert sorted(seen) == [0, 1, 2, 3, 4]
    seen.clear()
    f.select(gm.when(col("x") != 5).then(note("x")).otherwise(None)).collect(num_workers=1)
    assert sorted(seen) == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    seen.clear()
    f.filter((col("x") != 5) & (note("x") > 0)).collect(num_workers=1)
    assert 5 not in seen
    seen.clear()
    f.with_columns(y=note(gm.lit(1))).explain()
    assert seen == []  # planning calls nobody's code


def test_vector_functions() -> None:
    f, rows = random_frame(4)
    double = gm.udf(lambda a: pc.multiply(a, 2), returns="int64", kind="vector", name="double")
    assert everywhere(f.select(double("n")))["n"].to_pylist() == [None if r["n"] is None else 2 * r["n"] for r in rows]

    @gm.udf(kind="vector", returns="float64")
    def root(x: np.ndarray) -> np.ndarray:
        assert isinstance(x, np.ndarray)
        return np.sqrt(np.abs(x))

    expected = [None if r["n"] is None else float(np.sqrt(abs(r["n"]))) for r in rows]
    assert everywhere(f.select(root("n")))["n"].to_pylist() == expected
    fill = gm.udf(lambda a: pc.fill_null(a, 7), returns="int64", kind="vector", nulls="call", name="fill")
    assert everywhere(f.select(fill("n")))["n"].to_pylist() == [7 if r["n"] is None else r["n"] for r in rows]
    two = gm.udf(lambda a, b: pc.binary_join_element_wise(a, b, "-"), returns="string", kind="vector", name="two")
    assert everywhere(f.select(two("s", "s")))["s"].to_pylist() == [None if r["s"] is None else f"{r['s']}-{r['s']}" for r in rows]
    short = gm.udf(lambda a: a.slice(1), returns="int64", kind="vector", name="short")
    with pytest.raises(gm.DataError, match='"short" returned'):
        f.select(short("n")).collect()
    wrong = gm.udf(lambda a: pa.array(["x"] * len(a)), returns="int64", kind="vector", name="wrong")
    with pytest.raises(gm.DataError, match='"wrong" returned string'):
        f.select(wrong("n")).collect()


@pytest.mark.parametrize("seed", [5, 6])
@pytest.mark.parametrize("n", [1, 7, 64, 100_000])
def test_vector_functions_over_batches_see_the_same_rows_at_any_setting(seed: int, n: int) -> None:
    f, rows = random_frame(seed)
    seen: list[int] = []

    @gm.udf(kind="vector", returns="int64", batch_rows=n, nulls="call")
    def place(x: pa.Array) -> pa.Array:
        seen.append(len(x))
        return pa.array(range(len(x)))

    total = gm.udf(lambda x: pa.array([pc.sum(x).as_py()] * len(x), pa.int64()), returns="int64", kind="vector", batch_rows=3, name="total")

    def cut(values: list, size: int) -> list[list]:
        return [values[i:i + size] for i in range(0, len(values), size)]

    kept = [r for r in rows if r["k"] != 2]
    places = [i for batch in cut(kept, n) for i in range(len(batch))]
    sums = []
    for batch in cut([r["n"] for r in kept], 3):
        there = [v for v in batch if v is not None]
        sums += [None if v is None else sum(there) for v in batch]
    some = f.filter(col("k") != 2)
    got = everywhere(some.with_columns(p=place("s"), t=total(col("n") + 0) * 2, m=col("n").max().over("k")))
    assert got["p"].to_pylist() == places and got["t"].to_pylist() == [None if v is None else 2 * v for v in sums]
    assert got.drop_columns(["p", "t", "m"]).to_pylist() == kept
    assert max(seen) == min(n, len(kept)) and set(seen) <= {n, len(kept) % n}
    # Inside one another, under other operators, after a breaker, in both parts of a union, cut short.
    again = everywhere(some.select("k", q=place(place("n"))).filter(col("q") % 2 == 0).group_by("k").agg(col("q").sum()))
    expected: dict[int, int] = {}
    for r, q in zip(kept, places):
        if q % 2 == 0:
            expected[r["k"]] = expected.get(r["k"], 0) + q
    assert {r["k"]: r["q"] for r in again.to_pylist()} == expected
    both = everywhere(gm.concat([some, f.sort("k")]).select(place("n").alias("p")))["p"].to_pylist()
    assert both == [i for batch in cut(kept + rows, n) for i in range(len(batch))]
    assert everywhere(some.select(place("n").alias("p")).head(10))["p"].to_pylist() == places[:10]
    right = gm.from_pydict({"k": [0, 1, 3], "w": [10, 11, 13]})
    joined = everywhere(some.with_columns(p=place("n")).join(right, on="k").select("k", "p")).to_pylist()
    assert joined == [{"k": r["k"], "p": p} for r, p in zip(kept, places) if r["k"] in (0, 1, 3)]


def test_functions_over_batches_that_fail_and_what_they_may_not() -> None:
    f = gm.from_pydict({"x": list(range(100))})

    @gm.udf(kind="vector", returns="int64", batch_rows=10)
    def picky(x: pa.Array) -> pa.Array:
        if 57 in x.to_pylist():
            raise KeyError("57 is here")
        return x

    for s in SETTINGS:
        with pytest.raises(KeyError, match="57 is here"):
            f.select(picky("x")).collect(**s)
        assert f.select(picky("x")).head(20).collect(**s)["x"].to_pylist() == list(range(20))
        # An error of a row that never got to the function comes first when its batch was not full.
        with pytest.raises(gm.DataError, match="row 55"):
            f.select(picky(gm.when(col("x") == 55).then(col("x") // 0).otherwise(col("x")))).collect(**s)
    short = gm.udf(lambda x: x.slice(1), returns="int64", kind="vector", batch_rows=10, name="short")
    with pytest.raises(gm.DataError, match='"short" returned 9 values for 10 rows'):
        f.select(short("x")).collect()
    with pytest.raises(gm.PlanError, match="cannot be registered"):
        gm.register("picky", picky)
    assert f.head(50).filter(picky("x") > 3).collect()["x"].to_pylist() == list(range(4, 50))
    with pytest.raises(gm.PlanError, match="cannot leave its process"):
        f.select(picky("x")).serialize()
    with pytest.raises(ValueError, match="batch_rows must be 1 or more"):
        gm.udf(lambda x: x, returns="int64", kind="vector", batch_rows=0)
    with pytest.raises(ValueError, match="batch_rows is for kind='vector'"):
        gm.udf(lambda x: x, returns="int64", batch_rows=5)
    assert "batches picky(x)" in f.select(picky("x")).explain()
    assert f.filter(col("x") < 0).select(picky("x")).collect().num_rows == 0


def test_types_come_from_annotations() -> None:
    cases = [(int, 3, "int64"), (float, 1.5, "double"), (str, "é", "string"), (bool, True, "bool"), (bytes, b"\x00", "binary"),
             (dt.date, dt.date(2026, 1, 2), "date32[day]"), (dt.datetime, dt.datetime(2026, 1, 2, 3), "timestamp[us]"),
             (dt.timedelta, dt.timedelta(seconds=5), "duration[us]"), (list[int], [1, 2], "list<item: int64>")]
    for kind, value, name in cases:
        def give(_x: int):  # noqa: ANN202
            return value

        give.__annotations__["return"] = kind
        out = gm.from_pydict({"x": [1, None]}).select(gm.udf(give)("x")).collect()
        assert str(out.schema.field(0).type).replace("element", "item") == name and out["x"].to_pylist() == [value, None]

    @gm.udf
    def maybe(x: int) -> str | None:
        return None if x == 2 else str(x)

    assert gm.from_pydict({"x": [1, 2]}).select(maybe("x")).collect()["x"].to_pylist() == ["1", None]
    money = gm.udf(lambda x: Decimal(x) / 4, returns="decimal(10,2)", name="money")
    assert gm.from_pydict({"x": [1, 2]}).select(money("x")).collect()["x"].to_pylist() == [Decimal("0.25"), Decimal("0.50")]
    pair = gm.udf(lambda x: {"a": x, "b": str(x)}, returns="struct<a:int64,b:string>", name="pair")
    assert gm.from_pydict({"x": [1]}).select(pair("x").struct.field("b").alias("b")).collect().to_pydict() == {"b": ["1"]}
    with pytest.raises(TypeError, match="say returns="):
        gm.udf(lambda x: x)
    with pytest.raises(ValueError, match="unknown kind"):
        gm.udf(lambda x: x, returns="int64", kind="table")
    with pytest.raises(gm.PlanError, match='"collatz" takes 1 arguments, got 2'):
        gm.from_pydict({"x": [1]}).select(collatz("x", "x")).collect()


class Sour(Exception):
    pass


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_users_exception_comes_through(settings: dict) -> None:
    def deeper(x: int) -> None:
        raise Sour(f"no {x}")

    def bite(x: int) -> int:
        if x in (517, 900):
            deeper(x)
        return x

    f = gm.from_pydict({"x": list(range(1000))})
    with pytest.raises(Sour, match="no 517") as info:
        f.with_columns(y=gm.udf(bite)("x")).collect(**settings)
    names = [frame.name for frame in traceback.extract_tb(info.value.__traceback__)]
    assert names[-2:] == ["bite", "deeper"]
    assert any('user function "bite"' in n and 'column "x"' in n and "row 517" in n for n in info.value.__notes__)
    with pytest.raises(Sour, match="no 517"):
        f.filter(gm.udf(bite)("x") > 10).group_by("x").agg(gm.count()).collect(**settings)
    with pytest.raises(ZeroDivisionError):
        f.select(gm.udf(lambda x: 1 // (x - x), returns="int64", name="z")("x")).collect(**settings)
    assert f.select(gm.udf(bite)("x")).head(500).collect(**settings).num_rows == 500  # a limit that is met beats a later error


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_value_of_another_type_is_named(settings: dict) -> None:
    f = gm.from_pydict({"x": list(range(300))})
    bad = gm.udf(lambda x: "oops" if x == 250 else x, returns="int64", name="bad")
    with pytest.raises(TypeError, match="'oops', which is not int64") as info:
        f.select(bad("x")).collect(**settings)
    assert any("row 250" in n for n in info.value.__notes__)


def test_functions_in_sql_and_by_name() -> None:
    t = gm.from_pydict({"a": [1, 2, None]})  # noqa: F841 - found by sql
    gm.register("test_triple", gm.udf(lambda x: 3 * x, returns="int64", name="whatever"))
    assert gm.sql("select test_triple(a) as b from t where TEST_TRIPLE(a) > 3").collect().to_pydict() == {"b": [6]}
    assert t.select(gm.call("test_triple", col("a"))).collect()["a"].to_pylist() == [3, 6, None]
    gm.register("test_triple", gm.udf(lambda x: -x, returns="int64", name="w"))
    assert gm.sql("select test_triple(a) as b from t").collect()["b"].to_pylist() == [-1, -2, None]
    with pytest.raises(gm.PlanError, match="built-in"):
        gm.register("abs", lambda x: x) if False else gm.register("abs", gm.udf(lambda x: x, returns="int64", name="x"))


def test_plans_with_functions_do_not_travel(tmp_path) -> None:  # noqa: ANN001
    gm.from_pydict({"n": [1]}).sink_parquet(tmp_path / "t.parquet")
    f = gm.scan_parquet(tmp_path / "t.parquet")
    for g in (f.select(collatz("n")), f.filter(collatz("n") > 1), f.sort(collatz("n")), f.group_by("n").agg(collatz("n").sum().alias("s"))):
        with pytest.raises(gm.PlanError, match="user function"):
            g.serialize()


def test_a_dictionary_column_is_called_once_an_entry() -> None:
    seen: list[str] = []

    @gm.udf
    def upper(s: str) -> str:
        seen.append(s)
        return s.upper()

    t = pa.table({"s": pa.array(["x", "y", None, "x"] * 500).dictionary_encode()})
    out = gm.from_arrow(t).select(upper("s")).collect(num_workers=1)
    assert out["s"].to_pylist() == ["X", "Y", None, "X"] * 500
    assert len(seen) <= 4


def test_many_threads_and_queries_inside_functions() -> None:
    inner = gm.from_pydict({"v": list(range(100))})

    @gm.udf
    def total(x: int) -> int:
        return inner.filter(col("v") < x).select(col("v").sum()).collect(num_workers=1).to_pylist()[0]["v"] or 0

    f = gm.from_pydict({"x": list(range(40))}).select(total("x"))
    expected = [sum(range(x)) for x in range(40)]
    results: list[list[int]] = []
    threads = [threading.Thread(target=lambda: results.append(f.collect(num_workers=2, min_parallel_rows=0, chunk_rows=5)["x"].to_pylist())) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert results == [expected] * 6


def test_a_slow_function_stops_when_the_query_does() -> None:
    slow = gm.udf(lambda x: time.sleep(0.005) or x, returns="int64", name="slow")
    f = gm.from_pydict({"x": list(range(20_000))}).select(slow("x"))
    start = time.monotonic()
    with pytest.raises(gm.TimeoutError):
        f.collect(num_workers=2, timeout=0.3)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c(workers: int) -> None:
    code = f"""
WORKERS = {workers}
""" + """
import time, gristmill as gm
slow = gm.udf(lambda x: time.sleep(0.005) or x, returns="int64", name="slow")
print("ready", flush=True)
try:
    gm.from_pydict({"x": list(range(20_000))}).select(slow("x")).collect(num_workers=WORKERS, min_parallel_rows=0)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10)[0] == "stopped\n" and process.returncode == 0
