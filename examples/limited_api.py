"""A column through an HTTP API that limits its rate, fails now and then, and goes down in the middle: the next run asks only for what is missing."""

import asyncio
import sys
import tempfile
import threading

import gristmill as gm
from gristmill.flow import Cache, RateLimit, Retry

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 400  # try 100000
RATE = int(sys.argv[2]) if len(sys.argv) > 2 else 2_000  # calls a second that the API allows


class Api:
    """Stands for the service: one in nine calls fails, and after `down_after` calls nothing is answered any more."""

    def __init__(self) -> None:
        self.calls, self.down_after, self.ready = 0, ROWS, threading.Event()
        threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True).start()
        self.ready.wait()

    async def serve(self) -> None:
        server = await asyncio.start_server(self.answer, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        await server.serve_forever()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        article = int((await reader.readuntil(b"\r\n\r\n")).split()[1].strip(b"/"))
        self.calls += 1
        busy = self.calls > self.down_after or self.calls % 9 == 0
        writer.write(b"HTTP/1.1 503 Busy\r\n\r\n" if busy else f"HTTP/1.1 200 OK\r\n\r\n{article * 1.25}".encode())
        await writer.drain()
        writer.close()


@gm.node(retry=Retry(4, first=0.01, on=ConnectionError), timeout=5, rate=RateLimit(RATE, name="the API"), limit=100, cache=Cache(tempfile.mkdtemp()))
async def price(article: int, port: int) -> float:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /{article} HTTP/1.1\r\nHost: api\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    if b" 200 " not in head:
        raise ConnectionError("the API is busy")
    return float(body)


api = Api()
orders = gm.from_pydict({"article": list(range(ROWS)), "pieces": [1 + i % 3 for i in range(ROWS)]})
priced = orders.with_columns(price=gm.udf(price)("article", gm.lit(api.port))).with_columns(cost=gm.col("price") * gm.col("pieces"))
try:
    priced.collect()
except ConnectionError as e:
    print("stopped:", e)
api.calls, api.down_after = 0, 10**9
total = priced.select(gm.col("cost").sum()).collect().to_pydict()["cost"][0]
print(f"{total:.2f} in all; the second run made fewer calls than there are rows: {api.calls < ROWS}")
assert total == sum(i * 1.25 * (1 + i % 3) for i in range(ROWS))
