"""Many items: order, combinations, broadcasting, nested flows, generators."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Iterator

import pyarrow as pa
import pytest
from flow_functions import square

import gristmill as gm


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


def test_generators_of_later_items_wait_while_their_rows_are_held_back() -> None:
    given = 0

    def count(start: int) -> Iterator[int]:
        nonlocal given
        if start == 0:
            time.sleep(0.5)
            yield 0
            return
        for k in range(200_000):
            given += 1
            yield start + k

    flow = gm.Flow([gm.node(count, kind="blocking")])
    with flow.stream({"start": [0, 1, 1_000_000]}, "start", window=50) as stream:
        assert next(stream) == {"count": 0}
        assert given < 2_000
        assert [row["count"] for row in itertools.islice(stream, 3_000)] == list(range(1, 3_001))


def test_a_generator_of_many_values_in_a_list() -> None:
    def each(n: int) -> Iterator[int]:
        yield from range(n)

    began = time.perf_counter()
    assert [r["each"] for r in gm.Flow([each]).map({"n": [60_000]}, "n")] == list(range(60_000))
    assert time.perf_counter() - began < 10  # some 20 us a value; rows are not copied again and again
