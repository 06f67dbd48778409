"""Streams: order, back-pressure, endless and async sources."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any, Iterator

import pytest
from flow_functions import square

import gristmill as gm


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
