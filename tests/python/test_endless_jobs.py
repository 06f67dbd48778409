"""Record jobs over a topic: the same steps, policies, dead letters and accounting as over files, with checkpoints, through kills and stops."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from kafka_server import KafkaServer
from postgres import PostgresServer
from topics import produce, read_topic

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / "build/release/bin/gristmill"
SEED = 20261122
BASE = 1_767_225_600  # seconds

SCHEMA = "{id: int64, zone: string, amount: string, at: \"timestamp(us)\"}"


def orders(n: int, first: int = 0) -> list[dict[str, Any]]:
    """Rows in the order of their times; some amounts cannot be read as numbers."""
    rng = random.Random(SEED + first)
    return [{"id": i, "zone": f"z{rng.randrange(5)}", "amount": "many" if i % 50 == 7 else str(round(rng.random() * 100, 2)),
             "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(BASE + i // 10))} for i in range(first, first + n)]


def put(broker: KafkaServer, topic: str, rows: list[dict[str, Any]], broken_every: int = 0) -> int:
    """Messages in four partitions; now and then one that is no JSON. How many of these."""
    messages, broken = [], 0
    for r in rows:
        messages.append({"partition": r["id"] % 4, "value": json.dumps(r).encode(), "timestamp": (BASE + r["id"]) * 1000})
        if broken_every and r["id"] % broken_every == 3:
            messages.append({"partition": r["id"] % 4, "value": b"{no json", "timestamp": (BASE + r["id"]) * 1000})
            broken += 1
    produce(broker, topic, messages)
    return broken


def job_file(folder: Path, broker: KafkaServer, topic: str, sink: str, *, sql: str = "", until: bool = True, more: str = "",
             steps: str = "[{cast: {amount: float64}}, {filter: \"amount > 10\"}, {compute: {doubled: \"amount * 2\"}}]") -> Path:
    path = folder / "job.yaml"
    transforms = steps[:-1] + (f", {{sql: \"{sql}\"}}" if sql else "") + "]"
    path.write_text(f"name: orders\nsource: {{kafka: {{topic: {topic}, servers: \"{broker.servers}\", schema: {SCHEMA}{', until: end' if until else ''}}}}}\n"
                    f"transforms: {transforms}\nsink: {sink}\ncheckpoint: {{path: \"{folder}/state\", interval: 100ms}}\n"
                    f"on_error: {{policy: dead_letter, path: \"{folder}/rejected.ndjson\"}}\n{more}")
    return path


def run(path: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    report = path.with_suffix(".report.json")
    report.unlink(missing_ok=True)
    done = subprocess.run([COMMAND, "run", path, "--no-live", "--report", report, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    return json.loads(report.read_text()) if report.exists() else {}


def good(rows: list[dict[str, Any]]) -> list[tuple[int, float]]:
    return sorted((r["id"], float(r["amount"])) for r in rows if r["amount"] != "many" and float(r["amount"]) > 10)


def rejected(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "rejected.ndjson").read_text().splitlines()]


def parts(folder: Path) -> list[dict[str, Any]]:
    return [row for f in sorted(folder.glob("*.parquet")) for row in pq.read_table(f).to_pylist()]


def step(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(s for s in report["steps"] if s["name"].startswith(name))


def test_a_topic_into_files_accounts_for_every_message(broker: KafkaServer, tmp_path: Path) -> None:
    topic = broker.create("endless-files", 4)
    rows = orders(4000)
    broken = put(broker, topic, rows, broken_every=100)
    path = job_file(tmp_path, broker, topic, f"{{parquet: {{path: \"{tmp_path}/out/\"}}}}")
    for workers in ("1", "3"):
        report = run(path, "-w", workers)
        assert report["balanced"] and report["outcome"] == "done"
        written = parts(tmp_path / "out")
        assert sorted((r["id"], r["amount"]) for r in written) == good(rows)
        assert all(r["doubled"] == r["amount"] * 2 for r in written)
        letters = rejected(tmp_path)
        bad = [r["id"] for r in rows if r["amount"] == "many"]
        assert sorted(d["record"]["id"] for d in letters if "record" in d) == bad
        assert [d["text"] for d in letters if "text" in d] == ["{no json"] * broken
        for partition in (1, 3):  # in the order of the topic, with their places
            offsets = [d["row"] for d in letters if d["file"] == f"kafka {topic}, partition {partition}"]
            assert offsets == sorted(offsets) and len(offsets) >= 20
        if workers == "1":
            assert step(report, "kafka")["rejected"] == broken and step(report, "cast")["rejected"] == len(bad)
            first = (written, letters)
        else:  # the checkpoint is of a topic that was read to its end: there is nothing left to do
            assert (written, letters) == first


@pytest.mark.parametrize("kind", ["postgres", "files", "topic"])
def test_windows_of_a_topic_survive_kills(broker: KafkaServer, server: PostgresServer, tmp_path: Path, kind: str) -> None:
    topic, results = broker.create(f"killed-{kind}", 4), broker.create(f"killed-{kind}-out", 1)
    rows = orders(30_000)
    put(broker, topic, rows, broken_every=1000)
    server.sql("drop table if exists endless_counts; drop table if exists gristmill_epochs")
    sink = {"postgres": f"{{postgres: {{connection: \"{server.uri}\", table: endless_counts, mode: create}}}}",
            "files": f"{{parquet: {{path: \"{tmp_path}/out/\"}}}}",
            "topic": f"{{kafka: {{topic: {results}, servers: \"{broker.servers}\"}}}}"}[kind]
    path = job_file(tmp_path, broker, topic, sink, more="watermark: {column: at, delay: 10s}\n",
                    sql="select window_start, zone, count(*) as n, sum(amount) as total from tumble(input, at, interval '1 minute') group by window_start, zone")
    rng = random.Random(SEED)
    print("seed", SEED)
    for attempt in range(60):
        child = subprocess.Popen([COMMAND, "run", path, "--no-live", "-w", str((2, 1, 4)[attempt % 3])], stderr=subprocess.PIPE, text=True)
        if attempt < 6:
            time.sleep(rng.random() * 0.4)
            child.send_signal(signal.SIGKILL if attempt % 2 == 0 else signal.SIGTERM)
        _, error = child.communicate(timeout=120)
        if child.returncode == 0:
            break
        assert child.returncode in (-9, 143), error
    else:
        raise AssertionError("the job did not come to its end")
    want: Counter[tuple[str, str]] = Counter()
    for r in rows:
        if r["amount"] != "many" and float(r["amount"]) > 10:
            want[(r["at"][:16], r["zone"])] += 1
    if kind == "postgres":
        got = [(str(start).replace(" ", "T")[:16], zone, n) for start, zone, n in server.sql("select window_start, zone, n from endless_counts")]
    elif kind == "files":
        got = [(r["window_start"].isoformat()[:16], r["zone"], r["n"]) for r in parts(tmp_path / "out")]
    else:
        made = [json.loads(m["value"]) for m in read_topic(broker, results, expect=len(want))]
        got = [(m["window_start"].replace(" ", "T")[:16], m["zone"], m["n"]) for m in made]
    assert sorted(got) == sorted((start, zone, n) for (start, zone), n in want.items())
    letters = rejected(tmp_path)  # each bad record once, whatever was killed
    assert sorted(d["record"]["id"] for d in letters if "record" in d) == [r["id"] for r in rows if r["amount"] == "many"]
    assert sum("text" in d for d in letters) == 30


def test_a_job_killed_before_its_first_interval_is_over_rejects_each_record_once(broker: KafkaServer, tmp_path: Path) -> None:
    topic = broker.create("killed-early", 4)
    rows = orders(5_000)
    put(broker, topic, rows)
    path = job_file(tmp_path, broker, topic, f"{{parquet: {{path: \"{tmp_path}/out/\"}}}}", until=False)
    path.write_text(path.read_text().replace("interval: 100ms", "interval: 600s"))
    child = subprocess.Popen([COMMAND, "run", path, "--no-live"], stderr=subprocess.PIPE)
    letters = tmp_path / "rejected.ndjson"
    wait_until = time.monotonic() + 60
    while not (letters.exists() and len(rejected(tmp_path)) == 100):
        assert child.poll() is None and time.monotonic() < wait_until
        time.sleep(0.05)
    child.kill()
    child.wait()
    path.write_text(path.read_text().replace("schema:", "until: end, schema:"))
    run(path)
    assert sorted(d["record"]["id"] for d in rejected(tmp_path)) == [r["id"] for r in rows if r["amount"] == "many"]
    assert sorted((r["id"], r["amount"]) for r in parts(tmp_path / "out")) == good(rows)


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_for(what: Any, seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.05)
    return found


def test_a_job_that_does_not_end_is_watched_and_stopped(broker: KafkaServer, tmp_path: Path) -> None:
    topic = broker.create("endless-watched", 4)
    rows = orders(1000)
    put(broker, topic, rows)
    path = job_file(tmp_path, broker, topic, f"{{ndjson: {{path: \"{tmp_path}/out/\"}}}}", until=False,
                    more="watermark: {column: at, delay: 5s}\nhealth: {stalled_after: 1s}\n")
    report = tmp_path / "report.json"
    child = subprocess.Popen([COMMAND, "run", path, "--no-live", "--listen", "127.0.0.1:0", "--report", report], stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    url = child.stderr.readline().split()[-1]

    def status() -> dict[str, Any]:
        return json.loads(get(url + "status.json")[1])

    wait_for(lambda: status()["rows_in"] == 1000 and status()["stream"]["lag"] == 0 and status()["stream"]["checkpoint"]["epoch"] > 0)
    now = status()["stream"]
    assert now["watermark_unix_seconds"] == BASE + 99 - 5
    assert now["checkpoint"]["bytes"] > 0 and now["checkpoint"]["durable"] == 1
    time.sleep(2.5)  # nothing to do is no illness
    wait_for(lambda: get(url + "healthz") == (200, "ok\n"))
    metrics = get(url + "metrics")[1]
    for family in ("lag_messages", "watermark_seconds", "checkpoint_age_seconds", "checkpoint_bytes", "stalled"):
        assert f"gristmill_job_{family}{{" in metrics
    put(broker, topic, orders(500, 1000))
    wait_for(lambda: status()["rows_in"] == 1500)
    child.send_signal(signal.SIGTERM)
    _, error = child.communicate(timeout=60)
    assert child.returncode == 143, error
    told = json.loads(report.read_text())
    assert told["outcome"] == "stopped" and told["balanced"]
    assert "Traceback" not in error and "1500" in error.replace(",", "")
    lines = [json.loads(line) for f in (tmp_path / "out").glob("*.ndjson") for line in f.read_text().splitlines()]
    assert sorted((r["id"], r["amount"]) for r in lines) == good(orders(1000) + orders(500, 1000))


def test_health_turns_bad_when_progress_stops(broker: KafkaServer, server: PostgresServer, tmp_path: Path) -> None:
    """The sink's table is locked: rows wait, and nothing moves."""
    topic = broker.create("endless-stalled", 1)
    server.sql("drop table if exists endless_stalled; drop table if exists gristmill_epochs; create table endless_stalled (id bigint, amount float8)")
    produce(broker, topic, [{"value": json.dumps(r).encode()} for r in orders(500)])
    path = job_file(tmp_path, broker, topic, f"{{postgres: {{connection: \"{server.uri}\", table: endless_stalled}}}}", until=False,
                    steps="[{cast: {amount: float64}}, {select: [id, amount]}]", more="health: {stalled_after: 1s}\n")
    import psycopg

    with psycopg.connect(server.address) as holder:
        holder.execute("lock table endless_stalled in access exclusive mode")
        child = subprocess.Popen([COMMAND, "run", path, "--no-live", "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
        assert child.stderr is not None
        url = child.stderr.readline().split()[-1]
        wait_for(lambda: get(url + "healthz")[0] == 503)
        assert get(url + "healthz")[1].startswith("stalled: ")
        holder.rollback()
        wait_for(lambda: server.sql("select count(*) from endless_stalled")[0][0] == 490)
        wait_for(lambda: get(url + "healthz")[0] == 200)
    copying = "select pid from pg_stat_activity where query ilike 'copy%endless_stalled%' and pid <> pg_backend_pid()"
    wait_for(lambda: server.sql(copying))  # between two epochs it says another query
    backend = server.sql(copying)[0][0]
    os.kill(backend, signal.SIGSTOP)  # and while it runs: what was read cannot be written
    try:
        produce(broker, topic, [{"value": json.dumps(r).encode()} for r in orders(500, 500)])
        wait_for(lambda: get(url + "healthz")[0] == 503)
    finally:
        os.kill(backend, signal.SIGCONT)
    wait_for(lambda: server.sql("select count(*) from endless_stalled")[0][0] == 980)
    wait_for(lambda: get(url + "healthz")[0] == 200)
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=60) == 143


def test_several_sinks_dead_letters_fed_back_and_cases(broker: KafkaServer, tmp_path: Path) -> None:
    topic = broker.create("endless-split", 2)
    rows = orders(600)
    produce(broker, topic, [{"partition": r["id"] % 2, "value": json.dumps(r).encode()} for r in rows])
    path = tmp_path / "job.yaml"
    path.write_text(f"source: {{kafka: {{topic: {topic}, servers: \"{broker.servers}\", schema: {SCHEMA}, until: end}}}}\n"
                    "transforms: [{cast: {amount: float64}}]\n"
                    f"sinks:\n  - {{when: \"zone = 'z1'\", name: ones, parquet: {{path: \"{tmp_path}/ones/\"}}}}\n  - {{csv: {{path: \"{tmp_path}/others/\"}}}}\n"
                    f"checkpoint: {{path: \"{tmp_path}/state\"}}\non_error: {{policy: dead_letter, path: \"{tmp_path}/rejected.ndjson\"}}\n")
    report = run(path)
    assert step(report, "ones")["rows_out"] == len(parts(tmp_path / "ones")) > 0
    csv = [line for f in sorted((tmp_path / "others").glob("*.csv")) for line in f.read_text().splitlines()[1:]]
    assert len(csv) + len(parts(tmp_path / "ones")) == sum(r["amount"] != "many" for r in rows)
    fixed = (tmp_path / "rejected.ndjson").read_text().replace('"many"', '"5"')
    (tmp_path / "rejected.ndjson").write_text(fixed)
    done = subprocess.run([COMMAND, "retry", tmp_path / "rejected.ndjson", "--job", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "rejected.ndjson").exists()
    csv = [line for f in (tmp_path / "others").glob("*.csv") for line in f.read_text().splitlines()[1:]]
    assert len(csv) + len(parts(tmp_path / "ones")) == 600
    cases = tmp_path / "job.tests"
    cases.mkdir()
    (cases / "one.input.ndjson").write_text('{"id": 1, "zone": "z1", "amount": "3", "at": "2026-01-01T00:00:00"}\n')
    (cases / "one.expected.ones.ndjson").write_text('{"id":1,"zone":"z1","amount":3.0,"at":"2026-01-01T00:00:00.000000"}\n')
    (cases / "one.expected.2.ndjson").write_text("")
    tested = subprocess.run([COMMAND, "test", path], capture_output=True, text=True, timeout=60)
    assert tested.returncode in (0, 3), tested.stderr  # how a moment is written is its format's
    assert "one" in tested.stdout + tested.stderr


@pytest.mark.parametrize(("change", "error"), [
    (("parquet: {path: \"out/\"}", "parquet: {path: out.parquet}"), "the path is a folder"),
    (("parquet: {path: \"out/\"}", "parquet: {path: \"out/\", partition_by: [zone]}"), "a file an epoch"),
    (("parquet: {path: \"out/\"}", "http: {url: \"http://localhost:1/\"}"), "cannot take the rows of a source that may not end"),
    (("transforms: []", "transforms: [{sql: \"select zone, count(*) as n from input group by zone\"}]"), "without a window over the stream \"input\""),
    (("transforms: []", "transforms: [{dedupe: {key: [id], keep: last}}]"), "which row is the last of its key"),
    (("transforms: []", "transforms: []\nwatermark: {column: zone}"), "not a timestamp or int64"),
    (("source: {kafka: {topic: t, servers: \"localhost:1\", schema: {id: int64, zone: string}}}", "source: {csv: {path: in.csv}}"),
     "\"checkpoint\" is for sources that may not end"),
])
def test_what_an_endless_job_cannot_have_is_said_before_it_runs(tmp_path: Path, change: tuple[str, str], error: str) -> None:
    text = ("source: {kafka: {topic: t, servers: \"localhost:1\", schema: {id: int64, zone: string}}}\ntransforms: []\n"
            "sink: {parquet: {path: \"out/\"}}\ncheckpoint: {path: state}\n")
    assert change[0] in text
    (tmp_path / "job.yaml").write_text(text.replace(*change))
    done = subprocess.run([COMMAND, "validate", "job.yaml"], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode != 0 and error in done.stderr, done.stderr
