"""The parent's side of an engine's process (engines/worker.py)."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_BENCH = Path(__file__).resolve().parents[1]
_THREAD_VARIABLES = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS",
                     "RAYON_NUM_THREADS", "TOKIO_WORKER_THREADS", "ARROW_IO_THREADS", "GRISTMILL_WORKERS")


class EngineFailed(Exception):
    """The engine raised, crashed or took too long; the text says which."""


class EngineProcess:
    """One engine alone in a process, limited to so many threads. A context manager."""

    def __init__(self, engine: str, threads: int = 2, timeout: float = 600.0, variables: dict[str, str] | None = None) -> None:
        self.engine = engine
        self._timeout = timeout
        environment = os.environ | {name: str(threads) for name in _THREAD_VARIABLES} | (variables or {})
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "engines.worker", engine, "--threads", str(threads)],
            cwd=_BENCH, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, bufsize=0)
        self._pending = b""
        self.modes: list[str] = []
        self.idle_mib = 0.0

    def __enter__(self) -> "EngineProcess":
        try:
            about = self.ask("about")
        except BaseException:
            self.close()
            raise
        self.modes, self.idle_mib = about["modes"], about["idle_mib"]
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def send(self, do: str, **arguments: Any) -> None:
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        except BrokenPipeError:
            raise EngineFailed(self._last_words()) from None

    def receive(self) -> dict[str, Any]:
        while b"\n" not in self._pending:
            ready, _, _ = select.select([self._process.stdout], [], [], self._timeout)
            if not ready:
                self.close()
                raise EngineFailed(f"no answer within {self._timeout:.0f} s")
            piece = os.read(self._process.stdout.fileno(), 1 << 16)
            if not piece:
                raise EngineFailed(self._last_words())
            self._pending += piece
        line, self._pending = self._pending.split(b"\n", 1)
        reply = json.loads(line)
        if "error" in reply:
            raise EngineFailed(reply["error"])
        return reply

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        self.send(do, **arguments)
        return self.receive()

    def _last_words(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        words = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"process ended with {code}" + (f": {words[-1][:300]}" if words else "")
