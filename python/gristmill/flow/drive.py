"""Waiting for a run: on the caller's thread, or in the caller's event loop; and what the caller gets from it."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from itertools import chain
from typing import Any

from .. import progress
from ..config import Config
from .classify import LOOP
from .failures import with_place
from .inline import run_inline, suits
from .plan import GUARDED
from .run import Run
from .state import CALLER, NOBODY
from .walk import LoopWalks, ThreadWalks, suits_loop, suits_threads

_GRACE = 2.0  # seconds that cancelled coroutines have for their last words


def finish(run: Run) -> None:
    """Raises what ended the run, if anything did."""
    if run.broken is not None:
        raise run.broken
    if run.failures:
        failure = min(run.failures, key=lambda f: f.path)
        try:
            raise with_place(failure, run.settings.mapped)
        finally:
            run.failures.clear()  # no circle of traceback and run


def rows_of(run: Run) -> list[Any]:
    results = run.root.results or []
    return list(chain.from_iterable(rows for rows in results if rows))


_terminal = threading.Lock()  # one line at a time


class _Display:
    """A line about a run that takes long; a display that fails never fails the run."""

    def __init__(self, run: Run, wanted: bool) -> None:
        self.run, self.began = run, time.monotonic()
        self.shown: Any = None
        self.wanted = wanted

    def show(self) -> None:
        try:
            if self.shown is None:
                if not progress._in_notebook() and not _terminal.acquire(blocking=False):
                    return
                self.shown = progress._Notebook() if progress._in_notebook() else progress._Terminal()
            self.shown.show(progress_line(self.run, time.monotonic() - self.began))
        except Exception:  # noqa: BLE001
            self.wanted = False

    def end(self) -> None:
        if self.shown is not None:
            try:
                self.shown.clear()
            except Exception:  # noqa: BLE001
                pass
            if isinstance(self.shown, progress._Terminal):
                _terminal.release()


def progress_line(run: Run, seconds: float) -> str:
    root, bar = run.root, 24
    done, failed = root.passed + (run.walks.unsaid if run.walks is not None else 0), run.counts["failed"]
    total = root.mapped.total if root.mapped is not None else None
    text = f"{done:,} of {total:,} items" if total is not None else f"{done:,} items"
    if total:
        filled = round(done / total * bar)
        text = f"[{'#' * filled}{'.' * (bar - filled)}] " + text
    return text + (f", {failed:,} failed" if failed else "") + f", {seconds:.1f} s"


def begins_on_loop(run: Run) -> bool:
    return bool(run.plan.first) and all(s.fixed in (LOOP, GUARDED) for s in run.plan.first)


def wait(run: Run) -> None:
    """Runs the root's items to the end, on the caller's thread as far as that is best."""
    bell: queue.SimpleQueue[None] = queue.SimpleQueue()
    run.bell = lambda: bell.put(None)
    if _total(run) == 0:
        return
    try:
        if suits(run):
            alone = run_inline(run)
            if run.over:
                return
            if _all_through(run):
                if alone:
                    del run.root.run  # no circle: what the run holds goes with it, not when the collector comes
                return
        if suits_threads(run):
            ThreadWalks(run).begin()
        elif suits_loop(run):
            LoopWalks(run).begin_there()
        elif begins_on_loop(run):
            run.home.soon(run.pump, run.root, NOBODY)
        else:
            run.pump(run.root, CALLER)
        _listen(run, bell)
    except BaseException:
        run.abort(None)
        raise
    finally:
        if run.cancelled:
            _join_cancelled(run)


def _total(run: Run) -> int:
    return run.root.mapped.total if run.root.mapped is not None else 1


def _all_through(run: Run) -> bool:
    root = run.root
    with run.lock:
        if run.walks is not None:
            run.walks.count_in()
        return root.mapped is not None and root.passed == root.mapped.total and not root.live


def _listen(run: Run, bell: "queue.SimpleQueue[None]") -> None:
    if run.over:
        return
    display = _Display(run, progress._wanted())
    if not display.wanted:
        while not run.over:
            bell.get()
        return
    pause = progress._QUIET_SECONDS
    try:
        while not run.over:
            try:
                bell.get(timeout=pause)
            except queue.Empty:
                pause = progress._EVERY_SECONDS
                display.show()
    finally:
        display.end()


def _join_cancelled(run: Run) -> None:
    """Coroutines that were cancelled get to their ends before the caller goes on."""
    home = run.home
    if threading.get_ident() == home.ident:
        return
    through = threading.Event()

    async def join() -> None:
        try:
            pending = [t for t in list(run.cancelled) if not t.done()]
            if pending:
                await asyncio.wait(pending, timeout=_GRACE)
        finally:
            through.set()

    keep: list[Any] = []
    if home.soon(lambda: keep.append(home.loop.create_task(join()))):
        through.wait(_GRACE + 1.0)


class _Clock:
    def __init__(self) -> None:
        self.timer: asyncio.TimerHandle | None = None

    def cancel(self) -> None:
        if self.timer is not None:
            self.timer.cancel()


def _shown_on(loop: asyncio.AbstractEventLoop, display: _Display) -> _Clock:
    """Shows it on this loop, again and again."""
    clock = _Clock()

    def again() -> None:
        display.show()
        if display.wanted:
            clock.timer = loop.call_later(progress._EVERY_SECONDS, again)

    if display.wanted:
        clock.timer = loop.call_later(progress._QUIET_SECONDS, again)
    return clock


async def wait_async(run: Run) -> None:
    """As wait(), without holding up the caller's loop."""
    loop = asyncio.get_running_loop()
    through: asyncio.Future[None] = loop.create_future()

    def ring() -> None:
        if run.over and not through.done():
            through.set_result(None)

    run.bell = lambda: run.home.soon(ring)
    if _total(run) == 0:
        return
    # A server's terminal is full of other lines: there only who asks for it sees one.
    display = _Display(run, progress._in_notebook() if Config.get("progress") is None else progress._wanted())
    clock = _shown_on(loop, display)
    try:
        if suits_loop(run):
            LoopWalks(run).begin()
        else:
            run.pump(run.root, NOBODY)
        if not run.over:
            await through
    except BaseException:
        run.abort(None)
        raise
    finally:
        clock.cancel()
        display.end()
        pending = [t for t in list(run.cancelled) if not t.done()]
        if pending:
            await asyncio.wait(pending, timeout=_GRACE)
