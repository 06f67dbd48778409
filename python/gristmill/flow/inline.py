"""Items one after the other on the caller's thread, as a plain loop would: the way of functions that take less than a hand-over.

Functions nobody knows begin here too, watched from outside: if one stalls because it waits, the items not yet begun go to threads while it is
still waiting. Once all are known to be trivial nothing is measured but the time of an item; one that is late ends the trust.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from . import pools
from .classify import ENOUGH, INLINE, KINDS, PROCESS, STALL, THREAD, UNKNOWN
from .failures import Failure
from .items import Item
from .step_calls import measured, several
from .walk import ThreadWalks, suits_threads
from .watch import Probe

if TYPE_CHECKING:
    from .run import Run


def suits(run: "Run") -> bool:
    """Whether the caller may begin by itself."""
    plan = run.plan
    if not plan.plain or run.listeners or run.spans is not None:
        return False
    known = True
    for step in plan.steps:
        kind = KINDS.get(step.rules.kind or "", UNKNOWN) or step.stats.kind()
        if kind == UNKNOWN:
            known = False
        elif kind != INLINE and not (kind == PROCESS and not step.rules.kind and run.place(step, 10) == INLINE):
            return False
    return known or plan.chain


def run_inline(run: "Run") -> bool:
    """Runs items until all are through, or until the rest is better run otherwise; run.root says how far it came. Whether nobody else saw the run."""
    plan, alone = run.plan, True
    while run.root.started < _total(run) and not run.over:
        if any(s.stats.samples < ENOUGH and s.rules.kind != "inline" for s in plan.steps):
            alone = False  # the watcher may still look
            if not _learn(run):
                break
        elif not suits(run) or not _trusting(run):
            break
    return alone


def _total(run: "Run") -> int:
    mapped = run.root.mapped
    assert mapped is not None
    total: int = mapped.total
    return total


def _trusting(run: "Run") -> bool:
    """A plain loop. False: an item was late, or failed where failures end the run.

    Single outputs become rows after the loop: dicts made between the calls cost 80 us of cache for 100 calls of 15 us.
    """
    plan, root, mapped = run.plan, run.root, run.root.mapped
    assert mapped is not None and root.results is not None
    steps = [(s.call if s.out >= 0 and not s.names else None, s.args[0] if len(s.args) == 1 else -1, s.args, s.out, s) for s in plan.steps]
    outputs, results, base, total = plan.outputs, root.results, root.base, mapped.total
    name, slot = outputs[0] if len(outputs) == 1 else ("", -1)
    column, into = (mapped.columns[0], mapped.slots[0]) if len(mapped.slots) == 1 else ((), -1)
    clock = time.perf_counter
    most = max(STALL, 8 * sum(s.stats.wall for s in plan.steps))
    position = first = root.started
    found: list[Any] = []  # of the items from `first` on
    began = clock()
    try:
        while position < total:
            values = base.copy()
            if into >= 0:
                values[into] = column[position]
            else:
                mapped.fill(values, position)
            try:
                for call, arg, args, out, step in steps:
                    if call is None:
                        _one(run, step, values)
                    elif arg >= 0:
                        values[out] = call(values[arg])
                    else:
                        values[out] = call(*[values[a] for a in args])
            except BaseException as e:  # noqa: BLE001 - the rules of the run decide
                if not _failed(run, values, position, step, e):
                    return False
                results[first:position] = _rows(name, found)
                found, first = [], position + 1
            else:
                found.append(values[slot] if slot >= 0 else ({n: values[s] for n, s in outputs},))
            position += 1
            now = clock()
            if now - began > most:
                for s in plan.steps:
                    s.stats.surprise()
                return True
            began = now
    finally:
        results[first:first + len(found)] = _rows(name, found)
        for s in plan.steps:
            s.stats.calls += position - root.started
        root.started = root.passed = position
    return True


def _rows(name: str, found: list[Any]) -> list[Any]:
    """The rows of each item, where single outputs have not become rows yet."""
    return [({name: value},) for value in found] if name else found


def _one(run: "Run", step: Any, values: list[Any]) -> None:
    value = step.call(*[values[a] for a in step.args], **{n: values[s] for n, s in step.names})
    if step.spread is None:
        values[step.out] = value
    else:
        for slot, part in zip(step.spread, several(step, value)):
            values[slot] = part


def _failed(run: "Run", values: list[Any], position: int, step: Any, error: BaseException) -> bool:
    """Whether the run goes on."""
    inputs = {n: values[run.plan.inputs[n]] for n in run.settings.names}
    failure = Failure(position, step.name, error, 1, inputs, (position, step.index))
    root = run.root
    assert root.results is not None
    if run.errors in ("fail", "ordered") or not isinstance(error, Exception):
        run.failures.append(failure)
        run.over = True
        return False
    run.counts["failed"] += 1
    if run.errors == "dead_letter" and run.settings.dead_letter is not None:
        run.settings.dead_letter(failure)
    root.results[position] = [failure] if run.errors == "return" else []
    return True


class _Handed:
    """Whether the watcher has given the rest away."""

    def __init__(self) -> None:
        self.over = False


def _learn(run: "Run") -> bool:
    """Items with every call measured and watched. False: the rest is no longer ours."""
    plan, root, mapped = run.plan, run.root, run.root.mapped
    assert mapped is not None
    handed = _Handed()
    probe = Probe(lambda mark, kind: _stalled(run, handed, mark, kind))
    pools.watch().look_at(probe)
    try:
        for _ in range(ENOUGH):
            with run.lock:
                if run.over or handed.over or root.started >= mapped.total:
                    break
                position = root.started
                root.started += 1
                values = root.base.copy()
                mapped.fill(values, position)
                item = Item(plan, values, root, position)
                root.live[position] = item
                if not run.settings.mapped:
                    run.single = item
            _watched(run, item, probe)
            if any(s.stats.kind() not in (INLINE, UNKNOWN) and s.rules.kind != "inline" for s in plan.steps) and not suits(run):
                return False
    finally:
        probe.mark = None
    return not handed.over


def _watched(run: "Run", item: Item, probe: Probe) -> None:
    step = item.plan.steps[0] if item.plan.steps else None
    try:
        for step in item.plan.steps:
            if item.dead:
                return
            probe.mark = mark = [step]  # a new object for each call
            value = measured(step, item.values)
            if step.spread is None:
                item.values[step.out] = value
            else:
                for slot, part in zip(step.spread, several(step, value)):
                    item.values[slot] = part
            del mark
    except BaseException as e:  # noqa: BLE001 - the rules of the run decide
        assert step is not None
        for earlier in item.plan.steps[: step.index]:
            item.waiting[earlier.index] = -1
        run.step_failed(item, step, e, quiet=True)  # the next item is ours as well
        return
    item.left = 0
    run.settle(item, [item.row()], quiet=True)


def _stalled(run: "Run", handed: _Handed, mark: Any, kind: int) -> None:
    """On the watcher's thread. Who waits loses the other items to threads; who computes keeps them until it is known how long it takes."""
    step = mark[0]
    step.stats.verdict = kind
    if kind == THREAD and not step.rules.kind:
        handed.over = True
        pools.threads().submit(run.settings.context.copy().run, _take_over, run)


def _take_over(run: "Run") -> None:
    try:
        if suits_threads(run):
            ThreadWalks(run).begin()
        else:
            run.pump(run.root, 0)
    except BaseException as e:  # noqa: BLE001 - our own mistake must not hang the caller
        run.abort(e)
