"""One peer in a process of its own: python worker.py PEER. Reads names of workloads, answers with seconds, or why it has none.

Everything is warm (pools, clusters) as far as the peer lets one keep it; the answer is compared with a plain loop before any time is told.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
os.environ["PYTHONPATH"] = sys.path[0]  # for the processes that peers start

import functions  # noqa: E402

CORES = len(os.sched_getaffinity(0))
Map = Callable[[], list]


class NotOffered(Exception):
    """The peer has no way of its own for such functions."""


def _kind(fn: Any) -> str:
    return "async" if inspect.iscoroutinefunction(fn) else "blocking" if fn.__name__.startswith("block") else "cpu" if fn is functions.lcg else "trivial"


def dask(fn: Any, items: list, kind: str) -> Map:
    import dask

    if kind == "async":
        raise NotOffered
    where = {"blocking": "threads", "cpu": "processes", "trivial": "sync"}[kind]
    call = dask.delayed(fn)
    pool: Any = None
    if kind != "trivial":
        from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

        pool = ThreadPoolExecutor(len(items)) if kind == "blocking" else ProcessPoolExecutor(CORES)
    settings = {"scheduler": where} | ({"pool": pool, "num_workers": len(items) if kind == "blocking" else CORES} if pool else {})
    return lambda: list(dask.compute(*[call(x) for x in items], **settings))


def joblib(fn: Any, items: list, kind: str) -> Map:
    import joblib

    if kind == "async":
        raise NotOffered
    backend, jobs = {"blocking": ("threading", len(items)), "cpu": ("loky", CORES), "trivial": ("sequential", 1)}[kind]
    keep = joblib.Parallel(n_jobs=jobs, backend=backend)
    keep.__enter__()
    return lambda: list(keep(joblib.delayed(fn)(x) for x in items))


def ray(fn: Any, items: list, kind: str) -> Map:
    import ray

    if not ray.is_initialized():
        ray.init(num_cpus=CORES, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    if kind == "async":
        class Caller:
            async def call(self, x: Any) -> Any:
                return await fn(x)

        actor = ray.remote(Caller).options(max_concurrency=max(len(items), 1000)).remote()
        return lambda: ray.get([actor.call.remote(x) for x in items])
    if kind == "blocking":  # a task is a process; many waiting ones are an actor with threads
        class Threads:
            def call(self, x: Any) -> Any:
                return fn(x)

        threads = ray.remote(Threads).options(max_concurrency=len(items)).remote()
        return lambda: ray.get([threads.call.remote(x) for x in items])
    task = ray.remote(fn)
    return lambda: ray.get([task.remote(x) for x in items])


def daft(fn: Any, items: list, kind: str) -> Map:
    import daft

    if fn is functions.chunks:
        typed = daft.func(return_dtype=daft.DataType.list(daft.DataType.string()))(fn)
    else:
        typed = daft.func(return_dtype=daft.DataType.int64())(fn)
    frame = daft.from_pydict({"x": items})
    return lambda: frame.select(typed(frame["x"]).alias("y")).to_pydict()["y"]


def hamilton(fn: Any, items: list, kind: str) -> Map:
    from hamilton import ad_hoc_utils, async_driver, driver
    from hamilton.execution import executors
    from hamilton.htypes import Collect, Parallelizable

    if kind == "async":
        loop = asyncio.new_event_loop()

        async def result(x: int) -> int:
            return await fn(x)

        made = loop.run_until_complete(async_driver.Builder().with_modules(ad_hoc_utils.create_temporary_module(result)).build())

        async def gather() -> list:
            return [r["result"] for r in await asyncio.gather(*(made.execute(["result"], inputs={"x": x}) for x in items))]

        return lambda: loop.run_until_complete(gather())
    if kind == "trivial":
        source = "str" if fn is functions.chunks else "int"
        space: dict[str, Any] = {"fn": fn}
        exec(f"def result(x: {source}) -> {'list' if source == 'str' else 'int'}:\n    return fn(x)", space)
        plain = driver.Builder().with_modules(ad_hoc_utils.create_temporary_module(space["result"])).build()
        return lambda: [plain.execute(["result"], inputs={"x": x})["result"] for x in items]

    def each(values):  # type: ignore[no-untyped-def]
        yield from values

    def one(each):  # type: ignore[no-untyped-def]
        return fn(each)

    def collected(one):  # type: ignore[no-untyped-def]
        return list(one)

    # Here, as it looks for the names of textual annotations in the module alone.
    each.__annotations__ = {"values": list, "return": Parallelizable[int]}
    one.__annotations__ = {"each": int, "return": int}
    collected.__annotations__ = {"one": Collect[int], "return": list}
    many = executors.MultiThreadingExecutor(len(items)) if kind == "blocking" else executors.MultiProcessingExecutor(CORES)
    built = (driver.Builder().enable_dynamic_execution(allow_experimental_mode=True).with_remote_executor(many)
             .with_modules(ad_hoc_utils.create_temporary_module(each, one, collected)).build())
    return lambda: built.execute(["collected"], inputs={"values": items})["collected"]


PEERS = {"dask": dask, "joblib": joblib, "ray": ray, "daft": daft, "hamilton": hamilton}


def measured(peer: str, name: str) -> float:
    fn, _ = functions.WORKLOADS[name]
    items = functions.items_of(name)
    run = PEERS[peer](fn, items, _kind(fn))
    expected = list(items) if fn.__name__.startswith(("wait", "block")) else [fn(x) for x in items]
    for _ in range(2):
        if (found := run()) != expected:
            raise AssertionError(f"{peer} gives another answer for {name}: {str(found)[:80]}")
    times = []
    for _ in range(5):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return sorted(times)[2]


def main() -> None:
    warnings.simplefilter("ignore")
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what peers print is not an answer
    for line in sys.stdin:
        try:
            answer: dict[str, Any] = {"seconds": measured(sys.argv[1], line.strip())}
        except NotOffered:
            answer = {"why": "no way for such functions"}
        except Exception as e:  # noqa: BLE001 - told to who asked
            answer = {"why": f"{type(e).__name__}: {e}"[:200]}
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
