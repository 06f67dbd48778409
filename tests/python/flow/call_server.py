"""A local HTTP server that fails, stalls and limits its rate, on a thread of its own, and a program that calls it for many items.

Every 7th item fails its first two calls, every 1000th stalls once, every 101st always fails. What comes faster than the rate, give or take a tenth for the
way between the two, is refused (429) and counted: the program's own limit must be such that this never happens. Each call carries the moment it was started
at, so that the limit itself can be judged without that way.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from array import array
from collections import deque
from collections.abc import Callable
from pathlib import Path

ALWAYS_FAILS = 101
STALL_SECONDS = 4.0


def dead(item: int) -> bool:
    return item % ALWAYS_FAILS == ALWAYS_FAILS - 1


class CallServer:
    def __init__(self, items: int, rate: int, slack: float = 1.1, stall_every: int = 1000) -> None:
        self.rate, self.slack, self.stall_every = rate, slack, stall_every
        self.calls = bytearray(items)
        self.answers = bytearray(items)  # how often an item was answered well
        self.answered = self.total = self.too_fast = 0
        self.recent: deque[float] = deque()
        self.starts = array("d")  # of the calls, as the callers saw them
        self.open = self.most_open = 0
        self.port = 0
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()), name="call-server", daemon=True)
        self.thread.start()
        self.ready.wait()

    async def serve(self) -> None:
        server = await asyncio.start_server(self.answer, "127.0.0.1", 0, backlog=2048)
        self.port = server.sockets[0].getsockname()[1]
        self.stop = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.ready.set()
        async with server:
            await self.stop.wait()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Calls of one connection, which stays open as long as the caller likes."""
        try:
            while line := await reader.readline():
                while (header := await reader.readline()).strip():
                    if header.startswith(b"X-Start:"):
                        self.starts.append(float(header.split(b":")[1]))
                self.open += 1
                self.most_open = max(self.most_open, self.open)
                try:
                    writer.write(await self.said(int(line.split()[1].strip(b"/"))))
                    await writer.drain()
                finally:
                    self.open -= 1
        except (ConnectionError, IndexError, ValueError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the caller is gone, or the server closes
        finally:
            writer.close()

    def in_time(self) -> bool:
        now, recent = time.monotonic(), self.recent
        while recent and recent[0] <= now - 1.0:
            recent.popleft()
        recent.append(now)
        return len(recent) <= self.rate * self.slack

    async def said(self, item: int) -> bytes:
        self.total += 1
        self.calls[item] = call = min(self.calls[item] + 1, 255)
        if not self.in_time():
            self.too_fast += 1
            return b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
        if item % self.stall_every == self.stall_every // 2 and call == 1:
            await asyncio.sleep(STALL_SECONDS)
        if dead(item) or (item % 7 == 3 and call <= 2):
            return b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
        self.answered += 1
        self.answers[item] = min(self.answers[item] + 1, 255)
        body = json.dumps({"item": item, "square": item * item})
        return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()

    def most_started_in(self, seconds: float) -> int:
        starts, first, most = sorted(self.starts), 0, 0
        for last, t in enumerate(starts):
            while starts[first] <= t - seconds:
                first += 1
            most = max(most, last - first + 1)
        return most

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(5)


PROGRAM = r'''
"""Calls for every item, one answer or dead letter each; what was answered before is on disk."""

import asyncio, json, resource, sys, time
import gristmill as gm
from gristmill.flow import Limit, RateLimit, Retry

port, items, rate, folder, out = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
idle = []  # connections


class Refused(Exception):
    pass


class TooFast(Exception):
    pass


async def call(item: int) -> dict:
    start = time.monotonic()
    reader, writer = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET /{item} HTTP/1.1\r\nX-Start: {start}\r\n\r\n".encode())
        status, length = (await reader.readline()).split()[1], 0
        while (line := await reader.readline()).strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = await reader.readexactly(length)
    except BaseException:
        writer.close()
        raise
    idle.append((reader, writer))
    if status == b"429":
        raise TooFast
    if status != b"200":
        raise Refused(status.decode())
    return json.loads(body)


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


fetch = gm.node(call, retry=Retry(times=5, first=0.01, on=(Refused, TimeoutError, OSError)), timeout=2, rate=RateLimit(rate), limit=Limit(200), cache=True)
flow = gm.Flow([fetch, gm.node(lambda call: call["square"], output_name="square")], cache=folder)
early = 0
with open(out, "w") as f:
    rows = flow.stream({"item": range(items)}, "item", outputs="square", errors="dead_letter", dead_letters=out + ".dead")
    for n, row in enumerate(rows):
        f.write(json.dumps(row) + "\n")
        if n == items // 10:
            early = peak()
print(flow.cache.hits, flow.cache.misses, early, peak())
'''


def wrong(server: CallServer, items: int, out: Path, printed: str, done_before: int) -> list[str]:
    """What does not hold of: one result or dead letter an item, the rate, flat memory, nothing that was done called again."""
    hits, misses, early, late = map(int, printed.split())
    rows = [json.loads(line)["square"] for line in out.read_text().splitlines()]
    letters = sorted(json.loads(line)["item"] for line in Path(f"{out}.dead").read_text().splitlines())
    checks: list[tuple[bool, str]] = [
        (letters == [i for i in range(items) if dead(i)], "dead letters are not those of the items that always fail"),
        (rows == [i * i for i in range(items) if not dead(i)], "not one result for each other item, in order"),
        (server.most_started_in(1.0) <= server.rate * 1.002 + 1, f"{server.most_started_in(1.0)} calls in a second where {server.rate} may be"),
        (server.too_fast == 0, f"{server.too_fast} calls came too fast"),
        (server.most_open <= 400, f"{server.most_open} calls were open, and those of a killed program are at most 200"),
        (hits + misses == items and hits >= done_before - 250, f"only {hits} of {done_before} answers of the first program were found"),
        (sum(server.answers) <= items + 250, f"{sum(server.answers)} good answers for {items} items"),
        (late - early < 30_000, f"memory grew from {early} to {late} KiB after a tenth of the items"),
    ]
    return [text for good, text in checks if not good]


def waited(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()
