"""Rates and limits: how many calls start in a time, how many are open, how many bytes they hold."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

import gristmill as gm
from gristmill.flow import Limit, RateLimit


def test_a_rate_is_never_exceeded_and_shared_by_name() -> None:
    async def call(x: int) -> None:
        assert len(ticks) > 0

    def block(x: int) -> None:
        assert len(ticks) > 0

    ticks: list[float] = []  # what the limiter saw: a thread of a busy machine begins its call later

    def clock() -> float:
        ticks.append(time.monotonic())
        return ticks[-1]

    rate = RateLimit(200, name="properties", clock=clock)
    starts: list[float] = []
    count = rate._rate.start

    def counted() -> float:
        pause = count()
        if pause == 0:
            starts.append(rate._rate.starts[-1])
        return pause

    rate._rate.start = counted  # type: ignore[method-assign]
    nodes = [gm.node(call, rate=rate), gm.node(block, rate=RateLimit(200, name="properties"), kind="blocking")]
    gm.Flow(nodes).map({"x": range(20)}, "x")
    starts.sort()
    window = 2 / 200 * 1.0
    assert len(starts) == 40 and all(starts[i + 2] - starts[i] >= window for i in range(38))  # two at once in a hundredth of a second
    with pytest.raises(ValueError, match="already with other numbers"):
        RateLimit(100, name="properties")


@pytest.mark.parametrize("kind", ["async", "blocking"])
def test_turns_of_calls_that_never_start_are_given_back(kind: str) -> None:
    async def wait(x: int) -> int:
        if x == 0:
            raise ValueError("zero")
        return x

    def block(x: int) -> int:
        if x == 0:
            raise ValueError("zero")
        return x

    flow = gm.Flow([gm.node(wait if kind == "async" else block, output_name="y", rate="50/s", kind=kind)])
    for errors in ("fail", "ordered"):
        with pytest.raises(ValueError, match="zero"):
            flow.map({"x": range(1_500)}, "x", errors=errors)  # 30 s of turns
    began = time.monotonic()
    assert flow.map({"x": [1, 2, 3]}, "x") == [{"y": 1}, {"y": 2}, {"y": 3}]
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("burst", [1, 2, 3])
def test_turns_are_those_of_the_rate(burst: int) -> None:
    """What is promised is when the calls before have started, whatever has started already."""
    for started in range(burst + 2):
        now = 0.0
        rate = RateLimit(16, per=16.0, burst=burst, clock=lambda: now)._rate  # numbers that are exact
        times = []
        for _ in range(started):
            now += 0.125
            while (pause := rate.start()) > 0:
                now += pause
        promised = [now + rate.promise() for _ in range(3 * burst)]
        for _ in promised:
            while (pause := rate.start()) > 0:
                now += pause
            times.append(now)
        assert promised == pytest.approx(times)


def test_limits_hold_across_flows_and_kinds() -> None:
    open_calls, most, lock = 0, 0, threading.Lock()

    def enter(step: int) -> None:
        nonlocal open_calls, most
        with lock:
            open_calls += step
            most = max(most, open_calls)

    async def wait(x: int) -> None:
        enter(1)
        await asyncio.sleep(0.002)
        enter(-1)

    def block(x: int) -> None:
        enter(1)
        time.sleep(0.002)
        enter(-1)

    limit = Limit(3, name="door")
    gm.Flow([gm.node(wait, limit=limit), gm.node(block, limit=Limit(3, name="door"))]).map({"x": range(30)}, "x")
    assert most == 3 and open_calls == 0


def test_open_calls_are_held_by_bytes() -> None:
    held, most, lock = 0, 0, threading.Lock()

    def enter(text: str, step: int) -> None:
        nonlocal held, most
        with lock:
            held += step * len(text)
            most = max(most, held)

    async def wait(text: str) -> int:
        enter(text, 1)
        await asyncio.sleep(0.002)
        enter(text, -1)
        return len(text)

    def block(text: str) -> int:
        enter(text, 1)
        time.sleep(0.002)
        enter(text, -1)
        return len(text)

    texts = ["a" * (100 * (i % 7)) for i in range(80)]
    for fn in (wait, block):
        most = 0
        found = gm.Flow([gm.node(fn, output_name="n", limit=Limit(open_bytes=2_000))]).map({"text": texts}, "text")
        assert [r["n"] for r in found] == [len(t) for t in texts]
        assert 600 < most <= 2_000 and held == 0
    most = 0
    large = ["b" * 5_000] * 6
    assert len(gm.Flow([gm.node(wait, limit=Limit(100, open_bytes="2KB"))]).map({"text": large}, "text")) == 6
    assert most == 5_000  # one is always let in
    with pytest.raises(ValueError, match="number of calls, or open_bytes"):
        Limit()
    with pytest.raises(ValueError, match="already with other numbers"):
        keep = Limit(3, name="by bytes"), Limit(3, open_bytes=10, name="by bytes")
        del keep


def test_a_limit_is_given_back_by_calls_that_fail_or_are_cancelled() -> None:
    limit = Limit(2, open_bytes=100)

    async def fail(text: str) -> str:
        await asyncio.sleep(0.001)
        if text == "x" * 30:
            raise ValueError("thirty")
        await asyncio.sleep(5)
        return text

    async def quick(text: str) -> str:
        return text

    for _ in range(3):
        with pytest.raises(ValueError, match="thirty"):
            gm.Flow([gm.node(fail, limit=limit)]).map({"text": ["x" * (30 + k) for k in range(20)]}, "text")
        assert len(gm.Flow([gm.node(quick, limit=limit)]).map({"text": ["y" * 40] * 30}, "text")) == 30
