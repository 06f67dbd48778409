"""Folders of files: cut by partition and size, the same bytes at any setting, whole or not there."""

from __future__ import annotations

import datetime
import hashlib
import os
import pathlib
import random
import subprocess
import sys
import threading

import duckdb
import polars as pl
import pyarrow as pa
import pytest

import gristmill as gm

SEED = int(os.environ.get("GRISTMILL_SEED", random.SystemRandom().randrange(1 << 30)))
SINKS = {"parquet": gm.Frame.sink_parquet, "ipc": gm.Frame.sink_ipc, "csv": gm.Frame.sink_csv, "ndjson": gm.Frame.sink_ndjson}
SCANS = {"parquet": gm.scan_parquet, "ipc": gm.scan_ipc, "csv": gm.scan_csv, "ndjson": gm.scan_ndjson}
TYPES = {"id": "int64", "fare": "float64", "note": "string"}


def table(rng: random.Random, rows: int, zones: int = 4) -> pa.Table:
    names = [None, "North East", "50%/x", "ü=1", "..", "a" * 60, *[f"zone {i}" for i in range(zones)]]
    return pa.table({
        "id": pa.array(range(rows), pa.int64()),
        "zone": pa.array([rng.choice(names) for _ in range(rows)], pa.string()),
        "day": pa.array([rng.choice([None, datetime.date(2024, 2, 29), datetime.date(2025, 1, 1)]) for _ in range(rows)], pa.date32()),
        "fare": pa.array([rng.choice([None, rng.gauss(0, 100)]) for _ in range(rows)], pa.float64()),
        "note": pa.array([None if rng.random() < 0.1 else f"note {rng.getrandbits(rng.choice([8, 200])):x}" for _ in range(rows)], pa.string()),
    })


def files(root: pathlib.Path) -> dict[str, str]:
    return {str(p.relative_to(root)): hashlib.blake2b(p.read_bytes()).hexdigest() for p in sorted(root.rglob("*")) if p.is_file()}


def scan(form: str, root: pathlib.Path) -> gm.Frame:
    options = {"schema": TYPES} if form in ("csv", "ndjson") else {}
    return SCANS[form](root, hive_schema={"zone": "string", "day": "date"}, **options)


def by_id(rows: list[dict]) -> list[dict]:
    return sorted(rows, key=lambda r: r["id"])


@pytest.mark.parametrize("form", SINKS)
@pytest.mark.parametrize("limits", [{}, {"max_rows_per_file": 37}, {"max_bytes_per_file": 5000}], ids=["whole", "rows", "bytes"])
def test_partitions_read_back_and_have_the_same_bytes_at_any_setting(tmp_path, form, limits):
    print(f"GRISTMILL_SEED={SEED}")
    data = table(random.Random(SEED), 3000)
    wanted = None
    for i, settings in enumerate([{"num_workers": 1}, {"num_workers": 2, "batch_rows": 100}, {"num_workers": 3, "batch_rows": 7}, {"num_workers": 8, "memory_limit": 64 << 20}]):
        root = tmp_path / str(i)
        assert SINKS[form](gm.from_arrow(data), root, partition_by=["zone", "day"], min_parallel_rows=0, **limits, **settings) == 3000
        got = files(root)
        wanted = wanted or got
        assert got == wanted
    back = scan(form, tmp_path / "0").select(*data.column_names).collect().to_arrow().to_pylist()
    assert by_id(back) == data.to_pylist()
    assert len([r for r in os.listdir(tmp_path) if "tmp" in r]) == 0
    sizes = {}
    for name in wanted:
        rows = (SCANS[form](tmp_path / "0" / name, hive_partitioning=False, **({"schema": TYPES} if form in ("csv", "ndjson") else {}))).collect().to_pydict()["id"]
        assert rows == sorted(rows)
        sizes.setdefault(os.path.dirname(name), []).append(rows)
    for parts in sizes.values():
        flat = [r for p in parts for r in p]
        assert flat == sorted(flat)  # files of a folder in the order of their names too
        if "max_rows_per_file" in limits:
            assert all(len(p) == 37 for p in parts[:-1]) and 0 < len(parts[-1]) <= 37


def test_other_engines_read_the_folders(tmp_path):
    data = table(random.Random(SEED), 2000)
    gm.from_arrow(data).sink_parquet(tmp_path / "lake", partition_by=["zone", "day"])
    glob = str(tmp_path / "lake" / "**" / "*.parquet")
    count, total = duckdb.sql(f"select count(*), sum(id) from read_parquet('{glob}', hive_partitioning = true, hive_types_autocast = false)").fetchall()[0]
    assert (count, total) == (2000, sum(range(2000)))
    zones = duckdb.sql(f"select zone, count(*) from read_parquet('{glob}', hive_partitioning = true) group by zone").fetchall()
    expected = data.group_by("zone").aggregate([("id", "count")]).to_pydict()
    assert dict(zones) == dict(zip(expected["zone"], expected["id_count"]))
    assert pl.scan_parquet(tmp_path / "lake", hive_partitioning=True).select(pl.len()).collect().item() == 2000


def test_more_partitions_than_files_may_be_open(tmp_path):
    code = ("import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)); import gristmill as gm\n"
            "f = gm.from_pydict({'k': [i * 7919 % 3000 for i in range(12000)], 'v': list(range(12000))})\n"
            "print(f.sink_csv(sys.argv[1], partition_by='k', num_workers=2, min_parallel_rows=0))")
    out = subprocess.run([sys.executable, "-c", code, str(tmp_path / "lake")], capture_output=True, text=True)
    assert out.stdout == "12000\n", out.stderr
    assert len(list((tmp_path / "lake").iterdir())) == 3000
    assert (tmp_path / "lake" / "k=7" / "part-000000.csv").read_text().startswith("v\n")


@pytest.mark.parametrize("form", SINKS)
def test_files_of_so_many_rows_without_partitions(tmp_path, form):
    data = table(random.Random(SEED), 1000)
    assert SINKS[form](gm.from_arrow(data), tmp_path / "out", max_rows_per_file=300, num_workers=3, batch_rows=64, min_parallel_rows=0) == 1000
    names = sorted(os.listdir(tmp_path / "out"))
    assert [n.split(".")[0] for n in names] == [f"part-{i:06}" for i in range(4)]
    back = SCANS[form](tmp_path / "out", **({"schema": {"id": "int64", "zone": "string", "day": "date", "fare": "float64", "note": "string"}} if form in ("csv", "ndjson") else {}))
    assert back.collect().to_arrow().to_pylist() == data.to_pylist()


def test_no_rows_leave_the_schema(tmp_path):
    empty = gm.from_pydict({"a": [1], "k": ["x"]}).filter(gm.col("a") > 1)
    assert empty.sink_parquet(tmp_path / "rows", max_rows_per_file=10) == 0
    assert gm.scan_parquet(tmp_path / "rows").columns == ["a", "k"]
    assert empty.sink_parquet(tmp_path / "parts", partition_by="k") == 0
    assert list((tmp_path / "parts").iterdir()) == []


def test_compressed_text(tmp_path):
    gm.from_pydict({"k": ["x", "y"], "v": [1, 2]}).sink_csv(tmp_path / "lake", partition_by="k", compression="gzip")
    assert sorted(files(tmp_path / "lake")) == ["k=x/part-000000.csv.gz", "k=y/part-000000.csv.gz"]
    assert gm.scan_csv(tmp_path / "lake").collect().to_pydict() == {"v": [1, 2], "k": ["x", "y"]}


def rows(root: pathlib.Path) -> list[tuple]:
    got = gm.scan_parquet(root, hive_schema={"k": "string"}).collect().to_pydict()
    return sorted(zip(got["k"], got["v"]))


def frame(**kv: list[int]) -> gm.Frame:
    return gm.from_pydict({"k": [k for k, vs in kv.items() for _ in vs], "v": [v for vs in kv.values() for v in vs]})


def test_what_is_there_stays_or_goes_as_asked(tmp_path):
    lake = tmp_path / "lake"
    frame(a=[1], b=[2, 3]).sink_parquet(lake, partition_by="k")
    with pytest.raises(gm.IoError, match="it is not empty") as e:
        frame(a=[9]).sink_parquet(lake, partition_by="k")
    assert "append" in str(e.value)
    frame(a=[4], c=[5]).sink_parquet(lake, partition_by="k", overwrite="append")
    assert rows(lake) == [("a", 1), ("a", 4), ("b", 2), ("b", 3), ("c", 5)]
    assert sorted(files(lake)) == ["k=a/part-000000.parquet", "k=a/part-000001.parquet", "k=b/part-000000.parquet", "k=c/part-000000.parquet"]
    frame(a=[6], d=[7]).sink_parquet(lake, partition_by="k", overwrite="replace_partitions")
    assert rows(lake) == [("a", 6), ("b", 2), ("b", 3), ("c", 5), ("d", 7)]
    frame(e=[8]).sink_parquet(lake, partition_by="k", overwrite="replace")
    assert rows(lake) == [("e", 8)] and sorted(os.listdir(lake)) == ["k=e"]
    (lake / "k=e" / "notes.txt").write_text("mine")
    with pytest.raises(gm.IoError, match="notes.txt"):
        frame(f=[1]).sink_parquet(lake, partition_by="k", overwrite="replace")
    assert rows(lake) == [("e", 8)] and (lake / "k=e" / "notes.txt").exists()
    assert os.listdir(tmp_path) == ["lake"]


@pytest.mark.parametrize("overwrite", ["append", "replace", "replace_partitions"])
def test_a_run_that_fails_changes_nothing(tmp_path, overwrite):
    lake = tmp_path / "lake"
    frame(a=[1], b=[2]).sink_parquet(lake, partition_by="k")
    before = files(tmp_path)
    bad = frame(a=[3], b=[4], c=[5]).with_columns((gm.lit(10) // (gm.col("v") - 5)).alias("w"))
    for settings in ({"num_workers": 1}, {"num_workers": 3, "batch_rows": 1, "min_parallel_rows": 0}):
        with pytest.raises(gm.DataError):
            bad.sink_parquet(lake, partition_by="k", overwrite=overwrite, **settings)
        assert files(tmp_path) == before and os.listdir(tmp_path) == ["lake"]


def test_a_full_disk_midway_takes_everything_back(tmp_path):
    code = ("import resource, sys, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); import gristmill as gm\n"
            "f = gm.from_pydict({'k': [i % 4 for i in range(400000)], 'v': [str(i * 7919) for i in range(400000)]})\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (500000, 500000))\n"
            "try:\n    f.sink_csv(sys.argv[1], partition_by='k', overwrite='append')\nexcept gm.IoError as e:\n    print('io', 'cannot write' in str(e))")
    (tmp_path / "lake").mkdir()
    out = subprocess.run([sys.executable, "-c", code, str(tmp_path / "lake")], capture_output=True, text=True)
    assert out.stdout == "io True\n", out.stderr
    assert os.listdir(tmp_path) == ["lake"] and os.listdir(tmp_path / "lake") == []


def test_writers_that_append_at_the_same_time_lose_nothing(tmp_path):
    def write(n: int) -> None:
        for i in range(5):
            frame(a=[n * 100 + i], b=[n * 100 + i]).sink_parquet(tmp_path / "lake", partition_by="k", overwrite="append")

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert rows(tmp_path / "lake") == sorted((k, n * 100 + i) for k in "ab" for n in range(4) for i in range(5))


def test_wrong_wishes_are_named(tmp_path):
    f = gm.from_pydict({"k": ["a"], "v": [1], "l": [[1]]})
    for options, message in [({"partition_by": "kk"}, 'did you mean "k"'), ({"partition_by": "l"}, "a folder's name is text"), ({"partition_by": ["k", "k"]}, "twice"),
                             ({"partition_by": ["k", "v"]}, "l"), ({"max_rows_per_file": 1, "overwrite": "replace_partitions"}, "needs partition_by")]:
        if options.get("partition_by") == ["k", "v"]:
            f.select("k", "v")
            with pytest.raises(gm.PlanError, match="nothing is left to write"):
                f.select("k", "v").sink_parquet(tmp_path / "x", **options)
            continue
        with pytest.raises(gm.PlanError, match=message):
            f.sink_parquet(tmp_path / "x", **options)
    with pytest.raises(gm.PlanError, match="rows cannot be added to a file"):
        f.sink_parquet(tmp_path / "x", overwrite="append")
    with pytest.raises(ValueError):
        f.sink_parquet(tmp_path / "x", overwrite="maybe")
    with pytest.raises(gm.IoError, match="there is no directory"):
        f.sink_parquet(tmp_path / "none" / "x", partition_by="k")
    (tmp_path / "file").write_text("")
    with pytest.raises(gm.IoError, match="a folder is wanted"):
        f.sink_parquet(tmp_path / "file", partition_by="k")
    with pytest.raises(gm.IoError, match="it is there already"):
        f.sink_parquet(tmp_path / "file", overwrite="error")
    assert os.listdir(tmp_path) == ["file"]


def test_both_zeros_share_a_folder(tmp_path):
    gm.from_pydict({"k": [0.0, -0.0, float("nan"), 1.5], "v": [1, 2, 3, 4]}).sink_csv(tmp_path / "lake", partition_by="k")
    assert {p.parent.name: p.read_text() for p in (tmp_path / "lake").rglob("*.csv")} == {"k=0": "v\n1\n2\n", "k=NaN": "v\n3\n", "k=1.5": "v\n4\n"}


def test_partitions_by_names_that_readers_pass_over(tmp_path: pathlib.Path) -> None:
    data = {"v": [1, 2, 3], "_k": ["_a", ".b", "_a"], ".j": ["x", "x", "y"]}
    gm.from_pydict(data).sink_parquet(tmp_path / "lake", partition_by=["_k", ".j"])
    got = gm.scan_parquet(tmp_path / "lake").sort("v").collect()
    assert got.select("v", "_k", ".j").to_pydict() == data
    assert gm.scan_parquet(tmp_path / "lake").filter(gm.col("_k") == ".b").select("v").collect().to_pydict() == {"v": [2]}
