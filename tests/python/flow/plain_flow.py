"""What a flow means, in as few lines as possible: one item after the other, one call after the other. The flows of the package must agree."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Callable


@dataclass
class Plain:
    """A function `fn` of `params`; a generator if `many`; or a flow (`inner`) with names mapped, run for each of `over` if that is said."""

    name: str
    params: list[str]
    outputs: list[str]
    fn: Callable[..., Any] | None = None
    many: bool = False
    inner: list["Plain"] | None = None
    renamed: dict[str, str] = field(default_factory=dict)  # input inside -> outside
    over: list[str] = field(default_factory=list)
    mode: str = "zip"


@dataclass
class Failed:
    node: str
    error: BaseException


def ordered(nodes: list[Plain]) -> list[Plain]:
    """Again and again the first whose parameters are there; a flow that is not mapped stands for its nodes."""
    left, have, out = list(nodes), set(), []
    names = {o for n in nodes for o in n.outputs}
    while left:
        n = next(n for n in left if all(p in have or p not in names for p in n.params))
        left.remove(n)
        have |= set(n.outputs)
        if n.inner is None or n.over:
            out.append(n)
        else:
            out += [replace(m, params=[n.renamed.get(p, p) for p in m.params], renamed={k: n.renamed.get(v, v) for k, v in m.renamed.items()})
                    for m in ordered(n.inner)]
    return out


def needed(nodes: list[Plain], wanted: set[str]) -> list[Plain]:
    """The calls that are made, in order: what depends on no generator comes before it."""
    out, asked = [], set(wanted)
    for n in reversed(ordered(nodes)):
        if asked & set(n.outputs):
            out.insert(0, replace(n, outputs=[o for o in n.outputs if o in asked]) if n.inner else n)
            asked |= set(n.params)
    return generators_late(out)


def generators_late(nodes: list[Plain]) -> list[Plain]:
    first = next((n for n in nodes if n.many), None)
    if first is None:
        return nodes
    below, head, tail = set(), [], []
    for n in nodes:
        late = n.many or bool(below & set(n.params))
        below |= set(n.outputs) if late else set()
        (tail if late else head).append(n)
    tail.remove(first)
    return [*head, first, *generators_late(tail)]


def rows(steps: list[Plain], env: dict, errors: str) -> list:
    """The environments an item ends in, or what failed; errors="raise" raises it."""
    if not steps:
        return [env]
    n, rest, prefix = steps[0], steps[1:], []
    try:
        if n.inner is not None:
            return rows(rest, {**env, **each(n, env)}, errors)
        args = [env[p] for p in n.params]
        if n.many:
            for value in n.fn(*args):
                prefix += rows(rest, {**env, n.outputs[0]: value}, errors)
            return prefix
        value = n.fn(*args)
        made = dict(zip(n.outputs, value)) if len(n.outputs) > 1 else {n.outputs[0]: value}
    except Exception as e:
        if errors == "raise":
            raise
        return [*prefix, Failed(n.name, e)]
    return rows(rest, {**env, **made}, errors)


def each(n: Plain, env: dict) -> dict:
    """A flow mapped inside: lists of what its items give."""
    inner = {own: env[outer] for own, outer in n.renamed.items()}
    wanted = set(n.outputs)
    found = [r for item in items(n.over, n.mode, inner) for r in rows(needed(n.inner, wanted), {**inner, **item}, "raise")]
    return {o: [r[o] for r in found] for o in n.outputs}


def items(over: list[str], mode: str, inputs: dict) -> list[dict]:
    columns = [list(inputs[name]) for name in over]
    return [dict(zip(over, values)) for values in (product(*columns) if mode == "product" else zip(*columns))]


def plain_map(nodes: list[Plain], inputs: dict, over: list[str], mode: str, wanted: list[str], errors: str) -> list:
    steps = needed(nodes, set(wanted))
    out = []
    for item in items(over, mode, inputs):
        out += [r if isinstance(r, Failed) else {w: r[w] for w in wanted} for r in rows(steps, {**inputs, **item}, errors)]
    return out
