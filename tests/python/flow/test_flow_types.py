"""What a type checker knows of flows: nodes keep the types of their functions, runs say what they give, mistakes are found."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[3]

RIGHT = """
import gristmill as gm
from gristmill.flow import Cache, Failure, RateLimit, Retry

@gm.node(output_name="page", retry=Retry(times=2), rate=RateLimit(5), timeout=3)
async def fetch(url: str) -> str:
    return url

@gm.node
def count(page: str, least: int = 0) -> int:
    return len(page) + least

flow = gm.Flow([fetch, count, gm.node(len, output_name="n", input_mapping={"obj": "page"})], cache=Cache())
number: int = count("a page", least=2)
one: dict[str, object] = flow.run({"url": "a"}, outputs=["count"])
rows: list[object] = flow.map({"url": ["a"]}, map_over="url", errors="return")
for row in flow.stream({"url": iter("ab")}, map_over="url", ordered=False):
    print(row["count"])

async def handler() -> str:
    page: str = await fetch("a")
    for row in await flow.amap({"url": ["a"]}, "url"):
        if isinstance(row, Failure):
            print(row.error, row.node)
    async for row in flow.astream({"url": ["a"]}, "url"):
        print(row)
    return page + str((await flow.arun({"url": "a"}))["count"])
"""

WRONG = """
import gristmill as gm

@gm.node(output_name="words")
def count(page: str) -> int:
    return len(page)

count(5)
text: str = count("a")
gm.node(count.fn, retries=3)
gm.Flow(count)
gm.Flow([count]).map({"page": ["a"]})
gm.Flow([count]).run("a")
"""


def checked(code: str, folder: Path) -> str:
    script = folder / "script.py"
    script.write_text(textwrap.dedent(code))
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(ROOT / "python" / ".mypy_cache"), str(script)], capture_output=True,
                          text=True, cwd=folder, env={**os.environ, "MYPYPATH": str(ROOT / "python")})
    return done.stdout + done.stderr


def test_types_are_known(tmp_path: Path) -> None:
    assert checked(RIGHT, tmp_path).startswith("Success")


def test_mistakes_are_found(tmp_path: Path) -> None:
    found = checked(WRONG, tmp_path)
    lines = WRONG.splitlines()
    for k in range(lines.index("count(5)"), len(lines)):
        assert f"script.py:{k + 1}: error" in found, f"{lines[k]}\n{found}"
