"""Questions to a star schema: DuckDB's answers in the order asked for, and the same bytes however they are computed.

    ./run star --sales 600000      every answer at another size, at every setting
"""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gristmill as gm

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "fuzz")]
from table_bytes import as_bytes  # noqa: E402
from tables import tables  # noqa: E402

SALES = 6000
RELATIVE = 1e-9
# Where the rows come from, how they are run, and whether whatever can spill does.
RUNS = [("memory", dict(num_workers=1), False), ("memory", dict(num_workers=2, chunk_rows=1000, min_parallel_rows=0), False),
        ("memory", dict(num_workers=8, chunk_rows=177, batch_rows=50, min_parallel_rows=0), False),
        ("dictionaries", dict(num_workers=3, chunk_rows=501, batch_rows=64, min_parallel_rows=0), False),
        ("files", dict(num_workers=2, memory_limit="64MB", min_parallel_rows=0), False),
        ("files", dict(num_workers=4, memory_limit="24MB", chunk_rows=300, min_parallel_rows=0), False),
        ("files", dict(num_workers=3, chunk_rows=1500, min_parallel_rows=0), True), ("dictionaries", dict(num_workers=2, batch_rows=999, min_parallel_rows=0), True)]


def questions() -> dict[str, str]:
    text = Path(__file__).with_name("queries.sql").read_text()
    parts = re.split(r"^-- (\w+): .*\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], (q.strip() for q in parts[1::2])))


QUESTIONS = questions()


def close(a: object, b: object) -> bool:
    if isinstance(a, float) or isinstance(b, float):
        if a is None or b is None:
            return a is b
        return math.isclose(float(a), float(b), rel_tol=RELATIVE, abs_tol=1e-12)
    if isinstance(a, Decimal) or isinstance(b, Decimal):
        return a == b
    return str(a) == str(b)


def rows_of(table: pa.Table) -> list[tuple]:
    return list(zip(*[c.to_pylist() for c in table.columns]))


def difference(ours: list[tuple], theirs: list[tuple]) -> str:
    if len(ours) != len(theirs):
        return f"{len(ours)} rows, not {len(theirs)}"
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if len(a) != len(b) or not all(close(x, y) for x, y in zip(a, b)):
            return f"row {i}: {a}, not {b}"
    return ""


class Judge:
    def __init__(self, data: dict[str, pa.Table]) -> None:
        self._db = duckdb.connect()
        self._db.execute("set default_null_order = 'nulls_last_on_asc_first_on_desc'")
        for name, table in data.items():
            self._db.register(name, table)

    def answer(self, sql: str) -> list[tuple]:
        return rows_of(self._db.sql(sql).to_arrow_table())


def shapes(data: dict[str, pa.Table], folder: Path) -> dict[str, dict[str, gm.Frame]]:
    """The same rows in memory, in memory with text as dictionaries, and as files of several row groups."""
    def encoded(table: pa.Table) -> pa.Table:
        return pa.table([c.dictionary_encode() if pa.types.is_string(c.type) else c for c in table.columns], names=table.column_names)

    files = {}
    for name, table in data.items():
        path = folder / f"{name}.parquet"
        pq.write_table(table, path, row_group_size=max(table.num_rows // 3, 100))
        files[name] = gm.scan_parquet(str(path))
    return {"memory": {n: gm.from_arrow(t) for n, t in data.items()}, "dictionaries": {n: gm.from_arrow(encoded(t)) for n, t in data.items()}, "files": files}


@pytest.fixture(scope="module")
def data() -> dict[str, pa.Table]:
    return tables(SALES)


@pytest.fixture(scope="module")
def judge(data: dict[str, pa.Table]) -> Judge:
    return Judge(data)


@pytest.fixture(scope="module")
def frames(data: dict[str, pa.Table], tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, gm.Frame]]:
    return shapes(data, tmp_path_factory.mktemp("star"))


def check(name: str, frames: dict[str, dict[str, gm.Frame]], judge: Judge) -> str:
    """What is wrong with a question's answers at any setting; "" when nothing is."""
    sql, first = QUESTIONS[name], None
    expected = judge.answer(sql)
    for shape, options, spilling in RUNS:
        os.environ["GRISTMILL_SPILL_EAGERLY"] = "1" if spilling else "0"
        try:
            table = gm.sql(sql, **frames[shape]).collect(gm.ParallelOptions(**options)).to_arrow()
        finally:
            del os.environ["GRISTMILL_SPILL_EAGERLY"]
        where = f"{shape} {options}{' spilling' if spilling else ''}"
        if first is None:
            if wrong := difference(rows_of(table), expected):
                return f"{where}: {wrong}"
            first = as_bytes(table)
        elif as_bytes(table) != first:
            return f"{where}: other bytes; {difference(rows_of(table), expected) or 'equal values'}"
    return ""


@pytest.mark.parametrize("name", list(QUESTIONS))
def test_question(name: str, frames: dict[str, dict[str, gm.Frame]], judge: Judge) -> None:
    assert check(name, frames, judge) == ""


def test_the_questions_ask_something(judge: Judge) -> None:
    assert len(QUESTIONS) >= 50
    empty = [name for name, sql in QUESTIONS.items() if not judge.answer(sql)]
    assert empty == []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sales", type=int, default=600_000)
    parser.add_argument("--only", default="", help="names, comma-separated")
    options = parser.parse_args()
    data = tables(options.sales)
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="gristmill-star-") as folder:
        frames, judge = shapes(data, Path(folder)), Judge(data)
        for name in options.only.split(",") if options.only else QUESTIONS:
            start = time.monotonic()
            problem = check(name, frames, judge)
            print(f"{name}: {problem or 'same'} ({time.monotonic() - start:.1f} s)", flush=True)
            wrong += bool(problem)
    print(f"{len(QUESTIONS)} questions, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
