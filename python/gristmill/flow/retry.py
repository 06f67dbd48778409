"""When a call that failed is made again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Retry:
    """Up to `times` more calls after a failed one, with growing pauses between them.

    The pause before the n-th repetition is first * factor ** (n - 1) seconds, at most `most`, of which a random part (`jitter`, 0 to 1)
    is left out, so that many callers do not come back at the same moment. `on` says which exceptions are worth it: a class, a tuple
    of classes or a function of the exception. `draw` gives the random numbers.

    >>> calm = Retry(times=3, first=1.0, jitter=0.0)
    >>> [calm.pause(n, OSError()) for n in (1, 2, 3, 4)]
    [1.0, 2.0, 4.0, None]
    >>> Retry(times=3, on=OSError).pause(1, ValueError()) is None
    True
    """

    times: int = 3
    first: float = 0.1
    factor: float = 2.0
    most: float = 60.0
    jitter: float = 0.5
    on: type[BaseException] | tuple[type[BaseException], ...] | Callable[[BaseException], bool] = Exception
    draw: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        if self.times < 0 or self.first < 0 or self.factor < 1 or not 0 <= self.jitter <= 1:
            raise ValueError(f"a Retry needs times >= 0, first >= 0, factor >= 1 and jitter from 0 to 1, got {self!r}")

    def applies(self, error: BaseException) -> bool:
        if isinstance(self.on, (type, tuple)):
            return isinstance(error, self.on)
        return bool(self.on(error))

    def pause(self, failed: int, error: BaseException) -> float | None:
        """Seconds to wait after the n-th failed call (n from 1); None: it was the last."""
        if failed > self.times or not self.applies(error):
            return None
        pause = min(self.most, self.first * self.factor ** min(failed - 1, 1000))
        return pause * (1.0 - self.jitter * self.draw())


def as_retry(retry: Retry | int | None) -> Retry | None:
    if isinstance(retry, bool) or not (retry is None or isinstance(retry, (int, Retry))):
        raise TypeError(f"retry takes a number of repetitions or a Retry, got {retry!r}")
    return Retry(times=retry) if isinstance(retry, int) else retry
