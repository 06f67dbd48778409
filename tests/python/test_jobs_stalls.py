"""Sinks that stand still for ten seconds: the job waits in bounded memory, without using the processor, and every row arrives once."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from test_job_remote import service
from test_jobs import COMMAND, big_csv, check_balance, write_job

ROWS, STALL = 1_000_000, 10
SOURCE = {"csv": {"path": "../big.csv", "schema": {"id": "int64", "value": "float64"}}}


def start(folder: Path, sink: dict[str, Any], **options: Any) -> subprocess.Popen[bytes]:
    folder.mkdir()
    write_job(folder, {"source": SOURCE, "transforms": [{"filter": "id % 2 = 0"}], "sink": sink})
    return subprocess.Popen([str(COMMAND), "run", "job.yaml", "--report", "report.json"], cwd=folder, stderr=subprocess.PIPE, **options)


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def check(process: subprocess.Popen[bytes], folder: Path) -> None:
    assert process.stderr is not None
    said = process.stderr.read().decode()
    assert process.wait(60) == 0, said
    report = json.loads((folder / "report.json").read_text())
    check_balance(report)
    assert report["steps"][-1]["rows_out"] == ROWS // 2
    assert report["peak_bytes"] < 64 << 20 and report["record_bytes"] == 16


def test_sinks_that_stall_for_ten_seconds(tmp_path: Path, server: Any) -> None:
    big_csv(tmp_path / "big.csv", ROWS)
    server.sql("create table stalled (id bigint, value double precision)")
    lock = threading.Thread(target=server.sql, args=(f"begin; lock table stalled in access exclusive mode; select pg_sleep({STALL}); commit",))
    lock.start()
    taken: dict[str, list[int]] = {}
    posts = threading.Lock()

    def answer(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        with posts:
            first = not taken
            taken[headers["idempotency-key"]] = [json.loads(line)["id"] for line in body.splitlines()]
        if first:
            time.sleep(STALL)
        return 200, b"", {}

    with service(answer) as port:
        time.sleep(0.5)
        began = time.monotonic()
        table = start(tmp_path / "table", {"postgres": {"connection": server.uri, "table": "stalled", "mode": "append"}})
        http = start(tmp_path / "http", {"http": {"url": f"http://127.0.0.1:{port}/in", "batch_rows": 5000, "concurrency": 1}})
        pipe = start(tmp_path / "pipe", {"stdout": {"format": "csv"}}, stdout=subprocess.PIPE)
        assert pipe.stdout is not None
        time.sleep(4)
        used = [processor_seconds(p.pid) for p in (table, http, pipe)]
        time.sleep(4)
        assert all(p.poll() is None for p in (table, http, pipe))
        assert max(processor_seconds(p.pid) - u for p, u in zip((table, http, pipe), used)) < 0.4, "waiting costs no processor time"
        time.sleep(max(0.0, began + STALL - time.monotonic()))
        lines = pipe.stdout.read().splitlines()
        for process, name in ((table, "table"), (http, "http"), (pipe, "pipe")):
            check(process, tmp_path / name)
    lock.join()
    assert [int(line.split(b",")[0]) for line in lines[1:]] == list(range(0, ROWS, 2))
    assert [i for ids in taken.values() for i in ids] == list(range(0, ROWS, 2))
    assert server.sql("select count(*), count(distinct id), sum(id)::bigint from stalled") == [(ROWS // 2, ROWS // 2, sum(range(0, ROWS, 2)))]
