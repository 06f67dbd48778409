"""Calls to a server that fails, stalls and counts; the program that makes them is killed and started again."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from pathlib import Path

ITEMS = 1_000
RATE = 1_000


class Server:
    """HTTP on a port of its own: every 7th item fails its first two calls, every 100th stalls once, every 101st always fails."""

    def __init__(self) -> None:
        self.calls: Counter[int] = Counter()
        self.answers: Counter[int] = Counter()
        self.times: list[float] = []
        self.open = self.most_open = 0
        self.port = 0
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)
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
        try:
            line = await reader.readline()
            while (await reader.readline()).strip():
                pass
            self.times.append(time.monotonic())
            item = int(line.split()[1].strip(b"/"))
            self.calls[item] += 1
            self.open += 1
            self.most_open = max(self.most_open, self.open)
            try:
                await self.say(item, writer)
            finally:
                self.open -= 1
        except (ConnectionError, IndexError, ValueError):
            pass
        finally:
            writer.close()

    async def say(self, item: int, writer: asyncio.StreamWriter) -> None:
        call = self.calls[item]
        if item % 100 == 49 and call == 1:
            await asyncio.sleep(4)
        failing = item % 101 == 100 or (item % 7 == 3 and call <= 2)
        body = json.dumps({"item": item, "square": item * item})
        writer.write(b"HTTP/1.1 503 Busy\r\n\r\n" if failing else f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        if not failing:
            self.answers[item] += 1

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(5)


PROGRAM = textwrap.dedent("""
    import asyncio, json, sys
    import gristmill as gm
    from gristmill.flow import Limit, RateLimit, Retry

    port, folder, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]

    class Refused(Exception):
        pass

    async def call(item: int) -> dict:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(f"GET /{item} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n".encode())
            status = (await reader.readline()).split()[1]
            while (await reader.readline()).strip():
                pass
            if status != b"200":
                raise Refused(status.decode())
            return json.loads(await reader.read())
        finally:
            writer.close()

    n = gm.node(call, retry=Retry(times=5, first=0.01), timeout=2, rate=RateLimit(%d), limit=Limit(200), cache=True)
    flow = gm.Flow([n, gm.node(lambda call: call["square"], output_name="square")], cache=folder)
    with open(out, "w") as f:
        for row in flow.stream({"item": range(%d)}, "item", outputs="square", errors="dead_letter", dead_letters=out + ".dead"):
            f.write(json.dumps(row) + "\\n")
    import resource
    print(flow.cache.hits, flow.cache.misses, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
""") % (RATE, ITEMS)


def most_in(times: list[float], seconds: float) -> int:
    times, first, most = sorted(times), 0, 0
    for last, t in enumerate(times):
        while times[first] < t - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def test_killed_and_resumed(tmp_path: Path) -> None:
    server = Server()
    try:
        script, out, cache = tmp_path / "calls.py", tmp_path / "out.jsonl", tmp_path / "cache"
        script.write_text(PROGRAM)
        command = [sys.executable, str(script), str(server.port), str(cache), str(out)]
        first = subprocess.Popen(command)
        deadline = time.monotonic() + 60
        while sum(server.answers.values()) < ITEMS // 3 and time.monotonic() < deadline and first.poll() is None:
            time.sleep(0.02)
        first.kill()
        first.wait()
        done = sum(server.answers.values())
        assert ITEMS // 3 <= done < ITEMS
        second = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert second.returncode == 0, second.stderr
        hits, misses, _ = map(int, second.stdout.split())
        rows = [json.loads(line)["square"] for line in out.read_text().splitlines()]
        dead = sorted(json.loads(line)["item"] for line in Path(f"{out}.dead").read_text().splitlines())
        assert dead == [i for i in range(ITEMS) if i % 101 == 100]
        assert rows == [i * i for i in range(ITEMS) if i % 101 != 100]
        assert hits >= done - 250 and hits + misses == ITEMS  # those in flight at the kill are called again
        assert most_in(server.times, 1.0) <= RATE * 1.05 and server.most_open <= 200 + 32  # the killed program's calls may still be open
    finally:
        server.close()
