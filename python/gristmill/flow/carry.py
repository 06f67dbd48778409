"""How functions and values travel to another interpreter; stands alone, as that interpreter loads this file and nothing of the package.

Functions of importable modules go by name. Those of the main program, of notebooks and those made inside other functions go by value: code,
defaults, what they close over and the globals they name. Classes of the main program likewise. Large buffers are kept out of the pickle, so that they
can go through shared memory without a copy.
"""

from __future__ import annotations

import array
import importlib
import io
import marshal
import mmap
import os
import pickle
import socket
import sys
import types
from typing import Any, Callable, Sequence

NAME = "_gristmill_carry"  # this module's name in both interpreters
sys.modules.setdefault(NAME, sys.modules[__name__])

IN_LINE = 32 * 1024  # bytes; what is smaller goes through the socket itself, which always has room for that
_ALIGN = 64


# ---- what the other side calls

def make_module_dict(name: str) -> dict[str, Any]:
    return {"__builtins__": __builtins__, "__name__": name}


def make_function(packed: bytes, module: str, name: str) -> types.FunctionType:
    code = marshal.loads(packed)
    cells = tuple(types.CellType() for _ in code.co_freevars)
    return types.FunctionType(code, make_module_dict(module), name, None, cells)


def fill_function(function: types.FunctionType, state: dict[str, Any]) -> None:
    function.__globals__.update(state["globals"])
    function.__defaults__, function.__kwdefaults__ = state["defaults"], state["kwdefaults"]
    function.__qualname__, function.__module__ = state["qualname"], state["module"]
    function.__dict__.update(state["dict"])
    for cell, value in zip(function.__closure__ or (), state["cells"]):
        if value is not None:
            cell.cell_contents = value[0]


def make_class(metaclass: type, name: str, bases: tuple[Any, ...], module: str, qualname: str, slots: Any) -> type:
    body: dict[str, Any] = {"__module__": module, "__qualname__": qualname}
    if slots is not None:
        body["__slots__"] = slots
    return types.new_class(name, bases, {"metaclass": metaclass}, lambda ns: ns.update(body))


def fill_class(cls: type, state: dict[str, Any]) -> None:
    for key, value in state.items():
        setattr(cls, key, value)
    abstract = sys.modules.get("abc")
    if abstract is not None and hasattr(abstract, "update_abstractmethods"):
        abstract.update_abstractmethods(cls)


def look_up(module: str, qualname: str) -> Any:
    found: Any = importlib.import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part)
    return getattr(found, "__wrapped__", found) if getattr(type(found), "__gristmill_node__", False) else found


def make_error(cls: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    """An exception whose class takes other arguments than it keeps."""
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class Once:
    """An object of a class, built at its first call in this interpreter."""

    def __init__(self, cls: Callable[[], Any]) -> None:
        self.cls = cls
        self.made: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.made is None:
            self.made = self.cls()
        return self.made(*args, **kwargs)


# ---- packing

def _importable(obj: Any) -> bool:
    """Whether the other side finds the very same thing by its name; a node in its place counts."""
    module, qualname = getattr(obj, "__module__", None), getattr(obj, "__qualname__", None)
    if not module or not qualname or module == "__main__" or "<" in qualname:
        return False
    try:
        return bool(look_up(module, qualname) is obj)
    except Exception:  # noqa: BLE001 - whatever its import does
        return False


def named(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            names |= named(const)
    return names


def content(cell: types.CellType) -> tuple[Any] | None:
    try:
        return (cell.cell_contents,)
    except ValueError:
        return None


def _function_state(fn: types.FunctionType) -> dict[str, Any]:
    used = {n: fn.__globals__[n] for n in sorted(named(fn.__code__)) if n in fn.__globals__}
    return {"globals": used, "defaults": fn.__defaults__, "kwdefaults": fn.__kwdefaults__, "qualname": fn.__qualname__, "module": fn.__module__,
            "dict": {k: v for k, v in fn.__dict__.items() if k != "__wrapped__"}, "cells": [content(c) for c in fn.__closure__ or ()]}


_NOT_IN_CLASS = {"__dict__", "__weakref__", "__module__", "__qualname__", "__slots__", "_abc_impl", "__abstractmethods__"}


class Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        kind: Any = type(obj)
        if getattr(kind, "__gristmill_node__", False):
            return _itself, (obj.__wrapped__,)
        if kind.__name__ == "Built" and kind.__module__ == "gristmill.flow.stateful":
            return Once, (obj.cls,)
        if isinstance(obj, types.FunctionType):
            if obj.__module__ == NAME:
                return NotImplemented
            if _importable(obj):
                return look_up, (obj.__module__, obj.__qualname__)
            return (make_function, (marshal.dumps(obj.__code__), obj.__module__ or "__main__", obj.__name__), _function_state(obj), None, None, fill_function)
        if isinstance(obj, types.ModuleType):
            return importlib.import_module, (obj.__name__,)
        if isinstance(obj, type) and (obj.__module__ == "__main__" or "<locals>" in obj.__qualname__) and not _importable(obj):
            slots = obj.__dict__.get("__slots__")
            hidden = set([slots] if isinstance(slots, str) else slots or ()) | _NOT_IN_CLASS
            state = {k: v for k, v in obj.__dict__.items() if k not in hidden}
            return (make_class, (type(obj), obj.__name__, obj.__bases__, obj.__module__, obj.__qualname__, slots), state, None, None, fill_class)
        if isinstance(obj, types.CellType):
            return types.CellType, content(obj) or ()
        if kind in (staticmethod, classmethod):
            return kind, (obj.__func__,)
        if kind is property:
            return property, (obj.fget, obj.fset, obj.fdel, obj.__doc__)
        if kind is types.MappingProxyType:
            return types.MappingProxyType, (dict(obj),)
        return NotImplemented


def _itself(fn: Any) -> Any:
    return fn


for _shared in (make_function, fill_function, make_class, fill_class, look_up, make_error, Once, _itself):
    _shared.__module__ = NAME  # found under this name over there


def pack(obj: Any) -> list[memoryview]:
    """Bytes-like parts: the pickle, then its large buffers."""
    buffers: list[pickle.PickleBuffer] = []
    out = io.BytesIO()
    Pickler(out, protocol=5, buffer_callback=lambda b: _large(b, buffers)).dump(obj)
    return [out.getbuffer(), *(b.raw() for b in buffers)]


def _large(buffer: pickle.PickleBuffer, buffers: list[pickle.PickleBuffer]) -> bool:
    try:
        if buffer.raw().nbytes >= 4096:
            buffers.append(buffer)
            return False  # out of the pickle
    except BufferError:  # not contiguous
        pass
    return True


def unpack(parts: Sequence[Any]) -> Any:
    return pickle.loads(parts[0], buffers=parts[1:])


# ---- messages: a header, then the parts in the socket or in a memory file whose descriptor comes along

def _open_memory(size: int) -> int:
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("gristmill-flow", os.MFD_CLOEXEC)
    else:
        import tempfile

        fd, path = tempfile.mkstemp(prefix="gristmill-flow-")
        os.unlink(path)
    os.ftruncate(fd, size)
    return fd


def _layout(sizes: Sequence[int]) -> tuple[list[int], int]:
    """Where each part starts, and the end."""
    starts, at = [], 0
    for size in sizes:
        starts.append(at)
        at += -(-size // _ALIGN) * _ALIGN
    return starts, at


def send(sock: socket.socket, tag: int, parts: Sequence[bytes | memoryview]) -> None:
    """One message. Never waits long: what does not fit the socket's buffer goes through memory."""
    sizes = [p.nbytes if isinstance(p, memoryview) else len(p) for p in parts]
    inside = sum(sizes) <= IN_LINE
    head = b"".join(n.to_bytes(8, "little") for n in (tag, inside, len(sizes), *sizes))
    head = len(head).to_bytes(4, "little") + head
    if inside:
        sock.sendall(b"".join([head, *parts]))
        return
    starts, total = _layout(sizes)
    fd = _open_memory(total)
    try:
        with mmap.mmap(fd, total) as area:
            for start, size, part in zip(starts, sizes, parts):
                area[start:start + size] = memoryview(part).cast("B")
        sent = _send_fd(sock, head, fd)
        if sent < len(head):
            sock.sendall(head[sent:])
    finally:
        os.close(fd)


def _send_fd(sock: socket.socket, data: bytes, fd: int) -> int:
    return sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])


def _exactly(sock: socket.socket, count: int, fds: "array.array[int]") -> bytes:
    out = bytearray()
    while len(out) < count:
        data, extra, _, _ = sock.recvmsg(count - len(out), 64)
        if not data:
            raise EOFError
        out += data
        for level, kind, content in extra:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return bytes(out)


def receive(sock: socket.socket) -> tuple[int, list[memoryview]]:
    """A message's tag and parts; EOFError when the other side is gone."""
    fds = array.array("i")
    head = _exactly(sock, int.from_bytes(_exactly(sock, 4, fds), "little"), fds)
    tag, inside, count, *sizes = (int.from_bytes(head[i:i + 8], "little") for i in range(0, len(head), 8))
    if inside:
        whole = memoryview(_exactly(sock, sum(sizes), fds)) if sum(sizes) else memoryview(b"")
        parts: list[memoryview] = []
        at = 0
        for size in sizes:
            parts.append(whole[at:at + size])
            at += size
        return tag, parts
    starts, total = _layout(sizes)
    fd = fds[0]
    try:
        area = memoryview(mmap.mmap(fd, total, mmap.MAP_PRIVATE))  # lives as long as what is read from it
    finally:
        os.close(fd)
    return tag, [area[start:start + size] for start, size in zip(starts, sizes)]
