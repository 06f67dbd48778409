"""A graph of functions over many items: async, blocking and computing ones, each run the way that suits it."""

import asyncio
import time
from collections.abc import Iterator

import gristmill as gm
from gristmill.flow import Retry

calls = 0


@gm.node(output_name="page", retry=Retry(times=2, first=0.01), timeout=5, rate="2000/s")
async def fetch(url: str) -> str:
    """A server that fails now and then."""
    global calls
    calls += 1
    await asyncio.sleep(0.01)
    if calls % 10 == 0:
        raise ConnectionError("busy")
    return f"the page at {url} says hello hello"


@gm.node(output_name="words")
def count(page: str) -> int:
    return len(page.split())


@gm.node(output_name="stored")
def store(url: str, words: int) -> str:
    time.sleep(0.01)  # a database that only knows how to block
    return f"{url}={words}"


flow = gm.Flow([fetch, count, store])
print(flow)
print(flow.run({"url": "a.example"}))

urls = [f"site{i}.example" for i in range(100)]
began = time.perf_counter()
rows = flow.map({"url": urls}, map_over="url", outputs="stored")
print(len(rows), rows[-1], "in a fraction of the 2 s of one after the other:", time.perf_counter() - began < 1.0)
print(flow.explain())


@gm.node(output_name="word")
def split(page: str) -> Iterator[str]:
    yield from page.split()


# A generator gives several results for an item; each goes on by itself.
for row in flow.stream({"url": urls[:1]}, map_over="url", outputs="words"):
    print(row)
print(gm.Flow([fetch, split]).map({"url": urls[:1]}, map_over="url", outputs="word")[-2:])
