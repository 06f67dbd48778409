"""Generators as nodes: each value goes on as an item of its own, in the order given.

A generator is pulled only while there is room for what it gives, so it may be endless. One that is known to give its values at once is pulled
where its item is, others by a thread of their own or, async ones, by a task.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any, Iterator

from . import pools
from .classify import INLINE
from .failures import Failure
from .items import Item, Scope, window_for
from .plan import Step
from .step_calls import several

if TYPE_CHECKING:
    from .state import RunState

_WINDOW = 256
_NOBODY = 0


def start_split(run: "RunState", item: Item, step: Step) -> None:
    assert item.plan.tail is not None
    scope = Scope(run, item, step, item.plan.tail, item.values, None, window_for(item.plan.tail, _WINDOW))
    scope.in_order = item.scope.in_order
    with run.lock:
        if item.dead:
            return
        item.tasks.append(scope)
    run.tell("node_start", item, step)
    if step.form == "async generator":
        run.home.soon(_spawn, run, scope, item, step)
    elif step.rules.kind == "inline" or step.stats.kind() == INLINE:
        _pull(run, scope, item, step, None, False)
    else:
        _to_thread(run, scope, item, step, None)


def _spawn(run: "RunState", scope: Scope, item: Item, step: Step) -> None:
    if item.dead:
        return
    run.keep_task(item, _pull_async(run, scope, item, step))


def _to_thread(run: "RunState", scope: Scope, item: Item, step: Step, source: Iterator[Any] | None) -> None:
    pools.threads().submit(run.settings.context.copy().run, _pull, run, scope, item, step, source, True)


def _called(item: Item, step: Step) -> Any:
    values = item.values
    return step.call(*[values[a] for a in step.args], **{n: values[s] for n, s in step.names})


def _pull(run: "RunState", scope: Scope, item: Item, step: Step, source: Any, may_wait: bool) -> None:
    """Takes values while there is room; without it waits, or leaves the generator to a thread that may."""
    wall = cpu = 0.0
    try:
        if source is None:
            source = _called(item, step)
        while True:
            if not _room(run, scope):
                if not may_wait:
                    _to_thread(run, scope, item, step, source)
                    return
                if not _wait(run, scope):
                    source.close()
                    return
                continue
            began, used = time.perf_counter(), time.thread_time()
            try:
                value = next(source)
            except StopIteration:
                break
            finally:
                wall += time.perf_counter() - began
                cpu += time.thread_time() - used
            _add(run, scope, item, step, value)
    except BaseException as e:  # noqa: BLE001 - goes to the run's caller
        _fail(run, scope, item, step, e)
        return
    step.stats.calls += 1
    step.stats.record(wall, cpu)
    run.tell("node_end", item, step)
    run.close(scope)


async def _pull_async(run: "RunState", scope: Scope, item: Item, step: Step) -> None:
    loop = asyncio.get_running_loop()
    try:
        source = _called(item, step)
        try:
            while True:
                while not _room(run, scope):
                    if scope.over or run.over or scope.limit is not None:
                        return
                    bell: asyncio.Future[None] = loop.create_future()
                    if _register(run, scope, lambda: run.home.soon(_ring, bell)):
                        await bell
                try:
                    value = await anext(source)
                except StopAsyncIteration:
                    break
                _add(run, scope, item, step, value)
        finally:
            await source.aclose()
    except BaseException as e:  # noqa: BLE001 - goes to the run's caller
        _fail(run, scope, item, step, e)
        return
    run.tell("node_end", item, step)
    run.close(scope)


def _ring(bell: "asyncio.Future[None]") -> None:
    if not bell.done():
        bell.set_result(None)


def _room(run: "RunState", scope: Scope) -> bool:
    with run.lock:
        return not run.over and not scope.over and scope.limit is None and scope.room()


def _register(run: "RunState", scope: Scope, wake: Any) -> bool:
    """False: there is room meanwhile, or no use in waiting."""
    with run.lock:
        if run.over or scope.over or scope.limit is not None or scope.room():
            return False
        run.waiters.append(wake)
        return True


def _wait(run: "RunState", scope: Scope) -> bool:
    """False: nobody wants more."""
    bell = threading.Lock()
    bell.acquire()
    if _register(run, scope, bell.release):
        bell.acquire()
    return not run.over and not scope.over and scope.limit is None


def _add(run: "RunState", scope: Scope, item: Item, step: Step, value: Any) -> None:
    values = item.values.copy()
    if step.spread is None:
        values[step.out] = value
    else:
        for slot, part in zip(step.spread, several(step, value)):
            values[slot] = part
    with run.lock:
        if run.over or scope.over or scope.limit is not None:
            return
        child = Item(scope.plan, values, scope, scope.started)
        scope.live[child.position] = child
        scope.started += 1
    run.start(scope, child.position, child, _NOBODY)


def _fail(run: "RunState", scope: Scope, item: Item, step: Step, error: BaseException) -> None:
    """What was given stays; the failure stands where the next value would."""
    if scope.over or run.over:
        return
    failure: Failure | None = run.failure_of(item, step, error)
    if failure is None:
        return
    with run.lock:
        if run.over or scope.over or scope.limit is not None:
            return
        child = Item(scope.plan, item.values, scope, scope.started)
        child.failed = (0, failure)
        scope.live[child.position] = child
        scope.started += 1
        scope.closed = True
    run.item_failed(child)
