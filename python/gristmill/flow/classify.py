"""Which way a function's calls are run, from what its calls were measured to cost.

A place never changes a result, only where and beside what a call runs. What is measured is kept with the node from run to run.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Callable, Final, Mapping, Sequence

UNKNOWN: Final = 0
INLINE: Final = 1  # where the item is
LOOP: Final = 2  # on the event loop
THREAD: Final = 3  # on a thread that may wait
NATIVE: Final = 4  # on one of as many threads as there are cores
PROCESS: Final = 5  # in another interpreter

KINDS: Final = {"inline": INLINE, "async": LOOP, "blocking": THREAD, "native": NATIVE, "cpu": PROCESS}
WAYS: Final = {UNKNOWN: "not known yet", INLINE: "inline", LOOP: "async", THREAD: "blocking", NATIVE: "native", PROCESS: "cpu"}

TRIVIAL: Final = 100e-6  # seconds; a hand-over costs up to half of it
STALL: Final = 1e-3  # seconds without progress before somebody looks what a call is doing
WORTH_A_PROCESS: Final = 0.2e-3  # seconds of CPU in a call below which its trip is not tried
WORTH_WARM: Final = 0.02  # seconds of CPU still to come that are worth asking warm processes
WORTH_COLD: Final = 0.25  # the same where they must be started first
FREE_THREADED: Final = not getattr(sys, "_is_gil_enabled", lambda: True)()
ENOUGH: Final = 3  # calls measured before the next one is taken for known
EVERY: Final = 64  # one call in so many is measured later on
_FADE: Final = 32.0  # what was measured so many calls ago counts half


def cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


in_the_way: Final = [0.0]  # seconds the watching thread was kept from a core so far, perhaps with Python's lock in its hands


def queued(task: int | str = "thread-self") -> float:
    """Seconds a thread has stood in the system's line for a core so far, where the system tells: that is no waiting of its own."""
    try:
        with open(f"/proc/{task}/schedstat", "rb") as f:
            return int(f.read().split()[1]) * 1e-9
    except (OSError, IndexError, ValueError):
        return 0.0


class Stats:
    """Times of one function's calls. Written without a lock: a lost sample changes nothing that counts."""

    __slots__ = ("calls", "samples", "wall", "cpu", "verdict", "holds_lock", "trip", "stays", "probing")

    def __init__(self) -> None:
        self.calls = 0
        self.samples = 0
        self.wall = 0.0  # seconds, mean of late samples
        self.cpu = 0.0
        self.verdict = UNKNOWN  # seen from outside while a call was still running
        self.holds_lock: bool | None = None
        self.trip = 0.0  # seconds of packing and sending a call to a process
        self.stays = ""  # why its calls cannot leave this process
        self.probing = False

    def record(self, wall: float, cpu: float) -> None:
        """The times of a call; whoever makes it has counted it before, or all that start meanwhile were due as well."""
        self.samples += 1
        share = max(1.0 / self.samples, 1.0 / _FADE)
        self.wall += (wall - self.wall) * share
        self.cpu += (cpu - self.cpu) * share

    def surprise(self) -> None:
        """A call that was thought trivial was not: what was known is forgotten."""
        self.samples = 0
        self.wall = self.cpu = 0.0
        self.verdict = UNKNOWN

    @property
    def due(self) -> bool:
        """Whether the next call should be measured."""
        return self.samples < ENOUGH or self.calls % EVERY == 0

    def kind(self) -> int:
        """What its calls are like; UNKNOWN before anything is known."""
        if not self.samples:
            return self.verdict
        if self.wall < TRIVIAL:
            return INLINE
        if self.wall - self.cpu > max(self.cpu, TRIVIAL):
            return THREAD
        if self.verdict == NATIVE and self.wall > STALL:
            return NATIVE
        return PROCESS if self.cpu >= WORTH_A_PROCESS else INLINE


def timed(stats: Stats, call: Callable[..., Any], args: Sequence[Any], names: Mapping[str, Any]) -> Any:
    """A call whose times are noted, also when it fails."""
    stats.calls += 1
    long = not stats.samples or stats.wall >= TRIVIAL  # only then it is worth asking the system
    line = queued() + in_the_way[0] if long else 0.0
    wall, cpu = time.perf_counter(), time.thread_time()
    try:
        return call(*args, **names)
    finally:
        wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
        if long and wall - cpu > TRIVIAL:
            wall = max(cpu, wall - (queued() + in_the_way[0] - line))
        stats.record(wall, cpu)


def worth_processes(stats: Stats, calls_left: float, warm: bool) -> bool:
    """Whether what is left of a computing function repays its trips. Processes are started for short runs too, once they have come often."""
    if stats.stays or FREE_THREADED or cores() < 2 or stats.trip > 0.5 * max(stats.cpu, 1e-9) or in_worker():
        return False
    left = calls_left * stats.cpu
    return left >= WORTH_WARM if warm else left >= WORTH_COLD or (left >= WORTH_WARM and left + stats.calls * stats.cpu >= WORTH_COLD)


def in_worker() -> bool:
    """Whether this interpreter is itself one of a flow's processes."""
    return "_gristmill_worker" in sys.modules


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def numbers(stats: Stats) -> str:
    if not stats.samples:
        return "not measured yet"
    text = f"{_time(stats.wall)} a call, {_time(stats.cpu)} of it computing, {stats.samples} of {stats.calls} calls measured"
    return text + (f", {_time(stats.trip)} a trip" if stats.trip else "")


def reason(stats: Stats, form: str, pinned: str | None) -> tuple[str, str]:
    """The way and why, for people.

    >>> reason(Stats(), "async", None)
    ('async', 'an async function: on the event loop')
    >>> s = Stats(); s.calls += 1; s.record(2e-6, 2e-6); reason(s, "sync", None)
    ('inline', 'a call takes less than handing it over: stays where the item is (2.0 us a call, 2.0 us of it computing, 1 of 1 calls measured)')
    """
    if form.startswith("async"):
        known = f" ({_time(stats.wall)} a call, {stats.samples} of {stats.calls} calls measured)" if stats.samples else f" ({stats.calls} calls)" if stats.calls else ""
        return "async", f"an {form + ' function' if form == 'async' else form}: on the event loop" + known
    if pinned == "cpu" and (FREE_THREADED or stats.stays):
        why = "this interpreter computes on threads" if FREE_THREADED else stats.stays
        return "native", f"pinned by kind='cpu', but {why}: on {cores()} threads ({numbers(stats)})"
    if pinned:
        return pinned, f"pinned by kind={pinned!r} ({numbers(stats)})"
    if form == "generator":
        return "blocking", "a generator: pulled by a thread of its own while there is room for what it gives"
    kind, known = stats.kind(), f" ({numbers(stats)})"
    if kind == UNKNOWN:
        return WAYS[kind], "no call was measured yet: the first one shows"
    if kind == INLINE:
        return "inline", "a call takes less than handing it over: stays where the item is" + known
    if kind == THREAD:
        return "blocking", "a call mostly waits: on a thread for each call that is open" + known
    if kind == NATIVE or FREE_THREADED:
        return "native", f"a call computes without holding Python's lock: on {cores()} threads" + known
    if stats.stays:
        return "inline", f"a call computes, but {stats.stays}: stays in this process" + known
    if stats.trip > 0.5 * stats.cpu:
        return "inline", "a call computes less than its trip to another process costs" + known
    return "cpu", f"a call computes in Python: in {cores()} processes as soon as what is left is worth it" + known
