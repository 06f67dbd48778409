"""The stall detector: looks from outside at calls nobody knows yet, and says what they are doing.

A caller that starts something unknown leaves a probe here and goes on; nothing is measured by running a call twice or alone. The
watching thread sleeps until then, comes back after a millisecond, and if the caller is still in the same call it reads the CPU clock
of the caller's thread: a clock that stands means the call waits, one that runs means it computes; if the watcher itself was kept from waking up,
the call holds Python's lock while it computes.
"""

from __future__ import annotations

import threading
import time
from typing import Callable

from .classify import NATIVE, PROCESS, STALL, THREAD, in_the_way, queued

_LATE = 2.5e-3  # seconds; a waking thread waits for the lock up to 5 ms, as long as somebody computes in Python
_ROUNDS = 4
_SURE = 2  # one look may have come while something else stood in the way


class Probe:
    """A thread to look at: `mark` changes whenever it goes on to another call; None when it is through."""

    __slots__ = ("ident", "task", "mark", "seen", "clock", "cpu", "process", "at", "rounds", "late", "verdict")

    def __init__(self, verdict: Callable[[object, int], None]) -> None:
        self.ident = threading.get_ident()
        self.mark: object = None
        self.seen: object = None
        self.task = threading.get_native_id()
        self.cpu = self.process = self.at = 0.0
        self.rounds = self.late = 0
        self.verdict = verdict
        try:
            self.clock = time.pthread_getcpuclockid(self.ident)
        except (AttributeError, OSError):
            self.clock = -1


class Watch:
    def __init__(self) -> None:
        self._probes: list[Probe] = []
        self._lock = threading.Lock()
        self._wake = threading.Lock()
        self._wake.acquire()
        self._thread: threading.Thread | None = None
        self._asleep = False
        self._stopping = False

    def look_at(self, probe: Probe) -> None:
        with self._lock:
            self._probes.append(probe)
            if self._thread is None:
                self._stopping = False
                self._thread = threading.Thread(target=self._run, name="gristmill-flow-watch", daemon=True)
                self._thread.start()
            elif self._asleep:
                self._asleep = False
                self._wake.release()

    def stop(self) -> None:
        with self._lock:
            thread, self._thread, self._stopping = self._thread, None, True
            if self._asleep:
                self._asleep = False
                self._wake.release()
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._stopping:
                    return
                self._asleep = sleep = not self._probes
            if sleep:
                self._wake.acquire()
                continue
            before, line = time.perf_counter(), queued()
            time.sleep(STALL)
            late = time.perf_counter() - before - STALL > _LATE
            in_the_way[0] += queued() - line
            with self._lock:
                probes = list(self._probes)
            for probe in probes:
                if not self._still_open(probe, late):
                    with self._lock:
                        self._probes.remove(probe)

    def _still_open(self, probe: Probe, late: bool) -> bool:
        mark = probe.mark
        if mark is None:
            return False
        now = time.perf_counter()
        try:
            cpu = (time.clock_gettime(probe.clock) if probe.clock != -1 else 0.0) + queued(f"self/task/{probe.task}") + in_the_way[0]
        except OSError:  # the thread is gone
            return False
        process = time.process_time()
        if mark is not probe.seen:
            probe.seen, probe.cpu, probe.process, probe.at, probe.rounds, probe.late = mark, cpu, process, now, 0, 0
            return True
        probe.rounds += 1
        probe.late += late
        wall = max(now - probe.at, 1e-9)
        share, busy = (cpu - probe.cpu) / wall, (process - probe.process) / wall
        if share < 0.25:
            if probe.rounds < _SURE or (probe.rounds < _ROUNDS and busy > 0.5):
                return True  # perhaps for Python's lock
            kind = THREAD
        elif probe.rounds < _ROUNDS:
            return True
        else:
            kind = THREAD if share < 0.5 else PROCESS if probe.late else NATIVE
        if probe.mark is mark:
            probe.verdict(mark, kind)
        return False
