"""Files split, shuffled and with columns in another order: the same bytes, at any number of workers."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from test_golden import CASES, run


def split(file: Path, out: Path, r: random.Random) -> None:
    """The rows of one file in several, in any order, empty ones among them."""
    table = pq.read_table(file)
    rows = list(range(table.num_rows))
    r.shuffle(rows)
    cuts = sorted(r.choices(range(table.num_rows + 1), k=r.randint(0, 4)))
    out.mkdir()
    for i, (begin, end) in enumerate(zip([0, *cuts], [*cuts, table.num_rows])):
        columns = r.sample(table.column_names, table.num_columns)
        part = table.take(pa.array(rows[begin:end], pa.int64())).select(columns)
        pq.write_table(part, out / f"{r.randrange(10**6):06d}-{i}.parquet", row_group_size=r.choice([3, 50, 10000]),
                       compression=r.choice(["zstd", "snappy", "none"]), use_dictionary=r.random() < 0.5)


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_files_cut_at_random(case: Path, tmp_path: Path) -> None:
    seed = sum(map(ord, case.name))
    r = random.Random(seed)
    whole = run(case, tmp_path / "whole.csv")
    for attempt in range(3):
        other = tmp_path / str(attempt)
        other.mkdir()
        for file in case.iterdir():
            if file.suffix == ".parquet":
                split(file, other / file.stem, r)
            elif file.is_file():
                shutil.copy(file, other)
        assert run(other, tmp_path / "cut.csv", "--workers", str(1 + attempt)) == whole, f"seed {seed}, attempt {attempt}"
