"""A step's function called, and its several results taken apart."""

from __future__ import annotations

from typing import Any

from .classify import timed
from .plan import Step


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
