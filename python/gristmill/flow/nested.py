"""A flow mapped inside a flow: its items go through the same scheduler as everybody's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .items import Item, Scope, window_for
from .mapping import Mapped, as_list
from .plan import Step

if TYPE_CHECKING:
    from .state import RunState

_WINDOW = 1_024
_NOBODY = 0


def start_map(run: "RunState", item: Item, step: Step) -> None:
    nested, plan = step.nested, step.plan
    assert nested is not None and plan is not None
    given = {name: item.values[slot] for name, slot in step.wants}
    base = plan.template.copy()
    for name, value in given.items():
        base[plan.inputs[name]] = value
    try:
        columns = [as_list(name, given[name]) for name in nested.map_over]
        mapped = Mapped(nested.map_over, [plan.inputs[name] for name in nested.map_over], columns, nested.mode)
    except BaseException as e:  # noqa: BLE001 - what was to be mapped is somebody's value
        run.step_failed(item, step, e)
        return
    scope = Scope(run, item, step, plan, base, mapped, window_for(plan, _WINDOW))
    scope.results = [None] * mapped.total
    with run.lock:
        if item.dead:
            return
        item.tasks.append(scope)
    run.tell("map_start", item, step)
    run.pump(scope, _NOBODY)
