"""flows: graphs of functions against asyncio, threads and processes by hand, warm, in turns, answers checked.

Dask, Ray, Daft, Hamilton and joblib run the same in processes and an environment of their own (flow_peers/); their times stand beside.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import flow_peers
from flow_peers.functions import WORKLOADS, add_one, chunks, lcg, texts
from measure import plot, report

HELP = "graphs of functions: async, blocking, computing, trivial"

Run = Callable[[], Any]


@dataclass
class Workload:
    """`ours` and the `peers` by name give the same answer; `gate`: at most so many times the `rival`, or seconds beyond it if `beyond`."""

    name: str
    ours: Run
    peers: dict[str, Run]
    rival: str
    gate: float | None
    beyond: bool = False
    ratios: list[float] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", default="", help="only workloads whose names contain this")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--no-gate", action="store_true")
    parser.add_argument("--no-peers", action="store_true", help="only what can be written by hand beside it, no other packages")
    parser.add_argument("--curves", action="store_true", help="draw the speed-up over the latency of an item into docs/images instead")


def _timed(run: Run) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _async(name: str) -> Iterator[Workload]:
    import gristmill as gm

    fn, count = WORKLOADS[name]
    flow, items = gm.Flow([fn]), range(count)

    async def gather() -> list[int]:
        return list(await asyncio.gather(*(fn(x) for x in items)))

    loop = asyncio.new_event_loop()
    try:
        yield Workload(name, lambda: [r[fn.__name__] for r in flow.map({"x": items}, "x")],
                       {"asyncio_warm_loop": lambda: loop.run_until_complete(gather()), "asyncio_run": lambda: asyncio.run(gather())}, "asyncio_warm_loop", 1.05)
    finally:
        loop.close()


def _blocking(name: str) -> Iterator[Workload]:
    import gristmill as gm

    fn, count = WORKLOADS[name]
    flow, items = gm.Flow([fn]), range(count)

    def fresh() -> list[int]:
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(fn, items))

    with ThreadPoolExecutor(count) as warm:
        peers = {"threads_warm_n": lambda: list(warm.map(fn, items)), "threads_fresh_n": fresh}
        yield Workload(name, lambda: [r[fn.__name__] for r in flow.map({"x": items}, "x")], peers, "threads_warm_n", 1.05)


def _cpu(name: str) -> Iterator[Workload]:
    import gristmill as gm
    from gristmill.flow.classify import cores

    flow, items = gm.Flow([lcg]), range(8)
    with ProcessPoolExecutor(cores()) as pool:
        peers: dict[str, Run] = {"processes_warm": lambda: list(pool.map(lcg, items)), "plain": lambda: [lcg(x) for x in items]}
        yield Workload(name, lambda: [r["lcg"] for r in flow.map({"x": items}, "x")], peers, "processes_warm", 1 / 0.95)


def _trivial(name: str) -> Iterator[Workload]:
    import gristmill as gm

    flow, items = gm.Flow([add_one]), range(10)
    yield Workload(name, lambda: [r["add_one"] for r in flow.map({"x": items}, "x")], {"plain": lambda: [add_one(x) for x in items]}, "plain", 50e-6, True)


def _chain(name: str) -> Iterator[Workload]:
    import gristmill as gm

    space: dict[str, Any] = {}
    exec("\n".join(f"def n{i + 1}(n{i}): return n{i} + 1" for i in range(10)), space)
    fns = [space[f"n{i + 1}"] for i in range(10)]
    flow, items = gm.Flow(fns), range(100)

    def plain() -> list[int]:
        out = []
        for x in items:
            for f in fns:
                x = f(x)
            out.append(x)
        return out

    yield Workload(name, lambda: [r["n10"] for r in flow.map({"n0": items}, "n0", outputs="n10")], {"plain": plain}, "plain", 2e-3, True)


def _chunking(name: str) -> Iterator[Workload]:
    import gristmill as gm

    items, flow = texts(), gm.Flow([chunks])
    yield Workload(name, lambda: [r["chunks"] for r in flow.map({"text": items}, "text")], {"plain": lambda: [chunks(t) for t in items]}, "plain", 200e-6, True)


FAMILY: dict[str, Callable[[str], Iterator[Workload]]] = {
    "async_50x50ms": _async, "async_100x10ms": _async, "async_1000x10ms": _async, "async_10000x10ms": _async, "blocking_50x50ms": _blocking,
    "blocking_100x10ms": _blocking, "blocking_1000x10ms": _blocking, "cpu_lcg_x8": _cpu, "trivial_x10": _trivial, "chain_10_nodes_x100": _chain,
    "text_chunks_100x500": _chunking,
}


def _repeated(run: Run) -> Run:
    """Several times for what is too short for a clock."""
    return run if _timed(run) > 2e-3 else lambda: [run() for _ in range(50)]


def measure(w: Workload, pairs: int) -> None:
    cold = _timed(w.ours)
    right = w.peers[w.rival]()
    for name, run in {"gristmill": w.ours, **w.peers}.items():
        for _ in range(3):
            if run() != right:
                raise AssertionError(f"{w.name}: {name} gives another answer than {w.rival}")
    w.seconds["gristmill cold"] = cold
    ours, rival = _repeated(w.ours), _repeated(w.peers[w.rival])
    times = 50 if ours is not w.ours else 1
    rival_times = 50 if rival is not w.peers[w.rival] else 1
    a, b = [], []
    gc.collect()
    for i in range(pairs):
        for which in ((0, 1) if i % 2 == 0 else (1, 0)):
            (b if which else a).append(_timed(rival) / rival_times if which else _timed(ours) / times)
    w.seconds["gristmill"], w.seconds[w.rival] = statistics.median(a), statistics.median(b)
    w.ratios = [x - y if w.beyond else x / y for x, y in zip(a, b)]
    for name, run in w.peers.items():
        if name != w.rival:
            w.seconds[name] = statistics.median(_timed(run) for _ in range(3))


@contextmanager
def _made(name: str) -> Iterator[Workload]:
    made = FAMILY[name](name)
    try:
        yield next(made)
    finally:
        made.close()  # type: ignore[attr-defined]


def _cells(w: Workload) -> tuple[list[object], bool]:
    value = statistics.median(w.ratios)
    good = w.gate is None or value <= w.gate
    shown = f"+{value * 1e6:.0f} us" if w.beyond else f"{value:.3f}"
    gate = "" if w.gate is None else f"+{w.gate * 1e6:.0f} us" if w.beyond else f"{w.gate:.3f}"
    spread = f"{min(w.ratios):.3g}..{max(w.ratios):.3g}" if not w.beyond else f"{min(w.ratios) * 1e6:.0f}..{max(w.ratios) * 1e6:.0f} us"
    others = ", ".join(f"{n} {s * 1e3:.3g}" for n, s in sorted(w.seconds.items(), key=lambda x: x[1]) if n not in ("gristmill", w.rival))
    return [w.name, shown + ("" if good else " !"), gate, spread, w.rival, f"{w.seconds['gristmill'] * 1e3:.3g}", f"{w.seconds[w.rival] * 1e3:.3g}", others], good


LATENCIES = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)  # ms


def _speed_ups(items: int = 100, runs: int = 15) -> dict[str, list[tuple[float, float]]]:
    """How many times faster than one item after the other, by latency, for the two ways to wait."""
    import gristmill as gm

    out: dict[str, list[tuple[float, float]]] = {"async": [], "blocking": []}
    for ms in LATENCIES:
        async def wait(x: int, seconds: float = ms / 1e3) -> int:
            await asyncio.sleep(seconds)
            return x

        def block(x: int, seconds: float = ms / 1e3) -> int:
            time.sleep(seconds)
            return x

        for name, fn in (("async", wait), ("blocking", block)):
            flow = gm.Flow([fn])
            times = []
            for n in range(runs + 2):  # two to get warm
                began = time.perf_counter()
                if [r[fn.__name__] for r in flow.map({"x": range(items)}, "x")] != list(range(items)):
                    raise AssertionError(f"{name} at {ms} ms gives another answer than a plain loop")
                times.append(time.perf_counter() - began)
            out[name].append((ms, items * ms / 1e3 / statistics.median(times[2:])))
    return out


def _draw() -> int:
    found = _speed_ups()
    path = report.RESULTS.parents[1] / "docs" / "images" / "flows-speedup.svg"
    plot.curves(path, "100 items that wait, warm", "times faster than one after the other", "milliseconds an item waits", found)
    for name, points in found.items():
        print(name, ", ".join(f"{ms:g} ms {times:.1f}" for ms, times in points))
    print(path)
    return 0


def _peer_times(names: list[str]) -> dict[str, dict[str, str]]:
    """Milliseconds, or why there are none, by workload and peer. One peer runs at a time."""
    missing = flow_peers.ENVIRONMENT.install()
    out: dict[str, dict[str, str]] = {name: {peer: f"not installed ({why})" for peer, why in missing.items()} for name in names}
    for peer in flow_peers.started(missing):
        for name in names:
            if name in WORKLOADS:
                seconds, why = peer.seconds(name)
                out[name][peer.name] = f"{seconds * 1e3:.3g}" if seconds is not None else why
        peer.close()
    return out


def run(options: argparse.Namespace) -> int:
    from gristmill.flow import shutdown

    if options.curves:
        return _draw()
    rows, data, broken = [], [], []
    names = [name for name in FAMILY if options.rows in name]
    peers = _peer_times(names) if not options.no_peers else {}
    for name in names:
        with _made(name) as w:
            measure(w, options.pairs)
            cells, good = _cells(w)
            rows.append([*cells, ", ".join(f"{peer} {shown}" for peer, shown in sorted(peers.get(name, {}).items()))])
            data.append({"name": name, "ratios": w.ratios, "seconds": w.seconds, "gate": w.gate, "beyond": w.beyond, "peers_ms": peers.get(name, {})})
            if not good:
                broken.append(name)
        shutdown()
    table = report.markdown_table(("row", "ours / rival", "gate", "spread", "rival", "ours ms", "rival ms", "others ms", "packages ms"), rows)
    report.save("flows", f"# flows\n\nWarm, in turns; `+` is the time beyond the rival's; a `!` marks a row above its gate.\n\n{table}\n", {"rows": data})
    if broken and not options.no_gate:
        print("above the gate:", ", ".join(broken))
        return 1
    return 0
