"""Calls with rules: cache, limits, rates, time-outs and repetitions, as one coroutine around the call wherever it is run."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any, Callable

from . import pools
from .cache import MISSING, Cache, key_of
from .classify import INLINE, KINDS, LOOP, NATIVE, PROCESS, THREAD, UNKNOWN, timed
from .failures import CallTimeout
from .items import Item
from .limits import Turn
from .plan import Step
from .processes import Job

if TYPE_CHECKING:
    from .state import RunState

_Outcome = tuple[Any, BaseException | None]


async def guarded(run: "RunState", item: Item, step: Step) -> None:
    attempts = 1
    try:
        values = item.values
        value, attempts = await answer_of(run, item, step, tuple(values[a] for a in step.args), {n: values[s] for n, s in step.names})
    except Spent as spent:
        run.step_failed(item, step, spent.error, spent.attempts)
        return
    except BaseException as e:  # noqa: BLE001 - goes to the run's caller
        run.step_failed(item, step, e, attempts)
        return
    ready = run.done(item, step, value)
    following = run.go(item, ready, LOOP) if ready else None
    if following is not None:
        await run.on_loop(item, following)


class Spent(Exception):
    def __init__(self, error: BaseException, attempts: int) -> None:
        super().__init__()
        self.error, self.attempts = error, attempts


async def answer_of(run: "RunState", item: Item, step: Step, args: tuple[Any, ...], names: dict[str, Any]) -> tuple[Any, int]:
    """The result by all the rules, and how many calls it took (0: none, it was known)."""
    rules = step.rules
    cache: Cache | None = rules.cache if isinstance(rules.cache, Cache) else run.settings.cache if rules.cache else None
    key = ""
    if cache is not None:
        key = key_of(run.content_of(step), step.name, args, names)
        found = cache.get(key) if cache.quick else await _elsewhere(run, item, cache.get, key)
        if found is not MISSING:
            run.tell("cached", item, step)
            return found, 0
    attempts = 0
    while True:
        attempts += 1
        run.tell("node_start", item, step, None, attempts)
        try:
            value = await _limited(run, item, step, args, names)
            break
        except asyncio.CancelledError:
            if item.dead or run.over:
                raise
            raise Spent(asyncio.CancelledError(), attempts) from None
        except BaseException as e:  # noqa: BLE001 - judged by the rule
            pause = rules.retry.pause(attempts, e) if rules.retry is not None else None
            if pause is None:
                raise Spent(e, attempts) from None
            run.tell("retry", item, step, e, attempts)
            del e
        await asyncio.sleep(pause)
    if cache is not None:
        if cache.quick:
            cache.put(key, value)
        else:
            await _elsewhere(run, item, cache.put, key, value)
    return value, attempts


async def _limited(run: "RunState", item: Item, step: Step, args: tuple[Any, ...], names: dict[str, Any]) -> Any:
    limit = step.rules.limit
    if limit is None:
        return await _timed(run, item, step, args, names)
    size = limit.size_of(args, names)
    await limit.enter(size)
    try:
        return await _timed(run, item, step, args, names)
    finally:
        limit.leave(size)


async def _timed(run: "RunState", item: Item, step: Step, args: tuple[Any, ...], names: dict[str, Any]) -> Any:
    way, rate = _way(run, step), step.rules.rate
    if rate is None:
        return await _clocked(run, item, step, way, args, names, None)
    async with rate.turn() as turn:  # waiting for one's turn is no part of the call
        if way != THREAD and way != NATIVE:
            await turn.start()
        return await _clocked(run, item, step, way, args, names, turn)


async def _clocked(run: "RunState", item: Item, step: Step, way: int, args: tuple[Any, ...], names: dict[str, Any], turn: Turn | None) -> Any:
    seconds = step.rules.timeout
    if seconds is None:
        return await _once(run, item, step, way, args, names, turn)
    try:
        async with asyncio.timeout(seconds) as clock:
            return await _once(run, item, step, way, args, names, turn)
    except TimeoutError:
        if clock.expired():
            raise CallTimeout(f"node {step.name!r} did not answer within {seconds:g} s") from None
        raise


def _way(run: "RunState", step: Step) -> int:
    """Where the call itself goes. What may take long must not hold up the loop, so only the trivial stays."""
    if step.form == "async":
        return LOOP
    kind = KINDS.get(step.rules.kind or "", UNKNOWN) or step.stats.kind()
    if kind == INLINE and (step.rules.timeout is None and step.rules.rate is None):
        return INLINE
    if kind == PROCESS and (step.rules.kind == "cpu" or step.stats.cpu > 0.01) and run.function_of(step) is not None:
        return PROCESS
    return NATIVE if kind == NATIVE else THREAD


async def _once(run: "RunState", item: Item, step: Step, way: int, args: tuple[Any, ...], names: dict[str, Any], turn: Turn | None) -> Any:
    stats, began = step.stats, time.perf_counter()
    try:
        if way == LOOP:
            stats.calls += 1
            value = await step.call(*args, **names)
            stats.record(time.perf_counter() - began, 0.0)
            return value
        if way == INLINE:
            return _measured(step, args, names, None)
        if way == PROCESS:
            return await _in_process(run, step, args, names)
        return await _on_pool(run, way, lambda: _measured(step, args, names, turn))
    finally:
        if run.spans is not None:
            name = {LOOP: "async", INLINE: "inline", PROCESS: "cpu"}.get(way, "blocking")
            run.spans.append((step.name, item.path(), name, threading.current_thread().name, began, time.perf_counter()))


def _measured(step: Step, args: tuple[Any, ...], names: dict[str, Any], turn: Turn | None) -> Any:
    if turn is not None:
        turn.block()
    return timed(step.stats, step.call, args, names)


async def _elsewhere(run: "RunState", item: Item, fn: Callable[..., Any], *args: Any) -> Any:
    return await _on_pool(run, THREAD, lambda: fn(*args))


async def _on_pool(run: "RunState", way: int, call: Callable[[], Any]) -> Any:
    """A call on a thread; if nobody waits for it any more its result is dropped."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_Outcome] = loop.create_future()

    def work() -> None:
        if answer.cancelled():
            return
        outcome: _Outcome
        try:
            outcome = call(), None
        except BaseException as e:  # noqa: BLE001 - handed over as a value
            outcome = None, e
        _answer(loop, answer, outcome)

    pool = pools.native() if way == NATIVE else pools.threads()
    pool.submit(run.settings.context.copy().run, work)
    return _opened(await answer)


async def _in_process(run: "RunState", step: Step, args: tuple[Any, ...], names: dict[str, Any]) -> Any:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_Outcome] = loop.create_future()
    function = run.function_of(step)
    assert function is not None
    job = Job(function, args, names, lambda value, error: _answer(loop, answer, (value, error)))
    pools.processes().submit(job)
    try:
        return _opened(await answer)
    except asyncio.CancelledError:
        job.cancel()
        raise


def _answer(loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[_Outcome]", outcome: _Outcome) -> None:
    def give() -> None:
        if not answer.done():
            answer.set_result(outcome)

    try:
        loop.call_soon_threadsafe(give)
    except RuntimeError:  # the loop is closed: nobody waits
        pass


def _opened(outcome: _Outcome) -> Any:
    value, error = outcome
    if error is not None:
        raise error
    return value
