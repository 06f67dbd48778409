"""Rows of a column through a function that waits: what udf() runs for async functions and for nodes.

The rows of a batch are the items of a flow of one node, so all rules of the node hold; the result is in the order of the rows, and the failure
told is that of the first row that fails.
"""

from __future__ import annotations

import inspect
from typing import Any, Callable, Sequence

from . import pools
from .drive import wait
from .failures import FlowTypeError
from .flow import Flow
from .mapping import Mapped
from .node import Node, Rules
from .run import Run
from .state import Settings
from .stateful import Built


def row_flow(fn: Any) -> Flow:
    """A flow whose input `row` holds the arguments of a call."""
    given: Callable[..., Any] = fn.fn if isinstance(fn, Node) else fn
    rules = fn.rules if isinstance(fn, Node) else Rules()
    form = fn.form if isinstance(fn, Node) else "async"
    if rules.batch or "generator" in form:
        raise FlowTypeError("a node in an expression gives one value for each row: no generator or batch")
    name = getattr(given, "__name__", "udf")
    called = Built(given) if inspect.isclass(given) else given
    call: Callable[..., Any]
    if form == "async":
        async def call(row: tuple[Any, ...]) -> Any:
            return await called(*row)
    else:
        def call(row: tuple[Any, ...]) -> Any:
            return called(*row)
    return Flow([Node(call, ("value",), False, name, {}, {}, rules)])


def rows_through(flow: Flow, columns: Sequence[Sequence[Any]], rows: int) -> tuple[list[Any], int, BaseException | None]:
    """The results of the rows; or what the first failing one raised, and its number."""
    plan = flow.plan(frozenset(["row"]), ("value",))
    mapped = Mapped(("row",), [plan.inputs["row"]], [list(zip(*columns)) if columns else [()] * rows], "zip")
    run = Run(plan, plan.template.copy(), mapped, Settings(errors="ordered", names=("row",), cache=flow.cache), pools.loop)
    wait(run)
    if run.broken is not None:
        return [], 0, run.broken
    if run.failures:
        failure = min(run.failures, key=lambda f: f.path)
        return [], failure.item, failure.error
    return [found[0]["value"] for found in run.root.results or []], 0, None
