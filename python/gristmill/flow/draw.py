"""The graph as SVG: inputs on the left, each node to the right of what it needs."""

from __future__ import annotations

from html import escape

from .classify import reason
from .graph import Element, Graph
from .node import Node

_WIDE, _HIGH, _GAP_X, _GAP_Y = 170, 40, 60, 18
_FILL = {"async": "#d7e8f5", "blocking": "#f7e6c6", "native": "#e6dcf3", "cpu": "#f3d6d4", "inline": "#ececec"}


def _columns(graph: Graph) -> list[list[str]]:
    """Keys of boxes by distance from the inputs."""
    column: dict[str, int] = {f"in:{p.name}": 0 for p in graph.inputs}
    for element in graph.elements:
        column[element.name] = 1 + max((column[n.name] for n in graph.needs(element)), default=0)
    out: list[list[str]] = [[] for _ in range(1 + max(column.values()))]
    for key, at in column.items():
        out[at].append(key)
    return out


def _box(x: int, y: int, title: str, below: str, fill: str, round_: int, about: str) -> str:
    return (f'<g><title>{escape(about)}</title><rect x="{x}" y="{y}" width="{_WIDE}" height="{_HIGH}" rx="{round_}" fill="{fill}" stroke="#555"/>'
            f'<text x="{x + _WIDE // 2}" y="{y + 17}" text-anchor="middle">{escape(title[:26])}</text>'
            f'<text x="{x + _WIDE // 2}" y="{y + 31}" text-anchor="middle" fill="#555" font-size="10">{escape(below[:30])}</text></g>')


def _element(element: Element, x: int, y: int) -> str:
    if isinstance(element, Node):
        way, why = reason(element.stats, element.form, element.rules.kind)
        return _box(x, y, element.name, "-> " + ", ".join(element.outputs), _FILL.get(way, "#fff"), 6, f"{way}: {why}")
    below = f"for each {', '.join(element.map_over)}" if element.map_over else "a flow"
    return _box(x, y, element.name, below, "#fff", 6, repr(element.flow))


def _line(start: tuple[int, int], end: tuple[int, int]) -> str:
    (a, b), (c, d) = (start[0] + _WIDE, start[1] + _HIGH // 2), (end[0], end[1] + _HIGH // 2)
    middle = (a + c) // 2
    return f'<path d="M{a},{b} C{middle},{b} {middle},{d} {c},{d}" fill="none" stroke="#888" marker-end="url(#end)"/>'


def graph_svg(graph: Graph) -> str:
    columns = _columns(graph)
    place = {key: (20 + at * (_WIDE + _GAP_X), 20 + row * (_HIGH + _GAP_Y)) for at, keys in enumerate(columns) for row, key in enumerate(keys)}
    width, height = 40 + len(columns) * (_WIDE + _GAP_X) - _GAP_X, 40 + max(len(c) for c in columns) * (_HIGH + _GAP_Y) - _GAP_Y
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">'
             '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
             '<path d="M0,0 L8,4 L0,8 z" fill="#888"/></marker></defs>']
    for element in graph.elements:
        sources = {n.name for n in graph.needs(element)}
        sources |= {f"in:{p.name}" for p in element.parameters if p.name not in graph.producers and p.name not in element.bound}
        parts += [_line(place[s], place[element.name]) for s in sorted(sources)]
    for p in graph.inputs:
        parts.append(_box(*place[f"in:{p.name}"], p.name, "input" if p.required else "input, has a default", "#fff", 20, p.name))
    parts += [_element(e, *place[e.name]) for e in graph.elements]
    return "".join(parts) + "</svg>"
