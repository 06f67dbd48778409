"""What follows when a call fails for good, by the run's rule for errors; and how a run is ended."""

from __future__ import annotations

import asyncio
from typing import Any

from . import pools
from .failures import Failure
from .items import Item, Scope, kill, take_calls
from .plan import DONE, Step
from .processes import Job
from .state import RunState

_LAST_WORDS = 0.1  # seconds for a call in another process before that is ended


class Faults(RunState):
    def step_failed(self, item: Item, step: Step, error: BaseException, attempts: int = 1, quiet: bool = False) -> None:
        """A step will give no result. The item fails with the smallest such step, once no smaller one can still fail. quiet: see settle()."""
        if item.dead or self.over:
            return
        failure = self.failure_of(item, step, error, attempts)
        if failure is None:
            return
        self.fail_at(item, step, failure, quiet)

    def fail_at(self, item: Item, step: Step, failure: Failure, quiet: bool = False) -> None:
        """The step's failure is the item's, unless a smaller step failed or still may."""
        with self.lock:
            if item.dead:
                return
            item.waiting[step.index] = DONE
            if item.failed is None or step.index < item.failed[0]:
                item.failed = (step.index, failure)
            if not item.settled_before_failure():
                return
        self.item_failed(item, quiet)

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

    def item_failed(self, item: Item, quiet: bool = False) -> None:
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
                take_calls(item, tasks)
            self.cancel_calls(tasks)
            self.settle(item, rows, quiet)
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
                # nobody is started any more: batches that wait for later items have all they will get
                self.full_batches += [g for g in list(scope.groups.values()) if g.close(scope.started)]
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
        self.fail_at(parent, step, failure)

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
            self.cancelled.update(on_loop)
            self.home.soon(self._cancel_on_loop, on_loop)

    def _cancel_on_loop(self, tasks: list[Any]) -> None:
        for task in tasks:
            task.add_done_callback(self.cancelled.discard)
            task.cancel()
