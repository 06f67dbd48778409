"""Calls to a limited API for a column, kept on disk: a run that was stopped goes on where it was."""

import asyncio
import sys
import tempfile

import gristmill as gm
from gristmill.flow import Cache, Failure, RateLimit, Retry

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 500  # try 100000
folder = sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp()
cache = Cache(folder)
calls = 0


@gm.node(retry=Retry(times=3, first=0.01, on=ConnectionError), timeout=10, rate=RateLimit(10_000, name="the API"), limit=200, cache=cache)
async def price(article: int) -> float:
    """Stands for an HTTP call."""
    global calls
    calls += 1
    await asyncio.sleep(0.002)
    if article % 97 == 0:
        raise ValueError(f"no article {article}")
    return article * 1.25


flow = gm.Flow([price])
dead: list[Failure] = []
half = flow.map({"article": range(ROWS // 2)}, map_over="article", errors="dead_letter", dead_letters=dead)
print(f"{len(half)} prices, {len(dead)} dead letters, {calls} calls; here somebody pulls the plug")

calls, dead = 0, []
rows = flow.map({"article": range(ROWS)}, map_over="article", errors="dead_letter", dead_letters=dead)
print(f"{len(rows)} prices, {len(dead)} dead letters, {calls} calls; {cache}".replace(folder, "FOLDER"))

# The same function in a frame.
articles = gm.from_pydict({"article": [1, 2, None, 3]})
print(articles.with_columns(price=gm.udf(price)("article")).collect())
