"""The way calls go: loop, threads, processes, in place; what overlaps."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time

import pytest
from flow_functions import burn, square

import gristmill as gm


def test_async_calls_overlap() -> None:
    async def wait(x: int) -> int:
        await asyncio.sleep(0.05)
        return x

    flow, began = gm.Flow([wait]), time.perf_counter()
    flow.map({"x": range(5_000)}, "x")
    assert time.perf_counter() - began < 5  # 250 s one after the other


def test_blocking_calls_overlap_without_being_told() -> None:
    def wait(x: int) -> int:
        time.sleep(0.05)
        return x

    flow, began = gm.Flow([wait]), time.perf_counter()
    assert flow.map({"x": range(40)}, "x") == [{"wait": x} for x in range(40)]
    assert time.perf_counter() - began < 1.0
    assert "blocking: a call mostly waits" in flow.explain()


def test_computing_calls_go_to_processes_once_that_is_worth_it() -> None:
    pids = gm.Flow([gm.node(lambda x: os.getpid(), output_name="pid", kind="cpu")])
    found = {r["pid"] for r in pids.map({"x": range(20)}, "x")}
    assert os.getpid() not in found and 1 <= len(found) <= (os.cpu_count() or 1)
    expected = [{"burn": burn(x)} for x in range(15)]
    found_out = []
    for _ in range(5):  # a machine that does much else may hide what a call does
        if any(found_out):
            break
        flow = gm.Flow([gm.node(burn)])
        for _ in range(2):
            assert flow.map({"x": range(15)}, "x") == expected
        found_out.append("cpu: a call computes in Python" in flow.explain())
    assert any(found_out) or len(os.sched_getaffinity(0)) == 1


def test_trivial_calls_stay_on_the_callers_thread() -> None:
    seen: list[set[int]] = []
    for _ in range(5):  # a machine that does much else may stop the first call long enough to look like waiting
        threads: set[int] = set()
        flow = gm.Flow([gm.node(lambda x: threads.add(threading.get_ident()) or x, output_name="y")])
        flow.map({"x": range(1000)}, "x")
        seen.append(threads)
        flow.map({"x": range(1000)}, "x")
        assert "inline" in flow.explain()
    assert {threading.get_ident()} in seen


def test_a_stall_hands_the_rest_over_without_a_trial() -> None:
    def sometimes(x: int) -> int:
        if x >= 500:
            time.sleep(0.02)
        return x

    flow, began = gm.Flow([sometimes]), time.perf_counter()
    assert [r["sometimes"] for r in flow.map({"x": range(600)}, "x")] == list(range(600))
    assert time.perf_counter() - began < 1.0  # 2 s one after the other


def test_independent_nodes_of_an_item_overlap() -> None:
    def one(x: int) -> int:
        time.sleep(0.1)
        return x

    async def two(x: int) -> int:
        await asyncio.sleep(0.1)
        return x

    nodes = [gm.node(one), gm.node(two), gm.node(one, output_name="three", name="three", kind="blocking"), gm.node(lambda one, two, three: one + two + three, output_name="s")]
    began = time.perf_counter()
    assert gm.Flow(nodes).run({"x": 1}, outputs="s") == {"s": 3}
    assert time.perf_counter() - began < 0.25


def test_there_is_no_barrier_between_nodes() -> None:
    ends: list[str] = []

    async def first(x: int) -> int:
        await asyncio.sleep(0.005 if x else 0.15)
        return x

    async def second(first: int) -> int:
        ends.append(f"second {first}")
        return first

    gm.Flow([first, second]).map({"x": range(3)}, "x")
    assert ends[-1] == "second 0" and len(ends) == 3


def test_classes_are_built_once_per_worker() -> None:
    built: list[int] = []

    class Client:
        def __init__(self) -> None:
            built.append(threading.get_ident())
            self.calls = 0

        def __call__(self, x: int) -> int:
            time.sleep(0.002)
            self.calls += 1
            return x

    assert gm.Flow([gm.node(Client, output_name="c", kind="blocking")]).map({"x": range(30)}, "x") == [{"c": x} for x in range(30)]
    assert 1 <= len(built) == len(set(built)) <= 30


def test_explain_says_the_way_the_reason_and_the_numbers() -> None:
    async def fetch(url: str) -> str:
        return url

    flow = gm.Flow([fetch, gm.node(lambda fetch: len(fetch), output_name="size"), gm.node(square, kind="native")])
    flow.map({"url": ["a", "b"], "x": 1}, "url")
    text = flow.explain()
    assert "fetch(url) -> fetch\n    async: an async function" in text and "pinned by kind='native'" in text
    assert "us a call" in text and "calls measured" in text


def test_what_a_function_prints_in_a_process_is_not_lost() -> None:
    code = "import gristmill as gm\ndef say(x):\n    print('said', x)\ngm.Flow([gm.node(say, kind='cpu')]).map({'x': range(5)}, 'x')\n"
    quiet = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=quiet)
    assert out.returncode == 0 and sorted(out.stdout.splitlines()) == [f"said {x}" for x in range(5)]


def test_explain_says_why_a_pinned_call_stays_here() -> None:
    lock = threading.Lock()

    def held(x: int) -> int:
        with lock:  # no other process could have it
            return x

    flow = gm.Flow([gm.node(held, kind="cpu")])
    assert flow.map({"x": [1, 2]}, "x") == [{"held": 1}, {"held": 2}]
    assert "native: pinned by kind='cpu', but it cannot travel to another process" in flow.explain()


def test_flows_run_inside_functions_of_flows() -> None:
    inner = gm.Flow([gm.node(lambda x: x + 1, output_name="y")])

    async def waits(x: int) -> int:
        await asyncio.sleep(0)
        return x * 2

    waiting = gm.Flow([waits])

    async def calls(n: int) -> int:
        return sum(r["waits"] for r in waiting.map({"x": range(n)}, "x"))  # on the loop's own thread

    outer = gm.Flow([calls, gm.node(lambda n: sum(r["y"] for r in inner.map({"x": range(n)}, "x")), output_name="s", kind="blocking")])
    assert outer.map({"n": [3, 4]}, "n") == [{"calls": 6, "s": 6}, {"calls": 12, "s": 10}]


def test_context_variables_of_the_caller_are_seen() -> None:
    import contextvars

    request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="none")

    async def here(x: int) -> str:
        return request.get()

    request.set("r7")
    nodes = [gm.node(here), gm.node(lambda x: request.get(), output_name="thread", kind="blocking"), gm.node(lambda x: request.get(), output_name="inline")]
    assert gm.Flow(nodes).map({"x": [1, 2]}, "x") == [{"here": "r7", "thread": "r7", "inline": "r7"}] * 2


def test_native_calls_run_on_threads_of_their_own() -> None:
    import hashlib

    seen: set[str] = set()

    def digest(x: int) -> str:
        seen.add(threading.current_thread().name)
        return hashlib.pbkdf2_hmac("sha256", b"password", str(x).encode(), 2_000).hex()

    expected = [{"digest": digest(x)} for x in range(12)]
    seen.clear()
    assert gm.Flow([gm.node(digest, kind="native")]).map({"x": range(12)}, "x") == expected
    assert all(name.startswith("gristmill-flow-native") for name in seen) and len(seen) <= len(os.sched_getaffinity(0))


def test_interpreters_without_a_lock_compute_on_threads() -> None:
    """What says whether there is one is asked once, when flows are loaded."""
    code = """
import os, sys, threading
sys._is_gil_enabled = lambda: False
import gristmill as gm
names = set()
def burn(x):
    names.add(threading.current_thread().name)
    for _ in range(60_000):
        x = (x * 1103515245 + 12345) % 2**31
    return os.getpid()
for node in (gm.node(burn, kind="cpu"), gm.node(burn)):
    flow = gm.Flow([node])
    for _ in range(2):
        assert {r["burn"] for r in flow.map({"x": range(40)}, "x")} == {os.getpid()}
    print(flow.explain().splitlines()[1].split(":")[0].strip())
assert any(n.startswith("gristmill-flow-native") for n in names), names
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert out.returncode == 0 and out.stderr == "", out.stderr
    assert out.stdout.splitlines()[0] == "native" and out.stdout.splitlines()[1] in ("native", "blocking")


def test_processes_are_started_for_short_runs_that_come_again() -> None:
    from gristmill.flow import classify

    if classify.FREE_THREADED or classify.cores() < 2:
        pytest.skip("one interpreter computes on all cores, or there is one")
    stats = classify.Stats()
    for _ in range(8):
        stats.calls += 1
        stats.record(0.02, 0.02)
    once = 8
    assert not classify.worth_processes(classify.Stats(), once, warm=False)
    assert stats.calls * stats.cpu + once * stats.cpu >= classify.WORTH_COLD > once * stats.cpu
    assert classify.worth_processes(stats, once, warm=False), "what was computed before and what is left repay the start"
    assert not classify.worth_processes(stats, 0.5, warm=False), "too little is left for a trip"
    stats.calls = 1
    assert not classify.worth_processes(stats, once, warm=False), "a single short run starts none"
