"""A proxy before a PostgreSQL server, on a Unix socket of its own, that ends connections where a test wants it.

Each connection takes the next fate of the list; when none is left it is passed on:

    "pass"          as it is
    "refuse"        closed at once
    N               reset when the client has sent N bytes
    "stall"         nothing more is taken from the client once it has sent rows
    "lost answer"   the commit reaches the server, its answer does not reach the client
    "lost commit"   the commit does not reach the server
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Iterator

_NAME = ".s.PGSQL.5432"
_COMMIT = b"commit\0"


class PostgresProxy:
    def __init__(self, server_folder: Path, fates: list[str | int]) -> None:
        self.server_folder, self.fates = server_folder, list(fates)
        self.folder = Path(tempfile.mkdtemp(prefix="gristmill-proxy-"))
        self.connections = 0
        self.over = threading.Event()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.folder / _NAME))
        self.listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def uri(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.folder}"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            fate = self.fates.pop(0) if self.fates else "pass"
            threading.Thread(target=self._serve, args=(client, fate), daemon=True).start()

    def _serve(self, client: socket.socket, fate: str | int) -> None:
        server = socket.socket(socket.AF_UNIX)
        try:
            if fate == "refuse":
                return
            server.connect(str(self.server_folder / _NAME))
            silent = threading.Event()
            answers = threading.Thread(target=self._answers, args=(client, server, silent), daemon=True)
            answers.start()
            self._requests(client, server, fate, silent)
        except OSError:
            pass
        finally:
            for end in (client, server):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def _requests(self, client: socket.socket, server: socket.socket, fate: str | int, silent: threading.Event) -> None:
        sent = 0
        while data := client.recv(1 << 16):
            sent += len(data)
            if isinstance(fate, int) and sent >= fate:
                return
            if fate == "lost commit" and _COMMIT in data:
                return
            if fate == "lost answer" and _COMMIT in data:
                silent.set()
                server.sendall(data)
                time.sleep(0.3)  # the server has long committed
                return
            server.sendall(data)
            if fate == "stall" and sent > 100_000:
                self.over.wait(5)  # longer than any time-out of the tests
                return

    @staticmethod
    def _answers(client: socket.socket, server: socket.socket, silent: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                if not silent.is_set():
                    client.sendall(data)
            client.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.over.set()
        self.listener.close()
        (self.folder / _NAME).unlink(missing_ok=True)
        self.folder.rmdir()


@contextlib.contextmanager
def postgres_proxy(server_folder: Path, *fates: str | int) -> Iterator[PostgresProxy]:
    proxy = PostgresProxy(server_folder, list(fates))
    try:
        yield proxy
    finally:
        proxy.close()
