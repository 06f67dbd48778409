"""Files whose columns differ as one table: Parquet and IPC, against DuckDB's union_by_name and plain Python."""

from __future__ import annotations

import os
import pickle
import random

import duckdb
import pyarrow as pa
import pyarrow.ipc as paipc
import pyarrow.parquet as pq
import pytest

import gristmill as gm

SEED = int(os.environ.get("GRISTMILL_SEED", random.SystemRandom().randrange(1 << 30)))


def write(path, data: pa.Table, stream: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(data, path, row_group_size=40)
    else:
        with (paipc.new_stream if stream else paipc.new_file)(path, data.schema) as w:
            w.write_table(data, max_chunksize=30)


SCANS = {".parquet": gm.scan_parquet, ".arrow": gm.scan_ipc}
WIDTHS = {"a": [pa.int8(), pa.int32(), pa.int64()], "b": [pa.float32(), pa.float64(), pa.int16()], "c": [pa.string(), pa.large_string()], "d": [pa.timestamp("s"), pa.timestamp("us")]}


def part(r: random.Random, i: int) -> pa.Table:
    n = r.randrange(1, 120)
    out = {"id": pa.array([i * 1000 + k for k in range(n)], pa.int64())}
    names = [c for c in WIDTHS if r.random() < 0.7]
    r.shuffle(names)
    for name in names:
        kind = r.choice(WIDTHS[name])
        values = [None if r.random() < 0.2 else r.randrange(100) for _ in range(n)]
        out[name] = pa.array([None if v is None else str(v) for v in values], kind) if name == "c" else pa.array(values, pa.int64()).cast(kind)
    return pa.table(out)


@pytest.mark.parametrize("suffix", SCANS)
@pytest.mark.parametrize("case", range(6))
def test_union_agrees_with_duckdb(tmp_path, suffix, case):
    print(f"GRISTMILL_SEED={SEED}")
    r = random.Random(SEED * 10 + case)
    parts = [part(r, i) for i in range(r.randrange(1, 9))]
    for i, data in enumerate(parts):
        write(tmp_path / "p" / f"{i}.parquet", data)
        write(tmp_path / "q" / f"{i}{suffix}", data, stream=r.random() < 0.2)
    scan = SCANS[suffix](tmp_path / "q", schema_evolution="union")
    columns = list(dict.fromkeys(name for p in parts for name in p.column_names))
    assert scan.columns == columns
    wanted = duckdb.sql(f"select {', '.join(columns)} from read_parquet('{tmp_path}/p/*.parquet', union_by_name = true) order by id").fetchall()
    for settings in ({"num_workers": 1}, {"num_workers": 3, "batch_rows": 7}, {"num_workers": 2, "memory_limit": 64 << 20}):
        got = scan.collect(min_parallel_rows=0, **settings).to_arrow().to_pydict()
        assert list(zip(*got.values())) == wanted
    again = pickle.loads(pickle.dumps(scan))
    assert again.collect().to_arrow().equals(scan.collect().to_arrow())
    for name in set(columns) & {"a", "b"}:
        bound = r.randrange(100)
        kept = scan.filter((gm.col(name) > bound) & (gm.col("id") % 2 == 0)).select("id").collect(num_workers=2, min_parallel_rows=0).to_pydict()["id"]
        assert kept == [row[0] for row in wanted if row[columns.index(name)] is not None and row[columns.index(name)] > bound and row[0] % 2 == 0]
        assert scan.filter(gm.col(name) > bound).head(3).select("id").collect().to_pydict()["id"] == [row[0] for row in wanted if (row[columns.index(name)] or -1) > bound][:3]
    assert scan.select(gm.count()).collect().to_pydict() == {"count": [len(wanted)]}


@pytest.mark.parametrize("suffix", SCANS)
def test_first_has_the_first_files_columns(tmp_path, suffix):
    write(tmp_path / f"1{suffix}", pa.table({"a": pa.array([1], pa.int64()), "b": ["x"]}))
    write(tmp_path / f"2{suffix}", pa.table({"c": [True], "a": pa.array([2], pa.int16())}))
    assert SCANS[suffix](tmp_path, schema_evolution="first").collect().to_pydict() == {"a": [1, 2], "b": ["x", None]}
    write(tmp_path / f"3{suffix}", pa.table({"a": [1.5]}))
    with pytest.raises(gm.IoError) as e:
        SCANS[suffix](tmp_path, schema_evolution="first").collect()
    assert 'column "a" is double' in str(e.value) and f"3{suffix}" in str(e.value)
    assert SCANS[suffix](tmp_path, schema_evolution="union").collect().to_pydict() == {"a": [1.0, 2.0, 1.5], "b": ["x", None, None], "c": [None, True, None]}


@pytest.mark.parametrize("suffix", SCANS)
def test_without_the_option_the_error_names_file_and_column(tmp_path, suffix):
    write(tmp_path / f"1{suffix}", pa.table({"a": [1], "b": [1]}))
    write(tmp_path / f"2{suffix}", pa.table({"a": [1]}))
    with pytest.raises(gm.IoError) as e:
        SCANS[suffix](tmp_path).collect()
    assert f"2{suffix}" in str(e.value) and '"b"' in str(e.value) and "schema_evolution" in str(e.value)
    write(tmp_path / f"2{suffix}", pa.table({"a": [1], "b": ["x"]}))
    with pytest.raises(gm.IoError) as e:
        SCANS[suffix](tmp_path, schema_evolution="union").collect()
    assert f"2{suffix}" in str(e.value) and '"b"' in str(e.value) and "does not fit" in str(e.value)


def test_beside_folders_and_pruning(tmp_path):
    for i in range(70):
        columns = {"v": pa.array([i], [pa.int16(), pa.int64()][i % 2])} | ({"w": ["x"]} if i > 65 else {})
        write(tmp_path / f"day={i:03}" / "p.parquet", pa.table(columns))
    scan = gm.scan_parquet(tmp_path, schema_evolution="union")
    assert scan.columns == ["v", "w", "day"]
    for f in (scan, pickle.loads(pickle.dumps(scan))):
        assert f.filter(gm.col("day") < 3).collect().to_pydict() == {"v": [0, 1, 2], "w": [None] * 3, "day": [0, 1, 2]}
        assert f.filter(gm.col("day") > 64).collect().to_pydict() == {"v": [65, 66, 67, 68, 69], "w": [None, "x", "x", "x", "x"], "day": [65, 66, 67, 68, 69]}


def test_a_moment_that_does_not_fit_the_finer_unit_names_its_row(tmp_path):
    write(tmp_path / "1.parquet", pa.table({"t": pa.array([0], pa.timestamp("ns"))}))
    write(tmp_path / "2.arrow", pa.table({"t": pa.array([0, 2**55], pa.timestamp("us"))}))
    pq.write_table(pa.table({"t": pa.array([0, 2**55], pa.timestamp("us"))}), tmp_path / "2.parquet")
    with pytest.raises(gm.DataError) as e:
        gm.scan_parquet(tmp_path, schema_evolution="union").collect()
    assert "2.parquet" in str(e.value) and "row 1" in str(e.value)


@pytest.mark.parametrize("batch_rows", [1, 7, 0])
def test_rows_before_a_moment_that_does_not_fit_come_first(tmp_path, batch_rows):
    write(tmp_path / "1.parquet", pa.table({"t": pa.array([0], pa.timestamp("ns")), "u": pa.array([0], pa.timestamp("ns"))}))
    late = [2**55 if i == 35 else i for i in range(60)]
    later = [2**55 if i == 38 else i for i in range(60)]
    pq.write_table(pa.table({"u": pa.array(late, pa.timestamp("us")), "t": pa.array(later, pa.timestamp("us"))}), tmp_path / "2.parquet")
    scan = gm.scan_parquet(tmp_path, schema_evolution="union")
    for workers in (1, 3):
        settings = {"batch_rows": batch_rows, "num_workers": workers, "min_parallel_rows": 0}
        assert scan.head(36).select("t").collect(**settings).num_rows == 36
        assert scan.head(36).collect(**settings).num_rows == 36  # one of the first file, 35 before the value
        with pytest.raises(gm.DataError, match="row 35"):
            scan.head(37).collect(**settings)
