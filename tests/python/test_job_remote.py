"""Record jobs that ask services: enrich, lookup, HTTP sources and sinks through a proxy that injects faults, PostgreSQL; every output against plain
Python, over workers and batch sizes."""

from __future__ import annotations

import contextlib
import http.server
import json
import random
import subprocess
import threading
import urllib.parse
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from fault_proxy import fault_proxy

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / "build/release/bin/gristmill"
SETTINGS = [{"workers": 1, "batch_rows": 7}, {"workers": 2, "batch_rows": "auto"}, {"workers": 8, "batch_rows": 100}]

# path, body, headers -> status, body, headers
Answer = Callable[[str, bytes, dict[str, str]], tuple[int, bytes, dict[str, str]]]


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # connections that break are what this is about


@contextlib.contextmanager
def service(answer: Answer) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, content, headers = answer(self.path, body, {k.lower(): v for k, v in self.headers.items()})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

    with _Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def run_job(folder: Path, job: dict[str, Any], code: int = 0) -> tuple[dict[str, Any], str]:
    (folder / "job.yaml").write_text(json.dumps(job))  # JSON is YAML
    done = subprocess.run([str(COMMAND), "run", "job.yaml", "--report", "report.json"], capture_output=True, text=True, timeout=120, cwd=folder)
    assert done.returncode == code, done.stderr
    return json.loads((folder / "report.json").read_text()), done.stderr


def ndjson(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_ndjson(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))


@pytest.mark.parametrize("seed", range(3))
def test_enrich_through_faults(tmp_path: Path, seed: int) -> None:
    print("seed", seed)
    rng = random.Random(seed)
    rows = [{"id": i, "user": rng.randrange(60)} for i in range(400)]
    write_ndjson(tmp_path / "in.ndjson", rows)

    def answer(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        user = int(path.rsplit("/", 1)[1])
        if user % 10 == 3:
            return 404, b"", {}
        if user % 10 == 4:
            return 400, b"bad", {}
        return 200, json.dumps({"name": f"name {user}", "tier": user % 4, "more": [1]}).encode(), {}

    expected = [{**r, "info": {"name": f"name {r['user']}", "tier": r["user"] % 4}} for r in rows if r["user"] % 10 not in (3, 4)]
    bad = [r for r in rows if r["user"] % 10 in (3, 4)]
    with service(answer) as port, fault_proxy(port, seed, 0.25, faults=("error", "slow_down", "reset", "lost_answer", "short_body")) as proxy:
        for parallel in SETTINGS:
            job = {"source": {"ndjson": {"path": "in.ndjson"}},
                   "transforms": [{"enrich": {"http": {"url": proxy.endpoint + "/users/{user}", "into": "info", "schema": {"name": "string", "tier": "int64"},
                                                       "concurrency": 16, "retries": 40, "retry_pause": "1ms", "longest_pause": "5ms"}}}],
                   "sink": {"ndjson": {"path": "out.ndjson"}}, "on_error": {"policy": "dead_letter", "path": "bad.ndjson"}, "parallel": parallel}
            report, _ = run_job(tmp_path, job)
            assert ndjson(tmp_path / "out.ndjson") == expected
            letters = ndjson(tmp_path / "bad.ndjson")
            assert len(letters) == len(bad)
            assert report["balanced"]
    assert sum(proxy.injected[f] for f in ("error", "slow_down", "reset", "lost_answer", "short_body")) > 20


@pytest.mark.parametrize("seed", range(2))
def test_pages_to_posts_through_faults(tmp_path: Path, seed: int) -> None:
    print("seed", seed)
    rng = random.Random(seed)
    rows = [{"id": i, "value": rng.randrange(100)} for i in range(700)]
    taken: dict[str, bytes] = {}
    lock = threading.Lock()

    def answer(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        if path.startswith("/in"):
            with lock:
                taken.setdefault(headers["idempotency-key"], body)
            return 200, b"", {}
        at = int(urllib.parse.parse_qs(urllib.parse.urlsplit(path).query).get("after", ["0"])[0])
        page: dict[str, Any] = {"items": rows[at:at + 90]}
        if at + 90 < len(rows):
            page["next"] = at + 90
        return 200, json.dumps(page).encode(), {}

    kept = [r for r in rows if r["value"] >= 20]
    bodies = []
    with service(answer) as port, fault_proxy(port, seed, 0.2, faults=("error", "reset", "lost_answer", "short_body")) as proxy:
        again = {"retries": 40, "retry_pause": "1ms", "longest_pause": "5ms", "breaker": {"failures": 0}}
        for parallel in SETTINGS:
            taken.clear()
            job = {"source": {"http": {"url": proxy.endpoint + "/orders", "rows": "items", "paging": {"by": "cursor", "field": "next", "parameter": "after"},
                                       "schema": {"id": "int64", "value": "int64"}, **again}},
                   "transforms": [{"filter": "value >= 20"}],
                   "sink": {"http": {"url": proxy.endpoint + "/in", "batch_rows": 64, **again}}, "parallel": parallel}
            report, _ = run_job(tmp_path, job)
            assert report["balanced"]
            got = [json.loads(line) for body in taken.values() for line in body.splitlines()]
            assert got == kept
            bodies.append(list(taken.items()))
    assert bodies[1:] == bodies[:-1], "the same posts under the same keys"


def test_refused_posts_are_dead_letters_or_the_end(tmp_path: Path) -> None:
    rows = [{"id": i} for i in range(500)]
    write_ndjson(tmp_path / "in.ndjson", rows)
    taken: list[bytes] = []

    def answer(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        if b'"id":130}' in body:
            return 422, b"no such id", {}
        taken.append(body)
        return 200, b"", {}

    with service(answer) as port:
        job: dict[str, Any] = {"source": {"ndjson": {"path": "in.ndjson"}}, "sink": {"http": {"url": f"http://127.0.0.1:{port}/in", "batch_rows": 50}},
                               "on_error": {"policy": "dead_letter", "path": "bad.ndjson"}}
        report, _ = run_job(tmp_path, job)
        assert report["balanced"]
        assert len(ndjson(tmp_path / "bad.ndjson")) == 50
        assert [json.loads(line)["id"] for body in taken for line in body.splitlines()] == [i for i in range(500) if not 100 <= i < 150]
        taken.clear()
        _, text = run_job(tmp_path, {**job, "on_error": {"policy": "fail"}}, code=1)
        assert "rows 100 to 149" in text and "delivered: rows 0 to 99; not sent: rows from 150 on" in text
        assert len(taken) == 2


def test_a_secret_is_in_no_message(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "in.ndjson", [{"id": 1}])
    with service(lambda path, body, headers: (401, f"who is {headers['authorization']}?".encode(), {})) as port:
        job = {"source": {"ndjson": {"path": "in.ndjson"}},
               "transforms": [{"enrich": {"http": {"url": f"http://127.0.0.1:{port}/u/{{id}}?key=geheimnis", "into": "x", "bearer_token": "geheimnis"}}}],
               "sink": {"ndjson": {"path": "out.ndjson"}}}
        _, text = run_job(tmp_path, job, code=1)
    assert "HTTP status 401" in text and "***" in text
    assert "geheimnis" not in text
    assert "geheimnis" not in (tmp_path / "report.json").read_text()


def test_lookup_in_postgres_and_upsert_by_key(tmp_path: Path, server: Any) -> None:
    server.sql("create table customers (id int primary key, name text, tier numeric(4,1))")
    server.sql("create table totals (customer bigint primary key, name text, value double precision, note text default 'kept')")
    rng = random.Random(5)
    for i in range(50):
        server.sql("insert into customers values (%s, %s, %s)", i, f"c{i}", i / 2)
    rows = [{"n": n, "customer": rng.randrange(60), "value": rng.randrange(1000) / 4} for n in range(3000)]
    write_ndjson(tmp_path / "in.ndjson", rows)
    server.sql("insert into totals values (7, 'old', -1, 'mine'), (1000, 'other', -2, 'stays')")
    for parallel in SETTINGS:
        job = {"source": {"ndjson": {"path": "in.ndjson"}},
               "transforms": [{"lookup": {"from": {"postgres": {"connection": server.address, "query": "select id, name from customers"}},
                                          "on": {"customer": "id"}, "on_missing": "drop"}},
                              {"select": ["customer", "name", "value"]}],
               "sink": {"postgres": {"connection": server.address, "table": "totals", "mode": "upsert", "key": ["customer"]}}, "parallel": parallel}
        report, _ = run_job(tmp_path, job)
        assert report["balanced"]
        last = {r["customer"]: r["value"] for r in rows if r["customer"] < 50}  # of equal keys the last row counts
        expected = {c: (f"c{c}", v, "mine" if c == 7 else "kept") for c, v in last.items()}
        expected[1000] = ("other", -2.0, "stays")
        assert {c: (name, value, note) for c, name, value, note in server.sql("select customer, name, value, note from totals")} == expected
    # All or nothing: a row that the table refuses leaves everything as it was.
    before = server.sql("select * from totals order by customer")
    server.sql("alter table totals add check (value < 1e6)")
    rows[-1]["value"] = 1e9
    rows[-1]["customer"] = 3
    write_ndjson(tmp_path / "in.ndjson", rows)
    run_job(tmp_path, job, code=1)
    assert server.sql("select * from totals order by customer") == before
