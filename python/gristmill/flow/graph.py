"""Nodes joined by the names of their parameters: who needs whom, in which order, and what is wrong before anything runs.

Order: again and again the first listed node whose needs are met. It decides nothing but which of several failures of an item is told.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Iterable, Mapping, Sequence

from ..errors import PlanError
from .failures import FlowTypeError
from .node import Node, Parameter, node

if TYPE_CHECKING:
    from .flow import Flow


class Nested:
    """A flow as a node of another one. Without `map_over` its nodes become nodes of the outer graph; with it, it is run for many items."""

    def __init__(self, flow: "Flow", input_mapping: Mapping[str, str], output_mapping: Mapping[str, str], map_over: tuple[str, ...], mode: str, name: str) -> None:
        self.flow, self.name, self.map_over, self.mode = flow, name, map_over, mode
        self.input_mapping, self.output_mapping = dict(input_mapping), dict(output_mapping)
        inner = flow.graph
        taken = {p.name: p for p in inner.inputs}
        for own in (*self.input_mapping, *map_over):
            if own not in taken:
                raise FlowTypeError(f"{self!r} has no input {own!r}{_near(own, taken)}")
        for own in self.output_mapping:
            if own not in inner.producers:
                raise FlowTypeError(f"{self!r} has no output {own!r}{_near(own, inner.producers)}")
        self.parameters = tuple(Parameter(self.input_mapping.get(p.name, p.name), p.name, p.required or p.name in map_over, False) for p in inner.inputs)
        self.inner_outputs = tuple(self.output_mapping or inner.outputs)
        self.outputs = tuple(self.output_mapping.get(o, o) for o in self.inner_outputs)
        self.bound: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<flow {self.name}>"


Element = Node[Any, Any] | Nested


def _near(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(names) or 'none'}"


class Graph:
    """Elements in order; the names they give (`producers`) and those nobody gives (`inputs`)."""

    def __init__(self, nodes: Sequence[Any]) -> None:
        self.elements: list[Element] = [n if isinstance(n, (Node, Nested)) else n.as_node() if hasattr(n, "as_node") else node(n) for n in nodes]
        if not self.elements:
            raise FlowTypeError("a flow needs at least one node")
        self.producers: dict[str, Element] = {}
        self._check_names()
        self.elements = self._ordered()
        self.outputs: tuple[str, ...] = tuple(o for e in self.elements for o in e.outputs)
        self.inputs: tuple[Parameter, ...] = self._inputs()

    def _check_names(self) -> None:
        seen: dict[str, Element] = {}
        for element in self.elements:
            for output in element.outputs:
                if output in self.producers:
                    raise PlanError(f"two nodes give {output!r}: {self.producers[output].name!r} and {element.name!r}; rename one by output_name=")
                self.producers[output] = element
            if element.name in seen:
                raise PlanError(f"two nodes are called {element.name!r}; rename one by name=")
            seen[element.name] = element

    def needs(self, element: Element) -> list[Element]:
        """The elements whose outputs it takes."""
        return [self.producers[p.name] for p in element.parameters if p.name in self.producers and p.name not in element.bound]

    def _ordered(self) -> list[Element]:
        left, done, out = list(self.elements), set[str](), list[Element]()
        waiting = {e.name: {n.name for n in self.needs(e)} for e in left}
        while left:
            found = next((e for e in left if waiting[e.name] <= done), None)
            if found is None:
                raise PlanError(f"the nodes form a cycle: {self._cycle(left)}")
            left.remove(found)
            done.add(found.name)
            out.append(found)
        return out

    def _cycle(self, left: list[Element]) -> str:
        stuck = {e.name for e in left}
        at, path = left[0], list[str]()
        while at.name not in path:
            path.append(at.name)
            at = next(n for n in self.needs(at) if n.name in stuck)
        path = path[path.index(at.name):][::-1]
        return " -> ".join([*path, path[0]])

    def _inputs(self) -> tuple[Parameter, ...]:
        found: dict[str, Parameter] = {}
        for element in self.elements:
            for p in element.parameters:
                if p.name in self.producers or p.name in element.bound:
                    continue
                before = found.get(p.name)
                found[p.name] = Parameter(p.name, p.name, p.required or (before is not None and before.required), False)
        return tuple(found.values())

    def check_given(self, given: Iterable[str]) -> None:
        known = {p.name for e in self.elements for p in e.parameters} | set(self.producers)
        for name in given:
            if name not in known:
                raise PlanError(f"no node takes {name!r}{_near(name, [p.name for p in self.inputs])}")

    def check_wanted(self, wanted: Iterable[str], given: Iterable[str]) -> None:
        for name in wanted:
            if name not in self.producers and name not in given:
                raise PlanError(f"no node gives {name!r}{_near(name, self.outputs)}")
