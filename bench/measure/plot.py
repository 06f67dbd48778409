"""A curve as an SVG that reads well on light and dark grounds, without a plotting library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 320, 64, 20, 44, 52
_STYLE = """text{font:12px system-ui,sans-serif;fill:#444}.t{font-size:14px;font-weight:600}.g{stroke:#ddd}.c{fill:none;stroke:#2f6fde;stroke-width:2}
.d{fill:#2f6fde}.c.o{stroke:#d9822b}.d.o{fill:#d9822b}@media(prefers-color-scheme:dark){text{fill:#bbb}.g{stroke:#3a3f45}.c{stroke:#6ea4ff}.d{fill:#6ea4ff}}"""


def _round_top(most: float) -> float:
    power = 10 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if step * power >= most * (1 - 1e-12))


def curve(path: Path, title: str, x_title: str, y_title: str, points: Sequence[tuple[float, float]]) -> None:
    """`points` by rising, positive x, on a logarithmic axis with a label at each point; the other axis begins at 0."""
    curves(path, title, y_title, x_title, {"": points})


def curves(path: Path, title: str, y_title: str, x_title: str, named: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """As curve(), several with their names at their ends; all have the same x."""
    first = next(iter(named.values()))
    low, high = math.log2(first[0][0]), math.log2(first[-1][0])
    top = _round_top(max(y for points in named.values() for _, y in points))

    def x(v: float) -> float:
        return _LEFT + (math.log2(v) - low) / ((high - low) or 1) * (_WIDTH - _LEFT - _RIGHT)

    def y(v: float) -> float:
        return _HEIGHT - _BOTTOM - v / top * (_HEIGHT - _TOP - _BOTTOM)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"><title>{title}</title><style>{_STYLE}</style>',
           f'<text class="t" x="{_LEFT}" y="20">{title}</text><text x="{_LEFT}" y="37">{y_title}</text>',
           f'<text x="{(_WIDTH + _LEFT) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">{x_title}</text>']
    for i in range(5):
        v = top * i / 4
        out.append(f'<line class="g" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
                   f'<text x="{_LEFT - 8}" y="{y(v) + 4:.1f}" text-anchor="end">{v:.3g}</text>')
    for a, _ in first:
        out.append(f'<text x="{x(a):.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{a:g}</text>')
    for n, (name, points) in enumerate(named.items()):
        other = " o" if n else ""
        out.append(f'<polyline class="c{other}" points="' + " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points) + '"/>')
        for a, b in points:
            out.append(f'<circle class="d{other}" cx="{x(a):.1f}" cy="{y(b):.1f}" r="3.5"><title>{a:g}: {b:.3g}</title></circle>')
        if name:
            middle, height = points[len(points) // 2 + n]
            out.append(f'<text x="{x(middle) - 8:.1f}" y="{y(height) - 8:.1f}" text-anchor="end">{name}</text>')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*out, "</svg>"]) + "\n")
