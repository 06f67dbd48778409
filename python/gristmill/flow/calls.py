"""Where a call goes, and the calls themselves: on the spot, on the loop, on threads, in processes.

There is no queue between nodes: whoever ends a call finds the steps that became ready and either goes on with one of its own kind or hands it to
the pool of its kind.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Sequence

from . import pools
from .batch import join_batch
from .classify import INLINE, LOOP, NATIVE, PROCESS, STALL, THREAD, UNKNOWN, worth_processes
from .guarded import guarded
from .items import Item
from .nested import start_map
from .plan import BATCHED, GUARDED, NESTED, SPLIT, Step
from .processes import Job
from .split import start_split
from .state import CALLER, NOBODY, RunState
from .step_calls import measured
from .watch import Probe

_UNKNOWN_TOTAL = 1_000


class Calls(RunState):
    def place(self, step: Step, here: int) -> int:
        kind = step.fixed
        if kind == BATCHED and not self.settings.mapped and step.rules.batch_form is not None:
            kind = GUARDED if step.guarded else UNKNOWN  # a single item takes the form for single items
        if kind == PROCESS:
            return PROCESS if self.function_of(step) is not None else NATIVE
        if kind:
            return kind
        kind = step.stats.kind()
        if kind == INLINE or kind == THREAD:
            return kind
        if kind == PROCESS:
            total = self.root.mapped.total if self.root.mapped is not None and not self.many else _UNKNOWN_TOTAL
            left = max(1, total - self.root.passed)
            if worth_processes(step.stats, left, pools.processes_warm()) and self.function_of(step) is not None:
                return PROCESS
            kind = NATIVE
        if kind == NATIVE and here in (CALLER, THREAD, NATIVE) and (here != CALLER or step.stats.verdict != NATIVE):
            return INLINE
        return kind

    def dispatch(self, kind: int, item: Item, step: Step) -> None:
        if kind == LOOP or kind == GUARDED:
            self._on_home(item, step)
        elif kind == THREAD or kind == NATIVE:
            pool = pools.threads() if kind == THREAD else pools.native()
            pool.submit(self.settings.context.copy().run, self.on_thread, item, step, kind)
        elif kind == PROCESS:
            self._to_process(item, step)
        elif kind == UNKNOWN:
            self._probe(item, step)
        elif kind == NESTED:
            start_map(self, item, step)
        elif kind == SPLIT:
            start_split(self, item, step)
        else:
            assert kind == BATCHED
            join_batch(self, item, step)

    def _on_home(self, item: Item, step: Step) -> None:
        home = self.home
        if threading.get_ident() == home.ident:
            self._spawn(item, step)
            return
        with self.lock:
            self._to_loop.append((item, step))
            if len(self._to_loop) > 1:
                return
        if not home.soon(self._drain):
            self.abort(RuntimeError("the event loop of this run was closed"))

    def _drain(self) -> None:
        with self.lock:
            todo, self._to_loop = self._to_loop, []
        for item, step in todo:
            self._spawn(item, step)

    def _spawn(self, item: Item, step: Step) -> None:
        if item.dead:
            return
        work = guarded(self, item, step) if step.guarded else self.on_loop(item, step)
        self.keep_task(item, work)

    def go(self, item: Item, ready: Sequence[Step], here: int) -> Step | None:
        """Starts the steps; gives back one that whoever calls this shall run itself, being of its kind."""
        keep: Step | None = None
        while True:
            trivial: list[Step] = []
            for step in ready:
                kind = self.place(step, here)
                if kind == INLINE:
                    trivial.append(step)
                elif kind == here and keep is None and kind != NOBODY:
                    keep = step
                else:
                    self.dispatch(kind, item, step)
            if not trivial:
                return keep
            ready = []
            for step in trivial:
                if item.dead:
                    return None
                ready += self.call_here(item, step)

    def call_here(self, item: Item, step: Step) -> Sequence[Step]:
        """Calls the function where we are, and says which steps became ready."""
        stats, values = step.stats, item.values
        try:
            if self.spans is not None or self.listeners:
                value = self.observed(item, step, "inline")
            elif stats.due:
                value = measured(step, values)
            else:
                stats.calls += 1
                began = time.perf_counter()
                if step.names:
                    value = step.call(*[values[a] for a in step.args], **{n: values[s] for n, s in step.names})
                else:
                    value = step.call(*[values[a] for a in step.args])
                if time.perf_counter() - began > STALL:
                    stats.surprise()
        except BaseException as e:  # noqa: BLE001 - goes to the run's caller
            self.step_failed(item, step, e)
            return ()
        return self.done(item, step, value)

    def observed(self, item: Item, step: Step, way: str) -> Any:
        """A call with its events and span."""
        self.tell("node_start", item, step)
        began = time.perf_counter()
        try:
            return measured(step, item.values)
        finally:
            if self.spans is not None:
                self.spans.append((step.name, item.path(), way, threading.current_thread().name, began, time.perf_counter()))

    async def on_loop(self, item: Item, step: Step | None) -> None:
        """Async steps of an item, one after the other as far as they follow each other."""
        while step is not None and not item.dead:
            values, stats = item.values, step.stats
            stats.calls += 1
            seen = self.spans is not None or self.listeners
            if seen:
                self.tell("node_start", item, step)
            measure = seen or stats.due
            began = time.perf_counter() if measure else 0.0
            try:
                if step.names:
                    value = await step.call(*[values[a] for a in step.args], **{n: values[s] for n, s in step.names})
                else:
                    value = await step.call(*[values[a] for a in step.args])
            except BaseException as e:  # noqa: BLE001 - goes to the run's caller
                self.step_failed(item, step, e)
                return
            if measure:
                stats.record(time.perf_counter() - began, 0.0)
                if self.spans is not None:
                    self.spans.append((step.name, item.path(), "async", "loop", began, time.perf_counter()))
            ready = self.done(item, step, value)
            step = self.go(item, ready, LOOP) if ready else None

    def on_thread(self, item: Item, step: Step | None, here: int) -> None:
        """Waiting or computing steps of an item on a thread of a pool."""
        try:
            while step is not None and not item.dead:
                values, stats = item.values, step.stats
                try:
                    if self.spans is not None or self.listeners:
                        value = self.observed(item, step, "blocking" if here == THREAD else "native")
                    elif stats.due:
                        value = measured(step, values)
                    else:
                        stats.calls += 1
                        value = step.call(*[values[a] for a in step.args], **{n: values[s] for n, s in step.names})
                except BaseException as e:  # noqa: BLE001 - goes to the run's caller
                    self.step_failed(item, step, e)
                    return
                ready = self.done(item, step, value)
                del value
                step = self.go(item, ready, here) if ready else None
        except BaseException as e:  # noqa: BLE001 - our own mistake must not hang the caller
            self.abort(e)

    def _probe(self, item: Item, step: Step) -> None:
        """The first call of a function nobody knows goes to a thread under observation; others wait for what it shows."""
        with self.lock:
            waiting = self._probing.get(step.stats)
            if waiting is not None:
                waiting.append((item, step))
                return
            self._probing[step.stats] = []
        pools.threads().submit(self.settings.context.copy().run, self._probed, item, step)

    def _probed(self, item: Item, step: Step) -> None:
        stats = step.stats
        probe = Probe(lambda mark, kind: self._seen(stats, kind))
        probe.mark = step
        pools.watch().look_at(probe)
        try:
            self._settle_probe(item, step, probe)
        finally:
            probe.mark = None
        self.release_probe(stats)

    def _settle_probe(self, item: Item, step: Step, probe: Probe) -> None:
        if not item.dead:
            try:
                value = self.observed(item, step, "blocking")
            except BaseException as e:  # noqa: BLE001 - goes to the run's caller
                probe.mark = None
                self.step_failed(item, step, e)
                return
            probe.mark = None
            ready = self.done(item, step, value)
            following = self.go(item, ready, THREAD) if ready else None
            if following is not None:
                pools.threads().submit(self.settings.context.copy().run, self.on_thread, item, following, THREAD)

    def _seen(self, stats: Any, kind: int) -> None:
        stats.verdict = kind
        if kind != PROCESS:  # who computes in Python is known better when the call is through
            pools.threads().submit(self.release_probe, stats)

    def release_probe(self, stats: Any) -> None:
        with self.lock:
            waiting = self._probing.pop(stats, [])
        for item, step in waiting:
            if not item.dead:
                if stats.kind() == UNKNOWN:  # the first call failed too early to tell
                    stats.verdict = THREAD
                self.go(item, [step], NOBODY)

    def _to_process(self, item: Item, step: Step) -> None:
        function, values = self.function_of(step), item.values
        assert function is not None
        self.tell("node_start", item, step)
        context, began = self.settings.context.copy(), time.perf_counter()
        job = Job(function, tuple(values[a] for a in step.args), {n: values[s] for n, s in step.names},
                  lambda value, error: context.run(self._from_process, item, step, value, error, began))
        item.tasks.append(job)
        if item.dead:
            job.cancelled = True
            return
        pools.processes().submit(job)

    def _from_process(self, item: Item, step: Step, value: Any, error: BaseException | None, began: float) -> None:
        if self.spans is not None:
            self.spans.append((step.name, item.path(), "cpu", threading.current_thread().name, began, time.perf_counter()))
        try:
            if error is not None:
                self.step_failed(item, step, error)
            else:
                ready = self.done(item, step, value)
                if ready:
                    self.go(item, ready, NOBODY)
        except BaseException as e:  # noqa: BLE001 - our own mistake must not hang the caller
            self.abort(e)
