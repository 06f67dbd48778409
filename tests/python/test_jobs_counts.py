"""What a run says of bytes and steals: counted where files, pipes, services and servers are read and written, never a zero that is not true."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pyarrow.csv as pacsv
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from test_job_remote import service
from test_jobs import run, run_job, write_job

SCHEMA = {"id": "int64", "name": "string", "value": "float64"}


def write_rows(path: Path, n: int) -> None:
    rng = random.Random(n)
    path.write_text("id,name,value\n" + "".join(f"{i},name {rng.randrange(1000)},{rng.random()}\n" for i in range(n)))


def told(report: dict[str, Any]) -> tuple[int, int]:
    """Bytes in and out, which the metrics say too."""
    steps = report["steps"]
    read = sum(s["bytes"] for s in steps if s["kind"] == "source")
    written = sum(s["bytes"] for s in steps if s["kind"] == "sink")
    assert (report["metrics"]["bytes_in"], report["metrics"]["bytes_out"]) == (read, written)
    assert all("bytes" not in s for s in steps if s["kind"] == "transform")
    return read, written


@pytest.mark.parametrize("rows", [100, 120_000])
@pytest.mark.parametrize("workers", [1, 3])
def test_text_files(tmp_path: Path, rows: int, workers: int) -> None:
    (tmp_path / "in").mkdir()
    write_rows(tmp_path / "in/a.csv", rows)
    write_rows(tmp_path / "in/b.csv", rows // 2)
    size = sum(p.stat().st_size for p in (tmp_path / "in").iterdir())
    for sink in ({"csv": {"path": "out.csv"}}, {"ndjson": {"path": "out.ndjson.gz"}}, {"parquet": {"path": "out.parquet"}}, {"ipc": {"path": "out.arrow"}}):
        job = {"source": {"csv": {"path": "in/*.csv", "schema": SCHEMA}}, "transforms": [{"filter": "value > 0.25"}], "sink": sink, "parallel": {"workers": workers}}
        (options,) = sink.values()
        assert told(run_job(tmp_path, job)) == (size, (tmp_path / options["path"]).stat().st_size)


def test_compressed_files_count_as_they_lie_there(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.csv", 20_000)
    with gzip.open(tmp_path / "a.csv.gz", "wb") as f:
        f.write((tmp_path / "a.csv").read_bytes())
    job = {"source": {"csv": {"path": "a.csv.gz", "schema": SCHEMA}}, "sink": {"ndjson": {"path": "out.ndjson"}}}
    assert told(run_job(tmp_path, job)) == ((tmp_path / "a.csv.gz").stat().st_size, (tmp_path / "out.ndjson").stat().st_size)


def test_columnar_files_count_what_is_read_of_them(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.csv", 50_000)
    table = pacsv.read_csv(tmp_path / "a.csv")
    pq.write_table(table, tmp_path / "a.parquet", compression="none", use_dictionary=False)
    feather.write_feather(table, tmp_path / "a.arrow", compression="uncompressed")
    for kind, path in (("parquet", "a.parquet"), ("ipc", "a.arrow")):
        size = (tmp_path / path).stat().st_size
        read = {}
        for columns in (["id"], ["id", "name", "value"]):
            job = {"source": {kind: {"path": path}}, "transforms": [{"select": columns}], "sink": {"csv": {"path": "out.csv"}}}
            read[len(columns)], _ = told(run_job(tmp_path, job))
        assert 50_000 * 8 <= read[1] < 0.7 * read[3], (kind, read)
        assert 0.9 * size <= read[3] <= 2 * size, (kind, read, size)


def test_folders_and_several_sinks(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.csv", 30_000)
    sinks = [{"name": "low", "when": "value < 0.5", "parquet": {"path": "low/", "max_rows_per_file": 1000}}, {"name": "high", "csv": {"path": "high.csv"}}]
    report = run_job(tmp_path, {"source": {"csv": {"path": "a.csv", "schema": SCHEMA}}, "sinks": sinks, "parallel": {"workers": 3}})
    told(report)
    by_name = {s["name"]: s["bytes"] for s in report["steps"] if s["kind"] == "sink"}
    assert by_name["high"] == (tmp_path / "high.csv").stat().st_size
    assert by_name["low"] == sum(p.stat().st_size for p in (tmp_path / "low").glob("*.parquet"))
    # Dead letters are no rows of a sink.
    (tmp_path / "b.csv").write_text("id,name,value\n1,a,0.5\nx,b,1\n")
    job = {"source": {"csv": {"path": "b.csv", "schema": SCHEMA}}, "sink": {"csv": {"path": "out.csv"}}, "on_error": {"policy": "dead_letter", "path": "rejected.ndjson"}}
    assert told(run_job(tmp_path, job)) == ((tmp_path / "b.csv").stat().st_size, (tmp_path / "out.csv").stat().st_size)


def test_standard_streams(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.csv", 40_000)
    text = (tmp_path / "a.csv").read_text()
    write_job(tmp_path, {"source": {"stdin": {"format": "csv", "schema": SCHEMA}}, "sink": {"stdout": {"format": "ndjson"}}})
    done = run("run", "job.yaml", "--report", "report.json", cwd=tmp_path, input=text)
    assert done.returncode == 0, done.stderr
    assert told(json.loads((tmp_path / "report.json").read_text())) == (len(text), len(done.stdout.encode()))


def test_services(tmp_path: Path) -> None:
    pages = [json.dumps([{"id": i, "v": "x" * i} for i in range(n * 10, n * 10 + 10)]).encode() for n in range(5)] + [b"[]"]
    posted: list[bytes] = []

    def answer(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        if body:
            posted.append(body)
            return 200, b"", {}
        return 200, pages[int(path.rsplit("=", 1)[1]) - 1], {}

    with service(answer) as port:
        address = f"http://127.0.0.1:{port}"
        for schema in ({}, {"schema": {"id": "int64", "v": "string"}}):
            posted.clear()
            source = {"http": {"url": address + "/rows", "paging": {"by": "page", "parameter": "page"}, **schema}}
            report = run_job(tmp_path, {"source": source, "sink": {"http": {"url": address + "/take", "batch_rows": 7}}})
            assert told(report) == (sum(map(len, pages)), sum(map(len, posted)))


def test_postgres(tmp_path: Path, server: Any) -> None:
    write_rows(tmp_path / "a.csv", 10_000)
    table = {"connection": server.uri, "table": "counted_rows", "mode": "replace"}
    _, written = told(run_job(tmp_path, {"source": {"csv": {"path": "a.csv", "schema": SCHEMA}}, "sink": {"postgres": table}}))
    source = {"postgres": {"connection": server.uri, "query": "select * from counted_rows order by id"}}
    read, _ = told(run_job(tmp_path, {"source": source, "sink": {"csv": {"path": "out.csv"}}}))
    least = 10_000 * (2 + 4 + 8 + 4 + 6 + 4 + 8)  # of a row: its fields' number, and each field's length and bytes
    assert least <= written <= 1.2 * least and least <= read <= 1.2 * least, (written, read, least)


def test_steals_are_those_of_the_scheduler(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.csv", 200_000)
    # The rows of the first query are held; those of the second are grouped by workers that own ranges of them.
    steps = [{"sql": "select id, value from input limit 190000"}, {"sql": "select id % 1000 as k, sum(value) as s, count(distinct id) as n from input group by 1"}]
    job = {"source": {"csv": {"path": "a.csv", "schema": SCHEMA}}, "transforms": steps, "sink": {"parquet": {"path": "out.parquet"}}}
    for _ in range(20):
        report = run_job(tmp_path, {**job, "parallel": {"workers": 8}})
        by_worker = [w["steals"] for w in report["metrics"]["workers"]]
        assert sum(by_worker) == report["steals"]
        if report["steals"]:
            break
    else:
        pytest.fail("eight workers on fewer cores never took work of one another")
    assert run_job(tmp_path, {**job, "parallel": {"workers": 1}})["steals"] == 0
