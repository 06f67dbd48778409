"""A server that takes batches of records over HTTP and answers as a test tells it: slowly, with errors now and then, or by cutting the connection."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import json
import threading
import time
from typing import Any, Iterator


class HttpSink:
    """`answers(n)`: the status of request n (from 0), or 0: the connection is cut before anything is read as taken. Only what was answered
    with 2xx counts as received."""

    def __init__(self, answers: Any = None, seconds: float = 0.0) -> None:
        self.answers = answers or (lambda n: 200)
        self.seconds = seconds
        self.lock = threading.Lock()
        self.requests = 0
        self.batches: list[list[dict[str, Any]]] = []
        self.keys: list[str] = []  # of idempotency, as they came
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/rows"

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [row for batch in self.batches for row in batch]


def _rows(body: bytes, encoding: str, kind: str) -> list[dict[str, Any]]:
    text = (gzip.decompress(body) if encoding == "gzip" else body).decode()
    if "ndjson" in kind or "lines" in kind:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    found = json.loads(text)
    return found if isinstance(found, list) else [found]


class _Handler(http.server.BaseHTTPRequestHandler):
    sink: HttpSink
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        sink = self.sink
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with sink.lock:
            number = sink.requests
            sink.requests += 1
        if sink.seconds:
            time.sleep(sink.seconds)
        status = sink.answers(number)
        if status == 0:
            self.close_connection = True
            self.connection.close()
            return
        if 200 <= status < 300:
            rows = _rows(body, self.headers.get("Content-Encoding", ""), self.headers.get("Content-Type", ""))
            with sink.lock:
                sink.batches.append(rows)
                sink.keys.append(self.headers.get("Idempotency-Key", ""))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # clients that went away


@contextlib.contextmanager
def serving(sink: HttpSink) -> Iterator[HttpSink]:
    handler = type("Handler", (_Handler,), {"sink": sink})
    server = _Server(("127.0.0.1", 0), handler)
    sink.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
