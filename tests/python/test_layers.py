"""Who may include whom: a folder sees only itself and the folders it stands on, transitively."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

STANDS_ON = {
    "base": [], "sched": ["base"], "column": ["base"], "expr": ["column"], "plan": ["expr"], "exec": ["plan", "sched"], "io": ["exec"], "frame": ["io"],
    "stream": ["frame"], "flow": ["frame"], "sql": ["stream"], "job": ["flow", "sql"], "cli": ["job", "sql"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def below(layer: str) -> set[str]:
    out = {layer}
    for other in STANDS_ON[layer]:
        out |= below(other)
    return out


def violations(layer: str, text: str) -> list[str]:
    allowed = below(layer) | {"gristmill"}
    return [path for path in INCLUDE.findall(text) if "/" in path and path.split("/")[0] not in allowed]


def test_layers_look_down_only() -> None:
    bad = {}
    for folder in sorted((ROOT / "src").iterdir()):
        if not folder.is_dir():
            continue
        assert folder.name in STANDS_ON, f"src/{folder.name} has no place in the table of layers"
        for file in [*folder.rglob("*.h"), *folder.rglob("*.cc")]:
            if found := violations(folder.name, file.read_text()):
                bad[str(file.relative_to(ROOT))] = found
    assert not bad


def test_public_headers_stand_on_arrow_alone() -> None:
    for file in (ROOT / "include").rglob("*.h"):
        for path in INCLUDE.findall(file.read_text()):
            assert path.startswith("gristmill/"), f"{file.name} includes {path}"


def test_applications_stand_on_the_public_headers_alone() -> None:
    for file in [*(ROOT / "apps").rglob("*.h"), *(ROOT / "apps").rglob("*.cc")]:
        for path in INCLUDE.findall(file.read_text()):
            assert path.startswith("gristmill/") or (file.parent / path).exists(), f"{file.name} includes {path}"


def test_a_look_upwards_is_found() -> None:
    assert violations("column", '#include "exec/filter.h"\n') == ["exec/filter.h"]
    assert violations("exec", '#include "column/batch.h"\n#include "kernels-inl.h"\n') == []


def test_files_have_names_that_say_something() -> None:
    empty_names = re.compile(r"(utils?|helpers?|manager|common|misc)\.(h|cc|py)$")
    for file in (ROOT / "src").rglob("*"):
        assert not empty_names.search(file.name), file
