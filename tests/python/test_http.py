"""Files behind http(s)://, from a server of ours and through a proxy that injects what networks do."""

from __future__ import annotations

import gzip
import os
import random
import subprocess

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.ipc as paipc
import pyarrow.parquet as pq
import pytest
from fault_proxy import FAULTS, fault_proxy
from http_files import http_files

import gristmill as gm

SEED = int(os.environ.get("GRISTMILL_SEED", random.SystemRandom().randrange(1 << 30)))
FAST = {"timeout_ms": 5000, "retries": 30}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def table(rows: int = 20_000, seed: int = 1) -> pa.Table:
    r = random.Random(seed)
    return pa.table({
        "id": pa.array(range(rows), pa.int64()),
        "zone": pa.array([r.choice(["A", "B", "a longer name of a zone"]) for _ in range(rows)]),
        "fare": pa.array([r.randrange(10**6) / 8 for _ in range(rows)]),
        "note": pa.array([f"{r.getrandbits(160):040x}" for _ in range(rows)]),
    })


@pytest.fixture(scope="module")
def data() -> pa.Table:
    return table()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, data):
    out = tmp_path_factory.mktemp("http")
    pq.write_table(data, out / "t.parquet", row_group_size=4000)
    pacsv.write_csv(data, out / "t.csv")
    (out / "t.csv.gz").write_bytes(gzip.compress((out / "t.csv").read_bytes()))
    gm.from_arrow(data).sink_ndjson(out / "t.ndjson")
    with paipc.new_file(out / "t.arrow", data.schema) as w:
        w.write_table(data, 3000)
    with paipc.new_stream(out / "t.arrows", data.schema) as w:
        w.write_table(data, 3000)
    (out / "empty.csv").write_bytes(b"")
    return out


SCANS = {"t.parquet": gm.scan_parquet, "t.csv": gm.scan_csv, "t.csv.gz": gm.scan_csv, "t.ndjson": gm.scan_ndjson, "t.arrow": gm.scan_ipc, "t.arrows": gm.scan_ipc}


@pytest.mark.parametrize("name", SCANS)
@pytest.mark.parametrize("server", [{}, {"ranges": False}, {"ranges": False, "length": False}, {"tags": False}], ids=["ranges", "whole", "chunked", "no tags"])
def test_every_format_reads_the_same_from_any_server(folder, data, name, server):
    with http_files(folder, **server) as files:
        for workers in (1, 3):
            scan = SCANS[name](files.url(name))
            assert scan.collect(num_workers=workers, min_parallel_rows=0).to_arrow().to_pylist() == data.to_pylist()
            assert scan.filter(gm.col("id") >= 19_000).select(gm.col("id").sum()).collect(num_workers=workers).to_pydict() == {"id": [sum(range(19_000, 20_000))]}


def test_parquet_asks_for_what_it_needs(folder):
    with http_files(folder) as files:
        scan = gm.scan_parquet(files.url("t.parquet"))
        files.requests.clear()
        assert scan.filter(gm.col("id") >= 16_000).select("id").collect().to_pydict()["id"] == list(range(16_000, 20_000))
        assert all(r.startswith("bytes=") for _, r in files.requests)
        asked = sum(int(r.split("-")[1]) - int(r.removeprefix("bytes=").split("-")[0]) + 1 for _, r in files.requests)
        assert asked < (folder / "t.parquet").stat().st_size / 4


@pytest.mark.parametrize("name", SCANS)
@pytest.mark.parametrize("ranges", [True, False])
def test_faults_are_waited_out(folder, data, name, ranges):
    print(f"GRISTMILL_SEED={SEED}")
    with http_files(folder, ranges=ranges) as files, fault_proxy(files.port, SEED, 0.4, stall_seconds=0.05) as proxy:
        scan = SCANS[name](f"{proxy.endpoint}/{name}", storage_options=FAST)
        assert scan.collect(num_workers=2, min_parallel_rows=0).to_arrow().to_pylist() == data.to_pylist()


def test_a_body_that_breaks_off_inside_a_read_is_no_end_of_file(folder, data):
    for seed in range(6):
        with http_files(folder, ranges=False) as files, fault_proxy(files.port, seed, 0.6, faults=("short_body",)) as proxy:
            scan = gm.scan_ipc(f"{proxy.endpoint}/t.arrows", storage_options=FAST)
            assert scan.collect(num_workers=2, min_parallel_rows=0).to_arrow().num_rows == data.num_rows, seed


def test_a_server_that_stays_broken_is_a_clear_error(folder):
    with http_files(folder) as files:
        for fault in FAULTS:
            with fault_proxy(files.port, 1, 1.0, faults=(fault,), stall_seconds=0.05) as proxy:
                with pytest.raises(gm.IoError) as e:
                    gm.scan_csv(f"{proxy.endpoint}/t.csv?signature=secret", storage_options={"retries": 1}).collect()
                assert f"{proxy.endpoint}/t.csv" in str(e.value) and "secret" not in str(e.value)


def test_a_silent_server_meets_the_time_out(folder):
    with http_files(folder) as files, fault_proxy(files.port, 1, 1.0, faults=("stall",), stall_seconds=30) as proxy:
        with pytest.raises(gm.IoError, match="nothing came within the time-out"):
            gm.scan_csv(f"{proxy.endpoint}/t.csv", storage_options={"retries": 0, "timeout_ms": 200, "connect_timeout_ms": 200}).collect()


def test_what_is_not_there_or_not_ours(folder):
    with http_files(folder, token="let me in") as files:
        with pytest.raises(gm.IoError, match="HTTP status 401"):
            gm.scan_parquet(files.url("t.parquet")).collect()
        with pytest.raises(gm.IoError, match="file not found: .*/none.parquet"):
            gm.scan_parquet(files.url("none.parquet"), storage_options={"bearer_token": "let me in"}).collect()
        assert gm.scan_parquet(files.url("t.parquet"), storage_options={"bearer_token": "let me in"}).select(gm.count()).collect().to_pydict() == {"count": [20_000]}
        with pytest.raises(gm.GristmillError, match="no user and password"):
            gm.scan_parquet(files.url("t.parquet").replace("://", "://me:pw@")).collect()
    with pytest.raises(gm.IoError, match="cannot read http://127.0.0.1:1/x.csv"):
        gm.scan_csv("http://127.0.0.1:1/x.csv", storage_options={"retries": 0}).collect()


def test_redirects_are_followed_but_not_for_ever(folder, data):
    with http_files(folder) as files:
        assert gm.scan_csv(files.url("moved/t.csv")).collect().num_rows == data.num_rows
        with pytest.raises(gm.IoError, match="loop"):
            gm.scan_csv(files.url("loop")).collect()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_that_changes_is_an_error_not_a_mixture(tmp_path, ranges):
    pq.write_table(table(5000, 1), tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text("a\n1\n")
    with http_files(tmp_path, ranges=ranges) as files:
        parquet, text = gm.scan_parquet(files.url("t.parquet")), gm.scan_csv(files.url("t.csv"))
        pq.write_table(table(5001, 2), tmp_path / "t.parquet")
        (tmp_path / "t.csv").write_text("a\n2\n")
        if ranges:  # else what was read when the scan was made is what is read
            with pytest.raises(gm.IoError, match="file changed since the scan was made"):
                parquet.collect()
        with pytest.raises(gm.IoError, match="file changed since the scan was made"):
            text.collect()


def test_an_empty_file(folder):
    with http_files(folder) as files, pytest.raises(gm.GristmillError, match="empty"):
        gm.scan_csv(files.url("empty.csv")).collect()


def test_https_with_a_certificate_of_ones_own(folder, data, tmp_path):
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                           "-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    with http_files(folder, certificate=(tmp_path / "cert.pem", tmp_path / "key.pem")) as files:
        trusted = {"ca_file": str(tmp_path / "cert.pem")}
        assert gm.scan_parquet(files.url("t.parquet"), storage_options=trusted).collect().to_arrow().to_pylist() == data.to_pylist()
        with pytest.raises(gm.IoError, match="certificate"):
            gm.scan_parquet(files.url("t.parquet"), storage_options={"retries": 0}).collect()
