"""Decimals of 256 bits: read, computed with and written while their values have 38 digits, a clear error at the first that has more."""

from __future__ import annotations

import decimal
import random
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

import gristmill as gm
from gristmill import col

SETTINGS = [dict(num_workers=w, chunk_rows=c, batch_rows=b, min_parallel_rows=0) for w, c, b in [(1, 0, 0), (3, 64, 7), (2, 100, 1)]]


def table(seed: int, rows: int = 500, wide_at: int | None = None) -> pa.Table:
    print("seed", seed)
    rng = random.Random(seed)
    values: list[Decimal | None] = [None if rng.random() < 0.1 else Decimal(rng.randrange(-10**20, 10**20)).scaleb(-2) for _ in range(rows)]
    if wide_at is not None:
        values[wide_at] = Decimal(10**40)
    with decimal.localcontext() as c:
        c.prec = 76
        return pa.table({"d": pa.array(values, pa.decimal256(50, 2)), "e": pa.array(values if wide_at is None else [None] * rows, pa.decimal256(30, 2)),
                         "k": [rng.randrange(5) for _ in range(rows)]})


@pytest.mark.parametrize("seed", [1, 2])
def test_they_pass_through_and_are_computed_with(seed: int, tmp_path: Path) -> None:
    t = table(seed)
    pq.write_table(t, tmp_path / "t.parquet", row_group_size=100)
    with pa.ipc.new_file(tmp_path / "t.arrow", t.schema) as w:
        w.write_table(t, max_chunksize=64)
    d = t["d"].to_pylist()
    for f in (gm.from_arrow(t), gm.scan_parquet(tmp_path / "t.parquet"), gm.scan_ipc(tmp_path / "t.arrow")):
        for s in SETTINGS:
            assert f.collect(**s).to_arrow().equals(t)
            assert f.filter(col("d") > 0).collect(**s)["d"].to_pylist() == [v for v in d if v is not None and v > 0]
            assert f.select((col("d") + col("e")).alias("x")).collect(**s)["x"].to_pylist() == [None if v is None else 2 * v for v in d]
            sums: dict[int, Decimal] = {}
            for k, v in zip(t["k"].to_pylist(), d):
                sums[k] = sums.get(k, Decimal(0)) + (v or 0)
            assert dict(zip(*f.group_by("k").agg(col("d").sum()).collect(**s).to_pydict().values())) == sums
            assert f.select("d").sort("d").collect(**s)["d"].to_pylist() == sorted(v for v in d if v is not None) + [None] * d.count(None)
        f.sink_parquet(tmp_path / "out.parquet")
        assert pq.read_table(tmp_path / "out.parquet").equals(t)
        f.select("d").sink_csv(tmp_path / "out.csv")
        assert gm.scan_csv(tmp_path / "out.csv", schema={"d": "decimal(38,2)"}).collect()["d"].to_pylist() == d


def test_a_value_of_more_digits_is_an_error_where_it_is_read(tmp_path: Path) -> None:
    t = table(3, wide_at=123)
    pq.write_table(t, tmp_path / "t.parquet", row_group_size=50)
    for f in (gm.from_arrow(t), gm.scan_parquet(tmp_path / "t.parquet")):
        for s in SETTINGS:
            with pytest.raises(gm.DataError, match="more than 38 digits"):
                f.select("d").collect(**s)
            assert f.select("k", "e").collect(**s).to_arrow().equals(t.select(["k", "e"]))
    with pytest.raises(gm.PlanError, match="38 digits"):
        gm.from_arrow(pa.table({"d": pa.array([None], pa.decimal256(60, 40))})).collect()
