"""Warm interpreters for functions that compute in Python: fresh processes (never forks), data through shared memory.

Each process has a thread here that feeds it. Calls wait in one line; a thread takes as many as belong together (short ones in chunks, one chunk
ahead), so no process idles while another has a queue. A process that dies takes nobody along: its calls go back to the line once, each by itself.
"""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from typing import Any, Callable

from . import carry
from .classify import Stats, cores
from .failures import WorkerCrashed

IDLE_SECONDS = 60.0
_CHUNK_SECONDS = 4e-3
_MOST_IN_CHUNK = 256
_AHEAD_SECONDS = 10e-3  # calls shorter than this are sent one chunk ahead
_numbers = itertools.count(1)


class RemoteTraceback(Exception):
    """Where it happened in the other process; the cause of the user's exception."""

    def __str__(self) -> str:
        return "\n" + str(self.args[0]).rstrip()


class Function:
    """A function packed for other interpreters, as it was when its flow started."""

    def __init__(self, call: Callable[..., Any], stats: Stats) -> None:
        self.number = next(_numbers)
        self.local = call
        self.stats = stats
        self.parts = [bytes(p) for p in carry.pack(call)]


class Job:
    """A call; `done` gets (value, None) or (None, error) on a thread of the pool, unless it is cancelled before."""

    __slots__ = ("function", "args", "names", "done", "crashes", "cancelled", "driver", "began")

    def __init__(self, function: Function, args: tuple[Any, ...], names: dict[str, Any], done: Callable[[Any, BaseException | None], None]) -> None:
        self.function, self.args, self.names, self.done = function, args, names, done
        self.crashes = 0
        self.cancelled = False
        self.driver: _Driver | None = None
        self.began = 0.0

    def cancel(self) -> None:
        """A call that is being run ends with its process."""
        self.cancelled = True
        driver = self.driver
        if driver is not None:
            driver.interrupt(self)


class ProcessPool:
    def __init__(self, most: int | None = None) -> None:
        self.most = most or cores()
        self.jobs: deque[Job] = deque()
        self.lock = threading.Lock()
        self.stopping = False
        self._drivers: list[_Driver] = []
        self._idle: list[_Driver] = []

    @property
    def warm(self) -> bool:
        return sum(d.ready for d in self._drivers) >= min(2, self.most)

    @property
    def pids(self) -> list[int]:
        return [d.process.pid for d in list(self._drivers) if d.process is not None]

    def submit(self, job: Job, first: bool = False) -> None:
        with self.lock:
            if first:
                self.jobs.appendleft(job)
            else:
                self.jobs.append(job)
            self._wake()

    def _wake(self) -> None:
        if self._idle:
            self._idle.pop().wake.release()
        elif len(self._drivers) < self.most and not self.stopping:
            driver = _Driver(self)
            self._drivers.append(driver)
            driver.thread.start()

    def take(self, ahead: bool) -> list[Job]:
        """Calls that go out together; ahead: to a process that is busy, so only short ones."""
        with self.lock:
            while self.jobs and self.jobs[0].cancelled:
                self.jobs.popleft()
            if not self.jobs:
                return []
            function = self.jobs[0].function
            each = function.stats.cpu
            if ahead and not 0 < each < _AHEAD_SECONDS:
                return []
            fair = -(-len(self.jobs) // (2 * self.most))
            count = max(1, min(_MOST_IN_CHUNK, fair, int(_CHUNK_SECONDS / each))) if each > 0 else 1
            out: list[Job] = []
            while self.jobs and len(out) < count and self.jobs[0].function is function:
                if out and (self.jobs[0].crashes or out[0].crashes):
                    break  # who was in a crash goes alone
                job = self.jobs.popleft()
                if not job.cancelled:
                    out.append(job)
            if self.jobs:
                self._wake()
            return out

    def rest(self, driver: "_Driver") -> bool:
        """Waits for a call; False: not worth keeping the process."""
        with self.lock:
            if self.stopping:
                return False
            if self.jobs:
                return True
            self._idle.append(driver)
        if driver.wake.acquire(timeout=IDLE_SECONDS):
            return not self.stopping
        with self.lock:
            if driver in self._idle:
                self._idle.remove(driver)
                return False
        driver.wake.acquire()
        return True

    def leave(self, driver: "_Driver") -> None:
        with self.lock:
            if driver in self._drivers:
                self._drivers.remove(driver)
            if self.jobs:
                self._wake()

    def stop(self) -> None:
        with self.lock:
            self.stopping = True
            drivers = list(self._drivers)
            for driver in self._idle:
                driver.wake.release()
            self._idle.clear()
        for driver in drivers:
            driver.kill()
        for driver in drivers:
            if driver.thread is not threading.current_thread():
                driver.thread.join(2.0)


class _Driver:
    """The thread beside one process."""

    def __init__(self, pool: ProcessPool) -> None:
        self.pool = pool
        self.wake = threading.Lock()
        self.wake.acquire()
        self.process: subprocess.Popen[bytes] | None = None
        self.sock: socket.socket | None = None
        self.known: set[int] = set()
        self.sent: deque[list[Job]] = deque()  # chunks over there, the first one being run
        self.at = 0  # calls of the first chunk that are through
        self.ready = False
        self.deliberate = False  # the process was ended by us
        self.thread = threading.Thread(target=self._run, name="gristmill-flow-process", daemon=True)

    def _run(self) -> None:
        try:
            while self._round():
                pass
        except BaseException as e:  # noqa: BLE001 - our own mistake must not hang those who wait for an answer
            for job in [job for chunk in self.sent for job in chunk][self.at:]:
                job.driver = None
                if not job.cancelled:
                    job.done(None, e)
        finally:
            self._end()
            self.pool.leave(self)

    def _round(self) -> bool:
        while len(self.sent) < 2:
            chunk = self.pool.take(ahead=bool(self.sent))
            if not chunk:
                break
            self._send(chunk)
        if self.sent:
            self._receive()
            return True
        return self.pool.rest(self)

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")
        try:
            with theirs:
                self.process = subprocess.Popen([sys.executable, program, str(theirs.fileno()), str(os.getpid())], stdin=subprocess.DEVNULL,
                                                pass_fds=[theirs.fileno()])
        except BaseException:
            ours.close()
            raise
        self.sock, self.known = ours, set()
        try:
            folder = os.getcwd()
        except OSError:
            folder = ""
        carry.send(ours, 0, carry.pack((sys.path, sys.argv, folder)))

    def _send(self, chunk: list[Job]) -> None:
        function = chunk[0].function
        for job in chunk:
            job.driver = self
        self.sent.append(chunk)
        began = time.perf_counter()
        try:
            parts = carry.pack((function.number, [(job.args, job.names) for job in chunk]))
        except Exception as e:  # noqa: BLE001 - an argument that cannot travel
            self.sent.pop()
            function.stats.stays = f"an argument cannot travel to another process ({type(e).__name__}: {e})"
            for job in chunk:
                _run_here(job)
            return
        try:
            if self.process is None:
                self._start()
            assert self.sock is not None
            if function.number not in self.known:
                carry.send(self.sock, function.number, function.parts)
                self.known.add(function.number)
            carry.send(self.sock, 0, parts)
            trip = 2 * (time.perf_counter() - began) / len(chunk)
            if self.ready:
                function.stats.trip += (trip - function.stats.trip) * 0.25
        except OSError as e:
            if self.process is None:  # not even started
                self.sent.pop()
                for job in chunk:
                    job.done(None, e)
                return
            self._crashed()

    def _receive(self) -> None:
        chunk = self.sent[0]
        try:
            assert self.sock is not None
            _, parts = carry.receive(self.sock)
        except (EOFError, OSError):
            self._crashed()
            return
        self.ready = True
        job, self.at = chunk[self.at], self.at + 1
        if self.at == len(chunk):
            self.sent.popleft()
            self.at = 0
        job.driver = None
        value, error = _opened(parts)
        del parts
        if not job.cancelled:
            job.done(value, error)

    def _crashed(self) -> None:
        """Puts the calls back: those it had begun may be guilty and have one more try, alone."""
        chunks, begun, deliberate = list(self.sent), self.at, self.deliberate
        self.deliberate = False
        self.sent.clear()
        self.at = 0
        code = self._end()
        for n, chunk in enumerate(reversed(chunks)):
            first = n == len(chunks) - 1
            for i, job in reversed(list(enumerate(chunk))):
                job.driver = None
                if (first and i < begun) or job.cancelled:
                    continue
                if first and i == begun and not deliberate:
                    job.crashes += 1
                if job.crashes > 1:
                    job.done(None, WorkerCrashed(f"the process that ran the call ended ({_said(code)}), twice"))
                else:
                    self.pool.submit(job, first=True)

    def interrupt(self, job: Job) -> None:
        """Ends the process if it is in that call; other calls go back to the line, with no blame."""
        chunk, at = (self.sent[0] if self.sent else []), self.at
        if at < len(chunk) and chunk[at] is job:
            self.deliberate = True
            self.kill()

    def kill(self) -> None:
        process = self.process
        if process is not None:
            process.kill()

    def _end(self) -> int | None:
        process, sock = self.process, self.sock
        self.process = self.sock = None
        self.ready = False
        if sock is not None:
            sock.close()
        if process is None:
            return None
        try:
            return process.wait(0.5)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _run_here(job: Job) -> None:
    job.driver = None
    try:
        value = job.function.local(*job.args, **job.names)
    except BaseException as e:  # noqa: BLE001 - the caller gets it
        job.done(None, e)
    else:
        job.done(value, None)


def _said(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _opened(parts: list[memoryview]) -> tuple[Any, BaseException | None]:
    try:
        answer = carry.unpack(parts)
    except BaseException as e:  # noqa: BLE001 - a value that cannot be made here
        return None, e
    if answer[0]:
        return answer[1], None
    error: BaseException
    if answer[1] is not None:
        error = answer[1]
    else:
        error = carry.make_error(*answer[3]) if answer[3] is not None else RuntimeError(f"{answer[4]}: {answer[5]}")
    error.__cause__ = RemoteTraceback(answer[2])
    return None, error
