"""A table as a sink while its server is lost, refuses, stands still or restarts: every row is there once, or none is and the job has failed."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from postgres import PostgresServer
from postgres_proxy import postgres_proxy
from test_jobs import COMMAND, check_balance, run, step, write_job

ROWS = 60_000
TEXT = "x" * 40


def rows_csv(path: Path, rows: int = ROWS) -> None:
    path.write_text("id,t\n" + "".join(f"{i},{TEXT}{i}\n" for i in range(rows)))


def start(folder: Path, uri: str, table: str, **sink: Any) -> subprocess.CompletedProcess:
    if not (folder / "in.csv").exists():
        rows_csv(folder / "in.csv")
    job = {"source": {"csv": {"path": "in.csv", "schema": {"id": "int64", "t": "string"}}},
           "sink": {"postgres": {"connection": uri, "table": table, "retry_pause": "10ms", **sink}}}
    write_job(folder, job)
    return run("run", "job.yaml", "--report", "report.json", cwd=folder)


def retries(folder: Path) -> int:
    report = json.loads((folder / "report.json").read_text())
    return int(step(report, "postgres").get("retries", 0))


def holds_every_row_once(server: PostgresServer, table: str) -> bool:
    return server.sql(f"select count(*), count(distinct id), min(id), max(id) from {table}") == [(ROWS, ROWS, 0, ROWS - 1)]


@pytest.mark.parametrize(("fates", "again"), [
    (("refuse", "refuse"), 2), ((300,), 1), ((1_000_000,), 1), ((200_000, "refuse", 2_000_000, 50_000), 4), (("lost commit",), 2), (("lost answer",), 1),
    (("lost answer", "refuse"), 2), (("stall",), 1)])
@pytest.mark.parametrize("mode", ["append", "replace", "create", "upsert"])
def test_what_is_lost_on_the_way_is_sent_again(tmp_path: Path, server: Any, mode: str, fates: tuple[str | int, ...], again: int) -> None:
    table = "lost_" + mode
    server.sql(f"drop table if exists {table}")
    if mode != "create":
        server.sql(f"create table {table} (id bigint primary key, t text)")
    more: dict[str, Any] = {"mode": mode} | ({"key": ["id"]} if mode == "upsert" else {})
    with postgres_proxy(server.socket, *fates) as proxy:
        done = start(tmp_path, proxy.uri, table, timeout="500ms", **more)
        assert done.returncode == 0, done.stderr
        # A server that still undoes the lost transaction is asked again; one connection more asks it to give a statement up.
        assert retries(tmp_path) == again or ("lost commit" in fates and retries(tmp_path) > again)
        assert proxy.connections == retries(tmp_path) + 1 + ("stall" in fates)
    assert holds_every_row_once(server, table)
    check_balance(json.loads((tmp_path / "report.json").read_text()))


def test_the_last_attempt_fails_and_nothing_is_there(tmp_path: Path, server: Any) -> None:
    server.sql("create table given_up (id bigint, t text)")
    with postgres_proxy(server.socket, *[500_000] * 9) as proxy:
        done = start(tmp_path, proxy.uri, "given_up", retries=3, breaker={"failures": 0})
        assert done.returncode == 1 and "after 4 attempts" in done.stderr and "PostgreSQL" in done.stderr, done.stderr
        assert proxy.connections == 4
    with postgres_proxy(server.socket, 500_000) as proxy:
        done = start(tmp_path, proxy.uri, "given_up", retries=0)
        assert done.returncode == 1 and "attempts" not in done.stderr and proxy.connections == 1
    with postgres_proxy(server.socket, *["refuse"] * 9) as proxy:
        began = time.monotonic()
        done = start(tmp_path, proxy.uri, "given_up", retries=2)
        assert done.returncode == 1 and "after 3 attempts" in done.stderr and proxy.connections == 3, done.stderr
        assert time.monotonic() - began < 8, "a server that never was there opens no breaker"
    assert server.sql("select count(*) from given_up") == [(0,)]


def test_a_commit_of_which_nobody_can_say_whether_it_holds_is_told(tmp_path: Path, server: Any) -> None:
    server.sql("create table not_known (id bigint, t text)")
    with postgres_proxy(server.socket, "lost answer", *["refuse"] * 9) as proxy:
        done = start(tmp_path, proxy.uri, "not_known", retries=2, breaker={"failures": 0})
        assert done.returncode == 1 and "whether the transaction holds is not known" in done.stderr, done.stderr
    assert holds_every_row_once(server, "not_known")


def test_what_the_server_refuses_is_not_tried_again(tmp_path: Path, server: Any) -> None:
    server.sql("create table refusing (id bigint check (id < 100), t text)")
    with postgres_proxy(server.socket) as proxy:
        done = start(tmp_path, proxy.uri, "refusing")
        assert done.returncode == 1 and "check" in done.stderr and proxy.connections == 1, done.stderr
        done = start(tmp_path, proxy.uri, "there_is_no_such_table")
        assert done.returncode == 1 and proxy.connections == 2, done.stderr


def test_a_server_that_restarts_is_waited_for_and_the_breaker_leaves_it_alone(tmp_path: Path) -> None:
    own = PostgresServer()
    try:
        own.sql("create table survived (id bigint, t text)")
        with postgres_proxy(own.socket) as proxy:
            job = {"source": {"stdin": {"format": "ndjson", "schema": {"id": "int64", "t": "string"}}},
                   "sink": {"postgres": {"connection": proxy.uri, "table": "survived", "retry_pause": "10ms", "retries": 2,
                                         "breaker": {"failures": 2, "open_for": "700ms", "give_up": "60s"}}}}
            write_job(tmp_path, job)
            process = subprocess.Popen([str(COMMAND), "run", "job.yaml", "--report", "report.json"], cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
            assert process.stdin is not None and process.stderr is not None
            stdin = process.stdin
            killed = threading.Event()

            def feed() -> None:
                for i in range(ROWS):
                    stdin.write(b'{"id":%d,"t":"%s"}\n' % (i, TEXT.encode()))
                    if i == ROWS // 2:
                        stdin.flush()
                        time.sleep(1)
                        own.kill()
                        killed.set()
                stdin.close()

            feeding = threading.Thread(target=feed)
            feeding.start()
            killed.wait(30)
            time.sleep(4)
            assert process.poll() is None, process.stderr.read()
            while_down = proxy.connections
            assert while_down <= 10, "a server that is down is left alone between the probes"
            own.start()
            feeding.join(30)
            assert process.wait(30) == 0, process.stderr.read()
        assert holds_every_row_once(own, "survived")
    finally:
        own.stop()
