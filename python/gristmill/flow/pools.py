"""The loop, threads and processes that all flows of a process share: made when first needed, kept warm, ended with the interpreter or by shutdown().

After a fork the child makes its own.
"""

from __future__ import annotations

import atexit
import dis
import os
import threading
import types
from typing import Any, Callable

from . import carry
from .classify import cores, in_worker
from .event_loop import LoopThread
from .plan import Step
from .processes import Function, ProcessPool
from .threads import ThreadPool
from .watch import Watch

_lock = threading.Lock()
_loops: list[LoopThread] = []
_threads: ThreadPool | None = None
_native: ThreadPool | None = None
_processes: ProcessPool | None = None
_watch: Watch | None = None


def loop() -> LoopThread:
    """A loop that does not wait for the caller: code on the first one that runs a flow itself gets the second."""
    ident = threading.get_ident()
    with _lock:
        level = next((i + 1 for i, known in enumerate(_loops) if known.ident == ident), 0)
        if level == len(_loops):
            _loops.append(LoopThread())
        return _loops[level]


def later(seconds: float, fn: Callable[[], Any]) -> None:
    """Calls fn on the loop's thread after a while."""
    home = loop()
    home.soon(home.loop.call_later, seconds, fn)


def threads() -> ThreadPool:
    global _threads
    pool = _threads
    if pool is None:
        with _lock:
            pool = _threads = _threads or ThreadPool()
    return pool


def native() -> ThreadPool:
    global _native
    pool = _native
    if pool is None:
        with _lock:
            pool = _native = _native or ThreadPool(cores(), "gristmill-flow-native")
    return pool


def processes() -> ProcessPool:
    global _processes
    pool = _processes
    if pool is None:
        with _lock:
            pool = _processes = _processes or ProcessPool()
    return pool


def processes_warm() -> bool:
    return _processes is not None and _processes.warm


def watch() -> Watch:
    global _watch
    found = _watch
    if found is None:
        with _lock:
            found = _watch = _watch or Watch()
    return found


def shutdown() -> None:
    """Ends the threads, processes and loops that flows keep warm; the next run makes new ones."""
    global _threads, _native, _processes, _watch
    with _lock:
        loops, pools, others, watching = list(_loops), [p for p in (_threads, _native) if p is not None], _processes, _watch
        _loops.clear()
        _threads = _native = _processes = _watch = None
    if watching is not None:
        watching.stop()
    if others is not None:
        others.stop()
    for one in loops:
        one.stop()
    for pool in pools:
        pool.stop()


def _forked() -> None:
    global _threads, _native, _processes, _watch, _lock
    _lock = threading.Lock()
    _loops.clear()
    _threads = _native = _processes = _watch = None


atexit.register(shutdown)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


_CHANGES = frozenset(("append", "extend", "insert", "remove", "pop", "clear", "add", "discard", "update", "setdefault", "popitem", "appendleft", "popleft"))


def _captured(fn: types.FunctionType) -> list[Any]:
    cells = [c[0] for c in map(carry.content, fn.__closure__ or ()) if c is not None]
    return cells + [fn.__globals__[n] for n in carry.named(fn.__code__) if n in fn.__globals__]


def changes_its_surroundings(fn: Any) -> bool:
    """Whether the code looks as if a call left something behind in this process, which another one would not see.

    >>> seen = []
    >>> def note(x):
    ...     seen.append(x)
    >>> changes_its_surroundings(note), changes_its_surroundings(lambda x: [].append(x))
    (True, False)
    """
    if not isinstance(fn, types.FunctionType):
        return False
    codes = [fn.__code__]
    while codes:
        code = codes.pop()
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
        for op in dis.get_instructions(code):
            if op.opname in ("STORE_GLOBAL", "DELETE_GLOBAL") or (op.opname == "STORE_DEREF" and op.argval in fn.__code__.co_freevars):
                return True
            if op.opname in ("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_ATTR") or op.argval in _CHANGES:
                if any(isinstance(v, (list, dict, set, bytearray)) or _is_plain_object(v) for v in _captured(fn)):
                    return True
    return False


def _is_plain_object(value: Any) -> bool:
    return not isinstance(value, (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, int, float, str, bytes, tuple, frozenset, type(None))) \
        and not getattr(type(value), "__gristmill_node__", False)


def packed(step: Step) -> Function | None:
    """The step's function ready for another process; None with the reason in its numbers."""
    stats = step.stats
    if in_worker():
        stats.stays = "this is a flow's process already"
        return None
    if (step.rules is None or step.rules.kind != "cpu") and changes_its_surroundings(step.call):
        stats.stays = "it seems to change something outside of itself (kind='cpu' says that this does not matter)"
        return None
    try:
        function = Function(step.call, stats)
    except Exception as e:  # noqa: BLE001 - whatever it holds
        stats.stays = f"it cannot travel to another process ({type(e).__name__}: {e})"
        return None
    if stats.stays.startswith("it "):
        stats.stays = ""
    return function
