"""Programs as people write them who have read docs/flows.md: no flags, no guard around main, every warning an error, nothing on stderr, and they end."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

ROOT = Path(__file__).parents[3]


def run(body: str, folder: Path) -> str:
    script = folder / "script.py"
    script.write_text(textwrap.dedent(body))
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-X", "dev", "-W", "error", str(script)], capture_output=True, text=True, timeout=120, cwd=folder)
    told = [line for line in done.stderr.splitlines() if not line.startswith("Executing <")]  # asyncio's word on a busy machine
    assert done.returncode == 0 and not told, done.stderr
    assert time.monotonic() - began < 60
    return done.stdout


def blocks(page: str) -> list[str]:
    """The pieces of Python on a page of the documentation."""
    found = re.findall(r"\n\n((?:    .*\n|\n)+)", page)
    return [textwrap.dedent(block) for block in found]


def test_the_first_example_of_the_page(tmp_path: Path) -> None:
    out = run(blocks((ROOT / "docs" / "flows.md").read_text())[0], tmp_path).splitlines()
    assert out[0] == "{'page': 'the page of a.example', 'words': 4}" and out[1:51] == ["4"] * 50
    assert out[51:53] == ["fetch(url) -> page", f"    async: an async function: on the event loop{out[52].partition('loop')[2]}"]


def test_the_example_of_the_readme(tmp_path: Path) -> None:
    found = re.search(r"```python\n(import asyncio\n.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert found is not None
    code = "import gristmill as gm\n" + found[1].replace("flow.map(", "rows = flow.map(") + "print(len(rows), rows[0])\n"
    assert run(code, tmp_path) == "50 {'page': 'the page of site0.example', 'words': 4}\n"


def test_all_examples_of_the_page(tmp_path: Path) -> None:
    """Pasted one after the other into one program."""
    found = blocks((ROOT / "docs" / "flows.md").read_text().partition("## In C++")[0])
    assert len(found) >= 4
    code = "".join(found) + "\nasyncio.run(handler(urls))\nprint('through')\n"
    assert run(code, tmp_path).endswith("through\n")


def test_a_script_of_all_kinds_of_functions(tmp_path: Path) -> None:
    out = run("""
        import asyncio, time
        import gristmill as gm

        async def fetch(url):
            await asyncio.sleep(0.01)
            return url * 3

        def store(fetch):
            time.sleep(0.01)
            return len(fetch)

        def work(store):
            total = 0
            for i in range(20_000):
                total += i * store
            return total

        def words(fetch):
            yield from fetch

        flow = gm.Flow([fetch, store, work, gm.node(lambda work: work % 10, output_name="digit")])
        rows = flow.map({"url": [f"u{i}" for i in range(60)]}, map_over="url")
        print(len(rows), rows[-1]["store"], rows[-1]["digit"])
        print(len(flow.map({"url": ["a"] * 40}, map_over="url", outputs="work")))
        for row in gm.Flow([fetch, words]).stream({"url": (u for u in "abcdef")}, map_over="url", outputs="words"):
            if row["words"] == "c":
                break
        print(row)
        try:
            flow.map({"url": ["a", None]}, map_over="url")
        except TypeError as e:
            print(type(e).__name__, e.__notes__)
        """, tmp_path)
    assert out == ("60 9 0\n40\n{'words': 'c'}\nTypeError [\"in node 'fetch' of item 1 (url=None)\"]\n")


def test_an_async_web_handler(tmp_path: Path) -> None:
    out = run("""
        import asyncio, json, time
        import gristmill as gm

        async def price(article):
            await asyncio.sleep(0.01)
            return article * 2

        def stock(article):
            time.sleep(0.01)
            return article + 1

        flow = gm.Flow([price, stock])

        async def handle(reader, writer):
            n = int((await reader.readline()).split()[1].strip(b"/"))
            while (await reader.readline()).strip():
                pass
            rows = await flow.amap({"article": range(n)}, map_over="article")
            async for row in flow.astream({"article": range(n)}, map_over="article"):
                assert row == rows[row["stock"] - 1]
            body = json.dumps(rows[-1]).encode()
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        async def ask(port, n):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /%d HTTP/1.1\\r\\n\\r\\n" % n)
            text = await reader.read()
            writer.close()
            await writer.wait_closed()
            return json.loads(text.split(b"\\r\\n\\r\\n")[1])

        async def main():
            asyncio.get_running_loop().slow_callback_duration = 5  # a busy machine is no mistake of ours
            server = await asyncio.start_server(handle, "127.0.0.1", 0)
            async with server:
                port = server.sockets[0].getsockname()[1]
                print([a["price"] for a in await asyncio.gather(*(ask(port, n) for n in range(1, 30)))] == [2 * (n - 1) for n in range(1, 30)])

        asyncio.run(main())
        """, tmp_path)
    assert out == "True\n"


def test_a_web_server_of_threads(tmp_path: Path) -> None:
    out = run("""
        import asyncio, threading, urllib.request
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
        import gristmill as gm

        async def price(article):
            await asyncio.sleep(0.01)
            return article * 2

        flow = gm.Flow([price, gm.node(lambda price: price + 1, output_name="more")])

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                n = int(self.path.strip("/"))
                body = str(sum(r["more"] for r in flow.map({"article": range(n)}, map_over="article"))).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def log_message(self, *args):
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever).start()
            answers = {}
            def ask(n):
                with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/{n}") as answer:
                    answers[n] = int(answer.read())
            threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
            for t in threads: t.start()
            for t in threads: t.join()
            server.shutdown()
        print(answers == {n: n * n for n in range(20)})
        """, tmp_path)
    assert out == "True\n"
