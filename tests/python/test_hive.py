"""Folders named key=value as columns, for every format, against DuckDB."""

import datetime
import pathlib
import random
import urllib.parse

import duckdb
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.ipc as paipc
import pyarrow.parquet as pq
import pytest

import gristmill as gm

NULL = "__HIVE_DEFAULT_PARTITION__"


def write(path: pathlib.Path, data: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(data, path, row_group_size=50)
    elif path.suffix == ".csv":
        pacsv.write_csv(data, path)
    else:
        with paipc.new_file(path, data.schema) as w:
            w.write_table(data, max_chunksize=70)


def lake(root: pathlib.Path, suffix: str, seed: int, files: int = 24) -> None:
    r = random.Random(seed)
    for i in range(files):
        year, zone, day = r.choice([2022, 2023, 2024, NULL]), r.choice(["A", "North East", "50%/x", "ü", NULL]), f"2024-0{r.randrange(1, 10)}-11"
        n = r.randrange(1, 200)
        data = pa.table({"id": pa.array([i * 1000 + k for k in range(n)], pa.int64()), "fare": pa.array([r.randrange(100) for _ in range(n)], pa.int64())})
        write(root / f"year={year}" / f"zone={urllib.parse.quote(zone, safe='')}" / f"day={day}" / f"part-{i}{suffix}", data)


SCANS = {".parquet": gm.scan_parquet, ".csv": gm.scan_csv, ".arrow": gm.scan_ipc}


@pytest.mark.parametrize("suffix", SCANS)
@pytest.mark.parametrize("workers", [1, 3])
def test_filters_over_folders_and_files_agree_with_duckdb(tmp_path, suffix, workers):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    lake(tmp_path, ".parquet", seed)
    if suffix != ".parquet":
        for p in list(tmp_path.rglob("*.parquet")):
            write(p.with_suffix(suffix), pq.read_table(p, partitioning=None))
    col = gm.col
    source = f"read_parquet('{tmp_path}/**/*.parquet', hive_partitioning = true)"
    scan = SCANS[suffix](tmp_path)
    assert scan.schema.names == ["id", "fare", "year", "zone", "day"]
    assert scan.schema.field("year").type == pa.int64() and scan.schema.field("day").type == pa.date32()
    for ours, theirs in [
        (None, "true"),
        (col("year") == 2023, "year = 2023"),
        (col("year").is_null(), "year is null"),
        ((col("year") > 2022) & (col("fare") < 50), "year > 2022 and fare < 50"),
        ((col("fare") > 20) & (col("fare") < 50) & (col("id") > 3000) & (col("zone") != "A"), "fare > 20 and fare < 50 and id > 3000 and zone <> 'A'"),
        ((col("year") == 2024) | (col("fare") == 7), "year = 2024 or fare = 7"),
        (col("year") + col("fare") > 2060, "year + fare > 2060"),
        (col("zone") == "50%/x", "zone = '50%/x'"),
        (col("day") > datetime.date(2024, 5, 1), "day > date '2024-05-01'"),
        (col("year") == 1900, "year = 1900"),
    ]:
        frame = scan if ours is None else scan.filter(ours)
        got = frame.sort("id").collect(num_workers=workers, batch_rows=64).to_arrow()
        want = duckdb.sql(f"select id, fare, year, zone, day from {source} where {theirs} order by id").to_arrow_table()
        assert got.to_pydict() == want.to_pydict(), theirs
        assert frame.select(gm.count()).collect().to_pylist() == [{"count": want.num_rows}]
        assert frame.group_by("zone").agg(gm.count()).sort("zone").collect().to_pydict()["count"] == [
            c for _, c in duckdb.sql(f"select zone, count(*) from {source} where {theirs} group by zone order by zone nulls last").fetchall()]
        assert frame.head(5).collect(num_workers=workers).to_arrow().equals(frame.collect(num_workers=1).to_arrow().slice(0, 5).combine_chunks())


def test_files_that_cannot_match_are_not_opened(tmp_path):
    for year in range(2000, 2012):
        write(tmp_path / f"year={year}" / "x.parquet", pa.table({"a": [year]}))
    scan = gm.scan_parquet(tmp_path)
    assert "files 3 of 12" in scan.filter(gm.col("year") >= 2009).explain(analyze=True)
    assert scan.filter(gm.col("year") > 3000).collect().num_rows == 0
    for year in range(3000, 3100):  # too many to look into all of them beforehand
        write(tmp_path / f"year={year}" / "x.parquet", pa.table({"a": [year]}))
    (tmp_path / "year=3000" / "x.parquet").write_bytes(b"not a Parquet file")
    scan = gm.scan_parquet(tmp_path)
    assert scan.filter(gm.col("year") < 3000).select(gm.col("a").sum()).collect().to_pylist() == [{"a": sum(range(2000, 2012))}]
    with pytest.raises(gm.IoError, match="not a Parquet file.*year=3000"):
        scan.collect()


def test_switches(tmp_path):
    write(tmp_path / "k=1" / "k=07" / "x.parquet", pa.table({"k": [5], "a": [1]}))
    one = tmp_path / "k=1" / "k=07" / "x.parquet"
    assert gm.scan_parquet(one).collect().to_pydict() == {"k": [5], "a": [1]}  # named alone
    assert gm.scan_parquet(tmp_path, hive_partitioning=False).collect().to_pydict() == {"k": [5], "a": [1]}
    plain = tmp_path / "plain"
    write(plain / "a=1" / "x.parquet", pa.table({"v": [1]}))
    write(plain / "a=2" / "b=2" / "x.parquet", pa.table({"v": [2]}))
    assert gm.scan_parquet(plain).collect().to_pydict() == {"v": [1, 2]}  # not the same keys everywhere
    with pytest.raises(gm.IoError, match=r"mixed folders: those of .*a=2/b=2/x.parquet have the keys \(a, b\), those of .*\(a\)"):
        gm.scan_parquet(plain, hive_partitioning=True).collect()
    typed = tmp_path / "typed"
    write(typed / "m=01" / "x.parquet", pa.table({"v": [1], "m": ["hidden"]}))
    write(typed / "m=11" / "x.parquet", pa.table({"v": [2], "m": ["hidden"]}))
    assert gm.scan_parquet(typed).collect().to_pydict() == {"v": [1, 2], "m": [1, 11]}
    assert gm.scan_parquet(typed, hive_schema={"m": "string"}).collect().to_pydict() == {"v": [1, 2], "m": ["01", "11"]}
    with pytest.raises(gm.DataError, match="cannot read the folder's value as"):
        gm.scan_parquet(typed, hive_schema={"m": "date"}).collect()
    with pytest.raises(gm.PlanError, match='no folder says anything about "n"'):
        gm.scan_parquet(typed, hive_schema={"n": "date"}).collect()
    again = gm.deserialize(gm.scan_parquet(typed, hive_schema={"m": "string"}).filter(gm.col("m") == "11").serialize())
    assert again.collect().to_pydict() == {"v": [2], "m": ["11"]}


def test_errors_name_the_file(tmp_path):
    write(tmp_path / "k=1" / "x.csv", pa.table({"a": ["1", "2"]}))
    write(tmp_path / "k=2" / "x.csv", pa.table({"a": ["1", "oops"]}))
    with pytest.raises(gm.DataError, match="k=2/x.csv.*oops"):
        gm.scan_csv(tmp_path, schema_overrides={"a": "int64"}).collect()
    with pytest.raises(gm.DataError, match="k=2/x.csv"):
        gm.scan_csv(tmp_path, schema_overrides={"a": "int64"}).filter(gm.col("k") == 2).collect()
