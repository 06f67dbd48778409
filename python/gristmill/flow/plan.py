"""A graph made ready for given inputs and wanted outputs: steps on numbered slots, only those that are needed.

A generator divides the plan: the head is run once an item, the tail once for each value the generator gives. Flows used as nodes are laid out
flat among the others; those mapped over something stay a step with a plan of its own.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable

from ..errors import PlanError
from .graph import Element, Graph, Nested
from .node import Node
from .classify import FREE_THREADED, KINDS, LOOP, NATIVE, PROCESS, UNKNOWN, Stats

NOWHERE = -1
DONE = -1  # among the steps an item waits for: through
SENT = -2  # in a batch that is being computed


class Step:
    """A call: its arguments' slots, its results' slots, how many steps it waits for and which wait for it."""

    __slots__ = ("index", "node", "name", "call", "args", "names", "out", "spread", "needs", "feeds", "before", "nested", "plan", "stats", "form", "rules",
                 "guarded", "batch", "wants", "fixed", "constants", "many")

    def __init__(self, index: int, name: str, call: Callable[..., Any]) -> None:
        self.index, self.name, self.call = index, name, call
        self.node: Node[Any, Any] | None = None
        self.args: tuple[int, ...] = ()
        self.names: tuple[tuple[str, int], ...] = ()
        self.out = NOWHERE
        self.spread: tuple[int, ...] | None = None  # slots of several outputs
        self.before: set[int] = set()
        self.needs = 0
        self.feeds: tuple[int, ...] = ()
        self.nested: Nested | None = None
        self.plan: Plan | None = None
        self.wants: tuple[tuple[str, int], ...] = ()  # a nested map: inner input and slot
        self.stats = Stats()
        self.form = "sync"
        self.rules: Any = None
        self.guarded = False
        self.batch = 0
        self.constants: frozenset[int] = frozenset()  # slots whose values are the same for every item
        self.many: Step | None = None  # the form for many items, of a node that has two
        self.fixed = UNKNOWN  # the way its calls go whatever is measured


class Plan:
    """Steps with what is fixed already (`template`), where inputs go and where outputs are found."""

    def __init__(self) -> None:
        self.template: list[Any] = []
        self.inputs: dict[str, int] = {}
        self.outputs: tuple[tuple[str, int], ...] = ()
        self.steps: list[Step] = []
        self.waiting: list[int] = []
        self.first: list[Step] = []
        self.split: Step | None = None
        self.tail: Plan | None = None
        self.batched: list[Step] = []
        self.exploded: set[int] = set()  # slots of what a generator gives and of all that follows
        self.chain = False  # no two steps could run at one time
        self.plain = False  # nothing but calls of ordinary functions

    def names(self) -> Iterable[Step]:
        """All steps, the tail's and the nested ones too."""
        for step in self.steps:
            yield step
            if step.plan is not None:
                yield from step.plan.names()
        if self.tail is not None:
            yield from self.tail.names()


class _Layout:
    """Slots and steps while they are found."""

    def __init__(self) -> None:
        self.template: list[Any] = []
        self.steps: list[Step] = []
        self.maker: dict[int, int] = {}  # slot -> step
        self.missing: dict[str, list[str]] = {}
        self.constants: set[int] = set()

    def slot(self, value: Any = None) -> int:
        self.template.append(value)
        return len(self.template) - 1

    def lay(self, graph: Graph, known: dict[str, int], wanted: Iterable[str], prefix: str) -> None:
        """Adds the steps that `wanted` needs; their outputs go into `known`."""
        elements, asked = _needed(graph, known, wanted)
        for element in elements:
            if isinstance(element, Node):
                self._lay_node(element, known, prefix)
            elif element.map_over:
                self._lay_map(element, known, asked, prefix)
            else:
                self._lay_flat(element, known, asked, prefix)

    def _given(self, element: Element, known: dict[str, int], prefix: str, flat: bool = False) -> dict[str, int]:
        """Own parameter -> slot, of those that have a value. What a flat flow misses its own nodes tell."""
        out = {}
        for p in element.parameters:
            if p.name in element.bound:
                out[p.own] = self.slot(element.bound[p.name])
                self.constants.add(out[p.own])
            elif p.name in known:
                out[p.own] = known[p.name]
            elif p.required and not flat:
                self.missing.setdefault(p.name, []).append(prefix + element.name)
        return out

    def _add(self, step: Step, slots: Iterable[int]) -> None:
        step.before = {self.maker[s] for s in slots if s in self.maker}
        self.steps.append(step)

    def _lay_node(self, n: Node[Any, Any], known: dict[str, int], prefix: str) -> None:
        given = self._given(n, known, prefix)
        step = Step(len(self.steps), prefix + n.name, n.call)
        step.node, step.stats, step.form, step.rules, step.guarded = n, n.stats, n.form, n.rules, n.rules.guarded
        step.batch = n.rules.batch or 0
        args, names, gap = [], [], False
        for p in n.parameters:
            if p.own not in given:
                gap = True
            elif gap or p.by_keyword:
                names.append((p.own, given[p.own]))
            else:
                args.append(given[p.own])
        step.args, step.names = tuple(args), tuple(names)
        step.constants = frozenset(s for s in given.values() if s in self.constants)
        self._add(step, given.values())
        slots = []
        for output in n.outputs:
            slot = self.slot()
            slots.append(slot)
            self.maker[slot] = step.index
            known.setdefault(output, slot)  # what was given wins over what is made
        if n.several:
            step.spread = tuple(slots)
        else:
            step.out = slots[0]

    def _lay_flat(self, element: Nested, known: dict[str, int], asked: set[str], prefix: str) -> None:
        inner = self._given(element, known, prefix, flat=True)
        for name, value in element.flow.bound.items():
            if name not in inner:
                inner[name] = self.slot(value)
                self.constants.add(inner[name])
        pairs = [(i, o) for i, o in zip(element.inner_outputs, element.outputs) if o in asked and o not in known]
        self.lay(element.flow.graph, inner, [i for i, _ in pairs], prefix + element.name + ".")
        for i, o in pairs:
            if i in inner:
                known[o] = inner[i]

    def _lay_map(self, element: Nested, known: dict[str, int], asked: set[str], prefix: str) -> None:
        inner = self._given(element, known, prefix)
        if any(p.own in element.map_over and p.own not in inner for p in element.parameters):
            return  # told as missing
        step = Step(len(self.steps), prefix + element.name, element.flow.__call__)
        step.nested = element
        pairs = [(i, o) for i, o in zip(element.inner_outputs, element.outputs) if o in asked]
        step.plan = make_plan(element.flow.graph, element.flow.bound, frozenset(inner), tuple(i for i, _ in pairs), prefix + element.name + ".")
        step.wants = tuple(inner.items())
        step.args = tuple(inner.values())
        self._add(step, inner.values())
        slots = []
        for _, output in pairs:
            slot = self.slot()
            slots.append(slot)
            self.maker[slot] = step.index
            known.setdefault(output, slot)
        step.spread = tuple(slots)


def _needed(graph: Graph, known: Iterable[str], wanted: Iterable[str]) -> tuple[list[Element], set[str]]:
    """The elements somebody needs, in order, and the names asked for."""
    found: set[str] = set()
    asked: set[str] = set()
    ask = [n for n in wanted if n not in known]
    while ask:
        name = ask.pop()
        element = graph.producers.get(name)
        if name in asked or element is None:
            continue
        asked.add(name)
        if isinstance(element, Nested) and not element.map_over:
            wants = _inputs_for(element, name)
        elif element.name in found:
            continue
        else:
            wants = {p.name for p in element.parameters}
        found.add(element.name)
        ask += [n for n in wants if n not in known and n not in element.bound]
    return [e for e in graph.elements if e.name in found], asked


def _inputs_for(element: Nested, output: str) -> set[str]:
    """Which of its inputs an output of a flat flow needs, by their names outside."""
    inner = element.inner_outputs[element.outputs.index(output)]
    needed, _ = _needed(element.flow.graph, element.flow.bound, [inner])
    own = {p.name for e in needed for p in e.parameters}
    return {p.name for p in element.parameters if p.own in own}


def make_plan(graph: Graph, bound: dict[str, Any], given: frozenset[str], wanted: tuple[str, ...], prefix: str = "") -> Plan:
    """The plan for inputs with these names; PlanError if one is missing."""
    layout = _Layout()
    known = {name: layout.slot(value) for name, value in bound.items() if name not in given}
    layout.constants.update(known.values())
    inputs = {name: layout.slot() for name in sorted(given)}
    known.update(inputs)
    layout.lay(graph, known, wanted, prefix)
    if layout.missing:
        parts = [f"{name!r} (for {', '.join(repr(n) for n in nodes)})" for name, nodes in layout.missing.items()]
        raise PlanError(f"missing input{'s' if len(parts) > 1 else ''} {', '.join(parts)}")
    plan = _finish(layout.steps, layout.template, tuple((name, known[name]) for name in wanted))
    plan.inputs = inputs
    return plan


def _finish(steps: list[Step], template: list[Any], outputs: tuple[tuple[str, int], ...]) -> Plan:
    """Divides at the first generator, and counts who waits for whom."""
    plan = Plan()
    plan.template, plan.outputs = template, outputs
    split = next((s for s in steps if "generator" in s.form), None)
    if split is not None:
        below: set[int] = set()
        for s in steps:
            if s.before & below or ("generator" in s.form):
                below.add(s.index)
        head = [s for s in steps if s.index not in below]
        plan.tail = _finish([s for s in steps if s.index in below and s is not split], template, outputs)
        split.before = {s.index for s in head}  # an item is divided when the rest of it is sure
        steps = [*head, split]
        plan.split = split
    own = {s.index: n for n, s in enumerate(steps)}
    copies = [_placed(s, n, own) for n, s in enumerate(steps)]
    if split is not None:
        plan.split = copies[-1]
    plan.steps = copies
    plan.batched = [s for s in copies if s.batch]
    if split is not None:
        plan.exploded = {slot for s in [split, *steps_of(plan.tail)] for slot in (s.spread or (s.out,))}
    plan.waiting = [s.needs for s in copies]
    plan.first = [s for s in copies if not s.needs]
    plan.chain = all(n == 0 or n - 1 in s.before for n, s in enumerate(copies))
    plan.plain = split is None and all(s.node is not None and s.form == "sync" and not s.guarded and not s.batch for s in copies)
    feeds: dict[int, list[int]] = {}
    for s in copies:
        for b in s.before:
            feeds.setdefault(b, []).append(s.index)
    for s in copies:
        s.feeds = tuple(feeds.get(s.index, ()))
    return plan


def steps_of(plan: Plan | None) -> list[Step]:
    """The steps of a plan and of the parts behind its generators."""
    return [] if plan is None else [*plan.steps, *steps_of(plan.tail)]


def _placed(step: Step, index: int, own: dict[int, int]) -> Step:
    """The step with numbers of the part it is in; what earlier parts made is there already."""
    out = Step(index, step.name, step.call)
    for name in _CARRIED:
        setattr(out, name, getattr(step, name))
    out.before = {own[b] for b in step.before if b in own}
    out.needs = len(out.before)
    out.fixed = _fixed(out)
    if out.batch and out.rules.batch_form is not None:
        out.many = Step(index, step.name, out.rules.batch_form)
        for name in _CARRIED:
            setattr(out.many, name, getattr(out, name))
        out.many.stats = out.node.many_stats if out.node is not None else Stats()
    return out


_CARRIED = ("node", "args", "names", "out", "spread", "nested", "plan", "wants", "stats", "form", "rules", "guarded", "batch", "constants")


BATCHED, NESTED, GUARDED, SPLIT = 6, 7, 8, 9  # ways of their own, beside those of classify


def _fixed(step: Step) -> int:
    if step.nested is not None:
        return NESTED
    if "generator" in step.form:
        return SPLIT
    if step.batch:
        return BATCHED
    if step.guarded:
        return GUARDED
    if step.form == "async":
        return LOOP
    pinned = KINDS.get(step.rules.kind, UNKNOWN)
    return NATIVE if pinned == PROCESS and FREE_THREADED else pinned
