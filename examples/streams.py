"""A stream of readings: a function of one's own and the engine's operators, batch by batch, over an iterable that never ends.

    python examples/streams.py
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

import gristmill as gm


def readings() -> Iterator[pa.RecordBatch]:
    """A batch of ten readings at a time, for ever."""
    for n in itertools.count():
        yield pa.record_batch({"id": list(range(10 * n, 10 * n + 10)), "celsius": [20.0 + (7 * i) % 13 for i in range(10 * n, 10 * n + 10)]})


def fahrenheit(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.append_column("fahrenheit", pc.add(pc.multiply(batch.column("celsius"), 1.8), 32.0))


sensors = gm.from_pydict({"sensor": [0, 1, 2], "room": ["kitchen", "hall", "cellar"]})
stream = (gm.Stream.from_iterable(readings())
    .map(fahrenheit)
    .parallel(num_workers=2)
    .with_columns(sensor=gm.col("id") % 4)
    .join(sensors, on="sensor")
    .filter(gm.col("fahrenheit") > 85))

hot = stream.take(5)
print(hot)
assert hot.num_rows == 5 and set(hot["room"].to_pylist()) <= {"kitchen", "hall", "cellar"}
