"""Jobs from Kafka to PostgreSQL, files and another topic, killed with SIGKILL at random, on changing numbers of workers, with a broker that
restarts: what the sinks have at the end is what was in the topic, each row once."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Callable

import pyarrow as pa
import pytest
from kafka_server import KafkaServer
from postgres import PostgresServer
from topics import produce, read_topic

import gristmill as gm

SEED = 20260131
ROWS = 60_000

CHILD = """
import sys
import gristmill as gm
topic, servers, state, kind, where, workers = sys.argv[1:7]
s = gm.Stream.from_kafka(topic, servers, schema={"id": "int64", "zone": "string", "amount": "float64"}, until="end" if kind != "endless" else None)
s = s.filter(gm.col("amount") > 10).with_columns(doubled=gm.col("amount") * 2).named("job").checkpoint(state, interval_seconds=0.1).parallel(int(workers))
print("begun", flush=True)
if kind in ("postgres", "endless"):
    s.write_postgres(where, "kafka_job", mode="create")
elif kind == "files":
    s.write_parquet(where)
else:
    s.write_kafka(where, servers, key="zone")
"""


def fill(broker: KafkaServer, topic: str, rows: range) -> list[dict]:
    rng = random.Random(SEED)
    made = [{"id": i, "zone": f"z{i % 7}", "amount": round(rng.random() * 100, 2)} for i in rows]
    produce(broker, topic, [{"partition": r["id"] % 4, "value": json.dumps(r).encode(), "timestamp": 1_767_225_600_000 + r["id"]} for r in made])
    return [{**r, "doubled": r["amount"] * 2} for r in made if r["amount"] > 10]


def start(broker: KafkaServer, topic: str, state: Path, kind: str, where: str, workers: int) -> subprocess.Popen:
    child = subprocess.Popen([sys.executable, "-c", CHILD, topic, broker.servers, str(state), kind, where, str(workers)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "begun\n", child.stderr.read() if child.stderr else ""
    return child


def run_with_kills(broker: KafkaServer, topic: str, state: Path, kind: str, where: str, kills: int, restarts: int = 0) -> None:
    rng = random.Random(SEED)
    print("seed", SEED)
    killed = 0
    for attempt in range(kills + 50):
        child = start(broker, topic, state, kind, where, (2, 1, 4)[attempt % 3])
        if attempt < kills:
            time.sleep(rng.random() * 0.15)
            if attempt < restarts:  # a job without its broker cannot have come to its end when it is killed
                broker.kill()
                child.kill()
                broker.start()
            child.kill()
        _, error = child.communicate(timeout=120)
        if child.returncode == 0:
            break
        assert child.returncode == -9, error
        killed += 1
    else:
        raise AssertionError("the job did not come to its end")
    assert killed > 0


def same(got: list[dict], want: list[dict]) -> None:
    assert sorted(got, key=lambda r: r["id"]) == sorted(want, key=lambda r: r["id"])


def test_into_postgres(broker: KafkaServer, server: PostgresServer, tmp_path: Path) -> None:
    server.sql("drop table if exists kafka_job; drop table if exists gristmill_epochs")
    want = fill(broker, broker.create("job-postgres", 4), range(ROWS))
    run_with_kills(broker, "job-postgres", tmp_path / "state", "postgres", server.uri, kills=8, restarts=1)
    same([dict(zip(("id", "zone", "amount", "doubled"), r)) for r in server.sql("select id, zone, amount, doubled from kafka_job")], want)


def test_into_files(broker: KafkaServer, tmp_path: Path) -> None:
    want = fill(broker, broker.create("job-files", 4), range(ROWS))
    run_with_kills(broker, "job-files", tmp_path / "state", "files", str(tmp_path / "out"), kills=8)
    same(gm.scan_parquet(str(tmp_path / "out")).collect().to_arrow().to_pylist(), want)


def test_into_another_topic(broker: KafkaServer, tmp_path: Path) -> None:
    want = fill(broker, broker.create("job-topic", 4), range(ROWS))
    broker.create("job-topic-out", 2)
    run_with_kills(broker, "job-topic", tmp_path / "state", "kafka", "job-topic-out", kills=6)
    same([json.loads(m["value"]) for m in read_topic(broker, "job-topic-out")], want)


def test_a_job_that_does_not_end(broker: KafkaServer, server: PostgresServer, tmp_path: Path) -> None:
    server.sql("drop table if exists kafka_job; drop table if exists gristmill_epochs")
    topic = broker.create("job-endless", 4)
    want = fill(broker, topic, range(5000))
    for i in range(3):
        child = start(broker, topic, tmp_path / "state", "endless", server.uri, i % 2 + 1)
        deadline = time.monotonic() + 60
        while not server.sql("select to_regclass('kafka_job')")[0][0] or server.sql("select count(*) from kafka_job")[0][0] < len(want):
            assert time.monotonic() < deadline and child.poll() is None, child.stderr.read() if child.stderr else ""
            time.sleep(0.05)
        child.kill()
        child.communicate()
        same([dict(zip(("id", "zone", "amount", "doubled"), r)) for r in server.sql("select id, zone, amount, doubled from kafka_job")], want)
        want = want + fill(broker, topic, range(5000 * (i + 1), 5000 * (i + 2)))


def test_the_example_counts_each_order_once(broker: KafkaServer, server: PostgresServer, tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "kafka_to_postgres.py"
    broker.create("orders", 4)
    server.sql("drop table if exists orders_per_minute; drop table if exists gristmill_epochs")

    def run(*arguments: str) -> None:
        done = subprocess.run([sys.executable, str(example), *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr

    run("fill", broker.servers)
    run("run", broker.servers, server.uri, "end")
    run("run", broker.servers, server.uri, "end")  # it has ended: nothing comes twice
    messages = [json.loads(m["value"]) for m in read_topic(broker, "orders", expect=60_000)]
    assert server.sql("select sum(orders), count(distinct zone), round(sum(amount)::numeric, 2) from orders_per_minute") == [
        (len(messages), 4, round(Decimal(sum(round(m["amount"] * 100) for m in messages)) / 100, 2))]
    # From the first minute to the last, which hold as little of the ten as the clock wants: down to orders of one zone alone.
    minutes = Counter((int(datetime.fromisoformat(m["at"]).timestamp()) // 60, m["zone"]) for m in messages)
    rows = server.sql("select extract(epoch from window_start)::bigint / 60, zone, orders from orders_per_minute")
    assert sorted(rows) == sorted((minute, zone, orders) for (minute, zone), orders in minutes.items())
