"""Failures and rules: exceptions, dead letters, retries, time-outs, rates, limits, crashes."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
import warnings
from pathlib import Path

import pytest
from flow_functions import crash, failing

import gristmill as gm
from gristmill.flow import CallTimeout, Failure, Retry, WorkerCrashed


@pytest.mark.parametrize("kind", [None, "blocking", "inline", "native", "cpu"])
def test_the_users_exception_is_what_the_user_sees(kind: str | None) -> None:
    flow = gm.Flow([gm.node(failing, kind=kind)])
    with pytest.raises(KeyError) as e:
        flow.map({"x": range(10)}, "x", errors="ordered")
    assert e.value.args == ("no 3",) and "in node 'failing' of item 3 (x=3)" in e.value.__notes__
    with pytest.raises(KeyError):
        flow.map({"x": range(10)}, "x")
    with pytest.raises(KeyError) as e:
        flow.run({"x": 6})
    assert e.value.__notes__ == ["in node 'failing'"]


class Refused(Exception):
    def __init__(self, who: str, *, code: int) -> None:
        super().__init__(f"{who} was refused")
        self.code = code


def refuse(x: int) -> int:
    raise Refused("somebody", code=x)


def hold(x: int) -> int:
    import threading

    error = ValueError("held")
    error.lock = threading.Lock()  # type: ignore[attr-defined]
    raise error


def test_exceptions_that_take_other_arguments_than_they_keep_come_back_from_processes() -> None:
    with pytest.raises(Refused, match="somebody was refused") as e:
        gm.Flow([gm.node(refuse, kind="cpu")]).map({"x": [7]}, "x")
    assert e.value.code == 7 and e.value.args == ("somebody was refused",) and "in refuse" in str(e.value.__cause__)
    with pytest.raises(RuntimeError, match="ValueError: held"):  # this one cannot travel at all
        gm.Flow([gm.node(hold, kind="cpu")]).map({"x": [7]}, "x")


def test_the_default_stops_at_once() -> None:
    ended: list[int] = []

    async def slow(x: int) -> int:
        if x == 5:
            raise ValueError("five")
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            ended.append(x)
            raise
        return x

    began = time.perf_counter()
    with pytest.raises(ValueError, match="five"):
        gm.Flow([slow]).map({"x": range(10)}, "x")
    assert time.perf_counter() - began < 1 and {0, 1, 2, 3, 4} <= set(ended) and 5 not in ended


def test_ordered_errors_are_those_of_the_earliest_item() -> None:
    async def fail(x: int) -> int:
        await asyncio.sleep((20 - x) * 0.002)
        raise ValueError(x)

    with pytest.raises(ValueError) as e:
        gm.Flow([fail]).map({"x": range(20)}, "x", errors="ordered")
    assert e.value.args == (0,)


def test_results_or_errors_of_each_item() -> None:
    found = gm.Flow([failing]).map({"x": range(5)}, "x", errors="return")
    assert [r if isinstance(r, dict) else r.error.args[0] for r in found] == [{"failing": 0}, {"failing": 1}, {"failing": 2}, "no 3", {"failing": 4}]
    failure = found[3]
    assert isinstance(failure, Failure) and (failure.item, failure.node, failure.inputs) == (3, "failing", {"x": 3})
    assert [r["failing"] for r in gm.Flow([failing]).map({"x": range(5)}, "x", errors="skip")] == [0, 1, 2, 4]


def test_dead_letters_take_each_failed_item_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    letters: list[Failure] = []
    found = gm.Flow([failing]).map({"x": range(8)}, "x", errors="dead_letter", dead_letters=letters)
    assert len(found) == 6 and sorted(f.item for f in letters) == [3, 6]
    path = tmp_path / "dead.jsonl"
    list(gm.Flow([gm.node(failing, kind="blocking")]).stream({"x": range(8)}, "x", errors="dead_letter", dead_letters=path))
    assert sorted((e["item"], e["error"], e["inputs"]["x"]) for e in map(json.loads, path.read_text().splitlines())) == [(3, "KeyError", 3), (6, "KeyError", 6)]
    lost: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a file that is left open is a ResourceWarning
        for _ in range(2):
            assert list(gm.Flow([failing]).stream({"x": [3]}, "x", errors="dead_letter", dead_letters=path)) == []
            stream = gm.Flow([failing]).stream({"x": range(8)}, "x", errors="dead_letter", dead_letters=path)
            next(stream)
            del stream
            gc.collect()
    assert lost == []
    with pytest.raises(gm.PlanError, match="belong together"):
        gm.Flow([failing]).map({"x": [1]}, "x", errors="dead_letter")


def test_retries_with_growing_pauses() -> None:
    calls: list[float] = []

    def flaky(x: int) -> int:
        calls.append(time.perf_counter())
        if len(calls) < 4:
            raise OSError("not yet")
        return x

    assert gm.Flow([gm.node(flaky, retry=Retry(times=3, first=0.02, jitter=0.0, on=OSError))]).run({"x": 1}) == {"flaky": 1}
    pauses = [b - a for a, b in zip(calls, calls[1:])]
    assert pauses[0] >= 0.02 and pauses[1] >= 0.04 and pauses[2] >= 0.08
    calls.clear()
    with pytest.raises(OSError) as e:
        gm.Flow([gm.node(flaky, retry=Retry(times=2, first=0.0))]).map({"x": [1]}, "x")
    assert "after 3 calls" in e.value.__notes__[0] and len(calls) == 3


@pytest.mark.parametrize("kind", ["async", "blocking", "cpu"])
def test_timeouts_end_calls_of_every_kind(kind: str) -> None:
    async def wait(x: int) -> int:
        await asyncio.sleep(x)
        return x

    def sleep(x: int) -> int:
        import time

        time.sleep(x)
        return x

    n = gm.node(wait if kind == "async" else sleep, output_name="y", timeout=1.0 if kind == "cpu" else 0.1, kind=kind)
    began = time.perf_counter()
    with pytest.raises(CallTimeout, match="did not answer within"):
        gm.Flow([n]).run({"x": 30})
    assert time.perf_counter() - began < 5 and issubclass(CallTimeout, TimeoutError) and issubclass(CallTimeout, gm.TimeoutError)
    assert gm.Flow([n]).run({"x": 0}) == {"y": 0}


def test_a_crashed_process_costs_its_items_one_retry() -> None:
    found = gm.Flow([gm.node(crash, kind="cpu")]).map({"x": range(8)}, "x", errors="return")
    assert [r["crash"] if isinstance(r, dict) else type(r.error) for r in found] == [0, 1, 2, WorkerCrashed, 4, 5, 6, 7]
    marker = Path(f"/tmp/gristmill-crash-{os.getpid()}")

    def once(x: int) -> int:
        import os
        import pathlib

        if x == 2 and not pathlib.Path(path).exists():
            pathlib.Path(path).touch()
            os._exit(9)
        return x

    path = str(marker)
    try:
        assert gm.Flow([gm.node(once, kind="cpu")]).map({"x": range(5)}, "x") == [{"once": x} for x in range(5)]
    finally:
        marker.unlink(missing_ok=True)


def test_cancelling_a_run_ends_its_calls() -> None:
    ended: list[int] = []

    async def slow(x: int) -> int:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(x)
        return x

    def burn_long(x: int) -> int:
        while True:
            x += 1

    flow = gm.Flow([slow, gm.node(burn_long, kind="cpu")])

    async def cancel() -> None:
        task = asyncio.create_task(flow.amap({"x": range(3)}, "x"))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sorted(ended) == [0, 1, 2]

    began = time.perf_counter()
    asyncio.run(cancel())
    assert time.perf_counter() - began < 10
    assert gm.Flow([gm.node(failing, kind="cpu")]).run({"x": 1}) == {"failing": 1}  # the processes that computed for ever are not in the way


def test_items_that_fail_while_functions_are_new_take_no_others_with_them() -> None:
    """Functions nobody knows begin on the caller's thread; an item that fails there must not start others elsewhere."""
    for first in range(60):
        def half(x: int, first: int = first) -> int:
            if x <= first % 3:
                raise ValueError(x)
            return x * 2

        def more(half: int) -> int:
            return half + 1

        found = gm.Flow([gm.node(half, kind="inline"), more]).map({"x": range(12)}, "x", errors="return", window=3)
        assert [r.error.args[0] if hasattr(r, "error") else r["more"] for r in found] == [x if x <= first % 3 else x * 2 + 1 for x in range(12)]
