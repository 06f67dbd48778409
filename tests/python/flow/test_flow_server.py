"""Calls to a server that fails, stalls and counts; the program that makes them is killed and started again. `./run flows-trial` does 100,000."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from calls_trial import trial

import gristmill as gm


def test_killed_and_resumed(tmp_path: Path) -> None:
    assert trial(tmp_path, items=1_500, rate=1_000, stall_every=300) == []


def test_requests_of_a_web_server_run_flows_side_by_side() -> None:
    """A handler awaits a flow in the server's own loop: other requests go on meanwhile, none is mixed up with another."""

    async def price(article: int) -> int:
        await asyncio.sleep(0.02)
        if article == 13:
            raise LookupError("no article 13")
        return article * 3

    def total(price: list[int]) -> int:
        return sum(price)

    inner = gm.Flow([gm.node(price)])
    flow = gm.Flow([inner.as_node({"article": "articles"}, {"price": "price"}, map_over="article"), gm.node(total)])

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        articles = [int(a) for a in (await reader.readline()).split()[1].strip(b"/").split(b",")]
        while (await reader.readline()).strip():
            pass
        try:
            body, status = json.dumps(await flow.arun({"articles": articles}, outputs="total")), "200 OK"
        except LookupError as e:
            body, status = json.dumps({"error": str(e)}), "404 Not Found"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    async def ask(port: int, articles: list[int]) -> tuple[int, dict]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /{','.join(map(str, articles))} HTTP/1.1\r\n\r\n".encode())
        status = int((await reader.readline()).split()[1])
        while (await reader.readline()).strip():
            pass
        body = json.loads(await reader.read())
        writer.close()
        return status, body

    async def serve() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        async with server:
            port, loop = server.sockets[0].getsockname()[1], asyncio.get_running_loop()
            began = loop.time()
            wanted = [[k, k + 1, 2 * k] for k in range(14, 74)]
            answers = await asyncio.gather(*(ask(port, a) for a in wanted), ask(port, [1, 13]))
            assert answers[:-1] == [(200, {"total": 3 * sum(a)}) for a in wanted]
            assert answers[-1] == (404, {"error": "no article 13"})
            assert loop.time() - began < 1.0  # 1.2 s one after the other

    asyncio.run(serve())
