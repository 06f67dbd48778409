"""What ran when: the calls of a run with their begin and end, as numbers and as a drawing."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, Iterator

_COLOURS = {"inline": "#8a8a8a", "async": "#2a7ab9", "blocking": "#c98a1b", "native": "#7a4fb5", "cpu": "#b5423c"}
_LANE, _WIDTH, _LEFT = 14, 900, 150


@dataclass(frozen=True)
class Span:
    """A call: its node and item, the way it went, the thread or process feeder, seconds since the first call began."""

    node: str
    item: tuple[int, ...]
    way: str
    thread: str
    start: float
    end: float


class Timeline:
    """The spans of a run in order of their begin; to_svg() draws a lane per thread, and as many lanes for coroutines as were open."""

    def __init__(self, raw: list[tuple[Any, ...]]) -> None:
        first = min((r[4] for r in raw), default=0.0)
        self.spans = sorted((Span(n, i, w, t, a - first, b - first) for n, i, w, t, a, b in raw), key=lambda s: (s.start, s.end))

    def __iter__(self) -> Iterator[Span]:
        return iter(self.spans)

    def __len__(self) -> int:
        return len(self.spans)

    @property
    def seconds(self) -> float:
        return max((s.end for s in self.spans), default=0.0)

    def lanes(self) -> list[tuple[str, list[Span]]]:
        """Spans that do not overlap, side by side."""
        out: list[tuple[str, list[Span]]] = []
        for span in self.spans:
            for name, lane in out:
                if name == span.thread and lane[-1].end <= span.start:
                    lane.append(span)
                    break
            else:
                out.append((span.thread, [span]))
        return sorted(out, key=lambda lane: (lane[0], lane[1][0].start))

    def to_svg(self) -> str:
        lanes, scale = self.lanes(), _WIDTH / max(self.seconds, 1e-9)
        height = _LANE * len(lanes) + 30
        parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 20}" height="{height}" font-family="sans-serif" font-size="10">']
        for row, (name, lane) in enumerate(lanes):
            parts.append(f'<text x="4" y="{row * _LANE + 11}">{escape(name[:24])}</text>')
            for span in lane:
                width = max(1.0, (span.end - span.start) * scale)
                about = f"{span.node} {'.'.join(map(str, span.item))}: {(span.end - span.start) * 1e3:.2f} ms, {span.way}"
                parts.append(f'<rect x="{_LEFT + span.start * scale:.1f}" y="{row * _LANE + 2}" width="{width:.1f}" height="{_LANE - 3}" '
                             f'fill="{_COLOURS.get(span.way, "#555")}"><title>{escape(about)}</title></rect>')
        parts.append(f'<text x="{_LEFT}" y="{height - 8}">0</text><text x="{_LEFT + _WIDTH - 40}" y="{height - 8}">{self.seconds * 1e3:.1f} ms</text></svg>')
        return "".join(parts)

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def __repr__(self) -> str:
        return f"<Timeline of {len(self)} calls in {self.seconds * 1e3:.1f} ms>"
