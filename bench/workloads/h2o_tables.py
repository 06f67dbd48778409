"""Tables of the published db-benchmark: G1 (group-by, K = 100, no nulls, unsorted) and J1 (joins)."""

from __future__ import annotations

import functools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .tables import Rng, pick, table, text

K = 100
_SEED = 108


@table
def h2o_g1(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    few, many = [f"id{i:03d}" for i in range(1, K + 1)], max(rows // K, 1)
    return {
        "id1": pick(rng, few, n),
        "id2": pick(rng, few, n),
        "id3": text("id", rng.integers(1, many + 1, n), 10),
        "id4": rng.integers(1, K + 1, n, dtype=np.int32),
        "id5": rng.integers(1, K + 1, n, dtype=np.int32),
        "id6": rng.integers(1, many + 1, n, dtype=np.int32),
        "v1": rng.integers(1, 6, n, dtype=np.int32),
        "v2": rng.integers(1, 16, n, dtype=np.int32),
        "v3": np.round(rng.uniform(0, 100, n), 6),
    }


@functools.cache
def _keys(n: int) -> dict[str, np.ndarray]:
    """1.1 n keys: 0.9 n for both sides of a join, 0.1 n for the left only, 0.1 n for the right only."""
    keys = (np.random.default_rng([_SEED, n]).permutation(n * 11 // 10) + 1).astype(np.int32)
    both = n * 9 // 10
    return {"left": keys[:n], "right": np.concatenate([keys[:both], keys[n:]])}


@functools.cache
def _all_of(n: int, side: str, size: int, salt: int) -> np.ndarray:
    """Every key at least once, the rest drawn from them, shuffled."""
    rng, keys = np.random.default_rng([_SEED, n, size, salt]), _keys(n)[side]
    return rng.permutation(np.concatenate([keys, rng.choice(keys, size - len(keys))]))


def _id(numbers: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise("id", pa.array(numbers).cast(pa.string()), "")


def _v(rng: Rng, n: int) -> np.ndarray:
    return np.round(rng.uniform(0, 100, n), 6)


def sizes(rows: int) -> tuple[int, int, int]:
    """Rows of the small, the medium and the big right side for a left side of so many rows."""
    return max(rows // 1_000_000, 10), max(rows // 1000, 10), rows


@table
def h2o_x(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    ids = [_all_of(size, "left", rows, i)[first : first + n] for i, size in enumerate(sizes(rows))]
    return {"id1": ids[0], "id2": ids[1], "id3": ids[2], "id4": _id(ids[0]), "id5": _id(ids[1]), "id6": _id(ids[2]), "v1": _v(rng, n)}


@table
def h2o_small(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    id1 = _all_of(rows, "right", rows, 3)[first : first + n]
    return {"id1": id1, "id4": _id(id1), "v2": _v(rng, n)}


@table
def h2o_medium(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    id1 = rng.choice(_keys(sizes(rows * 1000)[0])["right"], n)
    id2 = _all_of(rows, "right", rows, 4)[first : first + n]
    return {"id1": id1, "id2": id2, "id4": _id(id1), "id5": _id(id2), "v2": _v(rng, n)}


@table
def h2o_big(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    few, medium, _ = sizes(rows)
    id1, id2 = rng.choice(_keys(few)["right"], n), rng.choice(_keys(medium)["right"], n)
    id3 = _all_of(rows, "right", rows, 5)[first : first + n]
    return {"id1": id1, "id2": id2, "id3": id3, "id4": _id(id1), "id5": _id(id2), "id6": _id(id3), "v2": _v(rng, n)}
