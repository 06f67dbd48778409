"""Classes as nodes: one object per worker (a thread, an event loop, a process), built at its first call there."""

from __future__ import annotations

import asyncio
import threading
import weakref
from typing import Any, Callable


class Built:
    """Calls the worker's own object of a class. Its attributes need no lock: nobody else calls it."""

    def __init__(self, cls: Callable[[], Any]) -> None:
        self.cls = cls
        self._mine = threading.local()
        self._loops: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any]" = weakref.WeakKeyDictionary()
        self.__name__ = getattr(cls, "__name__", "object")

    def _object(self) -> Any:
        loop = asyncio._get_running_loop()
        if loop is not None:  # objects of async code belong to their loop, which may not be the thread's last
            found = self._loops.get(loop)
            if found is None:
                found = self._loops[loop] = self.cls()
            return found
        found = getattr(self._mine, "object", None)
        if found is None:
            found = self._mine.object = self.cls()
        return found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._object()(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return Built, (self.cls,)
