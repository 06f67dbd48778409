"""Streams: order, back-pressure, endless and async sources."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any, Iterator

import pytest
from flow_functions import square

import gristmill as gm
from gristmill.flow import Retry


def test_streams_come_in_order_or_as_completed() -> None:
    async def late(x: int) -> int:
        await asyncio.sleep(0.08 if x == 0 else 0.001)
        return x

    flow = gm.Flow([late])
    assert [r["late"] for r in flow.stream({"x": range(5)}, "x")] == [0, 1, 2, 3, 4]
    assert [r["late"] for r in flow.stream({"x": range(5)}, "x", ordered=False)][-1] == 0

    async def collect() -> list[int]:
        return [r["late"] async for r in flow.stream({"x": range(5)}, "x")]

    assert asyncio.run(collect()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("kind", ["async", "blocking", "trivial"])
def test_endless_input_with_bounded_memory(kind: str) -> None:
    pulled = 0

    def source() -> Iterator[int]:
        nonlocal pulled
        for k in itertools.count():
            pulled += 1
            yield k

    async def wait(x: int) -> int:
        await asyncio.sleep(0)
        return x

    fn = {"async": wait, "blocking": gm.node(square, kind="blocking"), "trivial": square}[kind]
    stream = gm.Flow([fn]).stream({"x": source()}, "x", window=20)
    seen = [next(stream) for _ in range(1000)]
    assert [list(r.values())[0] for r in seen] == [x if kind == "async" else x * x for x in range(1000)]
    assert pulled <= 1000 + 45
    stream.close()
    assert list(stream) == []


def test_async_sources_feed_streams() -> None:
    async def source() -> Any:
        for k in range(50):
            await asyncio.sleep(0)
            yield k

    async def collect() -> list:
        return [r["square"] async for r in gm.Flow([square]).stream({"x": source()}, "x", window=4)]

    assert asyncio.run(collect()) == [k * k for k in range(50)]
    with pytest.raises(gm.PlanError, match="async for"):
        list(gm.Flow([square]).stream({"x": source()}, "x"))


def test_an_async_stream_that_is_left_lets_go_of_its_source() -> None:
    ended: list[str] = []

    async def source() -> Any:
        try:
            yield 0
            await asyncio.sleep(60)  # nothing comes for long
            yield 1
        finally:
            ended.append("source")

    async def collect() -> None:
        async for row in gm.Flow([square]).astream({"x": source()}, "x"):
            assert row == {"square": 0}
            break
        for _ in range(100):
            if len(asyncio.all_tasks()) == 1:
                break
            await asyncio.sleep(0.01)
        assert len(asyncio.all_tasks()) == 1 and ended == ["source"]

    asyncio.run(collect())


def test_what_failed_is_forgotten() -> None:
    """Coroutines of failed items are no part of an endless run's memory."""

    async def fail(x: int) -> int:
        await asyncio.sleep(0)
        if x % 2:
            raise ValueError(x)
        return x

    flow = gm.Flow([gm.node(fail, retry=Retry(1, first=0.0), output_name="y"), gm.node(fail, name="other", output_name="z")])
    stream = flow.stream({"x": itertools.count()}, "x", errors="skip", window=50)
    for _ in range(600):
        next(stream)
    run = stream._run
    assert run is not None and len(run.cancelled) < 200
    stream.close()
