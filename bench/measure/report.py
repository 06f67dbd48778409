"""Reports as Markdown and JSON, and whether the gates hold."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import machine
from .row import Row

RESULTS = Path(__file__).resolve().parents[1] / "results"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |" for row in rows])


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g}" if seconds < 1 else f"{seconds * 1e3:.0f}"


def _others(row: Row) -> str:
    parts = [f"{who} {_ms(s)}" for who, s in sorted(row.medians.items(), key=lambda item: item[1]) if who != row.peer and not who.startswith("gristmill")]
    return ", ".join(parts)


def line(row: Row) -> list[object]:
    if row.ratio is None:
        state = next((why.split(":")[0] for who, why in row.problems.items() if who.startswith("gristmill")), "no peer")
        return [row.name, state, "", row.peer, "", "", "", _others(row)]
    return [row.name, f"{row.ratio:.2f}" + ("" if row.good else " !"), f"{min(row.ratios):.2f}..{max(row.ratios):.2f}", row.peer, _ms(row.ours_s), _ms(row.peer_s),
            f"{row.ours_mib:.0f} / {row.peer_mib:.0f}", _others(row)]


HEAD = ("row", "ours / peer", "spread", "fastest peer", "ours ms", "peer ms", "peak MiB", "others ms")


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    ratios = {r.name: r.ratio for r in rows if r.ratio is not None}
    values = list(ratios.values())
    return {
        "rows": len(rows),
        "measured": len(values),
        "geometric_mean": math.exp(sum(map(math.log, values)) / len(values)) if values else None,
        "share_at_most_1_3": sum(v <= 1.3 for v in values) / len(values) if values else None,
        "above_2": [name for name, v in ratios.items() if v > 2],
        "above_own_gate": [r.name for r in rows if r.ratio is not None and not r.good],
        "ours_wrong_or_failed": [r.name for r in rows if r.ours_failed or r.ratio is None],
    }


@dataclass(frozen=True)
class Gates:
    """What must hold over a family's rows: the geometric mean, what 90 % of them keep to, what all do; rows with a gate of at most 1 keep to it."""

    mean: float = 1.0
    most: float = 1.3
    all: float = 2.0

    def broken(self, rows: Sequence[Row]) -> list[str]:
        s = summary(rows)
        ratios = {r.name: r.ratio for r in rows if r.ratio is not None}
        if not ratios:
            return []
        broken = []
        if s["geometric_mean"] > self.mean:
            broken.append(f"geometric mean {s['geometric_mean']:.2f} > {self.mean:g}")
        share = sum(v <= self.most for v in ratios.values()) / len(ratios)
        if share < 0.9:
            broken.append(f"{share:.0%} of the rows <= {self.most:g}, not 90 %")
        if above := [name for name, v in ratios.items() if v > self.all]:
            broken.append(f"above {self.all:g}: " + ", ".join(above))
        if strict := [r.name for r in rows if r.ratio is not None and r.gate <= 1.0 and not r.good]:
            broken.append("above 1: " + ", ".join(strict))
        return broken


def of_rows(family: str, rows: Sequence[Row]) -> str:
    s = summary(rows)
    parts = [f"# {family}", "", markdown_table(HEAD, [line(r) for r in rows]), ""]
    if s["measured"]:
        parts.append(f"{s['measured']} of {s['rows']} rows measured; geometric mean {s['geometric_mean']:.2f}; {s['share_at_most_1_3']:.0%} of the rows <= 1.3; "
                     f"above 2: {', '.join(s['above_2']) or 'none'}; a `!` marks a row above its own gate.")
    problems = [f"- {r.name}, {who}: {why}" for r in rows for who, why in r.problems.items()]
    return "\n".join(parts + (["", "Wrong or failed:", "", *problems] if problems else [])) + "\n"


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    return {"summary": summary(rows), "rows": [asdict(r) | {"ratio": r.ratio} for r in rows]}


def save(family: str, markdown: str, data: dict[str, Any]) -> None:
    """Writes FAMILY-DATE.md and .json to bench/results and prints the Markdown."""
    about = machine.describe()
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())  # type: ignore[attr-defined]
    text = f"{markdown}\n{about['cpu']}, {about['cores']} cores, {about['simd']}, {about['memory']}; {versions}; revision {about['revision']}; {about['date']}\n"
    RESULTS.mkdir(parents=True, exist_ok=True)
    stem = RESULTS / f"{family}-{datetime.datetime.now(datetime.timezone.utc):%Y%m%d-%H%M%S}"
    stem.with_suffix(".md").write_text(text)
    stem.with_suffix(".json").write_text(json.dumps({"family": family, "machine": about} | data, indent=1))
    print(text)
    print(f"written: bench/results/{stem.name}.md and .json")
