"""Some million taxi-like trips: a query, its plan with rows and times per operator, and the same bits at 1 and 2 workers.

Run by ./run demo --trips. Everything is local; the answer is checked against exact rational arithmetic before a time is printed.
"""

from __future__ import annotations

import hashlib
import io
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import gristmill as gm
from gristmill import col

ROWS = 4_000_000
ZONES = [f"zone {i:02d}" for i in range(40)]


def make_trips(path: Path, rows: int) -> pa.Table:
    rng = np.random.default_rng(20260101)
    km = np.round(rng.gamma(2.0, 2.5, rows), 3) + 0.1
    table = pa.table({
        "id": pa.array(np.arange(rows)),
        "zone": pa.array(ZONES).take(pa.array(rng.integers(0, len(ZONES), rows))),
        "pickup": pa.array(1_767_225_600_000_000 + rng.integers(0, 30 * 86_400, rows) * 1_000_000, pa.timestamp("us")),
        "km": pa.array(km),
        "fare": pa.array(np.round(2.5 + 1.9 * km + rng.normal(0, 1, rows), 2), mask=rng.random(rows) < 0.01),
    })
    pq.write_table(table, path, row_group_size=262_144, compression="zstd")
    return table


def the_query(path: Path) -> gm.Frame:
    return (gm.scan_parquet(path)
            .filter((col("fare") > 10) & col("zone").is_not_null())
            .with_columns((col("fare") / col("km")).alias("per_km"))
            .group_by("zone").agg(col("per_km").mean(), col("fare").sum().alias("total"), gm.count())
            .sort("total", descending=True).head(8))


def fingerprint(table: gm.Table) -> str:
    sink = io.BytesIO()
    data = table.to_arrow().combine_chunks()
    with pa.ipc.new_stream(sink, data.schema) as writer:
        writer.write_table(data)
    return hashlib.sha256(sink.getvalue()).hexdigest()[:16]


def check(result: gm.Table, trips: pa.Table) -> None:
    """The total of the first zone, added up exactly, rounded once."""
    first = result.to_pylist()[0]
    frame = trips.to_pandas()
    fares = frame[(frame.zone == first["zone"]) & (frame.fare > 10)].fare
    exact = float(sum(map(Fraction, fares)))
    if exact != first["total"] or len(fares) != first["count"]:
        sys.exit(f"wrong answer for {first['zone']}: {first['total']!r}, exactly {exact!r}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trips.parquet"
        print(f"generating {ROWS:,} trips ...")
        trips = make_trips(path, ROWS)
        print(f"{path.stat().st_size / 1e6:.0f} MB of Parquet\n")
        query = the_query(path)
        prints, result = {}, None
        for workers in (1, 2):
            query.collect(num_workers=workers)
            start = time.perf_counter()
            result = query.collect(num_workers=workers)
            seconds = time.perf_counter() - start
            prints[workers] = fingerprint(result)
            print(f"{workers} worker{'s' if workers > 1 else ' '}: {seconds * 1e3:7.1f} ms, {ROWS / seconds / 1e6:5.1f} M rows/s, bits {prints[workers]}")
        print()
        print(result)
        print("\nthe plan, with rows and time per operator:\n")
        print(query.explain(analyze=True, options=gm.ParallelOptions(num_workers=2)))
        check(result, trips)
        if prints[1] != prints[2]:
            sys.exit("the bits differ between 1 and 2 workers")
        print("the same bits at 1 and 2 workers; the sum equals exact rational arithmetic, rounded once")


if __name__ == "__main__":
    main()
