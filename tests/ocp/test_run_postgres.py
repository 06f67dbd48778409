"""`gristmill-ocp run` into a real PostgreSQL: the incumbent's answers, reruns, and old rows that stay whatever goes wrong."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import tarfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from compare import differences, read
from job_program import CASES, GOLDEN, call, job_flags, postgres_flags, reference_flags, start
from layouts import folder_of, job_of, lay_out
from tenant import TABLE, make_tenant, summary_rows

SEED = int(os.environ.get("SEED", "20251007"))


def columns_of(case: Path) -> list[str]:
    return list(read(case / "expected.csv")[0]) if read(case / "expected.csv") else (case / "expected.csv").read_text().strip().split(",")


def state(server: Any, schema: str) -> list[tuple]:
    return server.sql(f'select * from "{schema}".{TABLE} order by 1, 2')


@pytest.mark.parametrize("number, case", list(enumerate(CASES)), ids=[p.name for p in CASES])
def test_golden_cases_into_the_table_and_again(server: Any, tmp_path: Path, number: int, case: Path) -> None:
    daily = any(case.glob("*_daily.parquet"))
    layout = "month_folders" if daily or number % 2 == 0 else "day_folders"
    schema = f"acct{number}" if layout == "month_folders" else f"org{number}"
    make_tenant(server, schema, case, default_partition=number % 3 != 0)
    made = lay_out(case, tmp_path, layout, schema, seed=SEED + number, files=1 if daily else random.Random(number).randint(1, 4))
    tmp_path.joinpath("data").mkdir(exist_ok=True)
    flags = ["run", *job_flags(job_of(case), schema), *postgres_flags(server), "--input", tmp_path, "--layout", layout]
    done = call(*flags, "--report", tmp_path / "report.json")
    assert done.returncode == 0, done.stderr
    like = columns_of(case)
    first = summary_rows(server, schema, like)
    assert differences(first, read(case / "expected.csv")) == []
    report = json.loads((tmp_path / "report.json").read_text())["clusters"][0]
    assert report["rows_out"]["written"] == len(first) and report["rows_out"]["deleted"] == 0
    assert sorted(f["path"] for f in report["files"]) == sorted(map(str, made))
    assert sum(f.get("rows", 0) for f in report["files"]) == sum(pq.read_metadata(p).num_rows for p in made)
    uuids = server.sql(f'select uuid::text from "{schema}".{TABLE}')
    assert all(u[14] == "4" and u[19] in "89ab" for u, in uuids) and len(set(uuids)) == len(first)
    again = call(*flags, "--workers", 1 + number % 3, "--memory", "96MB")
    assert again.returncode == 0, again.stderr
    assert summary_rows(server, schema, like) == first
    if first:
        year_month = f"{job_of(case)['year']}_{job_of(case)['month']:02}"
        assert server.sql(f'select count(*) from "{schema}".{TABLE}_{year_month}') == [(len(first),)]


def csv_case(tmp_path: Path, form: str) -> list[str]:
    case = GOLDEN / "csv_rules"
    if form == "files":
        return [str(p) for p in sorted((case / "csv").glob("*.csv"))]
    if form == "folder":
        return [str(case / "csv")]
    archive = tmp_path / "payloads" / "a.tar.gz"
    archive.parent.mkdir()
    (tmp_path / "manifest.json").write_text("{}")
    with tarfile.open(archive, "w:gz", format={"gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}[form]) as tar:
        tar.add(tmp_path / "manifest.json", "manifest.json")
        for path in sorted((case / "csv").glob("*.csv")):
            tar.add(path, ("long/" * 40 if "node" in path.name else "") + path.name)
    return [str(archive.parent)]


@pytest.mark.parametrize("form", ["files", "folder", "gnu", "pax"])
def test_payloads_give_what_the_parquet_gives(server: Any, tmp_path: Path, form: str) -> None:
    case = GOLDEN / "csv_rules"
    schema = f"acctcsv{form}"
    make_tenant(server, schema, case)
    payloads = [f for p in csv_case(tmp_path, form) for f in ("--payload", p)]
    flags = ["run", *job_flags(job_of(case), schema), *postgres_flags(server), *payloads, "--csv", tmp_path / "out.csv"]
    done = call(*flags, "--report", tmp_path / "report.json", env={"GRISTMILL_SPILL_DIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    rows = summary_rows(server, schema, columns_of(case))
    assert differences(rows, read(case / "expected.csv")) == []
    report = json.loads((tmp_path / "report.json").read_text())["clusters"][0]
    assert report["rows_in"]["pod"]["dropped_too_large"] > 0
    assert report["rows_in"]["pod"]["rows"] == report["rows_in"]["pod"]["used"] + report["rows_in"]["pod"]["dropped_too_large"] + report["rows_in"]["pod"]["other_days"]
    assert not list(tmp_path.glob("gristmill-ocp-*"))
    one = call("case", case, "--out", tmp_path / "case.csv")
    assert one.returncode == 0 and (tmp_path / "case.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()


def test_a_half_written_archive_changes_nothing(server: Any, tmp_path: Path) -> None:
    case = GOLDEN / "csv_rules"
    make_tenant(server, "accthalf", case)
    [folder] = csv_case(tmp_path, "gnu")
    archive = Path(folder) / "a.tar.gz"
    flags = ["run", *job_flags(job_of(case), "accthalf"), *postgres_flags(server), "--payload", folder]
    assert call(*flags).returncode == 0
    before = state(server, "accthalf")
    whole = archive.read_bytes()
    for cut in (len(whole) // 3, len(whole) - 9):
        archive.write_bytes(whole[:cut])
        done = call(*flags)
        assert done.returncode == 1 and "a.tar.gz" in done.stderr, done.stderr
        assert state(server, "accthalf") == before
    archive.unlink()
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(case / "csv" / "October-2025-csv_rules-ocp_pod.csv", "p.csv")
    import gzip
    bare = gzip.decompress(archive.read_bytes())
    archive.write_bytes(gzip.compress(bare[: 512 + 512 * ((len((case / "csv" / "October-2025-csv_rules-ocp_pod.csv").read_bytes()) + 511) // 512)]))
    done = call(*flags)
    assert done.returncode == 1 and "ends early" in done.stderr, done.stderr
    assert state(server, "accthalf") == before


def test_only_rows_of_the_period_without_costs_are_replaced(server: Any, tmp_path: Path) -> None:
    case = GOLDEN / "basic_pod_day"
    job, schema = job_of(case), "acctkeep"
    make_tenant(server, schema, case)
    lay_out(case, tmp_path, "month_folders", schema)
    insert = (f'insert into "{schema}".{TABLE} (uuid, usage_start, usage_end, report_period_id, infrastructure_raw_cost, node) '
              "values (gen_random_uuid(), %s, %s, %s, %s, %s)")
    kept = [("costed", job["start"], job["report_period_id"], 5), ("other period", job["start"], 9999, None), ("other day", f"{job['start'][:8]}28", job["report_period_id"], None)]
    gone = [("old", job["start"], job["report_period_id"], None), ("zero", job["start"], job["report_period_id"], 0)]
    for node, day, period, cost in kept + gone:
        server.sql(insert, day, day, period, cost, node)
    flags = ["run", *job_flags(job, schema), *postgres_flags(server), "--input", tmp_path]
    dry = call(*flags, "--dry-run", "--report", "-")
    assert dry.returncode == 0, dry.stderr
    counts = json.loads(dry.stdout)["clusters"][0]["rows_out"]
    assert counts["deleted"] == 2 and counts["written"] == len(read(case / "expected.csv"))
    assert server.sql(f'select count(*) from "{schema}".{TABLE}') == [(5,)]
    done = call(*flags)
    assert done.returncode == 0, done.stderr
    names = [n for n, in server.sql(f'select node from "{schema}".{TABLE} where cluster_id is null order by node')]
    assert names == sorted(n for n, *_ in kept)
    assert differences(summary_rows(server, schema, columns_of(case), "cluster_id is not null"), read(case / "expected.csv")) == []
    # All of the month that lay in the default partition has moved to the month's own.
    assert server.sql(f'select count(*) from "{schema}".{TABLE}_default') == [(0,)]


def big_month(root: Path, schema: str, rows: int, seed: int) -> dict[str, Any]:
    rng = random.Random(seed)
    job = {**job_of(GOLDEN / "basic_pod_day"), "source_uuid": "00000000-0000-4000-8000-0000000000aa"}
    start_us = 1759795200_000_000  # 2025-10-07
    job["start"] = job["end"] = "2025-10-07"
    job["year"], job["month"] = 2025, 10
    pods = rows // 24
    numbers = ["pod_usage_cpu_core_seconds", "pod_request_cpu_core_seconds", "pod_limit_cpu_core_seconds", "pod_usage_memory_byte_seconds",
               "pod_request_memory_byte_seconds", "pod_limit_memory_byte_seconds", "node_capacity_cpu_cores", "node_capacity_cpu_core_seconds",
               "node_capacity_memory_bytes", "node_capacity_memory_byte_seconds"]
    index = [(p, h) for p in range(pods) for h in range(24)]
    table = pa.table({
        "interval_start": pa.array([start_us + h * 3600_000_000 for _, h in index], pa.timestamp("us", "UTC")),
        "pod": [f"pod-{p}" for p, _ in index], "namespace": [f"ns-{p % 50}" for p, _ in index], "node": [f"node-{p % 40}" for p, _ in index],
        "resource_id": [f"i-{p % 40}" for p, _ in index], "pod_labels": [json.dumps({"app": f"a{p}"}) for p, _ in index],
        **{n: pa.array([float(rng.randint(0, 10**6)) for _ in index]) for n in numbers},
    })
    folder = root / folder_of("month_folders", job, schema, "pod")
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "p.parquet")
    return job


def make_big(server: Any, tmp_path: Path, schema: str, rows: int) -> list[Any]:
    make_tenant(server, schema)
    job = big_month(tmp_path, schema, rows, SEED)
    server.sql(f'insert into "{schema}".reporting_enabledtagkeys values (\'app\', true, \'OCP\')')
    return ["run", *job_flags(job, schema), *postgres_flags(server), "--input", tmp_path, "--report-period-id", 7]


def wait_for_no_locks(server: Any) -> bool:
    """The server notices in its own time that a client is gone; until then a rerun would wait."""
    deadline = time.monotonic() + 30
    while server.sql("select 1 from pg_locks where locktype = 'advisory' and granted") and time.monotonic() < deadline:
        time.sleep(0.02)
    return time.monotonic() < deadline


def test_killed_at_any_moment_the_old_rows_stay(server: Any, tmp_path: Path) -> None:
    print("seed", SEED)
    rng = random.Random(SEED)
    schema = "acctkill"
    flags = make_big(server, tmp_path, schema, 60_000)
    begin = time.monotonic()
    assert call(*flags).returncode == 0
    took = time.monotonic() - begin
    server.sql(f"update \"{schema}\".{TABLE} set cluster_alias = 'old'")
    before, killed = state(server, schema), 0
    for _ in range(20):
        process = start(*flags)
        time.sleep(rng.uniform(0.02, took * 0.95))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        time.sleep(0.05)
        if process.returncode != -signal.SIGKILL:  # it was done before
            server.sql(f"update \"{schema}\".{TABLE} set cluster_alias = 'old'")
            before = state(server, schema)
            continue
        killed += 1
        assert wait_for_no_locks(server)
        now = state(server, schema)
        if now != before:  # the commit had been sent: everything is new
            assert len(now) == len(before) and all(r[11] != "old" for r in now)
            server.sql(f"update \"{schema}\".{TABLE} set cluster_alias = 'old'")
            before = state(server, schema)
    assert killed > 0
    process = start(*flags)
    time.sleep(took * 0.4)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) in (128 + signal.SIGTERM, -signal.SIGTERM, 0)
    done = call(*flags)
    assert done.returncode == 0, done.stderr
    assert server.sql(f"select count(*), count(*) filter (where cluster_alias = 'old') from \"{schema}\".{TABLE}") == [(len(before), 0)]


def test_two_runs_of_one_month_at_once(server: Any, tmp_path: Path) -> None:
    schema = "accttwo"
    flags = make_big(server, tmp_path, schema, 24_000)
    running = [start(*flags) for _ in range(3)]
    for process in running:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert server.sql(f'select count(*), count(distinct (namespace, node, pod_labels)) from "{schema}".{TABLE} where pod_labels is not null') == [(1000, 1000)]
    waiting = start(*flags, "--set", "postgres.lock_timeout_s=1", "--set", "postgres.attempts=1")
    waiting.communicate(timeout=60)
    assert waiting.returncode == 0
    import psycopg
    with psycopg.connect(server.address) as other:
        other.execute("select pg_advisory_xact_lock(hashtextextended('gristmill-ocp/00000000-0000-4000-8000-0000000000aa/2025_10', 0))")
        done = call(*flags, "--set", "postgres.lock_timeout_s=1", "--set", "postgres.attempts=2")
        assert done.returncode == 1 and "55P03" in done.stderr and "trying again" in done.stderr, done.stderr


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize("what", ["cut", "empty", "column", "labels"])
def test_input_that_cannot_be_read_stops_the_run_first(server: Any, tmp_path: Path, what: str) -> None:
    case = GOLDEN / "basic_pod_day"
    schema = f"acctbad{what}"
    make_tenant(server, schema, case)
    made = lay_out(case, tmp_path, "month_folders", schema, files=2)
    flags = ["run", *job_flags(job_of(case), schema), *postgres_flags(server), "--input", tmp_path]
    assert call(*flags).returncode == 0
    before = state(server, schema)
    bad = next(p for p in made if "pod" in p.name)
    table = pq.read_table(bad)
    if what == "cut":
        damage(bad)
    elif what == "empty":
        bad.write_bytes(b"")
    elif what == "column":
        pq.write_table(table.drop_columns(["pod_usage_cpu_core_seconds"]), bad)
    else:
        labels = table["pod_labels"].to_pylist()
        labels[3] = '["no object"]'
        pq.write_table(table.set_column(table.schema.get_field_index("pod_labels"), "pod_labels", pa.array(labels)), bad)
    done = call(*flags, "--report", tmp_path / "report.json")
    assert done.returncode == 1 and bad.name in done.stderr, done.stderr
    assert what != "labels" or ("row 3" in done.stderr and "pod_labels" in done.stderr), done.stderr
    assert what != "column" or "pod_usage_cpu_core_seconds" in done.stderr
    assert state(server, schema) == before
    assert json.loads((tmp_path / "report.json").read_text())["clusters"][0]["done"] is False


@pytest.mark.parametrize("how", ["replaced", "vanished"])
def test_files_that_change_meanwhile_undo_the_run(server: Any, tmp_path: Path, how: str) -> None:
    case = GOLDEN / "basic_pod_day"
    schema = f"acct{how}"
    make_tenant(server, schema, case)
    made = lay_out(case, tmp_path, "month_folders", schema)
    flags = ["run", *job_flags(job_of(case), schema), *postgres_flags(server), "--input", tmp_path]
    assert call(*flags).returncode == 0
    before = state(server, schema)
    import psycopg
    with psycopg.connect(server.address) as other:  # the job waits for this lock when everything is computed
        other.execute(f'lock table "{schema}".{TABLE} in share mode')
        process = start(*flags)
        deadline = time.monotonic() + 60
        while not server.sql("select 1 from pg_locks where not granted") and time.monotonic() < deadline:
            time.sleep(0.02)
        if how == "replaced":
            pq.write_table(pq.read_table(made[0]).slice(0, 1), made[0])
        else:
            made[0].unlink()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and made[0].name in said, said
    assert state(server, schema) == before


def test_a_server_that_restarts_is_tried_again(tmp_path: Path) -> None:
    from postgres import PostgresServer

    own = PostgresServer()
    try:
        flags = make_big(own, tmp_path, "acctrestart", 60_000)
        assert call(*flags).returncode == 0
        own.kill()
        process = start(*flags, "--set", "postgres.attempts=8")
        time.sleep(0.7)
        own.start()
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0 and "trying again" in said, said
        process = start(*flags, "--set", "postgres.attempts=8")
        time.sleep(0.3)
        own.kill()
        own.start()
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
        assert own.sql(f"select count(*) from acctrestart.{TABLE} where pod_labels is not null") == [(2500,)]
    finally:
        own.stop()


def test_a_server_that_crashes_while_rows_are_replaced(tmp_path: Path) -> None:
    """Everything is computed and the old rows are being deleted when the server goes: they are there after its recovery, and the next attempt replaces them."""
    import psycopg
    from postgres import PostgresServer

    own, schema = PostgresServer(), "acctcrash"
    try:
        flags = make_big(own, tmp_path, schema, 24_000)
        assert call(*flags).returncode == 0
        own.sql(f"update {schema}.{TABLE} set cluster_alias = 'old'")
        before = state(own, schema)
        with psycopg.connect(own.address) as other:
            other.execute(f"lock table {schema}.{TABLE} in share mode")
            process = start(*flags, "--set", "postgres.attempts=8")
            deadline = time.monotonic() + 60
            while not own.sql("select 1 from pg_locks where not granted") and time.monotonic() < deadline:
                time.sleep(0.02)
            own.kill()
            own.start()
            assert state(own, schema) == before
            other.close()
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0 and "trying again" in said, said
        assert own.sql(f"select count(*), count(*) filter (where cluster_alias = 'old') from {schema}.{TABLE}") == [(len(before), 0)]
    finally:
        own.stop()


@pytest.mark.parametrize("how", ["setting", "kernel"])
def test_a_full_disk_while_spilling_changes_nothing(server: Any, tmp_path: Path, how: str) -> None:
    """By the setting that tests have for it, and by the kernel, which refuses to write more to any file."""
    schema = f"acctfull{how}"
    flags = [*make_big(server, tmp_path, schema, 60_000), "--set", "postgres.attempts=1"]
    env = {"GRISTMILL_SPILL_EAGERLY": "1"}
    done = call(*flags, env=env)
    assert done.returncode == 0, done.stderr
    before = state(server, schema)
    limit = 100_000
    if how == "setting":
        done = call(*flags, env=env | {"GRISTMILL_SPILL_FAIL_AFTER": str(limit)})
    else:
        def refuse() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        done = call(*flags, env=env, preexec_fn=refuse)
    assert done.returncode == 1 and "disk full while spilling" in done.stderr and "GRISTMILL_SPILL_DIR" in done.stderr, done.stderr
    assert state(server, schema) == before


def test_what_the_database_refuses_leaves_the_old_rows(server: Any, tmp_path: Path) -> None:
    case = GOLDEN / "basic_pod_day"
    schema = "acctrefuse"
    make_tenant(server, schema, case)
    lay_out(case, tmp_path, "month_folders", schema)
    flags = ["run", *job_flags(job_of(case), schema), *postgres_flags(server), "--input", tmp_path]
    assert call(*flags).returncode == 0
    before = state(server, schema)
    server.sql(f'alter table "{schema}".{TABLE} add constraint none check (data_source <> \'Storage\') not valid')
    done = call(*flags)
    assert done.returncode == 1 and "23514" in done.stderr, done.stderr
    assert state(server, schema) == before
    server.sql(f'alter table "{schema}".{TABLE} drop constraint none')
    server.sql(f'alter table "{schema}".{TABLE} drop column all_labels')
    done = call(*flags, "--report", "-")
    assert done.returncode == 0 and json.loads(done.stdout)["clusters"][0]["columns_the_table_has_not"] == ["all_labels"], done.stderr
    server.sql(f'drop table "{schema}".reporting_ocp_nodes')
    done = call(*flags)
    assert done.returncode == 1 and "reporting_ocp_nodes" in done.stderr
    assert call(*flags, *reference_flags(case)).returncode == 0
    wrong = call(*flags, "--set", "postgres.table=nowhere")
    assert wrong.returncode == 1 and "there is no table" in wrong.stderr


def test_several_clusters_and_one_that_fails(server: Any, tmp_path: Path) -> None:
    cases = [GOLDEN / "basic_pod_day", GOLDEN / "label_precedence", GOLDEN / "empty_month"]
    items = []
    for n, case in enumerate(cases):
        schema = f"acctmany{n}"
        make_tenant(server, schema, case)
        lay_out(case, tmp_path, "month_folders", schema)
        job = job_of(case)
        items.append(f"  - {{source: {job['source_uuid']}, cluster_id: {job['cluster_id']}, cluster_alias: {job['cluster_alias']}, schema: {schema}, "
                     f"year: {job['year']}, month: {job['month']}, start_date: {job['start']}, end_date: {job['end']}}}")
    config = tmp_path / "job.yaml"
    config.write_text(f"input:\n  folder: {tmp_path}\npostgres:\n  host: {server.socket}\n  database: ${{DB:-postgres}}\n  user: postgres\n"
                      "run: {log: json}\nclusters:\n" + "\n".join(items) + "\n")
    done = call("run", "--config", config, "--metrics", tmp_path / "m.prom", "--html", tmp_path / "r.html")
    assert done.returncode == 0, done.stderr
    for n, case in enumerate(cases):
        assert differences(summary_rows(server, f"acctmany{n}", columns_of(case)), read(case / "expected.csv")) == []
    assert all(json.loads(line)["level"] in ("info", "warning") for line in done.stderr.splitlines())
    assert "gristmill_ocp_last_run_success 1" in (tmp_path / "m.prom").read_text()
    server.sql(f"drop table acctmany1.{TABLE}")
    done = call("run", "--config", config, "--metrics", tmp_path / "m.prom", "--report", tmp_path / "r.json")
    assert done.returncode == 1
    assert [c["done"] for c in json.loads((tmp_path / "r.json").read_text())["clusters"]] == [True, False, True]
    assert "gristmill_ocp_last_run_success 0" in (tmp_path / "m.prom").read_text()
    shutil.rmtree(tmp_path / "data")
    gone = call("run", "--config", config)
    assert gone.returncode == 1 and gone.stderr.count("no_input") == 2, gone.stderr


def test_an_empty_month_takes_the_rows_away(server: Any, tmp_path: Path) -> None:
    case = GOLDEN / "basic_pod_day"
    schema = "acctempty"
    make_tenant(server, schema, case)
    made = lay_out(case, tmp_path, "month_folders", schema)
    flags = ["run", *job_flags(job_of(case), schema), *postgres_flags(server), "--input", tmp_path]
    assert call(*flags).returncode == 0
    for path in made:
        path.unlink()
    done = call(*flags)
    assert done.returncode == 0 and "no_input" in done.stderr, done.stderr
    assert state(server, schema) == []
    done = call(*flags, "--input", tmp_path / "wrong")
    assert done.returncode == 1 and "does not exist" in done.stderr


def test_a_password_is_nowhere(server: Any, tmp_path: Path) -> None:
    case = GOLDEN / "basic_pod_day"
    lay_out(case, tmp_path, "month_folders", "acctsecret")
    secret = "s3cret-pass/word'"
    env = {"POSTGRES_HOST": str(server.socket), "POSTGRES_DB": "postgres", "POSTGRES_USER": "reader", "POSTGRES_PASSWORD": secret, "POSTGRES_SCHEMA": "acctsecret",
           "S3_SECRET_KEY": "another-secret", "S3_ACCESS_KEY": "key-id"}
    flags = ["run", *job_flags(job_of(case)), "--input", tmp_path, "--report", tmp_path / "r.json", "--html", tmp_path / "r.html", "--set", "postgres.attempts=1"]
    done = call(*flags, env=env)
    assert done.returncode == 1
    shown = call(*flags, "--print-config", env=env)
    assert shown.returncode == 0 and "***" in shown.stdout and "reader" in shown.stdout
    everything = done.stdout + done.stderr + shown.stdout + (tmp_path / "r.json").read_text() + (tmp_path / "r.html").read_text()
    assert secret not in everything and "another-secret" not in everything and "key-id" not in everything
