"""A proxy for HTTP/1.1 between an engine and a server that does what networks do.

Every request is drawn a fate from a seeded generator: it is passed on, answered with 500 or 503, reset before or after the server saw it,
answered with a body that ends early, or kept waiting. Requests are numbered as they come, so the same seed gives the same fates to the
same sequence; with several connections the sequence is the engine's.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import socketserver
import struct
import threading
import time
from collections import Counter
from typing import Callable, Iterator

FAULTS = ("error", "slow_down", "reset", "lost_answer", "short_body", "stall")

_ERROR = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
_SLOW = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class FaultProxy:
    """`rate` of the requests meet one of `faults`; `only(method, path)` says which requests may."""

    def __init__(self, upstream_port: int, seed: int, rate: float, faults: tuple[str, ...] = FAULTS,
                 only: Callable[[str, str], bool] = lambda method, path: True, stall_seconds: float = 0.3) -> None:
        self.upstream_port, self.rate, self.faults, self.only, self.stall_seconds = upstream_port, rate, faults, only, stall_seconds
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.injected: Counter[str] = Counter()
        self.requests: list[tuple[str, str]] = []
        self.before: Callable[[str, str], None] | None = None  # called before a request is passed on
        self.port = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fate(self, method: str, path: str) -> str:
        with self.lock:
            self.requests.append((method, path))
            fault = self.random.choice(self.faults) if self.random.random() < self.rate else "pass"
            if not self.only(method, path):
                fault = "pass"
            self.injected[fault] += 1
            return fault


class _Handler(socketserver.StreamRequestHandler):
    proxy: FaultProxy

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, OSError):
            while self.one():
                pass

    def one(self) -> bool:
        line = self.rfile.readline()
        if not line:
            return False
        method, path, _ = line.decode("latin-1").split(" ", 2)
        headers: list[tuple[str, str]] = []
        while (header := self.rfile.readline()) not in (b"\r\n", b""):
            name, _, value = header.decode("latin-1").partition(":")
            headers.append((name, value.strip()))
        known = {n.lower(): v for n, v in headers}
        if known.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        chunked = known.get("transfer-encoding", "").lower() == "chunked"
        body = self.chunks() if chunked else self.rfile.read(int(known.get("content-length", 0)))
        fault = self.proxy.fate(method, path)
        if fault == "error":
            return self.answer(500, "Internal Server Error", _ERROR, method)
        if fault == "slow_down":
            return self.answer(503, "Slow Down", _SLOW, method)
        if fault == "stall":
            time.sleep(self.proxy.stall_seconds)
        if fault in ("reset", "stall"):
            return self.reset()
        if self.proxy.before is not None:
            self.proxy.before(method, path)
        upstream = http.client.HTTPConnection("127.0.0.1", self.proxy.upstream_port, timeout=60)
        upstream.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            if name.lower() not in ("expect", "connection"):
                upstream.putheader(name, value)
        upstream.endheaders(body)
        response = upstream.getresponse()
        content = response.read()
        upstream.close()
        if fault == "lost_answer":
            return self.reset()
        kept = [(n, v) for n, v in response.getheaders() if n.lower() not in ("content-length", "transfer-encoding", "connection")]
        length = response.getheader("content-length") if method == "HEAD" else str(len(content))
        head = f"HTTP/1.1 {response.status} {response.reason}\r\n" + "".join(f"{n}: {v}\r\n" for n, v in kept)
        if length is not None:
            head += f"Content-Length: {length}\r\n"
        self.wfile.write(head.encode("latin-1") + b"\r\n")
        if fault == "short_body" and content:
            self.wfile.write(content[: self.proxy.random.randrange(len(content))])
            return False
        self.wfile.write(content)
        return True

    def chunks(self) -> bytes:
        """A chunked body as it stands on the wire."""
        out = b""
        while True:
            line = self.rfile.readline()
            size = int(line.split(b";")[0], 16)
            out += line + (self.rfile.read(size + 2) if size else b"")
            if size == 0:
                while (trailer := self.rfile.readline()) not in (b"\r\n", b""):
                    out += trailer
                return out + b"\r\n"

    def answer(self, status: int, reason: str, content: bytes, method: str) -> bool:
        head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/xml\r\nContent-Length: {len(content)}\r\n\r\n"
        self.wfile.write(head.encode() + (b"" if method == "HEAD" else content))
        return True

    def reset(self) -> bool:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        return False


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # broken connections are what this is about


@contextlib.contextmanager
def fault_proxy(upstream_port: int, seed: int, rate: float, **settings: object) -> Iterator[FaultProxy]:
    proxy = FaultProxy(upstream_port, seed, rate, **settings)
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    with _Server(("127.0.0.1", 0), handler) as server:
        proxy.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
