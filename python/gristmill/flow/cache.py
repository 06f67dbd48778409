"""Results that are kept: by the content of the function with what it closes over, and by the arguments with their types.

An entry in a folder is written beside its place and then moved there, and carries a checksum; so processes and threads may share
it, and one that was cut off counts as missing. Without a cache nothing here is called.
"""

from __future__ import annotations

import builtins
import dataclasses
import datetime
import decimal
import dis
import enum
import hashlib
import itertools
import os
import pickle
import struct
import threading
import types
import uuid
from collections import OrderedDict
from pathlib import Path
from typing import Any, Callable, Final

from . import carry

MISSING: Final = object()
_FORMAT = b"gristmill-cache-1\n"
_numbers = itertools.count()
_UNCHANGING = (type(None), bool, int, float, str, bytes, complex)


class Unhashable(TypeError):
    """An argument of which no key can be made."""


class _Digest:
    """Feeds values with their types and lengths, so that different values never give the same bytes."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=20)
        self._open: list[int] = []  # what is being fed, against values that hold themselves

    def tag(self, name: str, data: bytes | memoryview = b"") -> None:
        size = data.nbytes if isinstance(data, memoryview) else len(data)
        self._hash.update(f"{name}:{size}:".encode())
        self._hash.update(data)

    def done(self) -> bytes:
        return self._hash.digest()

    def feed(self, value: Any) -> None:
        kind = type(value)
        if value is None or value is Ellipsis:
            self.tag(repr(value))
        elif kind in (bool, int, complex):
            self.tag(kind.__name__, repr(value).encode())
        elif kind is float:
            self.tag("float", struct.pack("<d", value))
        elif kind is str:
            self.tag("str", value.encode("utf-8", "surrogatepass"))
        elif kind in (bytes, bytearray):
            self.tag(kind.__name__, value)
        elif id(value) in self._open:
            self.tag("again", str(len(self._open) - self._open.index(id(value))).encode())
        else:
            self._open.append(id(value))
            try:
                self._feed_large(value, kind)
            finally:
                self._open.pop()

    def _feed_large(self, value: Any, kind: type) -> None:
        if kind in (list, tuple):
            self.tag(kind.__name__, str(len(value)).encode())
            for part in value:
                self.feed(part)
        elif kind in (dict, set, frozenset, types.MappingProxyType):
            pairs = sorted((digest_of(k), digest_of(value[k]) if hasattr(value, "keys") else b"") for k in value)
            self.tag(kind.__name__, str(len(pairs)).encode())
            for key, content in pairs:
                self.tag("", key + content)
        elif kind in (datetime.datetime, datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, uuid.UUID, range, slice) or isinstance(value, Path):
            self.tag(kind.__name__, repr(value).encode())
        elif isinstance(value, enum.Enum):
            self.tag("enum", f"{kind.__module__}.{kind.__qualname__}.{value.name}".encode())
        elif isinstance(value, (types.FunctionType, types.BuiltinFunctionType, types.MethodType, type, types.ModuleType)):
            self._feed_code(value)
        elif getattr(kind, "__gristmill_node__", False):
            self.feed(value.__wrapped__)
        elif dataclasses.is_dataclass(value):
            self.tag("dataclass", f"{kind.__module__}.{kind.__qualname__}".encode())
            for field in dataclasses.fields(value):
                self.tag("", field.name.encode())
                self.feed(getattr(value, field.name, None))
        else:
            self._feed_pickled(value, kind)

    def _feed_pickled(self, value: Any, kind: type) -> None:
        try:
            parts = carry.pack(value)
        except Exception as e:
            raise Unhashable(f"no cache key can be made of a {kind.__name__} ({e}); switch the cache off for this node, or pass what identifies it") from e
        self.tag(f"{kind.__module__}.{kind.__qualname__}")
        for part in parts:
            self.tag("part", part)

    def _feed_code(self, value: Any) -> None:
        if isinstance(value, types.ModuleType):
            self.tag("module", f"{value.__name__} {getattr(value, '__version__', '')}".encode())
        elif isinstance(value, types.MethodType):
            self.feed(value.__func__)
            self.feed(value.__self__)
        elif isinstance(value, types.FunctionType):
            self._feed_function(value)
        elif isinstance(value, type) and value.__module__ != "builtins" and not value.__module__.startswith("_"):
            self.tag("class", f"{value.__module__}.{value.__qualname__}".encode())
            for name, part in sorted(vars(value).items()):
                part = getattr(part, "__func__", part)
                if isinstance(part, (types.FunctionType, *_UNCHANGING)) and name not in ("__module__", "__doc__", "__qualname__", "__firstlineno__"):
                    self.tag("", name.encode())
                    self.feed(part)
            for base in value.__bases__:
                self.feed(base)
        else:
            self.tag("named", f"{value.__module__}.{value.__qualname__}".encode())

    def _feed_function(self, fn: types.FunctionType) -> None:
        self.tag("function")
        self._feed_bytecode(fn.__code__)
        for part in (fn.__defaults__, fn.__kwdefaults__):
            self.feed(part)
        written = _written(fn.__code__)  # counters and the like say nothing of what it does
        for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or ()):
            if name not in written:
                self._feed_found(cell)
        if fn.__module__ and fn.__module__.split(".")[0] in _library():
            return  # its version stands for it
        for name in sorted(carry.named(fn.__code__)):
            if name in fn.__globals__ and name not in vars(builtins) and name not in written:
                self.tag("global", name.encode())
                self._feed_found(types.CellType(fn.__globals__[name]))

    def _feed_found(self, cell: types.CellType) -> None:
        try:
            self.feed(cell.cell_contents)
        except ValueError:
            self.tag("empty")
        except Unhashable:  # a client, a lock: that it is there will do
            self.tag("opaque")

    def _feed_bytecode(self, code: types.CodeType) -> None:
        self.tag("code", code.co_code)
        for part in (code.co_names, code.co_varnames, code.co_freevars, code.co_argcount, code.co_kwonlyargcount, code.co_flags):
            self.feed(part)
        for const in code.co_consts:
            if isinstance(const, types.CodeType):
                self._feed_bytecode(const)
            else:
                self.feed(const)


def _written(code: types.CodeType) -> set[str]:
    """Globals and outer variables that the code assigns."""
    names = {str(op.argval) for op in dis.get_instructions(code) if op.opname in ("STORE_GLOBAL", "STORE_DEREF")}
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            names |= _written(const)
    return names


def _library() -> frozenset[str]:
    import sys

    return sys.stdlib_module_names


def digest_of(value: Any) -> bytes:
    digest = _Digest()
    digest.feed(value)
    return digest.done()


def fingerprint(fn: Callable[..., Any]) -> bytes:
    """What a function does, as far as its code, defaults, closure and the globals it names say.

    >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 1), fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 2)
    (True, False)
    """
    target: Any = getattr(fn, "cls", fn) if type(fn).__name__ == "Built" else fn
    return digest_of(target)


def key_of(content: bytes, name: str, args: tuple[Any, ...], names: dict[str, Any]) -> str:
    """The key of a call.

    >>> key_of(b"f", "f", (1,), {}) == key_of(b"f", "f", ("1",), {}), key_of(b"f", "f", (1,), {}) == key_of(b"f", "f", (1.0,), {})
    (False, False)
    """
    digest = _Digest()
    digest.tag("call", content)
    digest.feed(name)
    digest.feed(args)
    digest.feed(names)
    return digest.done().hex()


class Cache:
    """Results of nodes with `cache=True`: in memory (at most `most` of them), or in a folder of this machine that processes may share.

    >>> cache = Cache()
    >>> cache.put("k", None); cache.get("k") is None, cache.get("other") is MISSING, cache.hits, cache.misses
    (True, True, 1, 1)
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, *, most: int = 100_000) -> None:
        self.folder = None if folder is None else Path(folder)
        self.most = most
        self.hits = self.misses = 0
        self._entries: OrderedDict[str, tuple[bool, Any]] = OrderedDict()
        self._lock = threading.Lock()
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def quick(self) -> bool:
        """Whether looking into it takes no time worth a thread."""
        return self.folder is None

    def __repr__(self) -> str:
        return f"<Cache {self.folder or 'in memory'}: {self.hits} hits, {self.misses} misses>"

    def get(self, key: str) -> Any:
        """The value, which may be None, or MISSING."""
        found = self._remembered(key) if self.folder is None else self._read(self._place(key))
        with self._lock:
            if found is MISSING:
                self.misses += 1
            else:
                self.hits += 1
        return found

    def put(self, key: str, value: Any) -> None:
        if self.folder is None:
            self._remember(key, value)
        else:
            self._write(self._place(key), value)

    def clear(self) -> None:
        """Forgets all."""
        with self._lock:
            self._entries.clear()
        if self.folder is not None:
            for place in self.folder.glob("??/*.entry"):
                place.unlink(missing_ok=True)

    def _remembered(self, key: str) -> Any:
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return MISSING
            self._entries.move_to_end(key)
        packed, value = found
        return pickle.loads(value) if packed else value

    def _remember(self, key: str, value: Any) -> None:
        entry: tuple[bool, Any] = (False, value)
        if not isinstance(value, _UNCHANGING):  # a list handed out twice would be one list
            try:
                entry = (True, pickle.dumps(value, protocol=5))
            except Exception:  # noqa: BLE001 - then it is shared
                pass
        with self._lock:
            self._entries[key] = entry
            self._entries.move_to_end(key)
            while len(self._entries) > self.most:
                self._entries.popitem(last=False)

    def _place(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / key[:2] / f"{key[2:]}.entry"

    def _read(self, place: Path) -> Any:
        try:
            data = place.read_bytes()
        except OSError:
            return MISSING
        start = len(_FORMAT) + 16
        if data[: len(_FORMAT)] != _FORMAT or hashlib.blake2b(data[start:], digest_size=16).digest() != data[len(_FORMAT):start]:
            return MISSING
        try:
            return pickle.loads(memoryview(data)[start:])
        except Exception:  # noqa: BLE001 - a class that is no longer there
            return MISSING

    def _write(self, place: Path, value: Any) -> None:
        body = pickle.dumps(value, protocol=5)
        beside = place.with_name(f".{os.getpid()}-{next(_numbers)}.part")
        place.parent.mkdir(exist_ok=True)
        try:
            beside.write_bytes(_FORMAT + hashlib.blake2b(body, digest_size=16).digest() + body)
            os.replace(beside, place)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
