"""Results down to the last bit, for counting how many different ones equal runs give."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc


def _digest(table: pa.Table) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for column in table.columns:
        array = column.combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
        if pa.types.is_floating(array.type):
            digest.update(array.fill_null(0.0).to_numpy(zero_copy_only=False).tobytes())
        else:
            digest.update(pc.cast(array, pa.large_string()).to_numpy(zero_copy_only=False).astype("U").tobytes())
    return digest.hexdigest()


def digests(table: pa.Table, keys: Sequence[str]) -> tuple[str, str]:
    """(bits of the rows sorted by the keys, bits of the rows in the order they came)."""
    came = _digest(table)
    if not keys:
        return came, came
    return _digest(table.take(pc.sort_indices(table, sort_keys=[(k, "ascending") for k in keys]))), came
