"""A line that says how far a long query is: in a terminal on standard error, in a notebook as output."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any, Callable, TypeVar

from . import _engine
from .config import Config

_T = TypeVar("_T")
_QUIET_SECONDS = 1.0
_EVERY_SECONDS = 0.2
_BAR = 24


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None


def _wanted() -> bool:
    setting = Config.get("progress")
    if setting is not None:
        return bool(setting)
    return _in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def progress_text(progress: _engine.Progress, seconds: float) -> str:
    """The line for a moment of a run.

    >>> progress_text(_engine.Progress(), 2.5)
    '[........................] step 1 of 1, 0 rows, 2.5 s'
    """
    (done, steps), (morsels, known), rows = progress.steps(), progress.morsels(), progress.rows()
    part = min(1.0, (done + (morsels / known if known else 0.0)) / (steps + 1)) if steps else 0.0
    filled = round(part * _BAR)
    return f"[{'#' * filled}{'.' * (_BAR - filled)}] step {min(done + 1, max(steps, 1))} of {max(steps, 1)}, {rows:,} rows, {seconds:.1f} s"


class _Terminal:
    def show(self, text: str) -> None:
        sys.stderr.write("\r\x1b[K" + text)
        sys.stderr.flush()

    def clear(self) -> None:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


class _Notebook:
    def __init__(self) -> None:
        from IPython.display import display  # type: ignore[import-not-found]

        self._handle = display({"text/plain": ""}, raw=True, display_id=True)

    def show(self, text: str) -> None:
        self._handle.update({"text/plain": text}, raw=True)

    def clear(self) -> None:
        self._handle.update({"text/plain": ""}, raw=True)


def with_progress(run: Callable[[dict], _T], options: dict) -> _T:
    """Runs a query; when it takes long, somebody sees how far it is. A display that fails never fails the query."""
    if not _wanted():
        return run(options)
    progress, over, start = _engine.Progress(), threading.Event(), time.monotonic()

    def watch() -> None:
        if over.wait(_QUIET_SECONDS):
            return
        try:
            shown: Any = _Notebook() if _in_notebook() else _Terminal()
            while not over.wait(_EVERY_SECONDS):
                shown.show(progress_text(progress, time.monotonic() - start))
            shown.clear()
        except Exception:  # noqa: BLE001 - a closed terminal is no reason to fail
            pass

    watcher = threading.Thread(target=watch, name="gristmill-progress", daemon=True)
    watcher.start()
    try:
        return run({**options, "progress": progress})
    finally:
        over.set()
        watcher.join()
