"""What random graphs compute: numbers of numbers, failures for some. Imports nothing of the package, as processes of flows load it."""

from __future__ import annotations

import random
import threading
from collections import Counter
from typing import Any


class Sour(ValueError):
    """What the functions of these tests raise."""


def number(value: Any) -> int:
    if isinstance(value, (list, tuple)):
        return sum((i + 1) * number(v) for i, v in enumerate(value)) % 10_007
    return int(value)


class Function:
    """Computes a number of its arguments; fails for some, the first time for others; several outputs or values if told."""

    def __init__(self, name: str, seed: int, outputs: int, many: bool, fails: int, flaky: int) -> None:
        r = random.Random(seed)
        self.name, self.outputs, self.many, self.fails, self.flaky = name, outputs, many, fails, flaky
        self.factor, self.add = r.randint(2, 97), r.randint(0, 1000)
        self.tried: Counter = Counter()
        self.lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Locks do not travel; nor does a function that counts its calls, in whatever way it may look better run."""
        if self.flaky:
            raise TypeError("it counts its calls in this process")
        return {**self.__dict__, "lock": None, "tried": None}

    def value(self, *args: Any) -> int:
        return (sum((i + 1) * number(a) for i, a in enumerate(args)) * self.factor + self.add) % 10_007

    def __call__(self, *args: Any) -> Any:
        value = self.value(*args)
        if self.fails and value % self.fails == 1:
            raise Sour(self.name, value)
        if self.many:
            return [value + k for k in range(value % 4)]
        return tuple(value + k for k in range(self.outputs)) if self.outputs > 1 else value

    def in_flow(self, *args: Any) -> Any:
        """The same, but for arguments it has not seen it fails first."""
        if self.flaky:
            with self.lock:
                self.tried[repr(args)] += 1
                if self.tried[repr(args)] <= self.flaky:
                    raise ConnectionError(self.name)
        return self(*args)
