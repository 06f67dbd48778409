"""Items on their way through a plan, and the scopes they belong to: the flow's own items, the rows of a split, the items of a nested map.

All of it is changed under the lock of its run. An item settles exactly once; a scope passes rows on in the order of its items.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .batch import drop_item
from .failures import Failure
from .mapping import Mapped
from .plan import DONE, Plan, Step

if TYPE_CHECKING:
    from .state import RunState

OPEN, FAILED, COMPLETE, OVER = range(4)


class Item:
    """One walk through a plan. `tasks` are the calls to cancel if it dies, and the scopes below it."""

    __slots__ = ("plan", "values", "waiting", "left", "scope", "position", "failed", "tasks", "dead")

    def __init__(self, plan: Plan, values: list[Any], scope: "Scope", position: int) -> None:
        self.plan = plan
        self.values = values
        self.waiting = plan.waiting.copy()
        self.left = len(plan.steps)
        self.scope = scope
        self.position = position
        self.failed: tuple[int, Failure] | None = None  # the smallest step that failed
        self.tasks: list[Any] = []
        self.dead = False

    def path(self) -> tuple[int, ...]:
        return (*self.scope.path(), self.position)

    def root(self) -> "Item":
        item = self
        while item.scope.parent is not None:
            item = item.scope.parent
        return item

    def row(self) -> dict[str, Any]:
        values = self.values
        return {name: values[slot] for name, slot in self.plan.outputs}

    def settled_before_failure(self) -> bool:
        """Whether no step before the failed one can still fail."""
        assert self.failed is not None
        return all(w == DONE for w in self.waiting[: self.failed[0]])


class Scope:
    """Items that belong together. `parent` and `step`: the item and step that made them; none for the flow's own."""

    __slots__ = ("run", "parent", "step", "plan", "base", "mapped", "window", "live", "started", "passed", "closed", "limit", "failed", "results", "in_order",
                 "head", "held", "pumping", "over", "groups", "strict", "inside")

    def __init__(self, run: "RunState", parent: Item | None, step: Step | None, plan: Plan, base: list[Any], mapped: Mapped | None, window: int) -> None:
        self.run, self.parent, self.step, self.plan, self.base, self.mapped, self.window = run, parent, step, plan, base, mapped, window
        nested = step is not None and step.nested is not None
        # whether an item's failure is the failure of all of it
        self.strict: bool = nested or (run.errors in ("fail", "ordered") if parent is None else parent.scope.strict)
        self.inside: bool = nested or (parent is not None and parent.scope.inside)  # its rows end in a list, not in the stream
        self.live: dict[int, Item] = {}
        self.started = 0
        self.passed = 0  # items that are through, their rows passed on
        self.closed = False  # no further item will come
        self.limit: int | None = None  # items from here on are not started: an earlier one failed
        self.failed: tuple[int, Failure] | None = None
        self.results: list[Any] | None = None  # rows of each item, where they are collected
        self.in_order = True
        self.head = 0
        self.held: dict[int, Any] = {}  # rows whose turn has not come, and whether they are the last of their item
        self.pumping = False
        self.over = False
        self.groups: dict[tuple[int, int], Any] = {}  # batches in the making

    def path(self) -> tuple[int, ...]:
        if self.parent is None or self.step is None:
            return ()
        return (*self.parent.path(), self.step.index)


    @property
    def nested(self) -> bool:
        return self.step is not None and self.step.nested is not None

    def put(self, position: int, rows: list[Any], final: bool) -> None:
        """Rows of an item, the last ones if `final`. Under the run's lock."""
        if self.results is not None:
            before = self.results[position]
            if before:
                before += rows
            else:
                self.results[position] = rows
            self.passed += final
            return
        if not self.in_order:
            self._up(rows)
            self.passed += final
            return
        if position != self.head:
            waiting = self.held.setdefault(position, [[], False])
            waiting[0] += rows
            waiting[1] = final
            self._hold(len(rows))
            return
        self._up(rows)
        while final:
            self.passed += 1
            self.head += 1
            rows, final = self.held.pop(self.head, ([], False))
            self._hold(-len(rows))
            self._up(rows)

    def _hold(self, rows: int) -> None:
        if not self.inside:
            self.run.held_back += rows

    def _is_next(self) -> bool:
        """Whether what its items give is what the stream gives next."""
        item = self.parent
        while item is not None:
            if item.position != item.scope.head:
                return False
            item = item.scope.parent
        return True

    def _up(self, rows: list[Any]) -> None:
        if not rows:
            return
        if self.parent is None:
            self.run.out.extend(rows)
        else:
            self.parent.scope.put(self.parent.position, rows, False)

    def state(self) -> int:
        """Whether it is through; says FAILED or COMPLETE only once. Under the run's lock."""
        if self.over:
            return OVER
        if self.failed is not None and not self.live:
            self.over = True
            return FAILED
        if self.failed is None and self.closed and self.passed == self.started:
            self.over = True
            return COMPLETE
        return OPEN

    def room(self) -> bool:
        """Whether another item may start. Under the run's lock."""
        run = self.run
        open_items = self.started - self.passed if self.results is None else len(self.live)
        if open_items >= self.window or self.inside:
            return open_items < self.window
        # A generator whose rows wait for those of earlier items must not fill the memory meanwhile.
        return len(run.out) < run.out_window and (run.held_back < run.out_window or self.parent is None or self._is_next())

    def kill_from(self, position: int, tasks: list[Any]) -> None:
        """Ends the items from `position` on; `tasks` collects the calls to cancel. Under the run's lock."""
        for other in [p for p in self.live if p >= position]:
            kill(self.live.pop(other), tasks)


def window_for(plan: Plan, window: int) -> int:
    """A window that holds two batches of whatever takes many items at once."""
    return max([window, *(2 * s.batch for s in plan.batched)])


def kill(item: Item, tasks: list[Any]) -> None:
    """Ends an item and all below it. Under the run's lock."""
    item.dead = True
    if item.plan.batched:
        drop_item(item)
    take_calls(item, tasks)


def take_calls(item: Item, tasks: list[Any]) -> None:
    """Ends what runs below an item; its own calls are the caller's to cancel. Under the run's lock."""
    for task in item.tasks:
        if isinstance(task, Scope):
            task.over = True
            task.kill_from(0, tasks)
        else:
            tasks.append(task)
    item.tasks = []
