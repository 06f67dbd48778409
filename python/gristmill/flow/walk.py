"""Short ways for graphs whose steps follow each other: an item is one coroutine, or one turn of a thread, from its first step to its last.

Such an item needs no bookkeeping between its steps; only when it fails, or a step turns out to be of another kind, does it become an Item of
the general scheduler. Runs that must tell the earliest failure, or tell what happens, always take the general way.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from . import pools
from .classify import INLINE, LOOP, STALL, THREAD, UNKNOWN
from .items import Item
from .plan import DONE, Step
from .step_calls import measured, several

if TYPE_CHECKING:
    from .run import Run


def _plain_chain(run: "Run") -> bool:
    plan = run.plan
    return (bool(plan.steps) and plan.chain and plan.split is None and run.root.results is not None and run.errors != "ordered" and not run.listeners
            and run.spans is None and not any(s.guarded or s.batch or s.nested for s in plan.steps))


def suits_loop(run: "Run") -> bool:
    """Whether items may be coroutines: async steps, and trivial ones between them."""
    if not _plain_chain(run):
        return False
    ways = [run.place(s, LOOP) for s in run.plan.steps]
    return LOOP in ways and all(w in (LOOP, INLINE) for w in ways)


def suits_threads(run: "Run") -> bool:
    """Whether items may be turns of threads: steps that wait, and trivial ones between them."""
    if not _plain_chain(run) or not run.plan.plain:
        return False
    ways = [run.place(s, THREAD) for s in run.plan.steps]
    return THREAD in ways and all(w in (THREAD, INLINE, UNKNOWN) for w in ways)


def _as_item(run: "Run", position: int, values: list[Any], step: Step) -> Item:
    """The item as the general scheduler knows it, just before a step."""
    item = Item(run.plan, values, run.root, position)
    for earlier in run.plan.steps[: step.index]:
        item.waiting[earlier.index] = DONE
    item.waiting[step.index] = 0
    item.left -= step.index
    with run.lock:
        run.root.live[position] = item
    return item


def only_step(run: "Run") -> Step | None:
    """The step, if all there is to an item is one function of its one input."""
    plan, mapped = run.plan, run.root.mapped
    assert mapped is not None
    if len(plan.steps) != 1 or mapped.mode != "zip" or len(mapped.columns) != 1 or len(plan.outputs) != 1:
        return None
    step = plan.steps[0]
    return step if not step.names and step.spread is None and step.args == mapped.slots and plan.outputs[0][1] == step.out else None


# ---- on the loop

class LoopWalks:
    """The coroutines of a run, all on one loop and its thread. They count without the lock until the last of them is through."""

    def __init__(self, run: "Run") -> None:
        self.run = run
        assert run.root.mapped is not None and run.root.results is not None
        self.mapped, self.results = run.root.mapped, run.root.results
        self.steps = [(s.call, s.args, s.out, s.form == "async" and not s.names and s.spread is None, s) for s in run.plan.steps]
        self.loop = run.home.loop
        self.tasks: dict[int, Any] = {}
        self.unsaid = 0  # items that are through and not counted in the scope yet; only the loop's thread changes it
        self.open = 0
        run.walks = self

    def begin_there(self) -> None:
        """As begin(), on the loop's thread."""
        if not self.run.home.soon(self.run.settings.context.copy().run, self.begin):
            self.run.abort(RuntimeError("the event loop of this run was closed"))

    def begin(self) -> None:
        """Starts the first items, as many as the window holds; with the context of whoever calls this."""
        run, root = self.run, self.run.root
        if run.over:
            return
        with run.lock:
            count = min(root.window, self.mapped.total)
            root.started, root.closed = count, count == self.mapped.total
        self.open = count
        create, tasks = self.loop.create_task, self.tasks
        only = only_step(run)
        if only is not None and self.steps[0][3]:
            for position, value in enumerate(self.mapped.columns[0][:count]):
                tasks[position] = create(self._walk_one(position, only.call, value))
        else:
            for position in range(count):
                tasks[position] = create(self._walk(position))

    async def _walk_one(self, position: int, call: Any, given: Any) -> None:
        try:
            value = await call(given)
        except BaseException as e:  # noqa: BLE001 - the rules of the run decide
            run = self.run
            values = run.root.base.copy()
            self.mapped.fill(values, position)
            self._failed(position, values, run.plan.steps[0], e)
            return
        self.results[position] = [{self.run.plan.outputs[0][0]: value}]
        del self.tasks[position]
        self.unsaid += 1
        self.open -= 1
        if not self.open or not self.run.root.closed:
            self._through()

    async def _walk(self, position: int) -> None:
        run, values = self.run, self.run.root.base.copy()
        self.mapped.fill(values, position)
        step: Any = None
        try:
            for call, args, out, simple, step in self.steps:
                if simple:
                    values[out] = await call(*[values[a] for a in args])
                elif not await self._other(values, step):
                    item = _as_item(run, position, values, step)
                    self._leave(position)
                    run.go(item, [step], LOOP)  # no longer trivial
                    return
        except BaseException as e:  # noqa: BLE001 - the rules of the run decide
            self._failed(position, values, step, e)
            return
        self.results[position] = [{name: values[slot] for name, slot in run.plan.outputs}]
        del self.tasks[position]
        self.unsaid += 1
        self.open -= 1
        if not self.open or not run.root.closed:
            self._through()

    def _failed(self, position: int, values: list[Any], step: Step, error: BaseException) -> None:
        run = self.run
        if run.over:
            return
        item = _as_item(run, position, values, step)
        self._leave(position)
        run.step_failed(item, step, error)

    def _leave(self, position: int) -> None:
        """The item goes on in the general scheduler."""
        del self.tasks[position]
        self.open -= 1
        self._through()

    def _through(self) -> None:
        """Counts what is through, and starts the next item where not all could start at once."""
        run, root = self.run, self.run.root
        with run.lock:
            root.passed += self.unsaid
            self.unsaid = 0
            position = root.started
            more = position < self.mapped.total and not run.over and self.open < root.window
            if more:
                root.started += 1
            root.closed = root.started == self.mapped.total
            last = root.closed and root.passed == root.started
        if more:
            self.open += 1
            self.tasks[position] = self.loop.create_task(self._walk(position), context=run.settings.context.copy())
        elif last:
            for step in run.plan.steps:
                step.stats.calls += root.started
            run.after(root)

    def count_in(self) -> None:
        """The loop's thread counts by itself when the last one is through."""

    def open_tasks(self) -> list[Any]:
        return list(self.tasks.values())

    async def _other(self, values: list[Any], step: Step) -> bool:
        """Steps that are not one simple await. False: the step is not for the loop."""
        if step.form == "async":
            value = await step.call(*[values[a] for a in step.args], **{n: values[s] for n, s in step.names})
        else:
            if not step.fixed and step.stats.kind() != INLINE:
                return False
            began = time.perf_counter()
            value = step.call(*[values[a] for a in step.args], **{n: values[s] for n, s in step.names})
            if time.perf_counter() - began > STALL:
                step.stats.surprise()
        if step.spread is None:
            values[step.out] = value
        else:
            for slot, part in zip(step.spread, several(step, value)):
                values[slot] = part
        return True


# ---- on threads

class ThreadWalks:
    """Turns of threads: each takes the next item as long as there is one.

    No turn takes a lock, since threads that wait for each other cost more than what they do: `_next`, `done` and `elsewhere` are changed by
    single operations of the interpreter. What is done is counted in the scope when the run looks (count_in).
    """

    def __init__(self, run: "Run") -> None:
        self.run = run
        root = run.root
        assert root.mapped is not None and root.results is not None
        self.mapped, self.results = root.mapped, root.results
        self.total = root.mapped.total
        self.window = min(root.window, pools.threads().most)
        with run.lock:
            first, root.started, root.closed = root.started, self.total, True
        self.count = self.total - first
        self._next = iter(range(first, self.total)).__next__
        self.claimed = first
        self.done: list[None] = []
        self.elsewhere: list[None] = []  # items that went over to the general scheduler
        self._counted = 0
        self._only = only_step(run)
        if self.count:
            run.walks = self

    @property
    def unsaid(self) -> int:
        return len(self.done) - self._counted

    def count_in(self) -> None:
        """Under the run's lock."""
        done = len(self.done)
        self.run.root.passed += done - self._counted
        self._counted = done

    def open_tasks(self) -> list[Any]:
        return []

    def begin(self) -> None:
        """Wakes a thread for each item, or fewer if those that are through take the rest meanwhile."""
        pool, run = pools.threads(), self.run
        context = run.settings.context
        for _ in range(min(self.window, self.count)):
            if self.claimed >= self.total or run.over:
                break
            pool.submit(context.copy().run, self._turns)

    def _turns(self) -> None:
        run, done, only = self.run, self.done, self._only
        try:
            while self.claimed < self.total and not run.over:
                try:
                    position = self._next()
                except StopIteration:
                    return
                self.claimed = position + 1
                if only is not None and not only.stats.due:
                    through = self._turn(position, only)
                else:
                    through = self._walk(position)
                if through:
                    done.append(None)
                    if len(done) + len(self.elsewhere) == self.count:
                        run.after(run.root)
        except BaseException as e:  # noqa: BLE001 - our own mistake must not hang the caller
            run.abort(e)

    def _turn(self, position: int, step: Step) -> bool:
        """An item of a graph that is one function of one input."""
        step.stats.calls += 1
        try:
            value = step.call(self.mapped.columns[0][position])
        except BaseException as e:  # noqa: BLE001 - the rules of the run decide
            values = self.run.root.base.copy()
            self.mapped.fill(values, position)
            return self._failed(position, values, step, e)
        self.results[position] = [{self.run.plan.outputs[0][0]: value}]
        return True

    def _walk(self, position: int) -> bool:
        """Whether the item is through here."""
        run = self.run
        values = run.root.base.copy()
        self.mapped.fill(values, position)
        step: Any = None
        try:
            for step in run.plan.steps:
                stats = step.stats
                if stats.due:
                    value = measured(step, values)
                else:
                    stats.calls += 1
                    value = step.call(*[values[a] for a in step.args], **{n: values[s] for n, s in step.names})
                if step.spread is None:
                    values[step.out] = value
                else:
                    for slot, part in zip(step.spread, several(step, value)):
                        values[slot] = part
        except BaseException as e:  # noqa: BLE001 - the rules of the run decide
            return self._failed(position, values, step, e)
        self.results[position] = [{name: values[slot] for name, slot in run.plan.outputs}]
        return True

    def _failed(self, position: int, values: list[Any], step: Step, error: BaseException) -> bool:
        self.elsewhere.append(None)
        self.run.step_failed(_as_item(self.run, position, values, step), step, error)
        return False
