"""Functions that wait as expressions: order, nulls, errors and settings as for any other."""

from __future__ import annotations

import asyncio
import random
import threading
import time

import pytest

import gristmill as gm
from gristmill.flow import Retry

SETTINGS = [dict(num_workers=w, chunk_rows=c, batch_rows=b, min_parallel_rows=0) for w, c, b in [(1, 0, 0), (2, 100, 7), (3, 64, 1)]]


async def late(x: int) -> int:
    await asyncio.sleep(0.001 * (x % 5))
    return x * 2


def block(x: int) -> int:
    time.sleep(0.001)
    return x * 2


class Twice:
    """Built once per worker."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()

    def __call__(self, x: int) -> int:
        assert self.thread == threading.get_ident()
        return x * 2


class LateTwice:
    async def __call__(self, x: int) -> int:
        await asyncio.sleep(0)
        return x * 2


@pytest.mark.parametrize("fn", [late, gm.node(block), gm.node(block, kind="blocking"), gm.node(block, limit=4), gm.node(late, retry=2), gm.node(block, kind="cpu"),
                                gm.node(Twice), gm.node(Twice, kind="blocking"), gm.node(LateTwice)],
                         ids=["async", "found out", "blocking", "limit", "retry", "cpu", "class", "blocking class", "async class"])
def test_values_order_and_nulls(fn) -> None:  # noqa: ANN001
    r = random.Random(3)
    values = [None if r.random() < 0.2 else r.randint(0, 99) for _ in range(300)]
    frame = gm.from_pydict({"x": values, "k": [v is None for v in values]})
    twice = gm.udf(fn)
    expected = [None if v is None else 2 * v for v in values]
    for s in SETTINGS:
        assert frame.select(twice("x").alias("y")).collect(**s)["y"].to_pylist() == expected
        assert frame.filter(twice("x") > 100).collect(**s)["x"].to_pylist() == [v for v in values if v is not None and v > 50]
        sums = frame.group_by("k").agg(twice("x").sum().alias("s")).collect(**s).to_pylist()
        assert {g["k"]: g["s"] for g in sums} == {False: 2 * sum(v for v in values if v is not None), True: None}


def test_functions_that_wait_in_streams() -> None:
    rows = [{"x": i, "k": i % 3} for i in range(200)]
    expected = [2 * i for i in range(200)]
    for fn in (late, gm.node(block, kind="blocking"), gm.node(Twice)):
        stream = gm.Stream.from_pylist(rows).with_columns(y=gm.udf(fn)("x"))
        assert [y for batch in stream for y in batch.column("y").to_pylist()] == expected
        totals = gm.Stream.from_pylist(rows).group_by("k").aggregate(gm.udf(fn)("x").sum().alias("s"))
        found = {k: s for batch in totals for k, s in zip(batch.column("k").to_pylist(), batch.column("s").to_pylist())}
        assert found == {k: sum(expected[k::3]) for k in range(3)}


def test_calls_of_a_batch_are_open_together() -> None:
    frame, began = gm.from_pydict({"x": list(range(200))}), time.perf_counter()

    async def wait(x: int) -> int:
        await asyncio.sleep(0.02)
        return x

    assert frame.select(gm.udf(wait)("x").alias("y")).collect()["y"].to_pylist() == list(range(200))
    assert time.perf_counter() - began < 2.0  # 4 s one after the other


def test_the_first_failing_row_is_told() -> None:
    async def fail(x: int) -> int:
        await asyncio.sleep(0.001 * (50 - x))
        if x in (20, 30):
            raise KeyError(x)
        return x

    for s in SETTINGS:
        with pytest.raises(KeyError) as e:
            gm.from_pydict({"x": list(range(50))}).select(gm.udf(fail)("x")).collect(**s)
        assert e.value.args == (20,) and any("20" in n for n in e.value.__notes__)


def test_rules_and_sql() -> None:
    tried: set[int] = set()
    lock = threading.Lock()

    def flaky(x: int) -> str:
        with lock:
            if x not in tried:
                tried.add(x)
                raise OSError("once")
        return f"<{x}>"

    gm.register("flaky", gm.udf(gm.node(flaky, retry=Retry(1, first=0.0))))
    t = gm.from_pydict({"a": [1, 2, 3]})
    assert gm.sql("select flaky(a) as b from t").collect().to_pydict() == {"b": ["<1>", "<2>", "<3>"]}
    with pytest.raises(ValueError, match="is called for each row"):
        gm.udf(late, kind="vector")
    with pytest.raises(gm.PlanError, match="one value for each row"):
        gm.udf(gm.node(block, batch=3), returns="int64")
