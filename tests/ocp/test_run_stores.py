"""`gristmill-ocp run` and `inspect` over an S3-compatible store and over files: both layouts, faults, files as output, configuration."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Iterator

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from compare import differences, read
from fault_proxy import FAULTS, fault_proxy
from job_program import CASES, GOLDEN, call, job_flags, postgres_flags, reference_flags
from layouts import job_of, lay_out
from s3_server import ACCESS_KEY, SECRET_KEY, S3Server, s3_server
from tenant import make_tenant, summary_rows


@pytest.fixture(scope="module")
def store() -> Iterator[S3Server]:
    with s3_server() as made:
        made.files().create_dir("cost")
        yield made


def upload(store: S3Server, root: Path, bucket: str) -> None:
    store.files().create_dir(bucket)
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        with store.files().open_output_stream(f"{bucket}/{path.relative_to(root)}") as out:
            out.write(path.read_bytes())


def environment(store: S3Server, bucket: str, job: dict[str, Any], schema: str) -> dict[str, str]:
    """Only names of the environment, as the incumbent's deployment sets them."""
    return {"S3_ENDPOINT": store.endpoint, "S3_BUCKET": bucket, "S3_ACCESS_KEY": ACCESS_KEY, "S3_SECRET_KEY": SECRET_KEY, "POSTGRES_SCHEMA": schema,
            "OCP_CLUSTER_ID": job["cluster_id"], "OCP_CLUSTER_ALIAS": job["cluster_alias"], "OCP_PROVIDER_UUID": job["source_uuid"], "OCP_YEAR": str(job["year"]),
            "OCP_MONTH": str(job["month"]), "OCP_START_DATE": job["start"], "OCP_END_DATE": job["end"]}


@pytest.mark.parametrize("name, layout", [("basic_pod_day", "month_folders"), ("daily_files_duplicate_keys", "month_folders"), ("pvc_on_two_nodes", "day_folders"),
                                          ("physical_types", "day_folders"), ("several_days_range", "month_folders")])
def test_a_month_in_a_bucket_by_environment_alone(store: S3Server, server: Any, tmp_path: Path, name: str, layout: str) -> None:
    case = GOLDEN / name
    job, bucket = job_of(case), name.replace("_", "-")
    schema = f"org{sum(map(ord, name))}"
    make_tenant(server, schema, case)
    lay_out(case, tmp_path, layout, schema, files=1 if "daily" in name else 3)
    upload(store, tmp_path / "data", bucket)
    env = environment(store, bucket, job, schema) | {"POSTGRES_HOST": str(server.socket), "POSTGRES_DB": "postgres", "POSTGRES_USER": "postgres",
                                                     "POSTGRES_PORT": "5432", "ORG_ID": schema[3:]}
    # The bucket holds what lies below data/, so the layout is written out.
    hourly = {"month_folders": "parquet/{account}/OCP/{type}/source={source}/year={year}/month={month}",
              "day_folders": "{org}/OCP/source={source}/year={year}/month={month}/day={day}/{type}"}[layout]
    flags = ["run", "--layout", layout, "--set", f"input.hourly={hourly}", "--report", tmp_path / "r.json"]
    if layout == "month_folders":
        flags += ["--set", "input.daily=parquet/daily/{account}/OCP/{type}/source={source}/year={year}/month={month}"]
    done = call(*flags, env=env)
    assert done.returncode == 0, done.stderr
    rows = summary_rows(server, schema, list(read(case / "expected.csv")[0]))
    assert differences(rows, read(case / "expected.csv")) == []
    files = json.loads((tmp_path / "r.json").read_text())["clusters"][0]["files"]
    assert files and all(f["path"].startswith(f"s3://{bucket}/") and len(f["etag"]) >= 32 for f in files)


def test_faults_of_the_store_are_tried_again_and_lasting_ones_change_nothing(store: S3Server, server: Any, tmp_path: Path) -> None:
    case = GOLDEN / "label_fanout"
    job, schema = job_of(case), "acctfaults"
    make_tenant(server, schema, case)
    lay_out(case, tmp_path, "month_folders", schema, files=3)
    upload(store, tmp_path, "faulty")
    env = environment(store, "faulty", job, schema)
    with fault_proxy(store.port, seed=5, rate=0.25) as proxy:
        env["S3_ENDPOINT"] = f"http://127.0.0.1:{proxy.port}"
        done = call("run", *postgres_flags(server), env=env)
        assert done.returncode == 0, done.stderr
    rows = summary_rows(server, schema, list(read(case / "expected.csv")[0]))
    assert differences(rows, read(case / "expected.csv")) == []
    with fault_proxy(store.port, seed=5, rate=1.0) as proxy:
        env["S3_ENDPOINT"] = f"http://127.0.0.1:{proxy.port}"
        done = call("run", *postgres_flags(server), "--set", "s3.retries=1", env=env)
        assert done.returncode == 1, done.stderr
    assert summary_rows(server, schema, list(read(case / "expected.csv")[0])) == rows
    env["S3_ENDPOINT"], env["S3_BUCKET"] = store.endpoint, "faluty"
    done = call("run", *postgres_flags(server), env=env)
    assert done.returncode == 1 and "faluty" in done.stderr
    assert summary_rows(server, schema, list(read(case / "expected.csv")[0])) == rows


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_the_store_on_its_own(store: S3Server, server: Any, tmp_path: Path, fault: str) -> None:
    """500, 503, resets, answers that are lost, half bodies, silence: the same table; and when they do not end, the table that was there."""
    case = GOLDEN / "pvc_on_two_nodes"
    job, schema, bucket = job_of(case), f"acctfault{fault.replace('_', '')}", f"fault-{fault.replace('_', '-')}"
    make_tenant(server, schema, case)
    lay_out(case, tmp_path, "month_folders", schema, files=3)
    upload(store, tmp_path, bucket)
    env, like = environment(store, bucket, job, schema), list(read(case / "expected.csv")[0])
    with fault_proxy(store.port, seed=11, rate=0.3, faults=(fault,)) as proxy:
        env["S3_ENDPOINT"] = proxy.endpoint
        done = call("run", *postgres_flags(server), env=env)
        assert done.returncode == 0, done.stderr
        assert proxy.injected[fault] > 0
    rows = summary_rows(server, schema, like)
    assert differences(rows, read(case / "expected.csv")) == []
    bodies = lambda method, path: method == "GET" and ".parquet" in path  # noqa: E731
    with fault_proxy(store.port, seed=11, rate=1.0, faults=(fault,), only=bodies) as proxy:
        env["S3_ENDPOINT"] = proxy.endpoint
        done = call("run", *postgres_flags(server), "--set", "s3.retries=2", "--set", "postgres.attempts=1", env=env)
        assert done.returncode == 1 and ".parquet" in done.stderr, done.stderr
        assert proxy.injected[fault] > 0
    assert summary_rows(server, schema, like) == rows


@pytest.mark.parametrize("when", ["before its footer", "before its rows"])
def test_an_object_replaced_between_listing_and_reading(store: S3Server, server: Any, tmp_path: Path, when: str) -> None:
    """By one of the same length and other values: only its etag tells."""
    case = GOLDEN / "basic_pod_day"
    job, schema, bucket = job_of(case), f"acctswap{when[-4:]}", f"swap-{when[-4:]}"
    make_tenant(server, schema, case)
    made = lay_out(case, tmp_path, "month_folders", schema)
    upload(store, tmp_path, bucket)
    env, like = environment(store, bucket, job, schema), list(read(case / "expected.csv")[0])
    assert call("run", *postgres_flags(server), env=env).returncode == 0
    rows = summary_rows(server, schema, like)
    pods = next(p for p in made if "pod" in p.name)
    key = str(pods.relative_to(tmp_path))
    table = pq.read_table(pods)
    at = table.schema.get_field_index("pod_usage_cpu_core_seconds")
    pq.write_table(table.set_column(at, table.field(at), pc.multiply(table[at], 2.0)), pods)
    gets = 0
    with fault_proxy(store.port, seed=1, rate=0.0) as proxy:
        def swap(method: str, path: str) -> None:
            nonlocal gets
            if method != "GET" or key.rsplit("/", 1)[-1] not in path:
                return
            gets += 1
            if gets == (1 if when == "before its footer" else 2):
                with store.files().open_output_stream(f"{bucket}/{key}") as out:
                    out.write(pods.read_bytes())
        proxy.before = swap
        env["S3_ENDPOINT"] = proxy.endpoint
        done = call("run", *postgres_flags(server), "--set", "postgres.attempts=1", env=env)
    assert gets > 0 and done.returncode == 1 and pods.name in done.stderr and "changed since" in done.stderr, done.stderr
    assert summary_rows(server, schema, like) == rows


@pytest.mark.parametrize("case", CASES[::4], ids=lambda p: p.name)
def test_files_as_output_are_what_case_writes(store: S3Server, tmp_path: Path, case: Path) -> None:
    job = job_of(case)
    lay_out(case, tmp_path, "month_folders", "acct1", seed=3, files=1 if any(case.glob("*_daily.parquet")) else 3)
    (tmp_path / "data").mkdir(exist_ok=True)
    flags = ["run", *job_flags(job, "acct1"), *reference_flags(case), "--input", tmp_path, "--report-period-id", job["report_period_id"],
             "--csv", tmp_path / "{source}-{year}-{month}.csv", "--parquet", tmp_path / "out.parquet", "--staging", "s3://cost/{source}/staging.parquet"]
    env = {"S3_ENDPOINT": store.endpoint, "S3_ACCESS_KEY": ACCESS_KEY, "S3_SECRET_KEY": SECRET_KEY}
    done = call(*flags, env=env)
    assert done.returncode == 0, done.stderr
    assert call("case", case, "--out", tmp_path / "case.csv").returncode == 0
    out = tmp_path / f"{job['source_uuid']}-{job['year']}-{job['month']:02}.csv"
    assert out.read_bytes() == (tmp_path / "case.csv").read_bytes()
    parquet = pq.read_table(tmp_path / "out.parquet")
    texts = [{k: None if v is None else f"{v:f}" if isinstance(v, Decimal) else str(v) for k, v in row.items()} for row in parquet.to_pylist()]
    assert texts == read(out)
    staging = pq.read_table(f"cost/{job['source_uuid']}/staging.parquet", filesystem=store.files())
    assert staging.select(parquet.column_names).equals(parquet)
    assert {"source", "year", "month", "day", "csi_volume_handle"} <= set(staging.column_names)
    assert [r["day"] for r in staging.to_pylist()] == [f"{r['usage_start'].day:02}" for r in staging.to_pylist()]
    assert set(staging["month"].to_pylist()) <= {f"{job['month']:02}"}


def test_inspect_says_what_is_there(tmp_path: Path) -> None:
    case = GOLDEN / "several_days_range"
    made = lay_out(case, tmp_path, "month_folders", "acct1", files=2)
    (made[0].parent / "notes.txt").write_text("x")
    job = job_of(case)
    flags = ["inspect", *job_flags(job, "acct1"), "--input", tmp_path]
    done = call(*flags, "--json")
    assert done.returncode == 0, done.stderr
    kinds = json.loads(done.stdout)[0]["kinds"]
    table = pq.read_table(case / "pod.parquet")
    assert kinds["pod"]["files"] == 2 and kinds["pod"]["rows"] == table.num_rows
    assert sorted(kinds["pod"]["days"]) == ["2025-10-" + f"{d:02}" for d in range(int(job["start"][8:]), int(job["end"][8:]) + 1)]
    assert kinds["pod"]["distinct_node"] >= 1 and kinds["pod"]["files_without"] == {}
    assert any(f.endswith("notes.txt") for f in json.loads(done.stdout)[0]["ignored_files"])
    text = call(*flags)
    assert text.returncode == 0 and f"{table.num_rows} rows" in text.stdout
    other = GOLDEN / "effective_missing"
    lay_out(other, tmp_path / "other", "day_folders", "org1", files=2)
    text = call("inspect", *job_flags(job_of(other), "org1"), "--input", tmp_path / "other", "--layout", "day_folders")
    assert text.returncode == 0 and "without pod_effective_usage_cpu_core_seconds: 2 files" in text.stdout, text.stdout + text.stderr
    payload = call("inspect", *job_flags(job_of(GOLDEN / "csv_rules"), "acct1"), "--payload", GOLDEN / "csv_rules" / "csv")
    assert payload.returncode == 0 and "pod: 1 files" in payload.stdout, payload.stderr


def test_of_many_damaged_files_the_first_is_named(tmp_path: Path) -> None:
    """Files are looked at several at a time."""
    made = call("generate", "--shape", "month", "--rows", "5k", "--files", 31, "--layout", "production", "--account", "acct1", "--out", tmp_path)
    assert made.returncode == 0, made.stderr
    job = json.loads((tmp_path / "job.json").read_text())
    flags = ["run", *job_flags(job, "acct1"), *reference_flags(tmp_path), "--input", tmp_path, "--report-period-id", 1, "--csv", tmp_path / "o.csv"]
    assert call(*flags).returncode == 0
    whole = (tmp_path / "o.csv").read_bytes()
    pods = sorted((tmp_path / "data").glob("**/pod_usage/**/*.parquet"))
    assert len(pods) == 31
    for number in (30, 20, 7):
        pods[number].write_bytes(pods[number].read_bytes()[:-40])
        done = call(*flags)
        assert done.returncode != 0 and str(pods[number]) in done.stderr, done.stderr
        assert not any(str(pods[n]) in done.stderr for n in (30, 20, 7) if n > number), done.stderr
    assert (tmp_path / "o.csv").read_bytes() == whole


def test_the_report_is_a_page_and_numbers(tmp_path: Path) -> None:
    case = GOLDEN / "node_roles"
    lay_out(case, tmp_path, "month_folders", "acct1")
    flags = ["run", *job_flags(job_of(case), "acct1"), *reference_flags(case), "--input", tmp_path, "--report-period-id", 1, "--csv", tmp_path / "o.csv"]
    done = call(*flags, "--report", "-", "--html", tmp_path / "r.html", "--metrics", tmp_path / "m.prom", "--log", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    [cluster] = report["clusters"]
    warnings = {w["code"]: w for w in cluster["warnings"]}
    rows = read(tmp_path / "o.csv")
    unknown = [r for r in rows if r["namespace"] is None and r["pod_labels"] is None and r["data_source"] == "Pod"]
    assert warnings["unknown_role"]["count"] == len(unknown) and unknown[0]["node"] in " ".join(warnings["unknown_role"]["names"])
    assert cluster["rows_out"]["written"] == len(rows) == sum(cluster["rows_out"][k] for k in ("pods", "storage", "unallocated"))
    pod_rows = [r for r in rows if r["pod_labels"] is not None]
    assert abs(sum(float(r["pod_usage_cpu_core_hours"] or 0) for r in pod_rows) - sum(n["cpu_usage_hours"] for n in cluster["namespaces"])) < 1e-6
    assert {p["name"] for p in cluster["phases"]} >= {"connect", "list", "daily pods, node capacity", "pods", "unallocated", "write CSV"}
    page = (tmp_path / "r.html").read_text()
    assert page.count("<svg") == 6 and "<script" not in page and "http" not in page.replace("http-equiv", "") and "unknown_role" in page
    import xml.etree.ElementTree as ET
    ET.fromstring(page.replace("<!doctype html>", "").replace('<meta charset="utf-8">', "").replace(
        '<meta name="viewport" content="width=device-width, initial-scale=1">', "").replace("<br>", ""))
    metrics = (tmp_path / "m.prom").read_text()
    assert f'gristmill_ocp_rows_written{{source="{cluster["source"]}",cluster_id="{cluster["cluster_id"]}"}} {len(rows)}' in metrics


def test_fan_out_is_counted(tmp_path: Path) -> None:
    case = GOLDEN / "label_fanout"
    lay_out(case, tmp_path, "month_folders", "acct1")
    done = call("run", *job_flags(job_of(case), "acct1"), *reference_flags(case), "--input", tmp_path, "--report-period-id", 1, "--dry-run", "--report", "-")
    assert done.returncode == 0, done.stderr
    cluster = json.loads(done.stdout)["clusters"][0]
    assert cluster["fan_out"]["pod_line_items_joined"] > cluster["fan_out"]["pod_line_items"] > 0
    assert {"node_label_fanout", "namespace_label_fanout"} <= {w["code"] for w in cluster["warnings"]}
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


WRONG = [
    (["--set", "input.foldr=/x"], 'there is no key "input.foldr"; did you mean "input.folder"?'), (["--mode", "fast"], "--mode"), (["--month", "13"], "month"), (["--source", "abc"], "no uuid"),
    (["--start-date", "2025-09-30"], "does not lie"), (["--layout", "day_folder"], 'did you mean "day_folders"'), (["--memory", "lots"], "--memory"),
    (["--nonsense"], "nonsense"), (["--set", "input"], "key=value"),
]


@pytest.mark.parametrize("flags, said", WRONG)
def test_wrong_usage_is_2_and_says_what(tmp_path: Path, flags: list[str], said: str) -> None:
    job = job_of(GOLDEN / "basic_pod_day")
    done = call("run", *job_flags(job, "acct1"), "--input", tmp_path, "--csv", tmp_path / "o.csv", "--report-period-id", 1, *flags)
    assert done.returncode == 2 and said in done.stderr, done.stderr


def test_a_file_with_an_unknown_key_names_the_nearest_and_the_line(tmp_path: Path) -> None:
    config = tmp_path / "job.yaml"
    config.write_text("input:\n  folder: /data\n  layuot: day_folders\n")
    done = call("run", "--config", config)
    assert done.returncode == 2 and f'{config}, line 3: there is no key "layuot" in "input"; did you mean "layout"?' in done.stderr
    config.write_text("input: {folder: \"${FOLDER:-/data}\"}\nrun: {memory: 512MB}\ncluster: {month: previous, schema: org7}\n")
    done = call("run", "--config", config, "--workers", 3, "--print-config", env={"FOLDER": "/other", "OCP_CLUSTER_ID": "from-env"})
    assert done.returncode == 0, done.stderr
    for line in ("folder: /other", "memory: 512000000", "month: previous", "workers: 3", "cluster_id: from-env"):
        assert line in done.stdout
    again = tmp_path / "again.yaml"
    again.write_text(done.stdout)
    assert call("run", "--config", again, "--print-config").stdout == done.stdout


def test_pairs_of_labels_in_parquet_by_option(tmp_path: Path) -> None:
    import pyarrow as pa

    case = GOLDEN / "label_precedence"
    made = lay_out(case, tmp_path / "json", "month_folders", "acct1")
    for path in made:
        table = pq.read_table(path)
        for name in table.column_names:
            if not name.endswith("_labels"):
                continue
            texts = [None if t is None else "|".join(f"label_{k}:{v}" for k, v in json.loads(t or "{}").items()) for t in table[name].to_pylist()]
            table = table.set_column(table.schema.get_field_index(name), name, pa.array(texts, pa.string()))
        other = tmp_path / "pairs" / path.relative_to(tmp_path / "json")
        other.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, other)
    flags = ["run", *job_flags(job_of(case), "acct1"), *reference_flags(case), "--report-period-id", job_of(case)["report_period_id"]]
    for form in ("json", "pairs"):
        done = call(*flags, "--input", tmp_path / form, "--set", f"input.labels={form}", "--csv", tmp_path / f"{form}.csv")
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "pairs.csv").read_bytes() == (tmp_path / "json.csv").read_bytes()


def test_gristmill_ocp_is_the_same_program(tmp_path: Path) -> None:
    import subprocess

    from job_program import JOB

    done = subprocess.run([JOB.parent / "gristmill", "ocp", "case", GOLDEN / "basic_pod_day", "--out", tmp_path / "o.csv"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert differences(read(tmp_path / "o.csv"), read(GOLDEN / "basic_pod_day" / "expected.csv")) == []
