"""What can go wrong in a flow besides the user's own exceptions, which are raised as they are."""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field
from typing import Any

from ..errors import GristmillError, PlanError
from ..errors import TimeoutError as QueryTimeout


class CallTimeout(QueryTimeout, builtins.TimeoutError):
    """A call of a node took longer than its `timeout`; `except TimeoutError` catches it as well."""


class WorkerCrashed(GristmillError):
    """The process that ran a call ended in the middle of it, and so did the one that tried again."""


class FlowTypeError(PlanError, TypeError):
    """A node or flow was described in a way that cannot be run."""


@dataclass(frozen=True)
class Failure:
    """Why an item has no result: what `errors="return"` puts in its place and what dead letters hold.

    item: the number of the input item, from 0. path: the same, followed by step and number for each split (a generator) or nested map on
    the way. node: who raised. attempts: how often it was called. inputs: the mapped inputs of the item.
    """

    item: int
    node: str
    error: BaseException
    attempts: int = 1
    inputs: dict[str, Any] = field(default_factory=dict)
    path: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"item {self.item}, node {self.node!r}: {type(self.error).__name__}: {self.error}"


_SHOWN = 80


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a broken repr must not hide the error
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def with_place(failure: Failure, mapped: bool) -> BaseException:
    """The user's exception with a note that says where it came from (once, however often it travels)."""
    error = failure.error
    where = f"in node {failure.node!r}"
    if mapped:
        where += f" of item {failure.item}"
        if failure.inputs:
            where += " (" + ", ".join(f"{k}={_short(v)}" for k, v in failure.inputs.items()) + ")"
    if failure.attempts > 1:
        where += f", after {failure.attempts} calls"
    if not any(n.startswith("in node ") for n in getattr(error, "__notes__", ())):
        error.add_note(where)
    return error
