"""Results one at a time while the items still come: nothing is pulled from the source before there is room for it.

In a `for` loop the source is pulled by the caller's thread, in `async for` by the caller's loop; so a source needs no care about threads.
"""

from __future__ import annotations

import asyncio
import atexit
import queue
import time
import weakref
from typing import Any, AsyncIterator, Callable, Iterator

from .drive import _join_cancelled, finish
from .failures import FlowTypeError
from .items import Item
from .run import Run
from .state import CALLER, NOBODY

Pull = Callable[[], Any]
_open: "weakref.WeakSet[Stream]" = weakref.WeakSet()
_SLOW_SOURCE = 1e-3  # seconds; a result that is there does not wait for a source that takes longer


class Stream:
    """An iterator of results, for `for` and `async for`; close() ends it early, as leaving the loop does."""

    def __init__(self, make: Callable[[bool], tuple[Run, Any]], at_end: Callable[[], None]) -> None:
        self._make = make
        self._at_end = at_end
        self._told = False
        self._run: Run | None = None
        self._source: Any = None
        self._pull_seconds = 0.0
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._feeder: asyncio.Task[None] | None = None
        self._news: asyncio.Event | None = None
        self._ended = False

    # ---- in a for loop

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._ended:
            raise StopIteration
        run = self._run
        if run is None:
            run, self._source = self._make(False)
            self._run = run
            _open.add(self)
            ring = self._bell.put  # not self: a stream that is dropped ends its run
            run.bell = lambda: ring(None)
            if hasattr(self._source, "__anext__"):
                self.close()
                raise FlowTypeError("this stream's input is an async iterable; loop over it with `async for`")
        try:
            return self._next(run)
        except StopIteration:
            self.close()
            raise
        except BaseException as e:
            self._tell_end(e)
            self.close()
            raise

    def _next(self, run: Run) -> Any:
        while True:
            if run.out:
                row = run.out.popleft()
                self._consumed(run)
                if self._pull_seconds < _SLOW_SOURCE and self._has_room(run):
                    self._pull(run)
                return row
            if run.over:
                finish(run)
                if run.out:
                    continue
                raise StopIteration
            if self._has_room(run):
                self._pull(run)
            else:
                self._bell.get()

    def _has_room(self, run: Run) -> bool:
        with run.lock:
            return self._source is not None and not run.over and run.root.limit is None and run.root.room()

    def _pull(self, run: Run) -> None:
        began = time.perf_counter()
        try:
            given = next(self._source)
        except StopIteration:
            self._source = None
            run.close(run.root)
            return
        finally:
            self._pull_seconds = time.perf_counter() - began
        add(run, given, CALLER)

    @staticmethod
    def _consumed(run: Run) -> None:
        if run.waiters:
            with run.lock:
                waiters, run.waiters = run.waiters, []
            for wake in waiters:
                wake()

    def close(self) -> None:
        """Ends the run: what is open is cancelled, the source closed."""
        self._ended = True
        run, source = self._run, self._source
        self._source = None
        if run is not None:
            run.abort(None)
            if run.cancelled:
                _join_cancelled(run)
            run.out.clear()
        if source is not None and hasattr(source, "close"):
            source.close()
        self._tell_end(None)

    def _tell_end(self, error: BaseException | None) -> None:
        """Once: what became of the run, and whatever it kept open is closed."""
        run, told = self._run, self._told
        self._told = True
        if told or run is None:
            return
        self._at_end()
        before = run.broken
        run.tell("flow_end" if error is None else "flow_error", None, None, error)
        if error is None and run.broken is not before and run.broken is not None:  # the listener failed
            raise run.broken

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if self._run is not None and not self._ended:
            self._drop()

    def _drop(self) -> None:
        """Nobody looks at it any more, and nobody waits for its end."""
        self._ended = True
        run, feeder = self._run, self._feeder
        assert run is not None
        run.abort(None)
        if feeder is not None:  # it may be waiting for its source
            run.home.soon(feeder.cancel)
        self._tell_end(None)

    # ---- in an async for loop

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if self._ended:
            raise StopAsyncIteration
        if self._run is None:
            self._run, self._source = self._make(True)
            _open.add(self)
            self._news = asyncio.Event()
            ring, home = self._news.set, self._run.home
            self._run.bell = lambda: home.soon(ring)
            self._feeder = asyncio.get_running_loop().create_task(_feed(self._run, self._source))
        run, news = self._run, self._news
        assert run is not None and news is not None
        try:
            while True:
                if run.out:
                    row = run.out.popleft()
                    self._consumed(run)
                    return row
                if run.over:
                    finish(run)
                    raise StopAsyncIteration
                news.clear()
                if not run.out and not run.over:
                    await news.wait()
        except StopAsyncIteration:
            await self.aclose()
            raise
        except BaseException as e:
            self._tell_end(e)
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """As close()."""
        self._ended = True
        run, source, feeder = self._run, self._source, self._feeder
        self._source = self._feeder = None
        if run is not None:
            run.abort(None)
        pending: list[Any] = [t for t in (run.cancelled if run is not None else []) if not t.done()]
        if feeder is not None and not feeder.done() and feeder is not asyncio.current_task():
            feeder.cancel()
            pending.append(feeder)
        if pending:
            await asyncio.wait(pending, timeout=2.0)
        if source is not None and hasattr(source, "aclose"):
            await source.aclose()
        elif source is not None and hasattr(source, "close"):
            source.close()
        self._tell_end(None)

    async def __aenter__(self) -> "Stream":
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.aclose()


@atexit.register
def _end_open() -> None:
    """Streams nobody closed end while threads still can: later they may be gone with a lock in their hands."""
    for stream in list(_open):
        if stream._run is not None and not stream._ended:
            stream._drop()


async def _feed(run: Run, source: Any) -> None:
    """Pulls the source while there is room, in the caller's loop."""
    loop = asyncio.get_running_loop()
    try:
        count = 0
        while not run.over and run.root.limit is None:
            bell: asyncio.Future[None] | None = None
            with run.lock:
                if not run.root.room():
                    bell = loop.create_future()
                    run.waiters.append(lambda b=bell: run.home.soon(_ring, b))  # type: ignore[misc]
            if bell is not None:
                await bell
                continue
            try:
                given = await anext(source) if hasattr(source, "__anext__") else next(source)
            except (StopIteration, StopAsyncIteration):
                run.close(run.root)
                return
            add(run, given, NOBODY)
            count += 1
            if count % 64 == 0:
                await asyncio.sleep(0)
    except asyncio.CancelledError:
        raise
    except BaseException as e:  # noqa: BLE001 - the source failed: the loop over the results gets it
        run.abort(e)


def _ring(bell: "asyncio.Future[None]") -> None:
    if not bell.done():
        bell.set_result(None)


def add(run: Run, given: tuple[Any, ...], here: int) -> None:
    """An item more for a run whose items come from outside."""
    root = run.root
    with run.lock:
        if run.over or root.over or root.limit is not None:
            return
        values = root.base.copy()
        for name, value in zip(run.settings.names, given):
            values[run.plan.inputs[name]] = value
        item = Item(run.plan, values, root, root.started)
        root.live[item.position] = item
        root.started += 1
    run.start(root, item.position, item, here)
