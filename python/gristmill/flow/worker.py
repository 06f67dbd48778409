"""The program of a flow's process: reads functions and calls from a socket, sends results back.

Started by its path, so that it loads nothing but this and carry.py before the user's own modules. It ends when the socket does, or
when its parent is gone.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any


def _follow(parent: int) -> None:
    """Ends with the parent, also in the middle of a call."""
    import threading
    import time

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _failure(carry: Any, error: BaseException) -> Any:
    import traceback

    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        error.__traceback__ = None
        parts = carry.pack((False, error, text))
        carry.unpack(parts)  # an exception that cannot be made again fails here and not over there
        return parts
    except Exception:  # noqa: BLE001
        pass
    try:
        how = (type(error), error.args, dict(error.__dict__))
        parts = carry.pack((False, None, text, how))
        carry.make_error(*carry.unpack(parts)[3])
        return parts
    except Exception:  # noqa: BLE001
        return carry.pack((False, None, text, None, type(error).__name__, str(error)))


def _result(carry: Any, fn: Any, args: tuple[Any, ...], names: dict[str, Any]) -> Any:
    try:
        return carry.pack((True, fn(*args, **names)))
    except BaseException as e:  # noqa: BLE001 - the caller gets it
        return _failure(carry, e)


def _say_all() -> None:
    """What a call has printed is out before its result: this process may be ended at any time."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # there is none, or nobody reads it
            pass


def _serve(carry: Any, sock: Any) -> None:
    functions: dict[int, Any] = {}
    while True:
        tag, parts = carry.receive(sock)
        if tag:  # a function and its number
            try:
                functions[tag] = carry.unpack(parts)
            except BaseException as e:  # noqa: BLE001
                functions[tag] = e
            continue
        number, calls = carry.unpack(parts)
        del parts
        fn = functions[number]
        for args, names in calls:
            answer = _failure(carry, fn) if isinstance(fn, BaseException) else _result(carry, fn, args, names)
            _say_all()
            carry.send(sock, 0, answer)
            del answer, args, names
        del calls


def main() -> None:
    import importlib.util
    import socket

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C ends
    here, fd, parent = os.path.dirname(os.path.abspath(__file__)), int(sys.argv[1]), int(sys.argv[2])
    spec = importlib.util.spec_from_file_location("_gristmill_carry", os.path.join(here, "carry.py"))
    assert spec is not None and spec.loader is not None
    carry: Any = importlib.util.module_from_spec(spec)
    sys.modules["_gristmill_carry"] = carry
    spec.loader.exec_module(carry)
    sys.modules["_gristmill_worker"] = sys.modules["__main__"]
    _follow(parent)
    with socket.socket(fileno=fd) as sock:
        try:
            _, parts = carry.receive(sock)
            sys.path[:], sys.argv[:], folder = carry.unpack(parts)
            del parts
            if folder:
                os.chdir(folder)
            _serve(carry, sock)
        except (EOFError, OSError):
            pass


if __name__ == "__main__":
    main()
