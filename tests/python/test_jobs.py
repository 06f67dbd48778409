"""Record jobs through the command: every step and policy against plain Python, over workers and batch sizes; faults; exit codes."""

from __future__ import annotations

import csv
import json
import math
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / "build/release/bin/gristmill"
SETTINGS = [{"workers": 1, "batch_rows": 7}, {"workers": 2, "batch_rows": "auto"}, {"workers": 8, "batch_rows": 1000, "queue_batches": 3}]


def run(*arguments: object, cwd: Path | None = None, **options: Any) -> subprocess.CompletedProcess:
    options.setdefault("text", True)
    return subprocess.run([str(COMMAND), *map(str, arguments)], capture_output=True, timeout=120, cwd=cwd, **options)


def write_job(folder: Path, job: dict, name: str = "job.yaml") -> Path:
    path = folder / name
    path.write_text(json.dumps(job))  # JSON is YAML
    return path


def run_job(folder: Path, job: dict, code: int = 0) -> dict:
    """Runs the job in its folder; its report."""
    write_job(folder, job)
    done = run("run", "job.yaml", "--report", "report.json", cwd=folder)
    assert done.returncode == code, done.stderr
    return json.loads((folder / "report.json").read_text())


def ndjson(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def step(report: dict, name: str) -> dict:
    return next(s for s in report["steps"] if s["name"].startswith(name))


def check_balance(report: dict) -> None:
    steps = report["steps"]
    assert report["balanced"]
    for s in steps:
        assert s["rows_in"] + s["generated"] == s["rows_out"] + s["filtered"] + s["rejected"] + s["skipped"] + s["merged"], s
    chain = [s for s in steps if s["kind"] != "sink"]
    for before, after in zip(chain, chain[1:]):
        assert before["rows_out"] == after["rows_in"]
    assert sum(s["rows_in"] for s in steps if s["kind"] == "sink") == chain[-1]["rows_out"]


def make_rows(seed: int, n: int, bad: float = 0.0) -> tuple[list[dict], random.Random]:
    print("seed", seed)
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        value: object = round(rng.uniform(-50, 100), 3)
        amount: object = str(rng.randrange(-1000, 1000))
        if rng.random() < bad:
            amount = rng.choice(["x", "12.5.1", "--", "9" * 30])
        rows.append({"id": i, "name": rng.choice(["ann", "bob", 'q"uote', "comma,", "ü", ""]), "value": value, "amount": amount, "category": rng.randrange(50)})
    return rows, rng


def write_csv(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as f:
        w = csv.DictWriter(f, fieldnames=list(rows[0]), quoting=csv.QUOTE_MINIMAL)
        w.writeheader()
        w.writerows(rows)


SCHEMA = {"id": "int64", "name": "string", "value": "float64", "amount": "string", "category": "int64"}


def is_int(text: str) -> bool:
    try:
        return -(2**63) <= int(text) < 2**63 and text.strip().lstrip("+-").isdigit()
    except ValueError:
        return False


@pytest.mark.parametrize("policy", ["skip", "dead_letter"])
@pytest.mark.parametrize("bad", [0.0, 0.001, 0.6])
def test_random_rows_against_plain_python(tmp_path: Path, policy: str, bad: float) -> None:
    rows, _ = make_rows(17, 20_000, bad)
    half = len(rows) // 2
    write_csv(tmp_path / "in/a.csv", rows[:half])
    write_csv(tmp_path / "in/b.csv", rows[half:])
    good = [r for r in rows if is_int(r["amount"])]
    kept = [r for r in good if r["value"] > 0]
    expected = [{"id": r["id"], "label": r["name"] or None, "value": r["value"], "amount": int(r["amount"]), "category": r["category"], "squared": r["value"] * r["value"]}
                for r in kept]
    outputs = set()
    for k, parallel in enumerate(SETTINGS):
        job = {
            "source": {"csv": {"path": "in/*.csv", "schema": SCHEMA}},
            "transforms": [{"rename": {"name": "label"}}, {"cast": {"amount": "int64"}}, {"filter": "value > 0"}, {"compute": {"squared": "value * value"}}],
            "sink": {"ndjson": {"path": f"out{k}.ndjson"}},
            "on_error": {"policy": policy} | ({"path": "rejected.ndjson"} if policy == "dead_letter" else {}), "parallel": parallel}
        report = run_job(tmp_path, job)
        check_balance(report)
        wrong = len(rows) - len(good)
        assert step(report, "csv")["rows_out"] == len(rows)
        assert step(report, "cast")["rejected" if policy == "dead_letter" else "skipped"] == wrong
        assert step(report, "filter")["filtered"] == len(good) - len(kept)
        assert ndjson(tmp_path / f"out{k}.ndjson") == expected
        told = (tmp_path / "rejected.ndjson").read_bytes() if policy == "dead_letter" else b""
        outputs.add(((tmp_path / f"out{k}.ndjson").read_bytes(), told))
        if policy == "dead_letter":
            letters = ndjson(tmp_path / "rejected.ndjson")
            assert [(e["record"]["id"], e["record"]["amount"]) for e in letters] == [(r["id"], r["amount"]) for r in rows if not is_int(r["amount"])]
            assert all(e["step"] == "cast amount" and e["column"] or e["error"] for e in letters)
            for e in letters:
                i = e["record"]["id"]
                assert (e["file"], e["row"]) == (("in/a.csv", i) if i < half else ("in/b.csv", i - half))
    assert len(outputs) == 1


def test_the_first_bad_row_ends_a_run_that_fails_whatever_the_setting(tmp_path: Path) -> None:
    rows, _ = make_rows(3, 5000)
    rows[4000]["amount"] = "late"   # fails in the first step
    rows[1234]["category"] = 0      # fails in the second
    write_csv(tmp_path / "in/a.csv", rows)
    for parallel in SETTINGS:
        job = {"source": {"csv": {"path": "in/a.csv", "schema": SCHEMA}},
               "transforms": [{"filter": "category > 0 or id = 1234"}, {"cast": {"amount": "int64"}}, {"compute": {"share": "100 / category"}}],
               "sink": {"parquet": {"path": "out.parquet"}}, "parallel": parallel}
        write_job(tmp_path, job)
        done = run("run", "job.yaml", "--report", "report.json", cwd=tmp_path)
        assert done.returncode == 1 and "row 1234" in done.stderr and "in/a.csv" in done.stderr, done.stderr
        assert not (tmp_path / "out.parquet").exists()
        assert json.loads((tmp_path / "report.json").read_text())["outcome"] == "failed"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "job.yaml", "report.json"]


def test_records_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,v\n1,1.5\n2,x\n3\n4,4.5,9\n5,2.5\n")
    (tmp_path / "b.ndjson").write_text('{"id":1,"v":1.5}\n{"id":"x","v":2}\n{"id":3\n{"id":4,"v":2.5}\n')
    for source, bad in ([{"csv": {"path": "a.csv", "schema": {"id": "int64", "v": "float64"}}}, ["2,x", "3", "4,4.5,9"]],
                        [{"ndjson": {"path": "b.ndjson", "schema": {"id": "int64", "v": "float64"}}}, ['{"id":"x","v":2}', '{"id":3']]):
        job = {"source": source, "sink": {"ndjson": {"path": "out.ndjson"}}, "on_error": {"policy": "dead_letter", "path": "rejected.ndjson"}}
        report = run_job(tmp_path, job)
        check_balance(report)
        letters = ndjson(tmp_path / "rejected.ndjson")
        assert [e["text"] for e in letters] == bad
        assert all(e["error"] and e["line"] > 1 and e["file"] for e in letters), letters
        assert report["steps"][0]["rejected"] == len(bad)
        job["on_error"] = {"policy": "skip"}
        assert run_job(tmp_path, job)["steps"][0]["skipped"] == len(bad)
        job["on_error"] = {"policy": "skip", "at_most": 1}
        run_job(tmp_path, job, code=1)
        job["on_error"] = {"policy": "fail"}
        run_job(tmp_path, job, code=1)


def test_split_routes_each_row_to_the_first_sink_that_takes_it(tmp_path: Path) -> None:
    rows, _ = make_rows(5, 3000)
    write_csv(tmp_path / "in/a.csv", rows)
    for parallel in SETTINGS:
        job = {"source": {"csv": {"path": "in/a.csv", "schema": SCHEMA}},
               "sinks": [{"name": "large", "when": "value > 80", "csv": {"path": "large.csv"}}, {"when": "category < 10", "ndjson": {"path": "small.ndjson"}},
                         {"when": "value > 0", "parquet": {"path": "rest.parquet"}}], "parallel": parallel}
        report = run_job(tmp_path, job)
        check_balance(report)
        large = [r["id"] for r in rows if r["value"] > 80]
        small = [r["id"] for r in rows if r["value"] <= 80 and r["category"] < 10]
        rest = [r["id"] for r in rows if r["value"] <= 80 and r["category"] >= 10 and r["value"] > 0]
        assert [int(r["id"]) for r in csv.DictReader((tmp_path / "large.csv").open())] == large
        assert [r["id"] for r in ndjson(tmp_path / "small.ndjson")] == small
        assert pq.read_table(tmp_path / "rest.parquet")["id"].to_pylist() == rest
        assert step(report, "split")["filtered"] == len(rows) - len(large) - len(small) - len(rest)


def test_sql_dedupe_and_steps_behind_them(tmp_path: Path) -> None:
    rows, _ = make_rows(9, 4000)
    write_csv(tmp_path / "in/a.csv", rows)
    source = {"csv": {"path": "in/a.csv", "schema": SCHEMA}}
    for k, parallel in enumerate(SETTINGS):
        report = run_job(tmp_path, {
            "source": source, "parallel": parallel,
            "transforms": [{"filter": "value > 0"}, {"dedupe": {"key": ["category"]}}, {"compute": {"twice": "category * 2"}}], "sink": {"ndjson": {"path": f"d{k}.ndjson"}}})
        check_balance(report)
        first: dict[int, dict] = {}
        for r in rows:
            if r["value"] > 0:
                first.setdefault(r["category"], r)
        assert [(r["id"], r["twice"]) for r in ndjson(tmp_path / f"d{k}.ndjson")] == [(r["id"], 2 * r["category"]) for r in first.values()]

        report = run_job(tmp_path, {
            "source": source, "parallel": parallel,
            "transforms": [{"cast": {"amount": "int64"}}, {"sql": "select category, count(*) as n, sum(amount) as total from input group by category order by category"},
                           {"compute": {"mean": "total / n"}}, {"sql": "select * from input where n > 3 limit 5"}, {"drop": ["total"]}],
            "sinks": [{"when": "category < 3", "ndjson": {"path": f"s{k}.ndjson"}}, {"ndjson": {"path": f"t{k}.ndjson"}}]})
        check_balance(report)
        groups: dict[int, list[int]] = {}
        for r in rows:
            groups.setdefault(r["category"], []).append(int(r["amount"]))
        want = [{"category": c, "n": len(a), "mean": int(sum(a) / len(a))} for c, a in sorted(groups.items()) if len(a) > 3][:5]
        got = ndjson(tmp_path / f"s{k}.ndjson") + ndjson(tmp_path / f"t{k}.ndjson")
        assert got == want


def test_partitioned_output_of_one_sink_and_of_several(tmp_path: Path) -> None:
    rows, _ = make_rows(11, 2000)
    write_csv(tmp_path / "in/a.csv", rows)
    source = {"csv": {"path": "in/a.csv", "schema": SCHEMA}}
    report = run_job(tmp_path, {"source": source, "transforms": [{"cast": {"amount": "int64"}}], "sink": {"parquet": {"path": "one/", "partition_by": ["category"]}}})
    check_balance(report)
    table = pq.read_table(tmp_path / "one")
    assert sorted(table["id"].to_pylist()) == list(range(2000))
    report = run_job(tmp_path, {"source": source, "sinks": [{"when": "value > 50", "parquet": {"path": "big/", "partition_by": ["category"]}}, {"csv": {"path": "other.csv"}}]})
    check_balance(report)
    big = {r["id"] for r in rows if r["value"] > 50}
    assert set(pq.read_table(tmp_path / "big")["id"].to_pylist()) == big
    assert {int(r["id"]) for r in csv.DictReader((tmp_path / "other.csv").open())} == set(range(2000)) - big


def test_dead_letters_inside_the_folder_of_the_sink(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,day\n1,a\nx,b\n3,a\n")
    job = {"source": {"csv": {"path": "a.csv", "schema": {"id": "int64", "day": "string"}}}, "sink": {"parquet": {"path": "out/", "partition_by": ["day"], "overwrite": "replace"}},
           "on_error": {"policy": "dead_letter", "path": "out/rejected.ndjson"}}
    for _ in range(2):
        run_job(tmp_path, job)
        assert [e["text"] for e in ndjson(tmp_path / "out/rejected.ndjson")] == ["x,b"]
        assert sorted(pq.read_table(tmp_path / "out/day=a")["id"].to_pylist()) == [1, 3]
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "job.yaml", "out", "report.json"]


def test_formats_and_standard_streams(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2, 3], "at": pa.array([0, 1_000_000, None], pa.timestamp("us", "UTC")), "tags": [["a"], [], None]})
    pq.write_table(table, tmp_path / "a.parquet")
    run_job(tmp_path, {"source": {"parquet": {"path": "a.parquet", "schema": {"id": "int64"}}}, "sink": {"ipc": {"path": "a.arrow"}}})
    assert pa.ipc.open_file(tmp_path / "a.arrow").read_all()["tags"].to_pylist() == table["tags"].to_pylist()
    write_job(tmp_path, {"source": {"stdin": {"format": "csv"}}, "transforms": [{"compute": {"b": "a + 1"}}], "sink": {"stdout": {"format": "ndjson"}}})
    done = run("run", "job.yaml", cwd=tmp_path, input="a\n1\n2\n")
    assert done.stdout == '{"a":1,"b":2}\n{"a":2,"b":3}\n' and "2 read = 2 written" in done.stderr
    run_job(tmp_path, {"source": {"ipc": {"path": "a.arrow"}}, "sink": {"ndjson": {"path": "a.ndjson.gz"}}})
    assert "3 rows" in run("head", tmp_path / "a.ndjson.gz").stdout


def test_forms_of_cast(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("t,u,c,p,h,d\n2024-02-29T14:30:15.25+02:00,1709209815,\"1.234,5\",12.5%,6869,29.02.2024\n")
    schema = {"t": "string", "u": "int64", "c": "string", "p": "string", "h": "string", "d": "string"}
    forms = {"unix_seconds from rfc3339": ("t", 1709209815), "unix_millis from rfc3339": ("t", 1709209815250), "date from rfc3339": ("t", "2024-02-29"),
             "timestamp from unix_seconds": ("u", "2024-02-29T12:30:15Z"), "rfc3339 from unix_seconds": ("u", "2024-02-29T12:30:15.000000Z"), "date from unix_seconds": ("u", "2024-02-29"),
             "float64 from decimal_comma": ("c", 1234.5), "float64 from percent": ("p", 0.125), "date from %d.%m.%Y": ("d", "2024-02-29"), "%Y/%m from unix_seconds": ("u", "2024/02"),
             "try int64": ("h", 6869), "int64": ("h", 6869), "hex from binary": ("h", "36383639"), "json from value": ("t", '"2024-02-29T14:30:15.25+02:00"')}
    for form, (column, want) in forms.items():
        run_job(tmp_path, {"source": {"csv": {"path": "a.csv", "schema": schema}}, "transforms": [{"cast": {column: form}}], "sink": {"ndjson": {"path": "out.ndjson"}}})
        assert ndjson(tmp_path / "out.ndjson")[0][column] == want, form


def test_json_inside_columns(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text('{"id":1,"p":"{\\"user\\":{\\"id\\":7,\\"tags\\":[\\"x\\",\\"y\\"]}}","o":{"a":{"b":5}}}\n{"id":2,"p":"{\\"user\\":{\\"id\\":\\"no\\"}}","o":{"a":{"b":6}}}\n')
    job = {"source": {"ndjson": {"path": "a.ndjson"}},
           "transforms": [{"json": {"column": "p", "fields": {"user": "int64 from user.id", "tag": "user.tags[0]"}}}, {"compute": {"b": "(o.a).b + 1", "raw": "p -> 'user'"}},
                          {"select": ["id", "user", "tag", "b"]}],
           "sink": {"ndjson": {"path": "out.ndjson"}}, "on_error": {"policy": "dead_letter", "path": "rejected.ndjson"}}
    run_job(tmp_path, job)
    assert ndjson(tmp_path / "out.ndjson") == [{"id": 1, "user": 7, "tag": "x", "b": 6}]
    assert [e["record"]["id"] for e in ndjson(tmp_path / "rejected.ndjson")] == [2]


@pytest.mark.parametrize(("job", "words"), [
    ({"source": {"csv": {"path": "a.csv"}}, "transform": []}, ["line 1, column", 'unknown key "transform"', 'did you mean "transforms"']),
    ({"source": {"cvs": {"path": "a.csv"}}, "sink": {"stdout": {"format": "csv"}}}, ['unknown key "cvs"', '"csv"']),
    ({"source": {"csv": {}}, "sink": {"stdout": {"format": "csv"}}}, ['needs the key "path"']),
    ({"source": {"csv": {"path": "a.csv"}}}, ['needs the key "sink"']),
    ({"source": {"csv": {"path": "a.csv"}}, "sink": {"stdout": {"format": "xml"}}}, ["csv, ndjson, ipc"]),
    ({"source": {"csv": {"path": "a.csv"}}, "sink": {"stdout": {"format": "csv"}}, "transforms": [{"filter": "idd > 1"}]}, ['no column "idd"', '"id"']),
    ({"source": {"csv": {"path": "a.csv"}}, "sink": {"stdout": {"format": "csv"}}, "transforms": [{"filter": "id + 1"}]}, ["must be true or false"]),
    ({"source": {"csv": {"path": "a.csv"}}, "sink": {"stdout": {"format": "csv"}}, "transforms": [{"cast": {"id": "unix_seconds from rfc33"}}]}, ["unix_seconds from rfc3339"]),
    ({"source": {"csv": {"path": "a.csv"}}, "sink": {"stdout": {"format": "csv"}}, "transforms": [{"compute": {"n": "sum(id)"}}]}, ["aggregate", "sql step"]),
    ({"source": {"csv": {"path": "a.csv"}}, "sink": {"stdout": {"format": "csv"}}, "transforms": [{"rename": {"id": "v"}}]}, ['two columns would be called "v"']),
    ({"source": {"csv": {"path": "a.csv"}}, "sink": {"stdout": {"format": "csv"}}, "parallel": {"batch_rows": "many"}}, ["batch_rows"]),
    ({"source": {"csv": {"path": "a.csv"}}, "sink": {"stdout": {"format": "csv"}}, "on_error": {"policy": "dead_letter"}}, ["needs the path"]),
    ({"source": {"csv": {"path": "a.csv"}}, "sinks": [{"stdout": {"format": "csv"}}, {"csv": {"path": "b.csv"}}]}, ["no row would come here"]),
    ({"source": {"csv": {"path": "a.csv"}}, "sink": {"stdout": {"format": "csv"}}, "transforms": [{"filter": "id > 1", "drop": ["v"]}]}, ["cannot both stand"]),
    ({"source": {"csv": {"path": "a.csv"}}, "sink": {"stdout": {"format": "csv"}}, "transforms": [{"sql": "select 1 as x"}]}, ["does not read the rows"]),
])
def test_wrong_jobs_say_what_is_wrong_and_where(tmp_path: Path, job: dict, words: list[str]) -> None:
    (tmp_path / "a.csv").write_text("id,v\n1,2\n")
    write_job(tmp_path, job)
    for verb in ("validate", "run") if "does not read" not in words[0] else ("run",):
        done = run(verb, "job.yaml", cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert "job.yaml" in done.stderr or "does not read" in done.stderr
        for word in words:
            assert word in done.stderr


def test_secrets_and_variables(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("source: {csv: {path: '${IN:-a.csv}'}}\nsink: {postgres: {connection: 'postgresql://u:${PW}@127.0.0.1:1/x', table: t}}\n")
    (tmp_path / "a.csv").write_text("a\n1\n")
    done = run("run", "job.yaml", cwd=tmp_path, env={**os.environ, "PW": "s3cret"})
    assert done.returncode == 1 and "s3cret" not in done.stderr + done.stdout
    done = run("run", "job.yaml", cwd=tmp_path, env={k: v for k, v in os.environ.items() if k != "PW"})
    assert done.returncode == 2 and "PW is not set" in done.stderr and "line 2" in done.stderr


def test_validate_init_and_schema(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_text("id,value\n1,2.5\n")
    assert run("init", "orders.yaml", cwd=tmp_path).returncode == 0
    assert run("init", "orders.yaml", cwd=tmp_path).returncode != 0
    done = run("validate", "orders.yaml", cwd=tmp_path)
    assert done.returncode == 0 and "squared: float64" in done.stdout, done.stderr
    assert run("run", "orders.yaml", cwd=tmp_path).returncode == 0
    schema = json.loads(run("init", "--schema").stdout)
    assert (ROOT / "docs/job.schema.json").read_text() == run("init", "--schema").stdout, "gristmill init --schema > docs/job.schema.json"
    assert set(schema["properties"]) >= {"name", "source", "transforms", "sink", "sinks", "on_error", "parallel"}
    assert "rename" in schema["properties"]["transforms"]["items"]["properties"]
    # Every example that init lists can stand in a job.
    for key, kind in (("source", "sources"), ("transforms", "steps"), ("sink", "sinks")):
        assert schema["properties"][key], kind


def test_retry_feeds_back_what_was_mended(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,name,v\n1,a,10\n2,"b,c",x\n3,c,0\n4,d,oops\n5\n')
    job = {"source": {"csv": {"path": "a.csv", "schema": {"id": "int64", "name": "string", "v": "string"}}}, "transforms": [{"cast": {"v": "int64"}}, {"compute": {"share": "100 / v"}}],
           "sink": {"csv": {"path": "out/all.csv"}}, "on_error": {"policy": "dead_letter", "path": "rejected.ndjson"}}
    report = run_job(tmp_path, job)
    check_balance(report)
    letters = (tmp_path / "rejected.ndjson").read_text()
    assert len(letters.splitlines()) == 4 and (tmp_path / "out/all.csv").read_text() == "id,name,v,share\n1,a,10,10\n"
    mended = letters.replace('"v":"x"', '"v":"20"').replace('"text":"5"', '"text":"5,e,50"')
    (tmp_path / "rejected.ndjson").write_text(mended)
    done = run("retry", "rejected.ndjson", cwd=tmp_path)
    assert done.returncode == 0 and "4 records fed back, 2 left" in done.stderr, done.stderr
    assert (tmp_path / "out/all.csv").read_text() == "id,name,v,share\n1,a,10,10\n"
    assert (tmp_path / "out/all.retried-1.csv").read_text() == 'id,name,v,share\n2,"b,c",20,5\n'
    assert (tmp_path / "out/all.retried-2.csv").read_text() == "id,name,v,share\n5,e,50,2\n"
    assert [e["record"]["id"] for e in ndjson(tmp_path / "rejected.ndjson")] == [3, 4]
    (tmp_path / "rejected.ndjson.retrying").write_text("")
    assert "interrupted" in run("retry", "rejected.ndjson", cwd=tmp_path).stderr


def test_cases_beside_a_job(tmp_path: Path) -> None:
    job = {"source": {"csv": {"path": "nowhere/*.csv", "schema": {"id": "int64", "v": "string"}}}, "transforms": [{"cast": {"v": "int64"}}, {"filter": "v > 1"}],
           "sink": {"parquet": {"path": "never.parquet"}}, "on_error": {"policy": "dead_letter", "path": "never.ndjson"}}
    write_job(tmp_path, job)
    assert run("test", "job.yaml", cwd=tmp_path).returncode == 1
    cases = tmp_path / "job.tests"
    cases.mkdir()
    (cases / "plain.input.csv").write_text("id,v\n1,1\n2,2\n3,x\n")
    (cases / "plain.expected.ndjson").write_text('{"id":2,"v":2}\n')
    (cases / "plain.rejected.ndjson").write_text('{"id":3,"v":"x"}\n')
    done = run("test", "job.yaml", cwd=tmp_path)
    assert done.returncode == 0 and "1 of 1 cases passed" in done.stderr, done.stderr
    (cases / "wrong.input.ndjson").write_text('{"id":1,"v":"5"}\n')
    (cases / "wrong.expected.csv").write_text("id,v\n1,6\n")
    done = run("test", "job.yaml", cwd=tmp_path)
    assert done.returncode == 3 and "expected: 1,6" in done.stderr and "found:    1,5" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["job.tests", "job.yaml"]


def big_csv(path: Path, rows: int) -> None:
    with path.open("w") as f:
        f.write("id,value\n")
        for i in range(0, rows, 1000):
            f.write("".join(f"{i + k},{(i + k) * 0.5}\n" for k in range(1000)))


BIG = {"source": {"csv": {"path": "big.csv", "schema": {"id": "int64", "value": "float64"}}}, "transforms": [{"compute": {"root": "sqrt(value)"}}, {"filter": "id % 3 <> 0"}],
       "sink": {"parquet": {"path": "out/", "max_rows_per_file": 100_000}}, "on_error": {"policy": "dead_letter", "path": "rejected.ndjson"}}


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file() and p.name not in ("report.json",)}


def test_a_run_that_is_killed_leaves_nothing_half_and_a_rerun_gives_the_same(tmp_path: Path) -> None:
    big_csv(tmp_path / "big.csv", 1_000_000)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
        (folder / "big.csv").symlink_to(tmp_path / "big.csv")
    run_job(whole, BIG)
    write_job(killed, BIG)
    rng = random.Random(1)
    for _ in range(3):
        p = subprocess.Popen([str(COMMAND), "run", "job.yaml"], cwd=killed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.02, 0.25))
        p.kill()
        p.wait()
        if (killed / "out").exists():
            break  # it was done
        assert not (killed / "rejected.ndjson").exists() or (killed / "rejected.ndjson").read_bytes() == b""
    if not (killed / "out").exists():
        run_job(killed, BIG)
    kept = {k: v for k, v in tree(killed).items() if k.startswith("out/")}
    assert kept == {k: v for k, v in tree(whole).items() if k.startswith("out/")}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_what_was_accepted(tmp_path: Path, number: int, code: int) -> None:
    write_job(tmp_path, {"source": {"stdin": {"format": "csv", "schema": {"id": "int64"}}}, "transforms": [{"compute": {"twice": "id * 2"}}], "sink": {"csv": {"path": "out.csv"}}})
    p = subprocess.Popen([str(COMMAND), "run", "job.yaml", "--report", "report.json"], cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert p.stdin and p.stderr
    p.stdin.write("id\n" + "".join(f"{i}\n" for i in range(400_000)))
    p.stdin.flush()
    time.sleep(0.3)
    p.send_signal(number)
    time.sleep(0.2)
    try:
        for i in range(400_000, 20_000_000, 1000):  # more than it reads while it is stopped, however loaded the machine
            p.stdin.write("".join(f"{i + k}\n" for k in range(1000)))
        p.stdin.close()
    except BrokenPipeError:
        pass
    said = p.stderr.read()
    assert p.wait(30) == code, said
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["outcome"] == "stopped" and report["balanced"]
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "id,twice" and lines[1:] == [f"{i},{2 * i}" for i in range(len(lines) - 1)]
    assert len(lines) - 1 == report["steps"][-1]["rows_out"]


def test_a_full_disk_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    big_csv(tmp_path / "big.csv", 300_000)
    job = {**BIG, "sink": {"csv": {"path": "/dev/full"}}}
    write_job(tmp_path, job)
    done = run("run", "job.yaml", cwd=tmp_path)
    assert done.returncode == 1 and "disk full" in done.stderr, done.stderr
    assert not (tmp_path / "rejected.ndjson").exists()
    job = {**BIG, "on_error": {"policy": "dead_letter", "path": "big.csv/x.ndjson"}}
    write_job(tmp_path, job)
    done = run("run", "job.yaml", cwd=tmp_path)
    assert done.returncode == 1 and "big.csv" in done.stderr and not (tmp_path / "out").exists()


def test_postgres_there_and_back(tmp_path: Path, server: Any) -> None:
    (tmp_path / "a.csv").write_text("id,v\n1,1.5\n2,2.5\n")
    connection = server.uri
    job = {"source": {"csv": {"path": "a.csv"}}, "sink": {"postgres": {"connection": connection, "table": "job_rows", "mode": "replace"}}}
    check_balance(run_job(tmp_path, job))
    job = {"source": {"postgres": {"connection": connection, "query": "select * from job_rows order by id"}}, "sink": {"ndjson": {"path": "out.ndjson"}}}
    run_job(tmp_path, job)
    assert ndjson(tmp_path / "out.ndjson") == [{"id": 1, "v": 1.5}, {"id": 2, "v": 2.5}]


def test_what_a_table_refuses_at_the_end_is_known_before_another_sink_shows_its_rows(tmp_path: Path, server: Any) -> None:
    (tmp_path / "a.csv").write_text("id,v\n1,1.5\n2,2.5\n3,0.5\n")
    server.sql("create table small_only (id bigint, v double precision check (v < 2))")
    job = {"source": {"csv": {"path": "a.csv"}}, "sinks": [{"when": "id = 1", "csv": {"path": "ones.csv"}}, {"postgres": {"connection": server.uri, "table": "small_only"}}],
           "on_error": {"policy": "dead_letter", "path": "rejected.ndjson"}}
    write_job(tmp_path, job)
    done = run("run", "job.yaml", cwd=tmp_path)
    assert done.returncode == 1 and "check" in done.stderr, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "job.yaml"]


@pytest.mark.parametrize("steps", [
    [{"filter": "a > 10"}, {"select": ["c"]}], [{"rename": {"a": "x"}}, {"compute": {"y": "x + b", "z": "10 / e"}}, {"drop": ["d", "z", "b"]}], [{"select": ["d", "a"]}, {"cast": {"a": "string"}}],
    [{"compute": {"one": "1"}}, {"select": ["one"]}], [{"sql": "select c, count(*) as n from input where a > 5 group by c order by c"}], []])
def test_columns_that_no_step_needs_are_not_missed(tmp_path: Path, steps: list) -> None:
    n = 5000
    pq.write_table(pa.table({"a": [i % 37 for i in range(n)], "b": list(range(n)), "c": [f"c{i % 5}" for i in range(n)], "d": [None if i % 3 else i * 0.5 for i in range(n)], "e": [1 + i % 9 for i in range(n)]}),
                   tmp_path / "a.parquet", row_group_size=700)
    sink = {"sinks": [{"when": "length(cast(1 as text)) = 2", "csv": {"path": "none.csv"}}, {"csv": {"path": "out.csv"}}]}
    outputs = set()
    for policy in ({"policy": "fail"}, {"policy": "skip"}, {"policy": "dead_letter", "path": "rejected.ndjson"}):  # the last one reads every column
        for to in ({"sink": {"csv": {"path": "out.csv"}}}, sink):
            check_balance(run_job(tmp_path, {"source": {"parquet": {"path": "a.parquet"}}, "transforms": steps, **to, "on_error": policy}))
            outputs.add((tmp_path / "out.csv").read_bytes())
    assert len(outputs) == 1 and len(outputs.pop().splitlines()) > 4


def test_rows_of_every_kind_survive_a_dead_letter(tmp_path: Path) -> None:
    assert math.isfinite(1.0)
    table = pa.table({"id": [1, 2], "t": pa.array([1, 2], pa.timestamp("us", "UTC")), "d": pa.array([1, 2], pa.decimal128(10, 2)), "l": [[1, None], []], "s": [{"a": "x"}, None], "b": [b"\x00", b"y"]})
    pq.write_table(table.drop_columns(["b"]), tmp_path / "a.parquet")
    job = {"source": {"parquet": {"path": "a.parquet"}}, "transforms": [{"compute": {"x": "1 / (id - 1)"}}], "sink": {"ndjson": {"path": "out.ndjson"}},
           "on_error": {"policy": "dead_letter", "path": "rejected.ndjson"}}
    run_job(tmp_path, job)
    assert ndjson(tmp_path / "rejected.ndjson")[0]["record"] == {"id": 1, "t": "1970-01-01T00:00:00.000001Z", "d": 1.0, "l": [1, None], "s": {"a": "x"}}
