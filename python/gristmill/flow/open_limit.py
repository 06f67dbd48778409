"""How many calls may be open at once, and how many bytes they may hold; shared by whoever uses the same name, between threads and event loops.

Who waits is let in by turns: a call that needs much is not overtaken for ever by small ones. One call is always let in, whatever it holds.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import Any, Mapping, Sequence

from ..options import parse_bytes
from .limits import shared
from .sizes import bytes_of

_Waiting = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]", int]


class _Gate:
    def __init__(self, open_calls: int | None, open_bytes: int | None) -> None:
        self.most, self.most_bytes = open_calls, open_bytes
        self.open = self.bytes = 0
        self.lock = threading.Lock()
        self.waiting: deque[_Waiting] = deque()

    def __repr__(self) -> str:
        parts = ([f"{self.most} at once"] if self.most is not None else []) + ([f"{self.most_bytes:,} bytes"] if self.most_bytes is not None else [])
        return ", ".join(parts)

    def fits(self, size: int) -> bool:
        return not self.open or ((self.most is None or self.open < self.most) and (self.most_bytes is None or self.bytes + size <= self.most_bytes))

    def take(self, size: int) -> None:
        self.open += 1
        self.bytes += size

    def leave(self, size: int) -> None:
        """Gives the place to those who have waited longest, if their loops still run."""
        with self.lock:
            self.open -= 1
            self.bytes -= size
        self.let_in()

    def let_in(self) -> None:
        while True:
            with self.lock:
                while self.waiting and self.waiting[0][1].done():  # cancelled
                    self.waiting.popleft()
                if not self.waiting or not self.fits(self.waiting[0][2]):
                    return
                loop, place, size = self.waiting.popleft()
                self.take(size)
            try:
                loop.call_soon_threadsafe(self._give, place, size)
            except RuntimeError:  # that loop is closed
                with self.lock:
                    self.open -= 1
                    self.bytes -= size

    def _give(self, place: asyncio.Future[None], size: int) -> None:
        if place.done():  # cancelled while waiting
            self.leave(size)
        else:
            place.set_result(None)


class Limit:
    """At most so many calls open at once, and so many bytes in their arguments, in every flow and thread of the process that uses the same name.

    open_bytes: 10_000_000 or "10MB". A call that alone holds more than that is let in when no other is open.

    >>> Limit(4, name="database"), Limit(open_bytes="64MiB")
    (Limit(4 at once), Limit(67,108,864 bytes))
    """

    def __init__(self, open_calls: int | None = None, *, open_bytes: int | str | None = None, name: str | None = None) -> None:
        if open_calls is None and open_bytes is None:
            raise ValueError("a limit needs a number of calls, or open_bytes")
        if open_calls is not None and (isinstance(open_calls, bool) or not isinstance(open_calls, int) or open_calls < 1):
            raise ValueError(f"a limit needs a number of calls of at least 1, got {open_calls!r}")
        size = None if open_bytes is None else parse_bytes(open_bytes)
        if size is not None and size < 1:
            raise ValueError(f"open_bytes must be at least 1, got {open_bytes!r}")
        self._gate: _Gate = shared("limit", name, _Gate(open_calls, size), lambda g: (g.most, g.most_bytes) == (open_calls, size))

    def __repr__(self) -> str:
        return f"Limit({self._gate!r})"

    def size_of(self, args: Sequence[Any], names: Mapping[str, Any]) -> int:
        """What a call with these arguments holds; 0 where bytes do not matter."""
        if self._gate.most_bytes is None:
            return 0
        return bytes_of(args) + bytes_of(list(names.values()))

    async def enter(self, size: int = 0) -> None:
        gate = self._gate
        with gate.lock:
            if not gate.waiting and gate.fits(size):
                gate.take(size)
                return
            loop = asyncio.get_running_loop()
            place: asyncio.Future[None] = loop.create_future()
            gate.waiting.append((loop, place, size))
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # the place came at the same moment
                gate.leave(size)
            else:
                gate.let_in()  # others behind it may fit
            raise

    def leave(self, size: int = 0) -> None:
        self._gate.leave(size)


def as_limit(limit: Limit | int | None) -> Limit | None:
    return limit if limit is None or isinstance(limit, Limit) else Limit(limit)
