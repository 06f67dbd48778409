"""Functions of many items at once: which items go together is a matter of their numbers alone, never of who came first.

Batch k of a step holds items k * size up to (k + 1) * size of their scope; it is sent when each of them has come or cannot come any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .plan import SENT, Step

if TYPE_CHECKING:
    from .items import Item, Scope
    from .state import RunState


class Batch:
    def __init__(self, scope: "Scope", step: Step, number: int) -> None:
        self.scope, self.step, self.number = scope, step, number
        self.items: dict[int, Item] = {}
        self.gone = 0
        self.expected = step.batch
        self.sent = False
        if scope.closed or scope.limit is not None:
            self.close(scope.started)

    def full(self) -> bool:
        """True once, when nobody is missing. Under the run's lock, as all that changes it."""
        if self.sent or len(self.items) + self.gone < self.expected:
            return False
        self.sent = True
        for item in self.items.values():
            item.waiting[self.step.index] = SENT
        self.scope.groups.pop((self.step.index, self.number), None)
        return bool(self.items)

    def close(self, total: int) -> bool:
        self.expected = min(self.step.batch, total - self.number * self.step.batch)
        return self.full()

    def send(self) -> None:
        run = self.scope.run
        if not run.home.soon(self._begin):
            run.abort(RuntimeError("the event loop of this run was closed"))

    def _begin(self) -> None:
        run = self.scope.run
        items = [self.items[p] for p in sorted(self.items) if not self.items[p].dead]
        if items and not run.over:
            run.keep_task(None, _call(run, self.step, items))


def _of(item: "Item", step: Step) -> Batch:
    groups, key = item.scope.groups, (step.index, item.position // step.batch)
    found = groups.get(key)
    if found is None:
        found = groups[key] = Batch(item.scope, step, key[1])
    return found


def join_batch(run: "RunState", item: "Item", step: Step) -> None:
    with run.lock:
        if item.dead:
            return
        batch = _of(item, step)
        batch.items[item.position] = item
        full = batch.full()
    if full:
        batch.send()


def drop_item(item: "Item") -> None:
    """An item that is through will not come to the batches it has not been in. Under the run's lock."""
    for step in item.plan.batched:
        if item.waiting[step.index] < 0:  # it has been there
            continue
        batch = _of(item, step)
        batch.items.pop(item.position, None)
        batch.gone += 1
        if batch.full():
            item.scope.run.full_batches.append(batch)


def _column(items: "list[Item]", slot: int, step: Step) -> Any:
    """A parameter of the function: an array of the items' values, or the value where it is the same for all by binding."""
    return items[0].values[slot] if slot in step.constants else pa.array([i.values[slot] for i in items])


def _values(answer: Any, count: int, step: Step) -> list[Any]:
    for method in ("to_pylist", "to_list", "tolist"):
        if hasattr(answer, method):
            answer = getattr(answer, method)()
            break
    if isinstance(answer, (str, bytes)) or not hasattr(answer, "__len__"):
        raise TypeError(f"batch node {step.name!r} must return an array of {count}, it returned a {type(answer).__name__}")
    if len(answer) != count:
        raise TypeError(f"batch node {step.name!r} got {count} items and returned {len(answer)}")
    return list(answer)


def _results(answer: Any, count: int, step: Step) -> list[Any]:
    if step.spread is None:
        return _values(answer, count, step)
    if not isinstance(answer, (tuple, list)) or len(answer) != len(step.spread):
        raise TypeError(f"batch node {step.name!r} must return a tuple of {len(step.spread)} arrays")
    return list(zip(*(_values(a, count, step) for a in answer)))


async def _call(run: "RunState", step: Step, items: "list[Item]") -> None:
    from .guarded import Spent, answer_of

    attempts = 1
    try:
        args = tuple(_column(items, s, step) for s in step.args)
        names = {n: _column(items, s, step) for n, s in step.names}
        answer, attempts = await answer_of(run, items[0], step.many or step, args, names)
        values = _results(answer, len(items), step)
    except BaseException as e:  # noqa: BLE001 - each of its items has failed
        error, attempts = (e.error, e.attempts) if isinstance(e, Spent) else (e, attempts)
        for item in items:
            run.step_failed(item, step, error, attempts)
        return
    for item, value in zip(items, values):
        ready = run.done(item, step, value)
        if ready:
            run.go(item, ready, 0)
