"""What flows promise, one test for each promise; the names are the list."""

from __future__ import annotations

import asyncio
import itertools
import os
import queue
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import pyarrow as pa
import pytest

import gristmill as gm
from gristmill.flow import Cache, CallTimeout, Event, Failure, Limit, RateLimit, Retry, WorkerCrashed


def square(x: int) -> int:
    return x * x


def burn(x: int) -> int:
    """Computes in Python for a while."""
    value = x
    for _ in range(120_000):
        value = (value * 1103515245 + 12345) % 2**31
    return value


def crash(x: int) -> int:
    if x == 3:
        os._exit(7)
    return x


# ---- graph

def test_edges_come_from_parameter_names() -> None:
    flow = gm.Flow([gm.node(lambda b: b + 1, output_name="c"), gm.node(lambda a: a * 2, output_name="b")])
    assert flow.run({"a": 5}) == {"b": 10, "c": 11}


def test_defaults_count_as_defaults() -> None:
    def power(x: int, exponent: int = 2) -> int:
        return x**exponent

    flow = gm.Flow([power])
    assert flow.run({"x": 3})["power"] == 9 and flow.run({"x": 3, "exponent": 3})["power"] == 27
    assert [p.required for p in flow.inputs] == [True, False]


def test_a_default_between_given_arguments() -> None:
    def f(a: int, b: int = 10, c: int = 100, *, d: int = 1000) -> int:
        return a + b + c + d

    assert gm.Flow([f]).run({"a": 1, "c": 2}) == {"f": 1013} and gm.Flow([f]).run({"a": 1, "d": 2}) == {"f": 113}


def test_cycles_are_named_before_anything_runs() -> None:
    with pytest.raises(gm.PlanError, match="cycle: (a -> b -> a|b -> a -> b)"):
        gm.Flow([gm.node(lambda y: y, output_name="x", name="a"), gm.node(lambda x: x, output_name="y", name="b")])


def test_duplicate_outputs_are_named() -> None:
    with pytest.raises(gm.PlanError, match="two nodes give 'x': 'a' and 'b'"):
        gm.Flow([gm.node(lambda p: p, output_name="x", name="a"), gm.node(lambda p: p, output_name="x", name="b")])


def test_missing_inputs_are_named_before_anything_runs() -> None:
    calls: list[int] = []
    flow = gm.Flow([gm.node(lambda a: calls.append(a), output_name="b"), gm.node(lambda b, other: 1, output_name="c", name="last")])
    with pytest.raises(gm.PlanError, match=r"missing input 'other' \(for 'last'\)"):
        flow.map({"a": [1, 2]}, "a")
    assert calls == []
    with pytest.raises(gm.PlanError, match="no node takes 'othr'; did you mean 'other'"):
        flow.run({"a": 1, "othr": 2})
    with pytest.raises(gm.PlanError, match="no node gives 'd'"):
        flow.run({"a": 1, "other": 2}, outputs="d")


def test_only_what_is_wanted_runs() -> None:
    calls: list[str] = []
    flow = gm.Flow([gm.node(lambda a: calls.append("x") or 1, output_name="x"), gm.node(lambda a, missing: calls.append("y"), output_name="y")])
    assert flow.run({"a": 1}, outputs="x") == {"x": 1} and calls == ["x"]


def test_an_input_may_replace_an_output() -> None:
    flow = gm.Flow([gm.node(lambda url: 1 / 0, output_name="page"), gm.node(lambda page: len(page), output_name="size")])
    assert flow.run({"page": "abc"}, outputs="size") == {"size": 3}


def test_several_outputs() -> None:
    flow = gm.Flow([gm.node(lambda a: (a // 7, a % 7), output_name=("weeks", "days")), gm.node(lambda days: -days, output_name="minus")])
    assert flow.run({"a": 23}) == {"weeks": 3, "days": 2, "minus": -2}
    with pytest.raises(TypeError, match="must return a tuple of 2"):
        gm.Flow([gm.node(lambda a: a, output_name=("p", "q"))]).run({"a": 1})


def test_bind_fixes_inputs() -> None:
    def scale(x: int, factor: int) -> int:
        return x * factor

    assert gm.Flow([scale]).bind(factor=3).map({"x": [1, 2]}, "x") == [{"scale": 3}, {"scale": 6}]
    assert gm.Flow([gm.node(scale).bind(factor=4)]).run({"x": 2}) == {"scale": 8}
    with pytest.raises(gm.PlanError, match="factr"):
        gm.Flow([scale]).bind(factr=3)


def test_plain_functions_and_decorators_are_one() -> None:
    @gm.node(output_name="square")
    def decorated(x: int) -> int:
        return x * x

    assert gm.Flow([square]).run({"x": 4}) == gm.Flow([decorated]).run({"x": 4}) == {"square": 16} and decorated(5) == 25


# ---- map

def test_map_gives_a_dict_for_each_item_in_input_order() -> None:
    async def late(x: int) -> int:
        await asyncio.sleep((7 - x) * 0.003)
        return x

    assert gm.Flow([late]).map({"x": range(8)}, "x") == [{"late": x} for x in range(8)]


def test_zip_needs_equal_lengths_and_product_takes_all() -> None:
    flow = gm.Flow([gm.node(lambda x, y: (x, y), output_name="p")])
    assert [r["p"] for r in flow.map({"x": [1, 2], "y": "ab".split() * 2}, ["x", "y"])] == [(1, "ab"), (2, "ab")]
    with pytest.raises(gm.PlanError, match="'x' has 2, 'y' has 3"):
        flow.map({"x": [1, 2], "y": [1, 2, 3]}, ["x", "y"])
    assert [r["p"] for r in flow.map({"x": [1, 2], "y": [3, 4, 5]}, ["x", "y"], mode="product")] == list(itertools.product([1, 2], [3, 4, 5]))


def test_other_inputs_are_broadcast_and_any_iterable_is_mapped() -> None:
    flow = gm.Flow([gm.node(lambda x, y: x + y, output_name="s")])
    for values in ([1, 2, 3], (1, 2, 3), range(1, 4), iter([1, 2, 3]), {1: 0, 2: 0, 3: 0}.keys(), pa.array([1, 2, 3]), (v for v in (1, 2, 3))):
        assert flow.map({"x": values, "y": 10}, "x") == [{"s": 11}, {"s": 12}, {"s": 13}]
    import pandas as pd
    import polars as pl

    assert flow.map({"x": pd.Series([1, 2]), "y": 1}, "x") == flow.map({"x": pl.Series([1, 2]), "y": 1}, "x") == [{"s": 2}, {"s": 3}]
    with pytest.raises(gm.PlanError, match="put it into a list"):
        flow.map({"x": "abc", "y": 1}, "x")


def test_empty_input_gives_empty_output() -> None:
    async def f(x: int) -> int:
        raise AssertionError

    assert gm.Flow([f]).map({"x": []}, "x") == [] and list(gm.Flow([f]).stream({"x": []}, "x")) == []
    assert gm.Flow([square]).map({"x": [], "y": [1]} if False else {"x": []}, "x", mode="product") == []


def test_flows_are_nodes() -> None:
    inner = gm.Flow([gm.node(lambda x, k=1: x + k, output_name="up"), gm.node(lambda up: up * 10, output_name="ten")], name="inner")
    outer = gm.Flow([inner.as_node({"x": "start"}, {"ten": "result"}), gm.node(lambda result: -result, output_name="end")])
    assert outer.run({"start": 4}) == {"result": 50, "end": -50}
    assert outer.run({"start": 4, "k": 2}, outputs="end") == {"end": -60}
    with pytest.raises(gm.PlanError, match="has no input 'y'"):
        inner.as_node({"y": "start"})


def test_nested_maps_share_the_scheduler() -> None:
    open_calls, most = 0, 0

    async def wait(x: int) -> int:
        nonlocal open_calls, most
        open_calls += 1
        most = max(most, open_calls)
        await asyncio.sleep(0.02)
        open_calls -= 1
        return x + 1

    inner = gm.Flow([gm.node(wait, output_name="w")], name="inner")
    outer = gm.Flow([gm.node(lambda n: list(range(n)), output_name="xs"), inner.as_node({"x": "xs"}, {"w": "ws"}, map_over="x"),
                     gm.node(lambda ws: sum(ws), output_name="total")])
    began = time.perf_counter()
    assert outer.map({"n": [5] * 10}, "n", outputs="total") == [{"total": 15}] * 10
    assert most > 10 and time.perf_counter() - began < 0.5


def test_generators_explode() -> None:
    @gm.node(output_name="word")
    def words(text: str) -> Iterator[str]:
        yield from text.split()

    flow = gm.Flow([words, gm.node(lambda word: len(word), output_name="size"), gm.node(lambda text: text[:1], output_name="first")])
    expected = [{"word": w, "size": len(w), "first": t[:1]} for t in ["a bb", "", "ccc"] for w in t.split()]
    assert flow.map({"text": ["a bb", "", "ccc"]}, "text") == expected == list(flow.stream({"text": ["a bb", "", "ccc"]}, "text"))
    assert flow.run({"text": "a bb"}) == {"word": ["a", "bb"], "size": [1, 2], "first": "a"}


def test_an_endless_generator_is_pulled_as_there_is_room() -> None:
    given = 0

    def count(start: int) -> Iterator[int]:
        nonlocal given
        for k in itertools.count(start):
            given += 1
            yield k

    flow = gm.Flow([count, gm.node(lambda count: count * 2, output_name="twice")])
    with flow.stream({"start": [0]}, "start", outputs="twice", window=10) as stream:
        assert [row["twice"] for row in itertools.islice(stream, 500)] == [2 * k for k in range(500)]
        assert given < 900


# ---- streams

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


# ---- the way calls go

def test_async_calls_overlap() -> None:
    async def wait(x: int) -> int:
        await asyncio.sleep(0.05)
        return x

    flow, began = gm.Flow([wait]), time.perf_counter()
    flow.map({"x": range(200)}, "x")
    assert time.perf_counter() - began < 0.5


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


# ---- failures

def failing(x: int) -> int:
    if x in (3, 6):
        raise KeyError(f"no {x}")
    return x


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


def test_dead_letters_take_each_failed_item_once(tmp_path: Path) -> None:
    import json

    letters: list[Failure] = []
    found = gm.Flow([failing]).map({"x": range(8)}, "x", errors="dead_letter", dead_letters=letters)
    assert len(found) == 6 and sorted(f.item for f in letters) == [3, 6]
    path = tmp_path / "dead.jsonl"
    list(gm.Flow([gm.node(failing, kind="blocking")]).stream({"x": range(8)}, "x", errors="dead_letter", dead_letters=path))
    assert sorted((e["item"], e["error"], e["inputs"]["x"]) for e in map(json.loads, path.read_text().splitlines())) == [(3, "KeyError", 3), (6, "KeyError", 6)]
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


def test_a_rate_is_never_exceeded_and_shared_by_name() -> None:
    starts: list[float] = []

    async def call(x: int) -> None:
        starts.append(time.monotonic())

    def block(x: int) -> None:
        starts.append(time.monotonic())

    rate = RateLimit(200, name="properties")
    nodes = [gm.node(call, rate=rate), gm.node(block, rate=RateLimit(200, name="properties"), kind="blocking")]
    gm.Flow(nodes).map({"x": range(20)}, "x")
    starts.sort()
    window = 2 / 200 * 1.0
    assert len(starts) == 40 and starts[-1] - starts[0] >= 39 / 200 / 2  # two at once in a hundredth of a second
    assert all(starts[i + 2] - starts[i] > window * 0.7 for i in range(38))  # between the limiter's clock and ours
    with pytest.raises(ValueError, match="already with other numbers"):
        RateLimit(100, name="properties")


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


# ---- cache

def test_keys_have_types_and_none_is_a_value(tmp_path: Path) -> None:
    for cache in (Cache(), Cache(tmp_path / "c")):
        calls: queue.SimpleQueue[Any] = queue.SimpleQueue()  # a list would be content of the function, and change it
        flow = gm.Flow([gm.node(lambda x: calls.put(x), output_name="y", cache=True)], cache=cache)
        for _ in range(2):
            assert flow.map({"x": [1, "1", 1.0, True, None, (1,), [1], b"1"]}, "x") == [{"y": None}] * 8
        assert calls.qsize() == 8 and (cache.hits, cache.misses) == (8, 8)


def test_the_functions_content_is_part_of_the_key(tmp_path: Path) -> None:
    def make(k: int, factor: int) -> Any:
        def f(x: int) -> int:
            return x * factor + k
        return gm.node(f, cache=True)

    cache = Cache(tmp_path)
    assert [gm.Flow([make(k, m)], cache=cache).run({"x": 5})["f"] for k, m in ((1, 2), (2, 2), (1, 3), (1, 2))] == [11, 12, 16, 11]
    assert (cache.hits, cache.misses) == (1, 3)


def test_the_cache_on_disk_survives_damage_and_many_threads(tmp_path: Path) -> None:
    calls: queue.SimpleQueue[int] = queue.SimpleQueue()
    flow = gm.Flow([gm.node(lambda x: calls.put(x) or [x], output_name="y", cache=True, kind="blocking")], cache=tmp_path)
    threads = [threading.Thread(target=lambda: flow.map({"x": range(50)}, "x")) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    entries = sorted(tmp_path.glob("??/*.entry"))
    assert len(entries) == 50 and not list(tmp_path.glob("??/*.part"))
    entries[0].write_bytes(entries[0].read_bytes()[:-3])
    before = calls.qsize()
    assert flow.map({"x": range(50)}, "x") == [{"y": [x]} for x in range(50)] and calls.qsize() == before + 1


# ---- the rest

def test_batches_get_arrow_arrays_cut_at_fixed_items() -> None:
    sizes: list[int] = []

    def double(x: pa.Array) -> pa.Array:
        assert isinstance(x, pa.Array)
        sizes.append(len(x))
        return pa.array([v.as_py() * 2 for v in x])

    flow = gm.Flow([gm.node(failing, kind="blocking"), gm.node(double, input_mapping={"x": "failing"}, batch=4)])
    found = flow.map({"x": range(10)}, "x", errors="return", outputs="double")
    assert [r["double"] if isinstance(r, dict) else None for r in found] == [0, 2, 4, None, 8, 10, None, 14, 16, 18]
    assert sorted(sizes) == [2, 3, 3]
    sizes.clear()
    assert [r["double"] for r in flow.stream({"x": iter([0, 1, 2, 4, 5, 7, 8])}, "x", outputs="double")] == [0, 2, 4, 8, 10, 14, 16] and sorted(sizes) == [3, 4]


def test_dual_nodes_have_two_forms_and_one_answer() -> None:
    import pyarrow.compute as pc

    used: list[str] = []

    def one(x: int, by: int) -> int:
        used.append("one")
        return x * by

    def many(x: pa.Array, by: int) -> pa.Array:
        used.append("many")
        return pc.multiply(x, by)

    n = gm.node(one, batch=100, batch_form=many).bind(by=3)
    assert gm.Flow([n]).run({"x": 5}) == {"one": 15} and gm.Flow([n]).map({"x": range(5)}, "x") == [{"one": 3 * x} for x in range(5)]
    assert used == ["one", "many"]


def test_events_tell_what_happens() -> None:
    seen: list[Event] = []
    calls: queue.SimpleQueue[int] = queue.SimpleQueue()

    def flaky(x: int) -> int:
        calls.put(x)
        if calls.qsize() == 1:
            raise OSError("first")
        return x

    flow = gm.Flow([gm.node(flaky, retry=Retry(1, first=0.0), cache=True)], cache=Cache(), on_event=seen.append)
    flow.map({"x": [1]}, "x")
    assert [e.what for e in seen] == ["flow_start", "item_start", "node_start", "retry", "node_start", "node_end", "item_end", "flow_end"]
    seen.clear()
    flow.map({"x": [1]}, "x")
    assert [e.what for e in seen] == ["flow_start", "item_start", "cached", "node_end", "item_end", "flow_end"]
    seen.clear()
    with pytest.raises(KeyError):
        gm.Flow([failing], on_event=seen.append).map({"x": [3]}, "x")
    assert [e.what for e in seen][:3] == ["flow_start", "item_start", "node_start"] and {"node_error", "flow_error"} <= {e.what for e in seen}

    class Log:
        def __init__(self) -> None:
            self.items: list[tuple] = []

        def on_item_end(self, event: Event) -> None:
            self.items.append(event.item)

    log = Log()
    gm.Flow([square]).map({"x": range(3)}, "x", on_event=log)
    assert log.items == [(0,), (1,), (2,)]


def test_timeline_and_drawing() -> None:
    import xml.etree.ElementTree as ET

    async def fetch(url: str) -> str:
        await asyncio.sleep(0.01)
        return url

    flow = gm.Flow([fetch, gm.node(lambda fetch: len(fetch), output_name="<size>"[1:-1])])
    with pytest.raises(gm.PlanError, match="timeline=True"):
        flow.timeline()
    flow.map({"url": ["a", "b", "c"]}, "url", timeline=True)
    spans = [s for s in flow.timeline() if s.node == "fetch"]
    assert len(spans) == 3 and all(s.end - s.start >= 0.009 for s in spans) and {s.item for s in spans} == {(0,), (1,), (2,)}
    for svg in (flow.to_svg(), flow.timeline().to_svg()):
        assert ET.fromstring(svg).tag.endswith("svg") and "fetch" in svg


def test_progress_is_shown_of_runs_that_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    from gristmill import progress

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    async def wait(x: int) -> int:
        await asyncio.sleep(0.02 * x)
        return x

    monkeypatch.setattr(progress, "_QUIET_SECONDS", 0.05)
    monkeypatch.setattr(progress, "_EVERY_SECONDS", 0.02)
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    gm.Flow([wait]).map({"x": range(20)}, "x")
    assert "of 20 items" in screen.getvalue() and screen.getvalue().endswith("\r\x1b[K")
    with gm.Config(progress=False):
        monkeypatch.setattr(sys, "stderr", quiet := Screen())
        gm.Flow([wait]).map({"x": range(8)}, "x")
    assert quiet.getvalue() == ""


def test_wrong_descriptions_are_told_at_once() -> None:
    with pytest.raises(gm.PlanError, match="spelled out"):
        gm.node(lambda **k: 1, output_name="x")
    with pytest.raises(gm.PlanError, match="no name"):
        gm.node(lambda x: 1)
    with pytest.raises(gm.PlanError, match="unknown kind"):
        gm.node(square, kind="gpu")
    with pytest.raises(gm.PlanError, match="needs a function"):
        gm.node(3)  # type: ignore[call-overload]
    with pytest.raises(gm.PlanError, match="takes a list"):
        gm.Flow(square)  # type: ignore[arg-type]
    with pytest.raises(gm.PlanError, match="unknown errors"):
        gm.Flow([square]).map({"x": [1]}, "x", errors="ignore")
    with pytest.raises(gm.PlanError, match="not among the inputs"):
        gm.Flow([square]).map({"x": [1]}, "y")
    with pytest.raises(gm.PlanError, match="is a generator"):
        gm.node((lambda x: (yield x)), output_name="g", retry=2)
    with pytest.raises(TypeError):
        gm.node(square, retry="often")  # type: ignore[call-overload]
