"""Random graphs of all kinds of functions, and what a Flow must do with them to equal one plain loop: values, order, errors, prefixes."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from typing import Any

import pytest
from plain_flow import Failed, Plain, plain_map
from sour_functions import Function, Sour

import gristmill as gm
from gristmill.flow import Failure, Retry


def as_function(f: Function, params: list[str], kind: str, delay: float) -> Any:
    """A function of that signature, of one of the kinds a user may write."""
    space: dict[str, Any] = {"f": f, "asyncio": asyncio, "time": time, "delay": delay}
    head, args = f"{f.name}({', '.join(params)})", ", ".join(params)
    if kind == "async":
        text = f"async def {head}:\n    await asyncio.sleep(delay)\n    return f.in_flow({args})"
    elif kind == "blocking":
        text = f"def {head}:\n    time.sleep(delay)\n    return f.in_flow({args})"
    elif kind == "generator":
        text = f"def {head}:\n    for v in f({args}):\n        yield v"
    elif kind == "async generator":
        text = f"async def {head}:\n    for v in f({args}):\n        await asyncio.sleep(0)\n        yield v"
    elif kind == "batch":
        text = f"def {head}:\n    return [f.value(*row) for row in zip({', '.join(f'{p}.to_pylist()' for p in params)})]"
    elif kind == "class":
        text = f"class {f.name}:\n    def __call__(self, {args}):\n        return f.in_flow({args})"
    else:
        text = f"def {head}:\n    return f.in_flow({args})"
    exec(text, space)
    return space[f.name]


class Graph:
    """A random graph of up to hundreds of nodes, as a Flow and as plain functions: async, blocking, computing and trivial ones, classes, generators, batches, flows in
    flows, maps in flows, some that fail, some that fail at first."""

    def __init__(self, seed: int, size: int, depth: int = 1, inputs: tuple[str, ...] = ("a", "b", "c"), failing: bool = True, many: bool = True) -> None:
        self.r = random.Random(seed)
        self.rare = ["batch", "cpu"] if seed % 3 == 0 else []
        self.plain: list[Plain] = []
        self.nodes: list[Any] = []
        self.inputs = inputs
        self.failing, self.many = failing, many
        self.names = list(inputs)
        self.lists: list[str] = []
        self.numbers = itertools.count()
        for _ in range(size):
            self.add(depth, seed)
        self.shuffle()

    def shuffle(self) -> None:
        order = list(range(len(self.nodes)))
        self.r.shuffle(order)
        self.nodes, self.plain = [self.nodes[i] for i in order], [self.plain[i] for i in order]

    def pick(self, most: int = 3) -> list[str]:
        return self.r.sample(self.names, min(len(self.names), self.r.randint(1, most)))

    def add(self, depth: int, seed: int) -> None:
        r = self.r
        if depth and r.random() < 0.15:
            (self.add_map if r.random() < 0.5 else self.add_flow)(depth - 1)
            return
        name, params = f"n{next(self.numbers)}_{depth}", self.pick()
        many = self.many and r.random() < 0.06
        outputs = 1 if many or r.random() < 0.8 else 2
        fails = r.choice([0, 0, 0, 11, 37]) if self.failing else 0
        kind = r.choice(["plain", "plain", "async", "blocking", "class", *self.rare]) if not many else r.choice(["generator", "async generator"])
        if kind == "batch":  # one that fails fails all its items
            outputs, fails = 1, 0
        flaky = 0 if many or kind in ("class", "batch", "cpu") else r.choice([0, 0, 0, 1, 2])
        f = Function(name, r.randrange(10**9), outputs, many, fails, flaky)
        names = [f"{name}_{k}" for k in range(outputs)] if outputs > 1 else [name]
        retry = Retry(times=flaky, first=0.0, on=ConnectionError) if flaky else None
        pinned = r.choice([None, None, "inline", "blocking", "native"]) if kind in ("plain", "blocking") else "cpu" if kind == "cpu" else None
        limit = r.choice([None, None, None, 2]) if not many else None
        self.nodes.append(gm.node(as_function(f, params, kind, r.choice([0.0, 0.0, 0.002])), output_name=names if outputs > 1 else name, retry=retry, kind=pinned,
                                  limit=limit, batch=r.randint(1, 4) if kind == "batch" else None))
        self.plain.append(Plain(name, params, names, f, many))
        self.names += names

    def add_flow(self, depth: int) -> None:
        outer = self.pick()
        inner = Graph(self.r.randrange(10**9), self.r.randint(1, 4), depth, tuple(f"x{i}" for i in range(len(outer))), self.failing, many=False)
        self.nest(inner, outer, [], "zip")

    def add_map(self, depth: int) -> None:
        name = f"l{next(self.numbers)}_{depth}"
        source = self.pick(1)
        length = self.r.randint(0, 4)
        listed = Function(name, self.r.randrange(10**9), 1, False, 0, 0)
        listed_fn = lambda x: [listed.value(x) + k for k in range(length)]  # noqa: E731
        self.nodes.append(gm.node(listed_fn, output_name=name, input_mapping={"x": source[0]}))
        self.plain.append(Plain(name, source, [name], listed_fn))
        outer = [name, *self.pick(2)]
        inner = Graph(self.r.randrange(10**9), self.r.randint(1, 4), depth, tuple(f"x{i}" for i in range(len(outer))), self.failing, self.many)
        self.nest(inner, outer, ["x0"], "zip")

    def nest(self, inner: "Graph", outer: list[str], over: list[str], mode: str) -> None:
        name = f"f{next(self.numbers)}_{self.r.randrange(10**6)}"
        used = {p for n in inner.plain for p in n.params}
        renamed = {i: o for i, o in zip(inner.inputs, outer) if i in used}
        if any(o not in renamed for o in over):
            return
        outputs = [o for n in inner.plain for o in n.outputs]
        mapping = {o: f"{name}_{o}" for o in outputs}
        self.nodes.append(gm.Flow(inner.nodes, name=name).as_node(renamed, mapping, over or None, mode=mode))
        self.plain.append(_outer(Plain(name, list(renamed.values()), list(mapping.values()), None, False, inner.plain, renamed, over, mode), mapping))
        self.names += list(mapping.values())


def _outer(n: Plain, mapping: dict[str, str]) -> Plain:
    """The inner nodes with the outer names of their outputs, as the plain loop knows no output mapping."""
    def rename(m: Plain) -> Plain:
        return Plain(m.name, [mapping.get(p, p) for p in m.params], [mapping.get(o, o) for o in m.outputs], m.fn, m.many, m.inner and [rename(x) for x in m.inner],
                     {k: mapping.get(v, v) for k, v in m.renamed.items()}, m.over, m.mode)

    n.inner = [rename(m) for m in n.inner or []]
    return n


def comparable(rows: list) -> list:
    return [("failed", type(r.error), r.error.args) if isinstance(r, (Failed, Failure)) else tuple(sorted(r.items())) for r in rows]


def difference(found: list, expected: list) -> str:
    at = next((i for i, (a, b) in enumerate(zip(found, expected)) if a != b), min(len(found), len(expected)))
    return f"{len(found)} rows where {len(expected)} were expected; at {at}: {str(found[at:at + 1])[:500]} where {str(expected[at:at + 1])[:500]} was expected"


def some_inputs(r: random.Random, graph: Graph, count: int) -> tuple[dict, list[str], str]:
    used = sorted({p for n in graph.plain for p in n.params} & set(graph.inputs))
    over = r.sample(used, r.randint(1, min(2, len(used))))
    mode = r.choice(["zip", "product"])
    size = count if mode == "zip" or len(over) == 1 else max(1, int(count**0.5))
    return {n: [r.randint(0, 999) for _ in range(size)] if n in over else r.randint(0, 999) for n in used}, over, mode


def check(seed: int, size: int, count: int) -> None:
    print("seed", seed)
    graph = Graph(seed, size)
    r = random.Random(seed + 1)
    inputs, over, mode = some_inputs(r, graph, count)
    outputs = [o for n in graph.plain for o in n.outputs]
    wanted = r.sample(outputs, r.randint(1, min(5, len(outputs))))
    flow = gm.Flow(graph.nodes)
    expected = plain_map(graph.plain, inputs, over, mode, wanted, "return")
    window = r.choice([1, 3, 10_000])
    found = flow.map(inputs, over, mode=mode, outputs=wanted, errors="return", window=window)
    assert comparable(found) == comparable(expected), difference(comparable(found), comparable(expected))
    good = [e for e in expected if not isinstance(e, Failed)]
    failed = [e for e in expected if isinstance(e, Failed)]
    assert list(flow.stream(inputs, over, mode=mode, outputs=wanted, errors="skip", window=r.choice([1, 4, 1000]))) == good
    loose = list(flow.stream(inputs, over, mode=mode, outputs=wanted, errors="skip", ordered=False))
    assert Counter(map(repr, loose)) == Counter(map(repr, good))
    if not failed:
        assert flow.map(inputs, over, mode=mode, outputs=wanted, errors=r.choice(["fail", "ordered"])) == good
        return
    with pytest.raises(Sour) as first:
        flow.map(inputs, over, mode=mode, outputs=wanted, errors="ordered")
    assert first.value.args == failed[0].error.args
    prefix = []
    with pytest.raises(Sour) as first:
        for row in flow.stream(inputs, over, mode=mode, outputs=wanted, errors="ordered"):
            prefix.append(row)
    assert first.value.args == failed[0].error.args
    before = expected[: expected.index(failed[0])]
    assert prefix == before
    with pytest.raises(Sour) as some:
        flow.map(inputs, over, mode=mode, outputs=wanted)
    assert may_raise(graph.plain, some.value.args)


def may_raise(nodes: list[Plain], args: tuple) -> bool:
    """Whether some function of the graph raises this. Which one comes first is open; failures hide others behind them."""
    for n in nodes:
        if n.inner is not None and may_raise(n.inner, args):
            return True
        if isinstance(n.fn, Function) and n.fn.name == args[0] and n.fn.fails and args[1] % n.fn.fails == 1:
            return True
    return False


def check_prefix(seed: int, size: int, count: int = 30) -> None:
    """A stream that is left, or whose loop is cancelled, has given a prefix of what there is, and leaves nothing open."""
    print("seed", seed)
    graph = Graph(seed, size)
    r = random.Random(seed + 1)
    inputs, over, mode = some_inputs(r, graph, count)
    outputs = [o for n in graph.plain for o in n.outputs]
    wanted = r.sample(outputs, r.randint(1, min(3, len(outputs))))
    flow = gm.Flow(graph.nodes)
    expected = comparable(plain_map(graph.plain, inputs, over, mode, wanted, "return"))
    settings: dict[str, Any] = dict(mode=mode, outputs=wanted, errors="return", window=r.choice([2, 8, 1000]))
    count = r.randint(0, len(expected))
    with flow.stream(inputs, over, **settings) as stream:
        assert comparable(list(itertools.islice(stream, count))) == expected[:count]
    rows: list[Any] = []

    async def collect() -> None:
        async for row in flow.astream(inputs, over, **settings):
            rows.append(row)
            if len(rows) == count:
                await asyncio.sleep(0.001 * r.random())

    async def cancelled() -> None:
        task = asyncio.create_task(collect())
        await asyncio.sleep(0.01 * r.random())
        task.cancel()
        await asyncio.wait([task])
        left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        assert not left, left

    asyncio.run(cancelled())
    assert comparable(rows) == expected[: len(rows)]

