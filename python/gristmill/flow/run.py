"""One run of a plan over its items: who runs which call where, and what follows when it ends.

There is no queue between nodes: whoever ends a call finds the steps that became ready and either goes on with one of its own kind
or hands it to the pool of its kind. The lock is held only to change items and scopes, never while somebody's code runs.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Callable, Coroutine, Sequence

from . import pools
from .batch import drop_item, join_batch
from .cache import fingerprint
from .classify import INLINE, LOOP, NATIVE, PROCESS, STALL, THREAD, UNKNOWN, in_worker, timed, worth_processes
from .event_loop import Home
from .events import Event
from .failures import Failure
from .guarded import guarded
from .items import COMPLETE, FAILED, OPEN, Item, Scope, kill, window_for
from .nested import start_map
from .plan import BATCHED, DONE, GUARDED, NESTED, SPLIT, Plan, Step
from .processes import Function, Job
from .split import start_split
from .watch import Probe

NOBODY = 0  # `here` of a thread that must not wait or compute: a feeder of processes, a hand-over
CALLER = 10  # the thread that asked for the run
WINDOW = 10_000
STREAM_WINDOW = 1_024
_UNKNOWN_TOTAL = 1_000
_LAST_WORDS = 0.1  # seconds for a call in another process before that is ended


@dataclass
class Settings:
    """How a run goes; nothing here changes a value."""

    errors: str = "fail"
    window: int = WINDOW
    out_window: float = float("inf")
    in_order: bool = True
    collect: bool = True
    cache: Any = None
    listeners: Sequence[Callable[[Event], Any]] = ()
    spans: list[Any] | None = None
    dead_letter: Callable[[Failure], Any] | None = None
    mapped: bool = True
    names: tuple[str, ...] = ()
    context: contextvars.Context = field(default_factory=contextvars.copy_context)


class Run:
    def __init__(self, plan: Plan, base: list[Any], mapped: Any, settings: Settings, home: Callable[[], Home]) -> None:
        self.plan, self.settings, self.errors = plan, settings, settings.errors
        self.lock = threading.Lock()
        self.out: deque[Any] = deque()
        self.out_window = settings.out_window
        self.over = False
        self.failures: list[Failure] = []
        self.broken: BaseException | None = None  # an error that is nobody's call
        self.counts = {"failed": 0}
        self.waiters: list[Callable[[], Any]] = []
        self.full_batches: list[Any] = []
        self.bell: Callable[[], Any] = lambda: None
        self.cancelled: list[Any] = []
        self.root = Scope(self, None, None, plan, base, mapped, window_for(plan, settings.window))
        self.root.in_order = settings.in_order
        self.many = any(s.fixed in (NESTED, SPLIT) for s in plan.names())  # more items may come than are mapped
        self.single: Item | None = None
        self.shared: set[Any] = set()  # tasks of several items
        self.walks: Any = None  # items on the short way through the loop
        if mapped is not None and settings.collect:
            self.root.results = [None] * mapped.total
        self._make_home = home
        self._home: Home | None = None
        self._to_loop: list[tuple[Item, Step]] = []
        self._probing: dict[Any, list[tuple[Item, Step]]] = {}
        self._functions: dict[Any, Function | None] = {}
        self._contents: dict[Any, bytes] = {}
        self.listeners = settings.listeners
        self.spans = settings.spans

    @property
    def home(self) -> Home:
        if self._home is None:
            self._home = self._make_home()
        return self._home

    # ---- where a call goes

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

    def function_of(self, step: Step) -> Function | None:
        """The function packed for other processes, once a run; None: it stays, and the node's numbers say why."""
        if step.stats in self._functions:
            return self._functions[step.stats]
        found: Function | None = None
        if not in_worker():
            found = pools.packed(step)
        self._functions[step.stats] = found
        return found

    def content_of(self, step: Step) -> bytes:
        """The fingerprint of a step's function, once a run."""
        found = self._contents.get(step.stats)
        if found is None:
            found = self._contents[step.stats] = fingerprint(step.call)
        return found

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

    def keep_task(self, item: Item | None, work: Coroutine[Any, Any, None]) -> None:
        """A task of an item, on the loop's thread; it is cancelled if the item dies, or with the run if it is of several items."""
        task = self.home.loop.create_task(self._kept(work), context=self.settings.context.copy())
        if item is None:
            self.shared.add(task)
            task.add_done_callback(self.shared.discard)
            if self.over:
                task.cancel()
            return
        item.tasks.append(task)
        if item.dead:  # it died in between
            task.cancel()

    async def _kept(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as e:  # noqa: BLE001 - our own mistake must not hang the caller
            self.abort(e)

    # ---- steps

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
                stats.calls -= 1
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

    def done(self, item: Item, step: Step, value: Any) -> Sequence[Step]:
        """Stores a result; the steps it makes ready, in order."""
        spread = step.spread
        if spread is not None and step.node is not None:
            try:
                value = several(step, value)
            except BaseException as e:  # noqa: BLE001
                self.step_failed(item, step, e)
                return ()
        if self.listeners:
            self.tell("node_end", item, step)
        steps = item.plan.steps
        with self.lock:
            if item.dead:
                return ()
            values = item.values
            if spread is None:
                values[step.out] = value
            else:
                for slot, part in zip(spread, value):
                    values[slot] = part
            item.left -= 1
            if item.failed is None:
                if item.left == 0:
                    ready: list[Step] = []
                else:
                    waiting = item.waiting
                    waiting[step.index] = DONE
                    ready = []
                    for f in step.feeds:
                        waiting[f] -= 1
                        if waiting[f] == 0:
                            ready.append(steps[f])
                    return ready
            else:
                waiting = item.waiting
                waiting[step.index] = DONE
                ready = []
                for f in step.feeds:
                    waiting[f] -= 1
                    if waiting[f] == 0 and f < item.failed[0]:
                        ready.append(steps[f])
                if not item.settled_before_failure():
                    return ready
        if item.failed is not None:
            self.item_failed(item)
        else:
            self.settle(item, [item.row()])
        return ()

    # ---- items

    def start(self, scope: Scope, position: int, item: Item, here: int) -> None:
        if self.listeners:
            self.tell("item_start", item, None)
        if not item.plan.steps:
            self.settle(item, [item.row()])
            return
        self.go(item, item.plan.first, here)

    def settle(self, item: Item, rows: list[Any], quiet: bool = False) -> None:
        """The item is through. quiet: who calls starts the next one himself."""
        if self.listeners:
            self.tell("item_end" if item.failed is None else "item_error", item, None)
        scope = item.scope
        with self.lock:
            if item.dead:
                return
            item.dead = True
            item.tasks = []
            scope.live.pop(item.position, None)
            if item.plan.batched:
                drop_item(item)
            scope.put(item.position, rows, True)
        if not quiet or scope.closed:
            self.after(scope)

    def after(self, scope: Scope) -> None:
        """What follows when an item of a scope is through: more items, or the end of the scope."""
        with self.lock:
            waiters, self.waiters = self.waiters, []
            if self.walks is not None:
                self.walks.count_in()
            state = scope.state()
            batches, self.full_batches = self.full_batches, []
        for wake in waiters:
            wake()
        for batch in batches:
            batch.send()
        if state == OPEN:
            if scope.mapped is not None and not scope.closed:
                self.pump(scope, NOBODY)
            if not self.settings.collect:
                self.bell()
        elif state == FAILED:
            assert scope.failed is not None
            self.scope_failed(scope, scope.failed[1])
        elif state == COMPLETE:
            if scope.parent is None:
                self.over = True
                self.bell()
            elif scope.nested:
                self._nested_done(scope)
            else:
                self._split_done(scope.parent)

    def close(self, scope: Scope) -> None:
        """No further item will come."""
        with self.lock:
            scope.closed = True
            if scope.groups:
                self.full_batches += [g for g in list(scope.groups.values()) if g.close(scope.started)]
        self.after(scope)

    def _split_done(self, parent: Item) -> None:
        """A generator is through and so are its rows: the item is, too."""
        with self.lock:
            if parent.dead:
                return
            parent.dead = True
            parent.tasks = []
            parent.scope.live.pop(parent.position, None)
            parent.scope.put(parent.position, [], True)
        if self.listeners:
            self.tell("item_end", parent, None)
        self.after(parent.scope)

    def _nested_done(self, scope: Scope) -> None:
        parent, step = scope.parent, scope.step
        assert parent is not None and step is not None and scope.results is not None
        rows = [row for rows in scope.results if rows for row in rows]
        value = tuple([row[name] for row in rows] for name, _ in scope.plan.outputs)
        self.tell("map_end", parent, step)
        ready = self.done(parent, step, value)
        if ready:
            self.go(parent, ready, NOBODY)

    def pump(self, scope: Scope, here: int) -> None:
        """Starts items of a scope while there is room; one thread at a time."""
        mapped = scope.mapped
        assert mapped is not None
        total = mapped.total
        with self.lock:
            if scope.pumping:  # that thread looks again before it stops
                return
            scope.pumping = True
        while True:
            with self.lock:
                if self.over or scope.over or scope.limit is not None or scope.started >= total or not scope.room():
                    scope.pumping = False
                    ended = scope.started >= total and not scope.closed
                    break
                position = scope.started
                scope.started += 1
                values = scope.base.copy()
                mapped.fill(values, position)
                item = Item(scope.plan, values, scope, position)
                scope.live[position] = item
            if not self.settings.mapped and scope.parent is None:
                self.single = item
            self.start(scope, position, item, here)
        if ended:
            self.close(scope)

    # ---- failures

    def step_failed(self, item: Item, step: Step, error: BaseException, attempts: int = 1) -> None:
        """A step will give no result. The item fails with the smallest such step, once no smaller one can still fail."""
        if item.dead or self.over:
            return
        failure = self.failure_of(item, step, error, attempts)
        if failure is None:
            return
        with self.lock:
            if item.dead:
                return
            item.waiting[step.index] = DONE
            if item.failed is None or step.index < item.failed[0]:
                item.failed = (step.index, failure)
            if not item.settled_before_failure():
                return
        self.item_failed(item)

    def failure_of(self, item: Item, step: Step, error: BaseException, attempts: int = 1) -> Failure | None:
        """The failure described; None: the run is ended by it."""
        root = item.root()
        inputs = {n: root.values[self.plan.inputs[n]] for n in self.settings.names}
        failure = Failure(root.position, step.name, error, attempts, inputs, (*item.path(), step.index))
        if self.listeners:
            self.tell("node_error", item, step, error)
        if self.errors == "fail" or not isinstance(error, (Exception, asyncio.CancelledError)):
            self.abort(None, failure)
            return None
        return failure

    def item_failed(self, item: Item) -> None:
        assert item.failed is not None
        failure, scope = item.failed[1], item.scope
        if not scope.strict:
            self.counts["failed"] += 1
            rows: list[Any] = [failure] if self.errors == "return" else []
            if self.settings.dead_letter is not None and self.errors == "dead_letter":
                try:
                    self.settings.dead_letter(failure)
                except BaseException as e:  # noqa: BLE001
                    self.abort(e)
                    return
            tasks: list[Any] = []
            with self.lock:
                for task in item.tasks:
                    if isinstance(task, Scope):
                        task.over = True
                        task.kill_from(0, tasks)
                    else:
                        tasks.append(task)
                item.tasks = []
            self.cancel_calls(tasks)
            self.settle(item, rows)
            return
        tasks = []
        if self.listeners:
            self.tell("item_error", item, None, failure.error)
        with self.lock:
            if item.dead:
                return
            kill(item, tasks)
            scope.live.pop(item.position, None)
            if scope.failed is None or item.position < scope.failed[0]:
                scope.failed = (item.position, failure)
                scope.limit = item.position
                scope.kill_from(item.position, tasks)
        self.cancel_calls(tasks)
        self.after(scope)

    def scope_failed(self, scope: Scope, failure: Failure) -> None:
        """All items before the failed one are through: it is the scope's failure."""
        if scope.parent is None:
            self.failures.append(failure)
            with self.lock:
                self.over = True
            self.bell()
            return
        parent, step = scope.parent, scope.step
        assert step is not None
        with self.lock:
            if parent.dead:
                return
            parent.waiting[step.index] = DONE
            if parent.failed is None or step.index < parent.failed[0]:
                parent.failed = (step.index, failure)
            if not parent.settled_before_failure():
                return
        self.item_failed(parent)

    def abort(self, error: BaseException | None, failure: Failure | None = None) -> None:
        """Ends the run now; calls that are open are cancelled."""
        tasks: list[Any] = []
        with self.lock:
            if failure is not None:
                self.failures.append(failure)
            elif error is not None and self.broken is None:
                self.broken = error
            if self.over:
                return
            self.over = True
            self.root.over = True
            self.root.kill_from(0, tasks)
            tasks += self.shared
            if self.walks is not None:
                tasks += self.walks.open_tasks()
            waiters, self.waiters = self.waiters, []
            self._probing.clear()
            self._to_loop.clear()
        self.cancel_calls(tasks)
        for wake in waiters:
            wake()
        self.bell()

    def cancel_calls(self, tasks: list[Any]) -> None:
        """Cancels coroutines (on their loop) and calls in processes; threads cannot be stopped, their results are dropped."""
        on_loop = []
        for task in tasks:
            if isinstance(task, Job):  # one that is nearly through need not cost its process
                task.cancelled = True
                pools.later(_LAST_WORDS, task.cancel)
            else:
                on_loop.append(task)
        if on_loop:
            self.cancelled += on_loop
            self.home.soon(lambda: [t.cancel() for t in on_loop])

    def tell(self, what: str, item: Item | None, step: Step | None, error: BaseException | None = None, attempt: int = 1) -> None:
        if not self.listeners:
            return
        event = Event(what, step.name if step is not None else None, item.path() if item is not None else (), error, attempt)
        for listener in self.listeners:
            try:
                listener(event)
            except BaseException as e:  # noqa: BLE001 - a listener that fails ends the run, it does not vanish
                self.abort(e)


def several(step: Step, value: Any) -> Any:
    """The results of a function with several outputs."""
    wanted = len(step.spread or ())
    if not isinstance(value, (tuple, list)) or len(value) != wanted:
        assert step.node is not None
        got = f"{len(value)} values" if isinstance(value, (tuple, list)) else f"a {type(value).__name__}"
        raise TypeError(f"node {step.name!r} must return a tuple of {wanted} ({', '.join(step.node.outputs)}), it returned {got}")
    return value


def measured(step: Step, values: list[Any]) -> Any:
    """A call whose times are noted, also when it fails."""
    return timed(step.stats, step.call, [values[a] for a in step.args], {n: values[s] for n, s in step.names})
