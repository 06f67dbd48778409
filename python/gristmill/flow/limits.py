"""How many calls may start in a time; shared by whoever uses the same name.

A rate is strict: of the starts in any window of its length there are never more than its number. Safe between threads and event loops.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
import weakref
from collections import deque
from typing import Any, Callable

_UNITS = {"s": 1.0, "second": 1.0, "min": 60.0, "minute": 60.0, "h": 3600.0, "hour": 3600.0, "ms": 0.001}
_GRAIN = 0.01  # seconds within which a rate may be used up in one go
_named: "weakref.WeakValueDictionary[tuple[str, str], Any]" = weakref.WeakValueDictionary()
_naming = threading.Lock()


def shared(kind: str, name: str | None, made: Any, same: Callable[[Any], bool]) -> Any:
    """The one object of that name; a second one that says something else is an error."""
    if name is None:
        return made
    with _naming:
        known = _named.setdefault((kind, name), made)
    if not same(known):
        raise ValueError(f"there is a {kind} {name!r} already with other numbers: {known!r}")
    return known


class _Rate:
    def __init__(self, calls: int, per: float, burst: int, clock: Callable[[], float]) -> None:
        self.calls, self.per, self.burst, self.clock = calls, per, burst, clock
        self.window = per * burst / calls
        self.lock = threading.Lock()
        self.starts: deque[float] = deque(maxlen=burst)
        self.waiting = 0  # calls that have a turn and have not started

    def __repr__(self) -> str:
        return f"{self.calls} calls per {self.per:g} s, {self.burst} at once"

    def promise(self) -> float:
        """Seconds until a call that asks now may expect its turn: behind those that wait, `burst` of them in each window."""
        with self.lock:
            now, windows, place = self.clock(), self.waiting // self.burst, self.waiting % self.burst
            self.waiting += 1
            pause = windows * self.window
            place -= self.burst - len(self.starts)
            return pause if place < 0 else max(pause, self.starts[place] + self.window - now + pause)

    def start(self) -> float:
        """0 and the start is counted, or the seconds until it is worth asking again."""
        with self.lock:
            now = self.clock()
            if len(self.starts) == self.burst and now - self.starts[0] < self.window:
                return self.window - (now - self.starts[0])
            self.starts.append(now)
            return 0.0


class RateLimit:
    """At most `calls` starts in any `per` seconds, in every flow and thread of the process that uses the same name.

    burst: how many may start at one moment; by default what belongs to a hundredth of a second, at least one, so that calls come evenly.

    >>> RateLimit(100, name="api")
    RateLimit(100 calls per 1 s, 1 at once)
    """

    def __init__(self, calls: int, per: float = 1.0, *, burst: int | None = None, name: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        if calls < 1 or per <= 0 or (burst is not None and not 1 <= burst <= calls):
            raise ValueError(f"a rate needs calls >= 1, per > 0 and burst from 1 to calls, got {calls}, {per}, {burst}")
        amount = burst or max(1, int(calls / per * _GRAIN))
        made = _Rate(calls, per, min(amount, calls), clock)
        self._rate: _Rate = shared("rate", name, made, lambda r: (r.calls, r.per, r.burst) == (made.calls, made.per, made.burst))

    def __repr__(self) -> str:
        return f"RateLimit({self._rate!r})"

    def turn(self) -> "Turn":
        """A place in the line of calls that wait for their start."""
        return Turn(self._rate)


class Turn:
    """Of one call: `async with` takes the place and gives it back, also when the call is cancelled before it starts."""

    def __init__(self, rate: _Rate) -> None:
        self._rate = rate
        self._lines_up = False

    async def __aenter__(self) -> "Turn":
        pause = self._rate.promise()
        self._lines_up = True
        try:
            if pause > 0:
                await asyncio.sleep(pause)
        except BaseException:
            self._leave()
            raise
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._leave()

    def _leave(self) -> None:
        with self._rate.lock:
            self._rate.waiting -= self._lines_up
            self._lines_up = False

    async def start(self) -> None:
        """Returns when the call may start, which is counted at that moment."""
        while (pause := self._rate.start()) > 0:
            await asyncio.sleep(pause)
        self._leave()

    def block(self) -> None:
        """As start(), on a thread."""
        while (pause := self._rate.start()) > 0:
            time.sleep(pause)
        self._leave()


def as_rate(rate: RateLimit | str | None) -> RateLimit | None:
    """A RateLimit of itself or of text.

    >>> as_rate("100/s"), as_rate("5 / min"), as_rate("1000/10s")
    (RateLimit(100 calls per 1 s, 1 at once), RateLimit(5 calls per 60 s, 1 at once), RateLimit(1000 calls per 10 s, 1 at once))
    """
    if rate is None or isinstance(rate, RateLimit):
        return rate
    match = re.fullmatch(r"\s*(\d+)\s*/\s*(\d*\.?\d*)\s*([a-z]+)\s*", rate) if isinstance(rate, str) else None
    if not match or match[3] not in _UNITS:
        raise ValueError(f"not a rate: {rate!r}; write for example '100/s', '5/min', or give a RateLimit")
    return RateLimit(int(match[1]), float(match[2] or 1) * _UNITS[match[3]])
