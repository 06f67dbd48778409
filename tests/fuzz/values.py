"""Types and raw values: how the reference evaluator sees Arrow data.

A raw value is a bool, int, float, str, bytes, list, tuple or None: decimals are their unscaled integers, dates days, timestamps, times and
durations counts of their unit, dictionary entries their strings, structs tuples of their fields, maps lists of such pairs. Types are Arrow's,
with every kind of string as pa.string() and decimals of 256 bits as those of 128.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

INT_LIMITS = {f"int{b}": (-(2 ** (b - 1)), 2 ** (b - 1) - 1) for b in (8, 16, 32, 64)} | {f"uint{b}": (0, 2**b - 1) for b in (8, 16, 32, 64)}
INTS = {name: getattr(pa, name)() for name in INT_LIMITS}
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def canonical(t: pa.DataType) -> pa.DataType:
    """The type without how it is stored."""
    if pa.types.is_dictionary(t):
        return canonical(t.value_type)
    if pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t):
        return pa.string()
    if pa.types.is_binary(t) or pa.types.is_large_binary(t) or pa.types.is_binary_view(t):
        return pa.binary()
    if pa.types.is_list(t) or pa.types.is_large_list(t):
        return pa.list_(canonical(t.value_type))
    if pa.types.is_decimal256(t):
        return pa.decimal128(min(t.precision, 38), t.scale)
    if pa.types.is_struct(t):
        return pa.struct([(f.name, canonical(f.type)) for f in t])
    if pa.types.is_map(t):
        return pa.map_(canonical(t.key_type), canonical(t.item_type))
    return t


def kind(t: pa.DataType) -> str:
    t = canonical(t)
    for name, test in (("bool", pa.types.is_boolean), ("int", pa.types.is_integer), ("float", pa.types.is_floating), ("decimal", pa.types.is_decimal),
                       ("string", pa.types.is_string), ("binary", pa.types.is_binary), ("date", pa.types.is_date32), ("timestamp", pa.types.is_timestamp),
                       ("list", pa.types.is_list), ("null", pa.types.is_null), ("duration", pa.types.is_duration), ("time", pa.types.is_time),
                       ("struct", pa.types.is_struct), ("map", pa.types.is_map)):
        if test(t):
            return name
    raise TypeError(f"no kind for {t}")


def limits(t: pa.DataType) -> tuple[int, int]:
    return INT_LIMITS[str(t)]


def _flat_values(a: pa.Array) -> list:
    t, n = a.type, len(a)
    if pa.types.is_decimal256(t):
        return _flat_values(a.cast(canonical(t)))
    if pa.types.is_struct(t):
        return list(zip(*(raw_values(a.field(i)) for i in range(t.num_fields))))
    if pa.types.is_map(t):
        return [v or [] for v in a.to_pylist()]  # of text and integers
    if pa.types.is_time(t) or pa.types.is_duration(t):
        return np.frombuffer(a.buffers()[1], dtype=np.int32 if t.bit_width == 32 else np.int64)[a.offset : a.offset + n].tolist() if n else []
    if pa.types.is_decimal128(t):
        words = np.frombuffer(a.buffers()[1], dtype=np.dtype([("low", "<u8"), ("high", "<i8")]))[a.offset : a.offset + n]
        return [(h << 64) + low for h, low in zip(words["high"].tolist(), words["low"].tolist())]
    if pa.types.is_boolean(t):
        return a.fill_null(False).to_pylist() if a.null_count else a.to_pylist()
    if pa.types.is_list(t) or pa.types.is_large_list(t):
        offsets = a.offsets.to_pylist()
        child = raw_values(a.values)
        return [child[offsets[i] : offsets[i + 1]] for i in range(n)]
    if pa.types.is_date32(t) or pa.types.is_timestamp(t):
        width = np.int32 if pa.types.is_date32(t) else np.int64
        return np.frombuffer(a.buffers()[1], dtype=width)[a.offset : a.offset + n].tolist() if n else []
    if pa.types.is_integer(t) or pa.types.is_floating(t):
        return np.frombuffer(a.buffers()[1], dtype=t.to_pandas_dtype())[a.offset : a.offset + n].tolist() if n else []
    return a.to_pylist()


def raw_values(data: pa.Array | pa.ChunkedArray) -> list:
    if isinstance(data, pa.ChunkedArray):
        return [v for chunk in data.chunks for v in raw_values(chunk)]
    if pa.types.is_dictionary(data.type):
        data = data.dictionary_decode()
    if pa.types.is_null(data.type):
        return [None] * len(data)
    values = _flat_values(data) if data.null_count < len(data) else [None] * len(data)
    if data.null_count and data.null_count < len(data):
        valid = np.asarray(data.is_valid().to_numpy(zero_copy_only=False))
        values = [v if ok else None for v, ok in zip(values, valid.tolist())]
    return values


def raw_rows(table: pa.Table) -> list[tuple]:
    if table.num_columns == 0:
        return [()] * table.num_rows
    return list(zip(*(raw_values(c) for c in table.columns)))


def to_arrow(values: list, t: pa.DataType) -> pa.Array:
    """An array from raw values."""
    t = canonical(t)
    if pa.types.is_decimal(t):
        body = b"".join((0 if v is None else v).to_bytes(16, "little", signed=True) for v in values)
        mask = pa.array([v is not None for v in values]).buffers()[1] if values else None
        return pa.Array.from_buffers(t, len(values), [mask, pa.py_buffer(body)])
    if pa.types.is_date32(t):
        return pa.array(values, pa.int32()).view(t)
    if pa.types.is_timestamp(t) or pa.types.is_duration(t) or pa.types.is_time64(t):
        return pa.array(values, pa.int64()).view(t)
    if pa.types.is_struct(t):
        there = pa.array([v is None for v in values], pa.bool_())
        fields = [to_arrow([None if v is None else v[i] for v in values], f.type) for i, f in enumerate(t)]
        return pa.StructArray.from_arrays(fields, fields=list(t), mask=there)
    return pa.array(values, t)


def normal(v: object) -> object:
    """Equal values become equal objects: one NaN, no -0.0."""
    if v.__class__ is float:
        return NAN if v != v else v + 0.0
    if v.__class__ is list or v.__class__ is tuple:
        return tuple(normal(x) for x in v)
    return v


def told_apart(v: object) -> object:
    """Values that are not told apart become equal objects; the entries of a map, pairs that begin with a text, have no order."""
    if v.__class__ is list and v and all(x.__class__ is tuple and len(x) == 2 and x[0].__class__ is str for x in v):
        return tuple(sorted(normal(v), key=lambda entry: entry[0]))
    return normal(v)


NAN = float("nan")
NESTED = ("list", "struct", "map")


def order_key(v: object) -> object:
    """Ascending order of non-null values: NaN greatest."""
    if v.__class__ is float:
        return (1, 0.0) if v != v else (0, v)
    return v  # the order of code points is that of their UTF-8 bytes


def same_bits(a: object, b: object) -> bool:
    """Equal as bits, apart from which NaN."""
    if a.__class__ is not b.__class__:
        return False
    if a.__class__ is float:
        return (a != a and b != b) or (a == b and str(a) == str(b))
    if a.__class__ is list or a.__class__ is tuple:
        return len(a) == len(b) and all(map(same_bits, a, b))
    return a == b
