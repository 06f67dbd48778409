"""The 22 queries of TPC-H: DuckDB's answers, and the same bytes at every setting.

    python tests/python/test_tpch.py --sf 1       answers at another scale factor, from the files of ./run bench tpch
"""

from __future__ import annotations

import argparse
import decimal
import io
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import gristmill as gm

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bench"))
from workloads.tpch import queries  # noqa: E402

TABLES = ("part", "supplier", "partsupp", "customer", "orders", "lineitem", "nation", "region")
SCALE = 0.01
OPTIONS = [dict(num_workers=1), dict(num_workers=2, chunk_rows=1000, min_parallel_rows=0), dict(num_workers=8, chunk_rows=77, batch_rows=77, min_parallel_rows=0),
           dict(num_workers=2, memory_limit="64MB", min_parallel_rows=0)]


def text_of(name: str, scale_factor: float) -> str:
    return queries()[name].replace("FRACTION", f"{0.0001 / scale_factor:.10f}")


def generate(folder: Path) -> None:
    generator = Path(sys.executable).with_name("tpchgen-cli")
    subprocess.run([str(generator), "parquet", "-s", str(SCALE), "-o", str(folder)], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tpch")
    generate(folder)
    return folder


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    for table in TABLES:
        con.execute(f"create view {table} as select * from read_parquet('{folder / table}.parquet')")
    return con


def normal(value: object, digits: int) -> object:
    if isinstance(value, (decimal.Decimal, float)):
        return f"{float(value):.{digits}g}"
    return str(value)


def rows_of(table: pa.Table, name: str) -> list[tuple]:
    """Quotients have different numbers of digits: seven count, of q8's share of decimals, which has six places, three."""
    digits = 3 if name == "q8" else 7
    return sorted(tuple(normal(v, digits) for v in row) for row in zip(*[c.to_pylist() for c in table.columns]))


def as_bytes(table: pa.Table) -> bytes:
    columns = [c.cast(pa.string()) if pa.types.is_string_view(c.type) else c for c in table.columns]  # where views point to may differ
    table = pa.table(columns, names=[str(i) for i in range(len(columns))]).combine_chunks()
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def ours(folder: Path, name: str, scale_factor: float) -> gm.Frame:
    return gm.sql(text_of(name, scale_factor), **{t: gm.scan_parquet(str(folder / f"{t}.parquet")) for t in TABLES})


@pytest.mark.parametrize("name", list(queries()))
def test_answer(name: str, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = rows_of(connect(files).sql(text_of(name, SCALE)).to_arrow_table(), name)
    frame = ours(files, name, SCALE)
    first = None
    for spilling in (False, True):
        if spilling:
            monkeypatch.setenv("GRISTMILL_SPILL_EAGERLY", "1")
        for options in OPTIONS[1:2] if spilling else OPTIONS:
            table = frame.collect(gm.ParallelOptions(**options)).to_arrow()
            assert rows_of(table, name) == expected, options
            first = first or as_bytes(table)
            assert as_bytes(table) == first, f"other bytes with {options}, spilling {spilling}"


def test_all_of_them_are_there() -> None:
    assert list(queries()) == [f"q{i}" for i in range(1, 23)]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sf", default="1")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    folder = options.folder
    if folder is None:
        from workloads.tpch_files import folder as files_of

        folder = files_of(options.sf, "view")
    con = connect(folder)
    wrong = []
    for name in queries():
        expected = rows_of(con.sql(text_of(name, float(options.sf))).to_arrow_table(), name)
        same = rows_of(ours(folder, name, float(options.sf)).collect().to_arrow(), name) == expected
        print(name, "same" if same else "DIFFERENT", len(expected), "rows", flush=True)
        wrong += [] if same else [name]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
