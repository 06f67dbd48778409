"""Random graphs of all kinds of functions against one plain loop: values, order and errors. `./run fuzz-flows --count N` does thousands."""

from __future__ import annotations

import asyncio
import random

import pytest
from plain_flow import plain_map
from random_graphs import Graph, check, check_prefix, comparable, some_inputs

import gristmill as gm


@pytest.mark.parametrize("seed", range(60))
def test_small_graphs(seed: int) -> None:
    check(seed, random.Random(seed).randint(1, 9), 12)


@pytest.mark.parametrize(("seed", "size"), [(1000, 60), (1001, 60), (1002, 100), (1003, 200), (1004, 200)])
def test_large_graphs(seed: int, size: int) -> None:
    check(seed, size, 4)


@pytest.mark.parametrize("seed", range(3000, 3020))
def test_what_is_cancelled_is_a_prefix(seed: int) -> None:
    check_prefix(seed, random.Random(seed).randint(1, 8))


@pytest.mark.parametrize(("seed", "size"), [(3100, 60), (3101, 120), (3102, 200), (3103, 200)])
def test_what_is_cancelled_of_large_graphs_is_a_prefix(seed: int, size: int) -> None:
    check_prefix(seed, size, 8)


@pytest.mark.parametrize("seed", range(2000, 2010))
def test_graphs_in_a_running_loop(seed: int) -> None:
    print("seed", seed)
    graph, r = Graph(seed, 6), random.Random(seed)
    inputs, over, mode = some_inputs(r, graph, 10)
    outputs = [o for n in graph.plain for o in n.outputs]
    wanted = r.sample(outputs, min(3, len(outputs)))
    flow = gm.Flow(graph.nodes)

    async def both() -> tuple[list, list]:
        mapped = await flow.amap(inputs, over, mode=mode, outputs=wanted, errors="return")
        return mapped, [row async for row in flow.astream(inputs, over, mode=mode, outputs=wanted, errors="return", window=5)]

    expected = comparable(plain_map(graph.plain, inputs, over, mode, wanted, "return"))
    mapped, streamed = asyncio.run(both())
    assert comparable(mapped) == comparable(streamed) == expected
