"""docs/records.md: its files are written, its commands run, its outputs compared, in one folder, from top to bottom."""

from __future__ import annotations

import json
import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest

from test_job_remote import service

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/records.md").read_text()
ALL = "".join(p.read_text() for p in sorted((ROOT / "docs").glob("records*.md")))
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.M | re.S)


def test_the_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(ROOT / "build/release/bin"), prepend=":")
    monkeypatch.chdir(tmp_path)
    printed, ran = "", 0
    for language, name, text in BLOCK.findall(PAGE):
        if language == "sh":
            done = subprocess.run(["bash", "-ec", text], cwd=tmp_path, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, text + done.stderr
            printed = done.stdout
            ran += 1
        elif language == "python":
            exec(compile(text, "docs/records.md", "exec"), {})
        elif language == "text" and name == "-":
            assert printed == text
        elif language == "text":
            if name != "rejected.ndjson" or (tmp_path / name).stat().st_size:
                found = (tmp_path / name).read_text()
                assert found == text, name
        elif name:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    assert ran >= 5


def test_the_example_in_cpp_is_one_that_a_test_compiles() -> None:
    def plain(text: str) -> str:
        return re.sub(r"\s+", "", text)

    code = plain((ROOT / "tests/cpp/job/pipeline_test.cc").read_text())
    blocks = [text for language, _, text in BLOCK.findall(PAGE) if language == "cpp"]
    assert blocks
    for text in blocks:
        assert plain(text).replace('"in/*.csv"', "input").replace('"out.parquet"', "output").replace('"rejected.ndjson"', "rejected") in code


def test_every_key_and_every_form_of_cast_is_on_the_page(tmp_path: Path) -> None:
    import gristmill as gm

    schema = gm.Job.schema()
    kinds = [schema["properties"]["source"], schema["properties"]["transforms"]["items"], schema["properties"]["sink"]]
    for kind in kinds:
        for name, value in kind["properties"].items():
            assert f"`{name}" in ALL, name
            for key in value.get("properties", {}):
                assert re.search(rf"\b{key}\b", ALL), f"{name}.{key}"
    for section in ("on_error", "parallel"):
        for key in schema["properties"][section]["properties"]:
            assert f"`{key}`" in PAGE, key
    with pytest.raises(gm.PlanError) as told:
        (tmp_path / "a.csv").write_text("a\n1\n")
        gm.Job({"source": {"csv": {"path": str(tmp_path / "a.csv")}}, "transforms": [{"cast": {"a": "x from y"}}], "sink": {"stdout": {"format": "csv"}}}).check()
    forms = [f for f in re.findall(r'"(\w+) from (\w+)"', str(told.value)) if f != ("x", "y")]
    assert len(forms) > 15
    for to, of in forms:
        assert re.search(rf"`{to}[` ].*\b{of}\b|`{to} from {of}`", PAGE), (to, of)




def test_every_key_of_a_report_is_on_the_page(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,v\n1,2\n2,0\n")
    job = {"source": {"csv": {"path": "a.csv"}}, "transforms": [{"compute": {"share": "1 / v"}}], "sink": {"ndjson": {"path": "out.ndjson"}},
           "on_error": {"policy": "dead_letter", "path": "bad.ndjson"}}
    (tmp_path / "job.yaml").write_text(json.dumps(job))
    command = [ROOT / "build/release/bin/gristmill", "run", "job.yaml", "--report", "report.json"]
    section = PAGE.split("## The report\n")[1].split("\n## ")[0]
    for code, at_most in ((0, 5), (1, 0)):
        (tmp_path / "job.yaml").write_text(json.dumps({**job, "on_error": {**job["on_error"], "at_most": at_most}}))  # type: ignore[dict-item]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stderr
        report = json.loads((tmp_path / "report.json").read_text())
        for key in (*report, *(k for s in report["steps"] for k in s)):
            assert f"`{key}`" in section, key


def test_the_examples_about_services_run(tmp_path: Path) -> None:
    page = (ROOT / "docs/records-remote.md").read_text()
    blocks = [textwrap.dedent(b) for b in re.findall(r"(?:^    .*\n)+", page, re.M)]
    assert [b.split(":")[0] for b in blocks] == ["transforms", "transforms", "source", "sink", "sink"]
    posted: list[bytes] = []

    def answer(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        if path.startswith("/users/"):
            return 200, json.dumps({"name": "user " + path[7:], "tier": 2, "more": 1}).encode(), {}
        if path.startswith("/api/orders"):
            assert headers["authorization"] == "Bearer secret"
            page = int(path.split("after=")[1]) if "after=" in path else 0
            items = [{"id": 2 * page + i, "value": 0.5, "placed": "2024-01-01T00:00:00"} for i in range(2)]
            return 200, json.dumps({"data": {"items": items}, "meta": {"cursor": str(page + 1) if page < 2 else None}}).encode(), {}
        posted.append(body)
        return 200, b"", {}

    (tmp_path / "in.csv").write_text("id,customer_id\n1,7\n2,8\n")
    (tmp_path / "customers.csv").write_text("id,name,tier\n7,ann,1\n")
    expected = [
        [{"id": 1, "customer_id": 7, "user": {"name": "user 7", "tier": 2}}, {"id": 2, "customer_id": 8, "user": {"name": "user 8", "tier": 2}}],
        [{"id": 1, "customer_id": 7, "customer": "ann", "tier": 1}, {"id": 2, "customer_id": 8, "customer": None, "tier": None}],
        [{"id": i, "value": 0.5, "placed": "2024-01-01T00:00:00"} for i in range(6)],
        [{"id": 1, "customer_id": 7}, {"id": 2, "customer_id": 8}],
    ]
    with service(answer) as port:
        for block, rows in zip(blocks, expected):
            job = re.sub(r"https?://[a-z]+\.example", f"http://127.0.0.1:{port}", block)
            for key, value in (("source", "{csv: {path: in.csv}}"), ("sink", "{ndjson: {path: out.ndjson}}")):
                if not job.startswith(key):
                    job += f"{key}: {value}\n"
            (tmp_path / "job.yaml").write_text(job)
            done = subprocess.run([ROOT / "build/release/bin/gristmill", "run", "job.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=60,
                                  env={"PATH": "/usr/bin:/bin", "SHOP_TOKEN": "secret"})
            assert done.returncode == 0, job + done.stderr
            text = b"".join(posted).decode() if block.startswith("sink") else (tmp_path / "out.ndjson").read_text()
            assert [json.loads(line) for line in text.splitlines()] == rows, job


def test_the_example_about_a_table_runs(tmp_path: Path, server: Any) -> None:
    page = (ROOT / "docs/records-remote.md").read_text().split("## Sink postgres")[1]
    block = textwrap.dedent(re.findall(r"(?:^    .*\n)+", page, re.M)[0])
    server.sql("create table orders (id bigint primary key, v text)")
    server.sql("insert into orders values (1, 'before'), (3, 'stays')")
    (tmp_path / "in.csv").write_text("id,v\n1,a\n2,b\n")
    (tmp_path / "job.yaml").write_text(block.replace("postgresql://job@db/shop", server.uri) + "source: {csv: {path: in.csv}}\n")
    done = subprocess.run([ROOT / "build/release/bin/gristmill", "run", "job.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert server.sql("select * from orders order by id") == [(1, "a"), (2, "b"), (3, "stays")]
