"""What a value takes in memory, as far as a window of bytes needs to know it: the data, not every header of every object."""

from __future__ import annotations

import sys
from typing import Any, Iterable, Mapping

_LOOKED_AT = 1_000  # elements of a collection; of a longer one these stand for the others


def bytes_of(value: Any) -> int:
    """Bytes of text, of buffers (bytes, Arrow, NumPy, pandas, polars), and of collections of such.

    >>> bytes_of("a" * 1000), bytes_of(b"a" * 1000), bytes_of(["a" * 1000] * 5000)
    (1000, 1000, 5000000)
    >>> import pyarrow as pa
    >>> bytes_of(pa.array(range(1000)))
    8000
    """
    if isinstance(value, str):
        return len(value)
    if isinstance(value, (bytes, bytearray)):
        return len(value)
    size = getattr(value, "nbytes", None)  # NumPy, Arrow, memoryview
    if isinstance(size, int):
        return size
    if isinstance(value, Mapping):
        return _sum(value.keys(), len(value)) + _sum(value.values(), len(value))
    if isinstance(value, (list, tuple, set, frozenset)):
        return _sum(value, len(value))
    for method in ("estimated_size", "memory_usage"):  # polars; pandas
        if callable(found := getattr(type(value), method, None)):
            size = found(value)
            return int(size.sum() if hasattr(size, "sum") else size)
    if size is not None and hasattr(size, "__int__"):
        return int(size)
    return sys.getsizeof(value)


def _sum(values: Iterable[Any], count: int) -> int:
    seen = total = 0
    for value in values:
        if seen == _LOOKED_AT:
            break
        seen += 1
        total += bytes_of(value)
    return total if seen == count else total * count // seen
