"""Seeded tables, generated once and kept as uncompressed Arrow IPC files (or Parquet) in bench/results/data.

Each generator gives the rows [first, first + n) of a table of `rows` rows; the random generator is seeded by the
table's name and size, and pieces have a fixed size, so a table has the same bytes wherever it is made.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .workload import Table

DATA = Path(__file__).resolve().parents[1] / "results" / "data"
PIECE = 1 << 20
Rng = np.random.Generator
Generator = Callable[[Rng, int, int, int], dict[str, pa.Array]]
GENERATORS: dict[str, Generator] = {}


def table(make: Generator) -> Generator:
    GENERATORS[make.__name__] = make
    return make


def pick(rng: Rng, entries: list[str], n: int) -> pa.Array:
    """Uniformly chosen entries as plain text."""
    return pa.DictionaryArray.from_arrays(pa.array(rng.integers(0, len(entries), n, dtype=np.int32)), pa.array(entries)).cast(pa.string())


def text(prefix: str, numbers: np.ndarray, width: int) -> pa.Array:
    """`prefix` and the number in decimal with leading zeros."""
    digits = np.empty((len(numbers), len(prefix) + width), np.uint8)
    digits[:, : len(prefix)] = np.frombuffer(prefix.encode(), np.uint8)
    rest = numbers.astype(np.int64)
    for i in range(width):
        digits[:, len(prefix) + width - 1 - i] = rest % 10 + ord("0")
        rest = rest // 10
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * digits.shape[1]
    return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(digits.reshape(-1)))


def sparse_key(i: np.ndarray) -> np.ndarray:
    """Distinct 44-bit integers in no order: an odd factor modulo a power of two is a bijection."""
    return ((i.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) & np.uint64((1 << 44) - 1)).astype(np.int64)


@table
def points(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    return {"id": np.arange(first, first + n), "value": rng.uniform(0, 1000, n), "category": pick(rng, ["A", "B", "C"], n)}


@table
def items(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    names = [f"category_{i}" for i in range(10)]
    return {"id": np.arange(first, first + n), "value": rng.uniform(0, 1000, n), "category": pick(rng, names, n)}


@table
def named(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    return {"id": np.arange(first, first + n), "value": rng.uniform(0, 1000, n), "name": text("name_", rng.integers(0, 10**9, n), 9)}


@table
def numbers(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    return {"x": np.arange(first, first + n)}


@table
def sales(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    cities = ["Amsterdam", "Berlin", "Copenhagen", "Dublin", "Edinburgh", "Florence", "Geneva", "Hamburg", "Istanbul", "Lisbon"]
    return {
        "id": np.arange(first, first + n),
        "city": pick(rng, cities, n),
        "amount": rng.uniform(0, 1000, n),
        "quantity": rng.integers(1, 100, n),
        "price": rng.uniform(1, 50, n),
        "discount": rng.uniform(0, 0.3, n),
        "customer": rng.integers(0, 1_000_000, n),
        "ts": np.arange(first, first + n) * 1000 + 1_700_000_000_000,
        "returned": rng.integers(0, 2, n, dtype=np.int32),
    }


@table
def probe(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    """Keys of which 80 % are in `build` with 12 % of these rows."""
    return {"key": sparse_key(rng.integers(0, rows * 15 // 100, n)), "value": rng.uniform(0, 1000, n)}


@table
def build(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    return {"key": sparse_key(np.arange(first, first + n)), "payload": rng.integers(0, 1_000_000, n)}


@table
def events(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    """One event a millisecond or so, 100 keys; ts in milliseconds."""
    ts = np.arange(first, first + n) + rng.integers(0, 50, n) + 1_700_000_000_000
    return {"ts": ts, "key": rng.integers(0, 100, n), "value": rng.uniform(0, 1000, n)}


@table
def groups(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    """Keys named by how many there are at 10M rows; the large ones shrink with the table."""
    keys = {f"g{label}": rng.integers(0, size, n) for label, size in
            (("10", 10), ("1k", 1000), ("100k", max(rows // 100, 1)), ("1m", max(rows // 10, 1)), ("10m", rows))}
    many = text("key_", rng.integers(0, max(rows // 100, 1), n), 8)
    return keys | {"s10": pick(rng, [f"group_{i}" for i in range(10)], n), "s100k": many, "value": rng.uniform(0, 1000, n)}


@table
def left_n(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    return {"id": np.arange(first, first + n), "value": rng.uniform(0, 1000, n)}


@table
def right_halfn(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    return {"id": np.arange(first, first + n), "other": rng.uniform(0, 1000, n)}


def scaled(t: Table, small: bool) -> Table:
    return Table(t.name, max(t.rows // 100, 10) if small else t.rows, t.columns)


def pieces(t: Table) -> Iterator[pa.RecordBatch]:
    rng = np.random.default_rng([zlib.crc32(t.name.encode()), t.rows])
    make = GENERATORS[t.name]
    for first in range(0, t.rows, PIECE):
        columns = make(rng, first, min(PIECE, t.rows - first), t.rows)
        yield pa.record_batch({name: pa.array(values) for name, values in columns.items()})


def _kept(path: Path, write: Callable[[Path], None]) -> Path:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        write(unfinished)
        unfinished.rename(path)
    return path


def ipc_file(t: Table) -> Path:
    def write(path: Path) -> None:
        parts = pieces(t)
        head = next(parts)
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, head.schema) as out:
            out.write(head)
            for part in parts:
                out.write(part)

    return _kept(DATA / f"{t.name}_{t.rows}.arrow", write)


def parquet_file(t: Table) -> Path:
    def write(path: Path) -> None:
        parts = pieces(t)
        head = next(parts)
        with pq.ParquetWriter(path, head.schema, compression="zstd", compression_level=1) as out:
            out.write_batch(head)
            for part in parts:
                out.write_batch(part)

    return _kept(DATA / f"{t.name}_{t.rows}.parquet", write)
