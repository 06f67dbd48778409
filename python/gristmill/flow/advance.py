"""What follows when a call ends: steps that become ready, items that are through, scopes that are complete, room for further items."""

from __future__ import annotations

from typing import Any, Sequence

from .batch import drop_item
from .items import COMPLETE, FAILED, OPEN, Item, Scope
from .plan import DONE, Step
from .state import NOBODY, RunState
from .step_calls import several


class Advance(RunState):
    def done(self, item: Item, step: Step, value: Any) -> Sequence[Step]:
        """Stores a result; the steps it makes ready, in order."""
        spread = step.spread
        if spread is not None and step.node is not None:
            try:
                value = several(step, value)
            except BaseException as e:  # noqa: BLE001
                self.step_failed(item, step, e)
                return ()
        if self.listeners and step.nested is None:
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
            if item.failed is None:
                self.tell("item_end", item, None)
            else:
                self.tell("item_error", item, None, item.failed[1].error)
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
