"""Every fault of a network, met while reading and while writing each format in a store: the right rows or an error that names the object,
and never half an object.

The proxy draws fates from GRISTMILL_SEED (printed; random unless set). Whether an object is whole is asked of another client, beside the proxy.
"""

from __future__ import annotations

import json
import os
import random
from typing import Callable, Iterator

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.ipc as paipc
import pyarrow.parquet as pq
import pytest
from fault_proxy import FAULTS, FaultProxy, fault_proxy
from s3_server import S3Server, s3_server

import gristmill as gm

SEED = int(os.environ.get("GRISTMILL_SEED", random.SystemRandom().randrange(1 << 30)))
BUCKET = "faults"
PATIENT = {"retries": 15}

SCANS: dict[str, Callable[..., gm.Frame]] = {"parquet": gm.scan_parquet, "ipc": gm.scan_ipc, "csv": gm.scan_csv, "ndjson": gm.scan_ndjson}


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as s:
        s.files().create_dir(BUCKET)
        yield s


def table(rows: int, seed: int) -> pa.Table:
    r = random.Random(seed)
    return pa.table({"id": pa.array(range(rows), pa.int64()), "zone": [r.choice(["A", "B", "a longer name of a zone"]) for _ in range(rows)],
                     "fare": [r.randrange(10**6) / 8 for _ in range(rows)], "note": [f"{r.getrandbits(200):x}" for _ in range(rows)]})


def sink(data: pa.Table, kind: str, url: str, options: dict) -> None:
    getattr(gm.from_arrow(data), f"sink_{kind}")(url, storage_options=options)


def stored(server: S3Server, key: str, kind: str) -> pa.Table | None:
    """The rows of an object, read by Arrow and Python; None where there is none."""
    if f"{BUCKET}/{key}" not in server.keys(BUCKET):
        return None
    with server.files().open_input_file(f"{BUCKET}/{key}") as f:
        match kind:
            case "parquet":
                return pq.read_table(f)
            case "ipc":
                return paipc.open_file(f).read_all()
            case "csv":
                return pacsv.read_csv(f, convert_options=pacsv.ConvertOptions(column_types={"note": pa.string()}))
            case _:
                return pa.Table.from_pylist([json.loads(line) for line in f.read().decode().splitlines()])


def are(rows: pa.Table | None, data: pa.Table) -> bool:
    return rows is not None and rows.column_names == data.column_names and rows.cast(data.schema).combine_chunks().equals(data.combine_chunks())


def through(server: S3Server, proxy: FaultProxy, **more: object) -> dict:
    return {**server.options, "endpoint": proxy.endpoint, **more}


@pytest.mark.parametrize("kind", SCANS)
@pytest.mark.parametrize("fault", FAULTS)
def test_reading_gives_the_right_rows(server: S3Server, fault: str, kind: str) -> None:
    print(f"GRISTMILL_SEED={SEED}")
    data = table(4000, 1)
    key = f"read.{kind}"
    sink(data, kind, f"s3://{BUCKET}/{key}", server.options)
    met = 0
    for round_ in range(12):
        with fault_proxy(server.port, SEED + round_, 0.4, faults=(fault,), stall_seconds=0.02) as proxy:
            got = SCANS[kind](f"s3://{BUCKET}/{key}", storage_options=through(server, proxy, **PATIENT)).collect(num_workers=2, min_parallel_rows=0)
            assert got.to_arrow().to_pylist() == data.to_pylist()
            met += proxy.injected[fault]
        if met >= 3:
            break
    assert met > 0


@pytest.mark.parametrize("kind", SCANS)
@pytest.mark.parametrize("fault", FAULTS)
def test_reading_where_nothing_gets_through_is_an_error_that_names_the_object(server: S3Server, fault: str, kind: str) -> None:
    url = f"s3://{BUCKET}/out-of-reach.{kind}"
    sink(table(1000, 2), kind, url, server.options)
    gets = lambda method, path: method == "GET"  # noqa: E731
    with fault_proxy(server.port, SEED, 1.0, faults=(fault,), stall_seconds=0.02, only=gets) as proxy:
        with pytest.raises(gm.IoError, match=f"out-of-reach.{kind}"):
            SCANS[kind](url, storage_options=through(server, proxy, retries=1)).collect()


@pytest.mark.parametrize("kind", SCANS)
@pytest.mark.parametrize("fault", FAULTS)
def test_writing_leaves_a_whole_object_or_what_was_there(server: S3Server, fault: str, kind: str) -> None:
    print(f"GRISTMILL_SEED={SEED}")
    met = 0
    for round_ in range(40):
        old, new = table(20, 3), table(1500, 4 + round_)
        key = f"written-{fault}-{round_}.{kind}"
        sink(old, kind, f"s3://{BUCKET}/{key}", server.options)
        with fault_proxy(server.port, SEED + round_, 0.4, faults=(fault,), stall_seconds=0.02) as proxy:
            try:
                sink(new, kind, f"s3://{BUCKET}/{key}", through(server, proxy, **PATIENT))
                done = True
            except gm.IoError as e:
                assert key in str(e)
                done = False
            met += proxy.injected[fault]
        rows = stored(server, key, kind)
        assert are(rows, new) or (not done and are(rows, old))
        if met >= 2:
            break
    assert met > 0


STEPS: dict[str, Callable[[str, str], bool]] = {
    "begin": lambda method, path: method == "POST" and "uploads" in path.partition("?")[2],
    "part": lambda method, path: method == "PUT" and "partNumber=" in path,
    "complete": lambda method, path: method == "POST" and "uploadId=" in path,
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_step_of_an_upload_that_always_fails_leaves_what_was_there(server: S3Server, fault: str, step: str) -> None:
    """An object of several parts. What a server did whose answer was lost may be there, but then it is all there."""
    old, new = table(20, 5), big()
    key = f"step-{fault}-{step}.csv"
    url = f"s3://{BUCKET}/{key}"
    sink(old, "csv", url, server.options)
    with fault_proxy(server.port, SEED, 1.0, faults=(fault,), stall_seconds=0.02, only=STEPS[step]) as proxy:
        try:
            sink(new, "csv", url, through(server, proxy, retries=1))
            done = True
        except gm.IoError as e:
            assert url in str(e)
            done = False
        assert proxy.injected[fault] > 0, proxy.requests
    rows = stored(server, key, "csv")
    assert are(rows, new) or (not done and are(rows, old))
    answered = fault in ("lost_answer", "short_body")  # the server has done what it was asked
    assert not done or answered
    if not answered and step == "part":  # nothing but the step fails: the upload is given up with its parts
        assert server.unfinished_uploads(BUCKET, key) == 0


_big: list[pa.Table] = []


def big() -> pa.Table:
    """More than one part of an upload, made once."""
    if not _big:
        _big.append(table(220_000, 6))
    return _big[0]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_large_object_written_through_faults_is_whole(server: S3Server, fault: str) -> None:
    print(f"GRISTMILL_SEED={SEED}")
    key, new = f"large-{fault}.csv", big()
    with fault_proxy(server.port, SEED, 0.3, faults=(fault,), stall_seconds=0.02) as proxy:
        try:
            sink(new, "csv", f"s3://{BUCKET}/{key}", through(server, proxy, **PATIENT))
            done = True
        except gm.IoError as e:
            assert key in str(e)
            done = False
    rows = stored(server, key, "csv")
    assert are(rows, new) or (not done and rows is None)
