"""A server of one folder's files over HTTP/1.1: with ranges or without, with a version (ETag) or without, with a token or without."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import pathlib
import ssl
import threading
import urllib.parse
from typing import Iterator


class HttpFiles:
    """`ranges=False`: the whole file whatever is asked; `length=False`: chunked, so nobody knows its size; `token`: without it 401."""

    def __init__(self, folder: pathlib.Path, *, ranges: bool = True, length: bool = True, tags: bool = True, token: str = "") -> None:
        self.folder, self.ranges, self.length, self.tags, self.token = folder, ranges, length, tags, token
        self.requests: list[tuple[str, str]] = []  # path, range
        self.port = 0
        self.scheme = "http"

    def url(self, name: str) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/{name}"


class _Handler(http.server.BaseHTTPRequestHandler):
    files: HttpFiles
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def plain(self, status: int, text: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self) -> None:
        f = self.files
        path = urllib.parse.unquote(self.path.split("?")[0]).lstrip("/")
        wanted = self.headers.get("Range", "")
        f.requests.append((path, wanted))
        if f.token and self.headers.get("Authorization") != f"Bearer {f.token}":
            return self.plain(401, "who are you?")
        if path.startswith("moved/"):
            return self.plain(302, "over there", Location="/" + path.removeprefix("moved/"))
        if path == "loop":
            return self.plain(302, "here", Location="/loop")
        file = f.folder / path
        if not file.is_file():
            return self.plain(404, "no such file")
        data = file.read_bytes()
        begin, end, status = 0, len(data), 200
        if f.ranges and wanted.startswith("bytes="):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            begin, end, status = int(first), min(int(last) + 1 if last else len(data), len(data)), 206
            if begin >= len(data):
                return self.plain(416, "", Content_Range=f"bytes */{len(data)}")
        self.send_response(status)
        if f.tags:
            self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        if status == 206:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(data)}")
        if f.length:
            self.send_header("Content-Length", str(end - begin))
            self.end_headers()
            self.wfile.write(data[begin:end])
        else:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for at in range(begin, end, 65_536):
                piece = data[at:min(at + 65_536, end)]
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # readers may go at any time


@contextlib.contextmanager
def http_files(folder: pathlib.Path, *, certificate: tuple[pathlib.Path, pathlib.Path] | None = None, **settings: object) -> Iterator[HttpFiles]:
    """`certificate`: files of the certificate and its key; then it speaks TLS."""
    files = HttpFiles(folder, **settings)  # type: ignore[arg-type]
    with _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"files": files})) as server:
        files.port = server.server_address[1]
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            files.scheme = "https"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield files
        finally:
            server.shutdown()
            thread.join()
