"""The functions of the flows family; nothing but the standard library, as every peer's process loads this."""

from __future__ import annotations

import asyncio
import time


async def wait_10(x: int) -> int:
    await asyncio.sleep(0.01)
    return x


async def wait_50(x: int) -> int:
    await asyncio.sleep(0.05)
    return x


def block_10(x: int) -> int:
    time.sleep(0.01)
    return x


def block_50(x: int) -> int:
    time.sleep(0.05)
    return x


def lcg(x: int) -> int:
    """A chain of half a million dependent steps."""
    for _ in range(500_000):
        x = (1103515245 * x + 12345) & 0x7FFFFFFF
    return x


def add_one(x: int) -> int:
    return x + 1


def chunks(text: str) -> list[str]:
    words = text.split()
    return [" ".join(words[i:i + 50]) for i in range(0, len(words), 40)]


def texts() -> list[str]:
    return [" ".join(f"word{(i * j) % 997}" for j in range(500)) for i in range(100)]


# kind of workload: function, items
WORKLOADS = {
    "async_50x50ms": (wait_50, 50), "async_100x10ms": (wait_10, 100), "async_1000x10ms": (wait_10, 1000), "async_10000x10ms": (wait_10, 10_000),
    "blocking_50x50ms": (block_50, 50), "blocking_100x10ms": (block_10, 100), "blocking_1000x10ms": (block_10, 1000), "cpu_lcg_x8": (lcg, 8),
    "trivial_x10": (add_one, 10), "text_chunks_100x500": (chunks, 100),
}


def items_of(name: str) -> list:
    fn, count = WORKLOADS[name]
    return texts() if fn is chunks else list(range(count))
