"""Random tables: every type of the slice, nulls, NaN, -0.0, empty, chunks, slices, dictionaries, skewed keys."""

from __future__ import annotations

import string
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from values import INTS, NESTED, canonical, kind, limits, raw_rows, raw_values, to_arrow

NAMES = ["k", "a", "b", "c", "d", "e", "f", "g", "h"]
WORDS = ["", "a", "b", "ab", "AB", "abc", "Abc", "zebra", "  pad ", "100%", "a_b", "12", "-7", "x" * 12, "x" * 13, "exactly12byt", "exactly13byte",
         "naïve", "ÄÖÜ", "жук", "日本語", "😀", "a😀b", "tab\there", "line\n", "\\", "'quote'", "longer than twelve bytes", "the same prefix, end A",
         "the same prefix, end B", "nul\0inside"]
ZONES = ["UTC", "Europe/Berlin", "America/New_York"]
PAIR, TEXT_MAP = pa.struct([("a", pa.int64()), ("b", pa.string())]), pa.map_(pa.string(), pa.int64())


@dataclass
class Column:
    """What the generator of expressions knows of a column. `bound`: no magnitude is above it. `samples`: some of its raw values."""

    name: str
    type: pa.DataType
    bound: int | None = None
    samples: tuple = field(default=(), repr=False)


@dataclass
class Source:
    """A table: as Arrow, and as rows of raw values."""

    table: pa.Table
    columns: list[Column]
    rows: list[tuple] = field(repr=False)


def random_type(rng) -> pa.DataType:
    pick = rng.random()
    if pick < 0.30:
        return INTS[rng.choice(["int64", "int64", "int32", *INTS])]
    if pick < 0.48:
        return rng.choice([pa.float64(), pa.float64(), pa.float32()])
    if pick < 0.66:
        return rng.choice([pa.string(), pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int8(), pa.string())])
    if pick < 0.71:
        return pa.bool_()
    if pick < 0.78:
        precision = rng.choice([1, 4, 9, 10, 18, 19, 27, 38])
        return (pa.decimal256 if rng.random() < 0.15 else pa.decimal128)(precision, rng.randint(0, min(precision, 10)))
    if pick < 0.82:
        return pa.date32()
    if pick < 0.89:
        return pa.timestamp(rng.choice(["s", "ms", "us", "us", "ns"]), rng.choice([None, None, *ZONES]))
    if pick < 0.91:
        return rng.choice([pa.binary(), pa.large_binary()])
    if pick < 0.93:
        return rng.choice([pa.duration("ms"), pa.duration("us"), pa.duration("ns"), pa.time64("us")])
    if pick < 0.96:
        return rng.choice([PAIR, PAIR, TEXT_MAP])
    return rng.choice([pa.list_(pa.int64()), pa.list_(pa.string())])


def _integers(rng, draw, n: int, low: int, high: int) -> list[int]:
    shape = rng.choice(["few", "few", "small", "small", "skewed", "sorted", "any", "edge"])
    if shape == "few":
        values = draw.integers(max(low, -3), min(high, 8), n, endpoint=True)
    elif shape == "small":
        values = draw.integers(max(low, -1000), min(high, 5000), n, endpoint=True)
    elif shape == "skewed":
        values = np.minimum(draw.zipf(1.7, n), min(high, 10**6)) - (1 if low < 0 else 0)
    elif shape == "sorted":
        span = max(1, min(high // 2, 3 * n + 1))
        values = np.sort(draw.integers(0, span, n))
    elif shape == "any":
        values = draw.integers(low, high, n, endpoint=True, dtype=np.uint64 if high > 2**63 else np.int64)
    else:
        near = [v for v in (low, low + 1, -1, 0, 1, 2, 127, 128, 255, 256, high - 1, high) if low <= v <= high]
        return [near[i] for i in draw.integers(0, len(near), n).tolist()]
    return values.tolist()


def _floats(rng, draw, n: int, single: bool) -> list[float]:
    shape = rng.choice(["few", "normal", "normal", "price", "special", "special", "wide", "whole"])
    if shape == "few":
        pool = np.array([0.0, -0.0, 1.5, -2.25, np.nan, 3.0])
        values = pool[draw.integers(0, len(pool), n)]
    elif shape == "normal":
        values = draw.normal(0, 100, n)
    elif shape == "price":
        values = np.round(draw.uniform(-1000, 10000, n), 2)
    elif shape == "whole":
        values = draw.integers(-20, 20, n).astype(np.float64)
    elif shape == "wide":
        with np.errstate(over="ignore"):
            values = draw.normal(0, 1, n) * 10.0 ** draw.integers(-30 if single else -300, 30 if single else 300, n)
    else:
        tiny, huge = (1e-45, 3.4028234663852886e38) if single else (5e-324, 1.7976931348623157e308)
        pool = np.array([0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, tiny, -tiny, tiny * 3, huge, -huge, 0.1, 1e16, -1e16, 1 / 3])
        values = pool[draw.integers(0, len(pool), n)]
    if single:
        values = values.astype(np.float32).astype(np.float64)
    return values.tolist()


def _texts(rng, draw, n: int) -> list[str]:
    shape = rng.choice(["words", "words", "keys", "random", "prefix"])
    if shape == "words":
        words = rng.sample(WORDS, rng.randint(1, len(WORDS)))
    elif shape == "keys":
        words = [f"key{i}" for i in range(rng.choice([2, 30, 1000]))]
    elif shape == "prefix":
        words = [f"a rather common prefix {i % 7} {i}" for i in range(rng.choice([3, 300]))]
    else:
        alphabet = string.ascii_letters + string.digits + " -_%äéжΩ日😀"
        words = ["".join(rng.choices(alphabet, k=rng.choice([0, 1, 3, 11, 12, 13, 40]))) for _ in range(min(n, 500) or 1)]
        if rng.random() < 0.1:
            words.append("long " * 5000)
    return [words[i] for i in draw.integers(0, len(words), n).tolist()]


def _moments(rng, draw, n: int, t: pa.DataType) -> list[int]:
    if pa.types.is_date32(t):
        low, high = rng.choice([(0, 400), (10000, 20000), (-25000, 40000), (-(2**31), 2**31 - 1)])
        return draw.integers(low, high, n, endpoint=True).tolist()
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[t.unit]
    shape = rng.choice(["hours", "years", "years", "wide"])
    if shape == "wide":
        return draw.integers(-(2**63), 2**63 - 1, n, endpoint=True).tolist()
    low, high = (1_700_000_000, 1_700_010_000) if shape == "hours" else (86400, 2_000_000_000) if t.tz or rng.random() < 0.5 else (-2_000_000_000, 4_000_000_000)
    values = draw.integers(low, high, n) * per_second
    if rng.random() < 0.5:
        values = values + draw.integers(0, per_second, n)
    return values.tolist()


def _values(rng, draw, n: int, t: pa.DataType) -> list:
    k = kind(t)
    if k == "bool":
        return (draw.random(n) < rng.choice([0.0, 0.1, 0.5, 1.0])).tolist()
    if k == "int":
        return _integers(rng, draw, n, *limits(t))
    if k == "float":
        return _floats(rng, draw, n, t == pa.float32())
    if k == "decimal":
        top = 10**t.precision - 1
        shape = rng.choice(["few", "small", "any", "edge"])
        if shape == "any":
            return [rng.randint(-top, top) for _ in range(n)]
        pool = [v for v in (-top, top, 0, 1, -1, 5, -5, 10**t.scale, 15 * 10 ** max(t.scale - 1, 0)) if abs(v) <= top]
        if shape == "edge":
            return [pool[i] for i in draw.integers(0, len(pool), n).tolist()]
        high = min(top, 7 if shape == "few" else 10**6)
        return draw.integers(-high, high, n, endpoint=True).tolist()
    if k == "string":
        return _texts(rng, draw, n)
    if k == "binary":
        return [s.encode() + bytes([0, 255]) if rng.random() < 0.1 else s.encode() for s in _texts(rng, draw, n)]
    if k in ("date", "timestamp"):
        return _moments(rng, draw, n, t)
    if k == "duration":
        low, high = rng.choice([(-100, 100), (-(10**12), 10**12), (-(2**62), 2**62)])
        return draw.integers(low, high, n, endpoint=True).tolist()
    if k == "time":
        return draw.integers(0, 86_400_000_000, n).tolist()
    if k == "struct":
        return list(zip(*(_with_nulls(rng, draw, _values(rng, draw, n, f.type)) for f in t)))
    if k == "map":
        return [[(name, rng.choice([None, 0, 7, -1])) for name in rng.sample(["x", "y", "none", ""], rng.randrange(4))] for _ in range(n)]
    lengths = draw.integers(0, rng.choice([1, 3, 6]), n, endpoint=True).tolist()
    items = _with_nulls(rng, draw, _values(rng, draw, sum(lengths), t.value_type))
    out, at = [], 0
    for size in lengths:
        out.append(items[at : at + size])
        at += size
    return out


def _with_nulls(rng, draw, values: list) -> list:
    share = rng.choice([0, 0, 0, 0.1, 0.1, 0.1, 0.5, 0.97, 1])
    if share == 0:
        return values
    gone = (draw.random(len(values)) < share).tolist()
    return [None if g else v for v, g in zip(values, gone)]


def stored_as(array: pa.Array, t: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(t):
        encoded = array.dictionary_encode()
        if len(encoded.dictionary) > 127 and t.index_type == pa.int8():
            t = pa.dictionary(pa.int32(), pa.string())
        return encoded.cast(t)
    return array if array.type == t else array.cast(t)


def random_table(rng, rows: int, names: list[str]) -> Source:
    draw = np.random.default_rng(rng.getrandbits(64))
    arrays, columns = [], []
    for i, name in enumerate(names):
        # The first column is good for joins and groups: few distinct values of a common type.
        t = rng.choice([pa.int64(), pa.int32(), pa.string(), pa.dictionary(pa.int32(), pa.string())]) if i == 0 and rng.random() < 0.6 else random_type(rng)
        values = _with_nulls(rng, draw, _values(rng, draw, rows, t))
        if i == 0 and t in (pa.int32(), pa.int64()) and rng.random() < 0.7:
            values = _with_nulls(rng, draw, draw.integers(0, rng.choice([1, 10, 100, max(rows, 1)]), rows).tolist())
        arrays.append(stored_as(to_arrow(values, canonical(t)), t))
        columns.append(Column(name, canonical(t)))
    return _shaped(rng, pa.Table.from_arrays(arrays, names=names), columns)


def _shaped(rng, table: pa.Table, columns: list[Column]) -> Source:
    """The same rows, perhaps as a slice of something longer, perhaps in chunks."""
    n = table.num_rows
    if rng.random() < 0.25 and n:
        table = pa.concat_tables([table.slice(n // 2), table]).combine_chunks().slice(n - n // 2)
    elif rng.random() < 0.15:
        table = table.slice(rng.randint(0, min(n, 9)), n)
    if rng.random() < 0.4:
        cuts = sorted(rng.randint(0, table.num_rows) for _ in range(rng.randint(1, 6)))
        parts = [table.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, table.num_rows])]
        table = pa.concat_tables(parts)
    return source_of(table)


def source_of(table: pa.Table) -> Source:
    """With what can be known of the columns."""
    columns, rows = [], raw_rows(table)
    for i, f in enumerate(table.schema):
        there = [row[i] for row in rows if row[i] is not None]
        bound = max(map(abs, there), default=0) if kind(f.type) in ("int", "decimal", "date", "timestamp") else None
        samples = tuple(there[:: max(1, len(there) // 8)]) if kind(f.type) not in NESTED else ()
        columns.append(Column(f.name, canonical(f.type), bound, samples))
    return Source(table, columns, rows)


def random_rows(rng) -> int:
    pick = rng.random()
    if pick < 0.02:
        return rng.randint(200_001, 260_000)
    if pick < 0.05:
        return 0
    return int(10 ** rng.uniform(0.3, 3.7)) if pick < 0.9 else rng.randint(1000, 5000)


def random_sources(rng) -> list[Source]:
    out = []
    rows = random_rows(rng)
    for i in range(rng.choice([1, 2, 2, 3])):
        n = rows if i == 0 else min(rows, random_rows(rng)) if rng.random() < 0.7 else rng.randint(0, 50)
        width = rng.randint(1, 4 if n > 100_000 else 8)
        names = ["k", *rng.sample(NAMES[1:], width - 1)]
        out.append(random_table(rng, n, names))
    return out
