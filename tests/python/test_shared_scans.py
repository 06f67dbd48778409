"""A table that a scalar subquery over its own key reads again is read once: the rows of the other engine, the same bytes at any setting."""

from __future__ import annotations

import random
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from spilling import eagerly

import gristmill as gm

ROWS, KEYS = 30_000, 2_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the parts some stand there twice, some have no key; so have some lines."""
    path, rng = tmp_path_factory.mktemp("scans"), random.Random(3)
    maybe = lambda value: None if rng.random() < 0.05 else value  # noqa: E731
    lines = {"key": [maybe(rng.randrange(KEYS)) for _ in range(ROWS)], "price": [rng.randrange(10_000) / 4 for _ in range(ROWS)],
             "day": [rng.randrange(365) for _ in range(ROWS)], "n": pa.array(range(ROWS), pa.int64())}
    parts = {"k": pa.array([maybe(i % (KEYS - 40)) for i in range(KEYS)], pa.int64()), "brand": [f"b{rng.randrange(60)}" for _ in range(KEYS)]}
    pq.write_table(pa.table(lines), path / "lines.parquet", row_group_size=4_000)
    pq.write_table(pa.table(parts), path / "parts.parquet")
    pq.write_table(pa.table({"d": list(range(365)), "month": [f"m{i // 31}" for i in range(365)]}), path / "days.parquet")
    return path


QUERIES = [
    "select sum(price) as s, count(*) as n from lines, parts where k = key and brand = 'b7'"
    " and price < (select 0.5 * avg(price) from lines where key = k)",
    "select brand, max(n) as n, sum(price) as s from lines, parts where k = key and brand in ('b1', 'b2') and day > 300"
    " and price >= (select max(price) - 500 from lines where key = k and day < 200) group by brand order by brand",
    "select brand, count(*) as n, min(price) as p from lines, parts, days where k = key and brand in ('b3', 'b4') and day = d and month in ('m2', 'm5')"
    " and price = (select min(price) from lines, days where key = k and day = d and month in ('m2', 'm5')) group by brand order by brand",
    "select a.n, b.n as other from lines a join lines b on a.key = b.key join parts on k = a.key where brand = 'b9' and a.n < b.n"
    " and a.day = b.day order by a.n, b.n",
]


@pytest.mark.parametrize("text", QUERIES)
def test_answers(text: str, folder: Path) -> None:
    frame = gm.sql(text, **{name: gm.scan_parquet(str(folder / f"{name}.parquet")) for name in ("lines", "parts", "days") if name in text})
    plan = frame.explain()
    assert plan.count("scan shared #1") == 2 and plan.count("lines.parquet") == 1, plan
    connection = duckdb.connect()
    for name in ("lines", "parts", "days"):
        connection.sql(f"create view {name} as from '{folder / name}.parquet'")
    expected = connection.sql(text).fetchall()
    assert expected
    first = None
    for spilling in (False, True):
        for workers, rows, memory in ((1, 0, 0), (2, 3_001, 0), (8, 500, 0), (2, 500, 24_000_000)):
            with eagerly(spilling):
                options = gm.ParallelOptions(num_workers=workers, chunk_rows=rows, min_parallel_rows=0, memory_limit=memory)
                table = frame.collect(options).to_arrow()
            first = first or table
            assert table.equals(first), (workers, rows, spilling)
    assert [tuple(r.values()) for r in first.to_pylist()] == [pytest.approx(r) if None not in r and not isinstance(r[0], str) else r for r in expected]
