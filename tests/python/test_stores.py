"""S3-compatible stores: a real server, and a proxy before it that injects what networks do."""

import random
import subprocess
import sys

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.ipc as paipc
import pyarrow.parquet as pq
import pytest
from fault_proxy import FAULTS, fault_proxy
from s3_server import S3Server, s3_server

import gristmill as gm

BUCKET = "lake"


@pytest.fixture(scope="module")
def server():
    with s3_server() as s:
        s.files().create_dir(BUCKET)
        yield s


def table(rows: int, seed: int = 1) -> pa.Table:
    r = random.Random(seed)
    return pa.table({
        "id": pa.array(range(rows), pa.int64()),
        "zone": pa.array([r.choice(["A", "B", None, "a longer name of a zone"]) for _ in range(rows)]),
        "fare": pa.array([r.choice([None, float("nan"), r.gauss(0, 1e3)]) for _ in range(rows)], pa.float64()),
        "note": pa.array([f"{r.getrandbits(200):x}" for _ in range(rows)]),
    })


def put(server: S3Server, key: str, data: pa.Table, **options) -> str:
    pq.write_table(data, f"{BUCKET}/{key}", filesystem=server.files(), **options)
    return f"s3://{BUCKET}/{key}"


def same(a: pa.Table, b: pa.Table) -> bool:
    """Equal with the bits of floats."""
    bits = lambda t: t.set_column(2, "fare", t["fare"].combine_chunks().view(pa.int64())).combine_chunks()  # noqa: E731
    return a.schema.names == b.schema.names and bits(a).equals(bits(b))


def test_globs_and_directories_come_in_byte_order_of_keys(server):
    parts = {name: table(500, seed) for seed, name in enumerate(["a/z.parquet", "a-b/x.parquet", "a/b/y.parquet", "a/Z.parquet", "a/.h/x.parquet",
                                                                  "a/_tmp/x.parquet", *[f"a/n{i}.parquet" for i in range(12)]])}
    for name, data in parts.items():
        put(server, f"order/{name}", data)
    for pattern, wanted in {
        "order/a/*.parquet": [n for n in parts if n.count("/") == 1 and n.startswith("a/")],
        "order/**": [n for n in parts if "/." not in n],
        "order/a*/?.parquet": ["a/z.parquet", "a-b/x.parquet", "a/Z.parquet"],
        "order/a/n[!0-3].parquet": [f"a/n{i}.parquet" for i in range(4, 10)],
        "order/": [n for n in parts if "/." not in n and "/_" not in n],
        "order": [n for n in parts if "/." not in n and "/_" not in n],
        "order/**/y.parquet": ["a/b/y.parquet"],
    }.items():
        expected = pa.concat_tables([parts[n] for n in sorted(wanted, key=str.encode)])
        got = gm.scan_parquet(f"s3://{BUCKET}/{pattern}", storage_options=server.options).collect().to_arrow()
        assert same(got, expected), pattern


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("limit", [0, 32 << 20])
def test_parquet_reads_are_coalesced_and_pruned(server, workers, limit):
    data = table(60_000)
    url = put(server, "wide.parquet", data, row_group_size=10_000)
    with fault_proxy(server.port, 1, 0) as proxy:
        scan = gm.scan_parquet(url, storage_options={**server.options, "endpoint": proxy.endpoint})
        proxy.requests.clear()
        got = scan.collect(num_workers=workers, memory_limit=limit).to_arrow()
        assert same(got, data)
        assert sum(m == "GET" for m, _ in proxy.requests) <= 6  # one ranged request a row group
        proxy.requests.clear()
        out = scan.filter(gm.col("id") >= 50_000).select("id").collect(num_workers=workers, memory_limit=limit).to_arrow()
        assert out["id"].to_pylist() == list(range(50_000, 60_000))
        assert sum(m == "GET" for m, _ in proxy.requests) == 1


def test_every_format(server):
    data = table(5000).drop_columns(["fare"])
    files = server.files()
    with files.open_output_stream(f"{BUCKET}/t.csv") as out:
        pacsv.write_csv(data, out)
    with files.open_output_stream(f"{BUCKET}/t.arrow") as out, paipc.new_file(out, data.schema) as w:
        w.write_table(data, max_chunksize=700)
    with files.open_output_stream(f"{BUCKET}/t.arrows") as out, paipc.new_stream(out, data.schema) as w:
        w.write_table(data, max_chunksize=700)
    for scan, key in [(gm.scan_ipc, "t.arrow"), (gm.scan_ipc, "t.arrows"), (gm.scan_csv, "t.csv")]:
        got = scan(f"s3://{BUCKET}/{key}", storage_options=server.options).collect().to_arrow()
        assert got["id"].to_pylist() == data["id"].to_pylist() and got["note"].to_pylist() == data["note"].to_pylist(), key
    for sink, scan in [("sink_parquet", gm.scan_parquet), ("sink_ipc", gm.scan_ipc), ("sink_csv", gm.scan_csv)]:
        url = f"s3://{BUCKET}/written/{sink}"
        assert getattr(gm.from_arrow(data), sink)(url, storage_options=server.options) == 5000
        assert scan(url, storage_options=server.options).select("id").collect().to_arrow()["id"].to_pylist() == data["id"].to_pylist()


def test_options_come_from_the_environment_and_secrets_stay_secret(server, monkeypatch):
    url = put(server, "env.parquet", table(10))
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-of-the-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-environment")
    assert gm.scan_parquet(url).select(gm.count()).collect().to_pylist() == [{"count": 10}]
    assert gm.sql(f"select count(*) n from '{url}'").collect().to_pylist() == [{"n": 10}]
    frame = gm.scan_parquet(url, storage_options={**server.options, "session_token": "a-token"})
    for text in [frame.serialize(), frame.explain(), frame.explain(analyze=True), repr(frame)]:
        assert not any(secret in text for secret in ["gristmill-secret", "a-token", "secret-of-the-environment"])
    assert gm.deserialize(frame.serialize()).collect().num_rows == 10


def test_what_is_missing_is_named(server):
    for url, message in {
        f"s3://{BUCKET}/none.parquet": f"file not found: s3://{BUCKET}/none.parquet",
        f"s3://{BUCKET}/none/*.parquet": "no file matches",
        "s3://nobucket/x.parquet": "file not found: s3://nobucket/x.parquet",
        "s3:///x.parquet": "no bucket",
        "s3://*/x.parquet": "a bucket's name cannot be a pattern",
    }.items():
        with pytest.raises(gm.IoError, match=message.replace("*", r"\*")):
            gm.scan_parquet(url, storage_options=server.options).collect()
    with pytest.raises(gm.PlanError, match='unknown storage option "regoin".*region'):
        gm.scan_parquet("s3://x/y.parquet", storage_options={"regoin": "x"}).collect()
    with pytest.raises(gm.PlanError, match="credentials") as e:
        gm.scan_parquet("s3://me:mysecret@bucket/y.parquet", storage_options=server.options).collect()
    assert "mysecret" not in str(e.value)


def test_an_object_that_changes_while_it_is_read_is_an_error(server):
    data = table(20_000)
    url = put(server, "moving.parquet", data, row_group_size=2000)
    scan = gm.scan_parquet(url, storage_options=server.options)
    assert scan.collect().num_rows == 20_000
    put(server, "moving.parquet", table(20_000, seed=2), row_group_size=2000)
    with pytest.raises(gm.IoError, match="changed since the scan was made.*moving.parquet"):
        scan.collect()
    put(server, "moving.parquet", data, row_group_size=2000)
    with fault_proxy(server.port, 1, 0) as proxy:
        scan = gm.scan_parquet(url, storage_options={**server.options, "endpoint": proxy.endpoint})
        gets = 0

        def replace_in_the_middle(method: str, path: str) -> None:
            nonlocal gets
            gets += method == "GET"
            if method == "GET" and gets == 5:
                put(server, "moving.parquet", table(20_000, seed=3), row_group_size=2000)

        proxy.before = replace_in_the_middle
        with pytest.raises(gm.IoError, match="changed since the scan was made.*moving.parquet"):
            scan.collect(num_workers=2)


@pytest.mark.parametrize("fault", [*FAULTS, "all"])
def test_reads_through_faults_are_right(server, fault):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    data = table(30_000, seed=5)
    url = put(server, "faults/in.parquet", data, row_group_size=3000)
    faults = FAULTS if fault == "all" else (fault,)
    with fault_proxy(server.port, seed, 0.25, faults=faults, stall_seconds=0.1) as proxy:
        options = {**server.options, "endpoint": proxy.endpoint, "retries": 12}
        got = gm.scan_parquet(url, storage_options=options).collect(num_workers=3).to_arrow()
        assert same(got, data)
        listed = gm.scan_parquet(f"s3://{BUCKET}/faults/*.parquet", storage_options=options).select(gm.count()).collect().to_pylist()
        assert listed == [{"count": 30_000}]
        assert sum(n for f, n in proxy.injected.items() if f != "pass") > 0


@pytest.mark.parametrize("fault", [*FAULTS, "all"])
def test_writes_through_faults_are_whole_or_not_there(server, fault):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    data = table(150_000, seed=6)
    key = f"faults/out-{fault}.parquet"
    faults = FAULTS if fault == "all" else (fault,)
    with fault_proxy(server.port, seed, 0.15, faults=faults, stall_seconds=0.1) as proxy:
        options = {**server.options, "endpoint": proxy.endpoint, "retries": 12}
        try:
            gm.from_arrow(data).sink_parquet(f"s3://{BUCKET}/{key}", storage_options=options)
            written = True
        except gm.IoError as e:
            assert key in str(e)
            written = False
    if f"{BUCKET}/{key}" in server.keys(BUCKET):
        assert same(pq.read_table(f"{BUCKET}/{key}", filesystem=server.files()), data)
    else:
        assert not written


def test_a_store_that_is_down_is_a_clear_error_and_leaves_nothing(server):
    data = table(150_000, seed=7)
    old = table(10, seed=8)
    url = put(server, "down.parquet", old)
    parts = lambda method, path: method == "PUT"  # noqa: E731
    with fault_proxy(server.port, 1, 1.0, faults=("error",), only=parts) as proxy:
        options = {**server.options, "endpoint": proxy.endpoint, "retries": 2}
        with pytest.raises(gm.IoError, match=f"cannot write {url}"):
            gm.from_arrow(data).sink_parquet(url, storage_options=options)
    assert same(pq.read_table(f"{BUCKET}/down.parquet", filesystem=server.files()), old)
    assert server.unfinished_uploads(BUCKET, "down.parquet") == 0
    for fault in ("error", "slow_down", "reset", "short_body"):
        with fault_proxy(server.port, 1, 1.0, faults=(fault,), only=lambda method, path: method == "GET") as proxy:
            options = {**server.options, "endpoint": proxy.endpoint, "retries": 1}
            with pytest.raises(gm.IoError, match=f"cannot read {url}|cannot (read|list) s3"):
                gm.scan_parquet(url, storage_options=options).collect()


def test_a_failed_query_leaves_no_object_and_no_upload(server):
    n = 300_000
    data = table(n, seed=9).append_column("bad", pa.array([1] * (n - 1) + [0]))
    with pytest.raises(gm.DataError):
        gm.from_arrow(data).with_columns(x=gm.lit(1) // gm.col("bad")).sink_parquet(f"s3://{BUCKET}/never.parquet", storage_options=server.options)
    assert f"{BUCKET}/never.parquet" not in server.keys(BUCKET)
    assert server.unfinished_uploads(BUCKET, "never.parquet") == 0


def test_a_process_that_used_a_store_ends_cleanly(server):
    url = put(server, "exit.parquet", table(1000))
    program = f"import gristmill as gm\nframe = gm.scan_parquet({url!r}, storage_options={server.options!r})\nprint(frame.collect().num_rows)\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1000\n", "")


def zones(**kv: list[int]) -> gm.Frame:
    return gm.from_pydict({"k": [k for k, vs in kv.items() for _ in vs], "v": [v for vs in kv.values() for v in vs]})


def zone_rows(url: str, options: dict) -> list[tuple]:
    got = gm.scan_parquet(f"{url}/", storage_options=options).collect().to_pydict()
    return sorted(zip(got["k"], got["v"]))


def test_folders_of_files_are_written_as_asked(server):
    url = f"s3://{BUCKET}/parts"
    write = {"partition_by": "k", "storage_options": server.options}
    zones(a=[1], b=[2, 3]).sink_parquet(url, **write)
    with pytest.raises(gm.IoError, match="it is not empty"):
        zones(a=[9]).sink_parquet(url, **write)
    zones(a=[4], c=[5]).sink_parquet(url, overwrite="append", **write)
    assert zone_rows(url, server.options) == [("a", 1), ("a", 4), ("b", 2), ("b", 3), ("c", 5)]
    zones(a=[6]).sink_parquet(url, overwrite="replace_partitions", **write)
    assert zone_rows(url, server.options) == [("a", 6), ("b", 2), ("b", 3), ("c", 5)]
    zones(d=[7, 8]).sink_parquet(url, overwrite="replace", max_rows_per_file=1, **write)
    assert zone_rows(url, server.options) == [("d", 7), ("d", 8)]


def test_a_folder_whose_upload_fails_leaves_what_was_there(server):
    url = f"s3://{BUCKET}/broken"
    zones(a=[1]).sink_parquet(url, partition_by="k", storage_options=server.options)
    before = server.keys(f"{BUCKET}/broken")
    for overwrite in ("append", "replace", "replace_partitions"):
        with fault_proxy(server.port, 3, 1.0, faults=("error",), only=lambda method, path: method in ("PUT", "POST") and "k=c" in path.replace("%3D", "=")) as proxy:
            with pytest.raises(gm.IoError, match="cannot write"):
                zones(a=[2], b=[3], c=[4]).sink_parquet(url, partition_by="k", overwrite=overwrite, storage_options={**server.options, "endpoint": proxy.endpoint, "retries": 1})
        assert server.keys(f"{BUCKET}/broken") == before
    assert zone_rows(url, server.options) == [("a", 1)]


def test_faults_between_do_not_show_in_a_folder(server):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    url = f"s3://{BUCKET}/faulty"
    with fault_proxy(server.port, seed, 0.3, stall_seconds=0.05) as proxy:
        options = {**server.options, "endpoint": proxy.endpoint, "timeout_ms": 3000, "retries": 12}
        zones(a=[1, 2], b=[3], c=[4, 5]).sink_parquet(url, partition_by="k", storage_options=options)
        assert zone_rows(url, options) == [("a", 1), ("a", 2), ("b", 3), ("c", 4), ("c", 5)]
