"""Threads for calls that wait: as many as there are calls open, kept for a while.

Jobs and sleeping threads are lists of the interpreter's own, whose operations are atomic; so a hand-over takes no lock. Who sleeps last wakes first.

A job calls one thread at most, and a thread that was called calls the next one before it begins with its job. If all were called at once they would
stand in line for Python's lock, each waking up every few milliseconds to press the one that has it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, Callable

IDLE_SECONDS = 30.0
MOST_THREADS = 1024
_LAST_SECONDS = 1.0  # that stop() waits for calls that are open

Job = tuple[Any, ...]  # a function and its arguments


class ThreadPool:
    """Grows by a thread whenever a job finds nobody asleep, up to `most`; further jobs wait in line."""

    def __init__(self, most: int = MOST_THREADS, name: str = "gristmill-flow") -> None:
        self.most, self.name = most, name
        self._jobs: deque[Job] = deque()
        self._idle: list[threading.Lock] = []
        self._size = 0
        self._growing = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._stopping = False
        self._called = False  # a thread is on its way, and will see all jobs that are there when it arrives

    @property
    def size(self) -> int:
        return self._size

    def submit(self, fn: Callable[..., Any], *args: Any) -> None:
        self._jobs.append((fn, *args))
        if not self._called:
            self._call()

    def _call(self) -> None:
        try:
            self._called = True
            try:
                self._idle.pop().release()
            except IndexError:
                if self._size >= self.most or not self._grow():
                    self._called = False  # those that are at work come back to the line
        except BaseException:  # Ctrl-C: nobody may be on his way
            self._called = False
            raise

    def _grow(self) -> bool:
        """Whether a new thread is on its way."""
        with self._growing:
            if self._size >= self.most or self._stopping:
                return False
            self._size += 1
            thread = threading.Thread(target=self._work, name=f"{self.name}-{self._size}", daemon=True)
            self._threads.add(thread)
            try:
                thread.start()
            except RuntimeError:  # the system gives no more: those there are will do
                self._size -= 1
                self._threads.discard(thread)
                if not self._size:
                    raise
                return False
            return True

    def _work(self) -> None:
        wake = threading.Lock()
        wake.acquire()
        jobs = self._jobs
        self._called = False
        while True:
            try:
                if not jobs and not self._sleep(wake):
                    break
                job = jobs.popleft()
            except IndexError:  # another one was quicker
                continue
            if jobs and not self._called:
                self._call()
            fn, *args = job
            del job
            fn(*args)
            del fn, args
        with self._growing:
            self._size -= 1
            self._threads.discard(threading.current_thread())

    def _sleep(self, wake: threading.Lock) -> bool:
        """False when it slept long enough to be let go."""
        self._idle.append(wake)
        if (self._jobs or self._stopping) and self._unlist(wake):  # a job that came while nobody was listed
            return not self._stopping
        if not wake.acquire(timeout=IDLE_SECONDS):
            if self._unlist(wake):
                return False
            wake.acquire()  # called at the last moment
        self._called = False
        return not (self._stopping and not self._jobs)

    def _unlist(self, wake: threading.Lock) -> bool:
        try:
            self._idle.remove(wake)
            return True
        except ValueError:
            return False

    def stop(self) -> None:
        """Ends the threads that sleep; those in a call end after it."""
        with self._growing:
            self._stopping = True
            threads = list(self._threads)
        while self._idle:
            try:
                self._idle.pop().release()
            except IndexError:
                break
        deadline = time.monotonic() + _LAST_SECONDS
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
