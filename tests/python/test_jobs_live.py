"""A running job, watched on a pseudo terminal and over HTTP. The job waits for its standard input, so the test says how long it runs."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Iterator

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / "build/release/bin/gristmill"
TOKEN = "a-token-that-is-long-enough"


class Run:
    """`gristmill run` with stderr on a terminal of its own (or a pipe) and stdin held open."""

    def __init__(self, folder: Path, *arguments: str, columns: int = 100, rows: int = 40, terminal: bool = True, **variables: str) -> None:
        job = folder / "job.yaml"
        job.write_text("name: orders\nsource: {stdin: {format: ndjson, schema: {id: int64, value: float64}}}\n"
                       "transforms: [{filter: \"value > 0\"}]\nsink: {ndjson: {path: '" + str(folder / "out.ndjson") + "'}}\n")
        self.folder = folder
        environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "GRISTMILL_LISTEN_TOKEN")}
        environment |= {"TERM": "xterm", "LC_ALL": "C.UTF-8"} | variables
        self.master, slave = pty.openpty() if terminal else os.pipe()
        if terminal:
            self.resize(columns, rows)
        self.process = subprocess.Popen([COMMAND, "run", job, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=slave, env=environment)
        os.close(slave)
        self.text = ""

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def feed(self, first: int, n: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f'{{"id": {i}, "value": {1 if i % 2 else -1}}}\n' for i in range(first, first + n)).encode())
        self.process.stdin.flush()

    def read(self, until: str, seconds: float = 60) -> str:
        end = time.monotonic() + seconds
        while not re.search(until, self.text):
            assert time.monotonic() < end, f"no {until!r} in {self.text!r}"
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    data = os.read(self.master, 65536)
                except OSError:
                    data = b""
                assert data, f"no {until!r} in {self.text!r}"
                self.text += data.decode(errors="replace")
        return self.text

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        with contextlib.suppress(OSError):  # the terminal's end
            while data := os.read(self.master, 65536):
                self.text += data.decode(errors="replace")
        return self.process.wait(60)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@contextlib.contextmanager
def running(folder: Path, *arguments: str, **options: object) -> Iterator[Run]:
    run = Run(folder, *arguments, **options)  # type: ignore[arg-type]
    try:
        yield run
    finally:
        run.close()


def test_the_view_is_drawn_in_place_and_gone_at_the_end(folder: Path) -> None:
    with running(folder) as run:
        run.feed(0, 1000)
        run.read(r"(?s)orders.*running.*\x1b\[\d+A\x1b\[J.*orders")  # drawn, and drawn over
        assert "\x1b[1m" in run.text
        assert run.end() == 0
        behind = run.text.rsplit("\x1b[J", 1)[1]
        assert "\x1b[" not in behind and "ring" not in behind, "after the view there is only the report"
    assert len((folder / "out.ndjson").read_text().splitlines()) == 500


def test_without_colours(folder: Path) -> None:
    with running(folder, NO_COLOR="1") as run:
        run.feed(0, 10)
        run.read("orders  running")
        assert not re.search(r"\x1b\[\d*m", run.text)
        assert run.end() == 0


def test_the_window_may_become_small(folder: Path) -> None:
    with running(folder, NO_COLOR="1") as run:
        run.feed(0, 10)
        run.read("memory")
        run.resize(30, 3)
        seen = len(run.text)
        run.read(rf"(?s).{{{seen}}}.*\x1b\[1A\x1b\[Jorders")
        lines = run.text.rsplit("\x1b[J", 1)[1].replace("\r", "").split("\n")
        assert len(lines) <= 2 and all(len(line) <= 30 for line in lines), lines
        assert run.end() == 0


def test_lines_without_a_terminal_and_nothing_when_not_wanted(folder: Path) -> None:
    with running(folder, terminal=False) as run:
        run.feed(0, 10)
        run.read(r"^orders: running 0:0\d, in \d+ rows", 30)
        assert "\x1b" not in run.text
        assert run.end() == 0
    with running(folder, "--no-live") as run:
        run.feed(0, 10)
        time.sleep(0.8)
        assert run.end() == 0
        assert "\x1b[" not in run.text


def _get(url: str, token: str = "") -> tuple[int, str]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def test_pages_while_it_runs(folder: Path) -> None:
    with running(folder, "--listen", "127.0.0.1:0", "--no-live") as run:
        url = re.search(r"http://127\.0\.0\.1:\d+/", run.read(r"http://127\.0\.0\.1:\d+/")).group()  # type: ignore[union-attr]
        assert _get(url + "healthz") == (200, "ok\n")
        end = time.monotonic() + 30
        while _get(url + "readyz")[0] != 200:
            assert time.monotonic() < end
        status = json.loads(_get(url + "status.json")[1])
        assert status["name"] == "orders" and status["phase"] == "running"
        assert [s["kind"] for s in status["steps"]] == ["source", "transform", "sink"]
        assert 'gristmill_job_phase{job="orders",phase="running"} 1' in _get(url + "metrics")[1]
        assert "<title>" in _get(url)[1]
        run.feed(0, 100)
        assert run.end() == 0


def test_a_token_keeps_others_out(folder: Path) -> None:
    with running(folder, "--listen", "0.0.0.0:0", "--no-live", GRISTMILL_LISTEN_TOKEN=TOKEN) as run:
        port = re.search(r"http://0\.0\.0\.0:(\d+)/", run.read(r"http://0\.0\.0\.0:\d+/")).group(1)  # type: ignore[union-attr]
        url = f"http://127.0.0.1:{port}/"
        assert _get(url + "status.json")[0] == 401
        assert _get(url + "status.json", TOKEN[:-1])[0] == 401
        assert _get(url + "status.json", TOKEN)[0] == 200
        assert _get(url + "healthz")[0] == 200
        assert run.end() == 0


def test_nobody_listens_to_the_world_without_a_token(folder: Path) -> None:
    with running(folder, "--listen", "0.0.0.0:0", "--no-live", terminal=False) as run:
        assert run.end() == 2
        assert "GRISTMILL_LISTEN_TOKEN" in run.text
