"""Answers reduced to a few numbers, so that processes can compare them.

Columns are compared by position; names and physical types may differ between engines. Exact columns (integers, text,
dates, booleans) are hashed, and a hash of each whole row proves that values stand in the right rows. Floats and
decimals are summed, plain and weighted by the hash of their row. All of it is independent of row order, except for
the columns a workload orders by: those are also weighted by position.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

RELATIVE = 1e-9
_CHUNK = 1 << 20
_NULL = np.uint64(0x6E756C6C)
Answer = dict[str, Any]


def _mix(x: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64: a bijection on 64 bits."""
    x = x.astype(np.uint64, copy=True)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def _unit(hashes: np.ndarray) -> np.ndarray:
    """Hashes as weights in [0, 1)."""
    return (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53


def kind_of(dtype: pa.DataType) -> str:
    if pa.types.is_dictionary(dtype):
        return kind_of(dtype.value_type)
    if pa.types.is_boolean(dtype):
        return "bool"
    if pa.types.is_integer(dtype) or (pa.types.is_decimal(dtype) and dtype.scale == 0):
        return "int"
    if pa.types.is_floating(dtype) or pa.types.is_decimal(dtype):
        return "float"
    if pa.types.is_date(dtype):
        return "date"
    if pa.types.is_timestamp(dtype):
        return "timestamp"
    return "text"


def _numeric(array: pa.Array, kind: str) -> np.ndarray:
    if kind == "float":
        return array.cast(pa.float64(), safe=False).fill_null(0.0).to_numpy(zero_copy_only=False)
    if kind == "date":
        array = array.cast(pa.date32()).cast(pa.int32())
    elif kind == "timestamp":
        array = array.cast(pa.timestamp("us")).cast(pa.int64())
    elif kind == "bool":
        array = array.cast(pa.int8())
    return array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)


def _hash_text(array: pa.Array) -> np.ndarray:
    """A polynomial over the bytes of each value, from running sums over all of them."""
    if not len(array):
        return np.zeros(0, np.uint64)
    array = array.cast(pa.large_string())
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(array.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    offsets = offsets - offsets[0]
    lengths = np.diff(offsets)
    position = np.arange(len(data)) - np.repeat(offsets[:-1], lengths)
    weights = _mix(np.arange(1, int(lengths.max(initial=0)) + 1)) | np.uint64(1)
    sums = np.zeros(len(data) + 1, np.uint64)
    np.cumsum((data.astype(np.uint64) + np.uint64(1)) * weights[position], out=sums[1:])
    return _mix(sums[offsets[1:]] - sums[offsets[:-1]] + lengths.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def _hash_values(array: pa.Array, kind: str) -> np.ndarray:
    if kind != "text":
        hashes = _mix(_numeric(array, kind).view(np.uint64) + np.uint64(1))
    else:
        encoded = array if pa.types.is_dictionary(array.type) else array.cast(pa.large_string()).dictionary_encode()
        indices = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        entries = _hash_text(encoded.dictionary)
        hashes = entries[indices] if len(entries) else np.zeros(len(array), np.uint64)
    if array.null_count:
        hashes[array.is_null().to_numpy(zero_copy_only=False)] = _NULL
    return hashes


class Summary:
    """Takes a table in pieces; gives the answer."""

    def __init__(self, kinds: Sequence[str], order: Iterable[int] = ()) -> None:
        self._kinds = list(kinds)
        self._order = set(order)
        self._rows = 0
        self._row_hash = 0
        self._columns: list[dict[str, Any]] = [{"nulls": 0, "hash": 0, "nan": 0, "sum": 0.0, "size": 0.0, "weighted": 0.0, "order": 0} for _ in kinds]

    def add(self, batch: pa.RecordBatch) -> None:
        n = batch.num_rows
        row = np.zeros(n, np.uint64)
        place = _mix(np.arange(self._rows, self._rows + n, dtype=np.uint64) + np.uint64(1))
        for i, kind in enumerate(self._kinds):
            if kind != "float":
                hashes = _hash_values(batch.column(i), kind)
                row = _mix(row * np.uint64(31) + hashes)
                self._exact(self._columns[i], batch.column(i).null_count, hashes, place if i in self._order else None)
        for i, kind in enumerate(self._kinds):
            if kind == "float":
                self._inexact(self._columns[i], batch.column(i), row, place if i in self._order else None)
        self._rows += n
        self._row_hash = (self._row_hash + int(np.add.reduce(row, dtype=np.uint64))) % 2**64

    @staticmethod
    def _exact(c: dict[str, Any], nulls: int, hashes: np.ndarray, place: np.ndarray | None) -> None:
        c["nulls"] += nulls
        c["hash"] = (c["hash"] + int(np.add.reduce(hashes, dtype=np.uint64))) % 2**64
        if place is not None:
            c["order"] = (c["order"] + int(np.add.reduce(_mix(hashes ^ place), dtype=np.uint64))) % 2**64

    @staticmethod
    def _inexact(c: dict[str, Any], array: pa.Array, row: np.ndarray, place: np.ndarray | None) -> None:
        values = _numeric(array, "float")
        nan = np.isnan(values)
        if nan.any():
            values = np.where(nan, 0.0, values)
        c["nulls"] += array.null_count
        c["nan"] += int(nan.sum())
        c["sum"] += float(values.sum())
        c["size"] += float(np.abs(values).sum())
        c["weighted"] += float((values * _unit(row)).sum())
        if place is not None:
            c["order"] += float((values * _unit(place)).sum())

    def answer(self) -> Answer:
        return {"rows": self._rows, "kinds": self._kinds, "row_hash": self._row_hash, "columns": self._columns}


def answer_of(table: pa.Table, order: Sequence[int] = (), kinds: Sequence[str] | None = None) -> Answer:
    """`kinds` (of an answer to compare with) turns, for example, decimals of scale 0 and floats that stand for integers alike."""
    summary = Summary(kinds or [kind_of(t) for t in table.schema.types], order)
    for batch in table.to_batches(max_chunksize=_CHUNK):
        summary.add(batch)
    return summary.answer()


def _near(a: float, b: float, size: float, relative: float) -> bool:
    return a == b or abs(a - b) <= relative * max(size, 1e-300)


def difference(a: Answer, b: Answer, rounded: Sequence[int] = ()) -> str | None:
    """Why two answers are not the same; None when they are. Columns in `rounded` may differ by 2e-5."""
    if a["rows"] != b["rows"]:
        return f"{a['rows']} rows, not {b['rows']}"
    if a["kinds"] != b["kinds"]:
        return f"columns {a['kinds']}, not {b['kinds']}"
    for i, (x, y) in enumerate(zip(a["columns"], b["columns"])):
        if x["nulls"] + x["nan"] != y["nulls"] + y["nan"]:
            return f"column {i}: {x['nulls']} nulls and {x['nan']} NaN, not {y['nulls']} and {y['nan']}"
        if x["hash"] != y["hash"]:
            return f"column {i}: other values"
        size = max(x["size"], y["size"])
        relative = 2e-5 if i in rounded else RELATIVE
        if not all(_near(x[f], y[f], size, relative) for f in ("sum", "weighted", "size")):
            return f"column {i}: sum {x['sum']!r} (by rows {x['weighted']!r}), not {y['sum']!r} ({y['weighted']!r})"
        if not (x["order"] == y["order"] or _near(x["order"], y["order"], size, relative)):
            return f"column {i}: another order"
    return None if a["row_hash"] == b["row_hash"] else "values stand in other rows"
