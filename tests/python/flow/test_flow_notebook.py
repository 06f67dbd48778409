"""Flows in a notebook that is executed: plain calls and awaits in its running loop, drawings, processes for its functions, nothing on stderr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

CELLS = ["""
import asyncio, time
import gristmill as gm

@gm.node(output_name="page")
async def fetch(url: str) -> str:
    await asyncio.sleep(0.01)
    return f"the page of {url}"

@gm.node(output_name="words")
def count(page: str) -> int:
    return len(page.split())

flow = gm.Flow([fetch, count])
flow.map({"url": ["a", "b c"]}, map_over="url", outputs="words")
""", """
await flow.amap({"url": ["a", "b c"]}, map_over="url", outputs="words")
""", """
rows = []
async for row in flow.astream({"url": (f"u{i}" for i in range(50))}, map_over="url", outputs="words"):
    rows.append(row["words"])
print(len(rows), set(rows))
""", """
flow
""", """
def burn(x):
    total = 0
    for i in range(x):
        total += i * i
    return total

[r["burn"] for r in gm.Flow([gm.node(burn, kind="cpu")]).map({"x": [1000, 2000, 3000]}, "x")] == [burn(x) for x in (1000, 2000, 3000)]
""", """
def slow(x):
    time.sleep(0.03)
    if x == 59:
        raise LookupError("the last one")
    return x

try:
    gm.Flow([gm.node(slow, limit=1)]).map({"x": range(60)}, "x")  # long enough for its progress to be shown
except LookupError as e:
    print(e, e.__notes__)
"""]


def outputs(cell: Any) -> list[tuple[str, str]]:
    out = []
    for o in cell.outputs:
        if o.output_type == "stream":
            out.append((o.name, o.text))
        elif o.output_type in ("execute_result", "display_data"):
            out.append((max(o.data, key=lambda kind: kind == "image/svg+xml"), o.data.get("image/svg+xml") or o.data.get("text/plain", "")))
        else:
            out.append((o.output_type, "\n".join(o.get("traceback", []))))
    return out


def test_a_notebook_runs(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text.strip()) for text in CELLS])
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    found = [outputs(cell) for cell in notebook.cells]
    assert found[0] == found[1] == [("text/plain", "[{'words': 4}, {'words': 5}]")]
    assert found[2] == [("stdout", "50 {4}\n")]
    kind, drawing = found[3][0]
    assert kind == "image/svg+xml" and "fetch" in drawing
    assert found[4] == [("text/plain", "True")]
    assert ("stdout", "the last one [\"in node 'slow' of item 59 (x=59)\"]\n") in found[5]
    assert not [text for cell in found for kind, text in cell if kind in ("stderr", "error")]
