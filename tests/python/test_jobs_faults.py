"""What is left behind when a job is killed or its disk is full: what was there before, whole, and nothing else; a rerun gives the same files."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from test_jobs import COMMAND, check_balance, run, run_job, write_job

sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))
from jobs_sinks import small_disk  # noqa: E402

SCHEMA = {"id": "int64", "v": "float64", "t": "string"}
DEAD = {"policy": "dead_letter", "path": "rejected.ndjson"}


def rows_csv(path: Path, rows: int, bad: bool = True) -> None:
    path.write_text("id,v,t\n" + "".join(f"{i},{'bad' if bad and i % 1000 == 7 else i * 0.37},{'t' * (i % 13)}\n" for i in range(rows)))


def outputs(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file() and not p.is_symlink() and p.name not in ("job.yaml", "report.json")}


FORMS = {"csv": {"csv": {"path": "out.csv"}}, "csv.zst": {"csv": {"path": "out.csv.zst"}}, "ndjson": {"ndjson": {"path": "out.ndjson"}}, "parquet": {"parquet": {"path": "out.parquet"}},
         "ipc": {"ipc": {"path": "out.arrow"}}, "folder": {"parquet": {"path": "out/", "max_rows_per_file": 20_000, "overwrite": "replace"}}}


@pytest.mark.parametrize("form", FORMS)
def test_killed_at_any_moment(tmp_path: Path, form: str) -> None:
    """SIGKILL at random moments: the earlier output stands as it was, or the new one is complete, and so are its dead letters."""
    rows_csv(tmp_path / "new.csv", 150_000)
    rows_csv(tmp_path / "old.csv", 50_000)
    job = {"source": {"csv": {"path": "in.csv", "schema": SCHEMA}}, "transforms": [{"compute": {"root": "sqrt(v)"}}], "sink": FORMS[form], "on_error": DEAD}
    states = {}
    for name in ("old", "new"):
        folder = tmp_path / f"whole-{name}"
        folder.mkdir()
        (folder / "in.csv").symlink_to(tmp_path / f"{name}.csv")
        began = time.monotonic()
        check_balance(run_job(folder, job))
        takes = time.monotonic() - began
        states[name] = outputs(folder)
    folder = tmp_path / "killed"
    folder.mkdir()
    rng = random.Random(form)
    began = time.monotonic()
    done = kills = 0
    while kills - done < 5 and kills < 25 and time.monotonic() - began < 40:
        (folder / "in.csv").unlink(missing_ok=True)
        (folder / "in.csv").symlink_to(tmp_path / "old.csv")
        run_job(folder, job)
        (folder / "in.csv").unlink()
        (folder / "in.csv").symlink_to(tmp_path / "new.csv")
        process = subprocess.Popen([str(COMMAND), "run", "job.yaml", "--no-live"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.1, 1.1) * takes)
        process.kill()
        done += process.wait() == 0
        kills += 1
        left = outputs(folder)
        rows = {k: v for k, v in left.items() if k in states["old"] or k in states["new"]}
        letters = rows.pop("rejected.ndjson")
        expected = {name: {k: v for k, v in s.items() if k != "rejected.ndjson"} for name, s in states.items()}
        assert rows in expected.values(), (sorted(rows), sorted(expected["old"]))
        if rows == expected["new"]:
            assert letters == states["new"]["rejected.ndjson"], "no rejected record is missing beside a finished output"
    assert kills - done >= 1
    run_job(folder, job)
    left = outputs(folder)
    assert {k: left[k] for k in states["new"]} == states["new"]


@pytest.mark.parametrize("form", FORMS)
def test_a_disk_that_becomes_full(tmp_path: Path, form: str) -> None:
    rows_csv(tmp_path / "in.csv", 100_000, bad=False)
    disk = tmp_path / "disk"
    with small_disk(disk, 512) as mounted:
        if not mounted:
            pytest.skip("a small disk needs the right to mount one")
        before = disk / "kept.txt"
        before.write_text("kept")
        sink = json.loads(json.dumps(FORMS[form]).replace('"out', f'"{disk}/out'))
        job: dict[str, Any] = {"source": {"csv": {"path": "in.csv", "schema": SCHEMA}}, "transforms": [{"compute": {"root": "sqrt(v)"}}], "sink": sink}
        few = {**job, "transforms": [{"filter": "id < 1000"}]}
        run_job(tmp_path, few)
        earlier = outputs(disk)
        write_job(tmp_path, job)
        done = run("run", "job.yaml", "--report", "report.json", cwd=tmp_path)
        assert done.returncode == 1 and "disk full" in done.stderr and str(disk) in done.stderr, done.stderr
        report = json.loads((tmp_path / "report.json").read_text())
        assert report["outcome"] == "failed" and "disk full" in report["error"] and not report["balanced"]
        assert outputs(disk) == earlier, "what was there stands as it was, nothing stands beside it"


def test_a_full_disk_of_the_dead_letters(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,v,t\n" + "".join(f"{i},bad,{'t' * 50}\n" for i in range(5000)))
    disk = tmp_path / "disk"
    with small_disk(disk, 64) as mounted:
        if not mounted:
            pytest.skip("a small disk needs the right to mount one")
        job = {"source": {"csv": {"path": "in.csv", "schema": SCHEMA}}, "sink": {"csv": {"path": "out.csv"}}, "on_error": {"policy": "dead_letter", "path": str(disk / "rejected.ndjson")}}
        write_job(tmp_path, job)
        done = run("run", "job.yaml", cwd=tmp_path)
        assert done.returncode == 1 and "disk full" in done.stderr and "rejected.ndjson" in done.stderr, done.stderr
        assert not (tmp_path / "out.csv").exists() and outputs(disk) == {}


def test_killed_while_a_table_is_filled(tmp_path: Path, server: Any) -> None:
    rows_csv(tmp_path / "in.csv", 200_000, bad=False)
    server.sql("create table killed_rows (id bigint primary key, v double precision, t text)")
    server.sql("insert into killed_rows values (-1, 0, 'before')")
    job = {"source": {"csv": {"path": "in.csv", "schema": SCHEMA}}, "sink": {"postgres": {"connection": server.uri, "table": "killed_rows"}}}
    write_job(tmp_path, job)
    rng = random.Random(3)
    for _ in range(6):
        process = subprocess.Popen([str(COMMAND), "run", "job.yaml", "--no-live"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.05, 0.3))
        process.kill()
        if process.wait() == 0:
            break
        time.sleep(0.2)  # the server notices
        assert server.sql("select count(*) from killed_rows") in ([(1,)], [(200_001,)])
        if server.sql("select count(*) from killed_rows") != [(1,)]:
            break
    if server.sql("select count(*) from killed_rows") == [(1,)]:
        run_job(tmp_path, job)
    assert server.sql("select count(*), count(distinct id), max(id) from killed_rows") == [(200_001, 200_001, 199_999)]
