#!/usr/bin/env python3
"""Windows of a live topic into PostgreSQL, files and another topic, through kills, restarts of the broker and changes of workers: ./run stream-trial.

Messages are written to four partitions while a job counts them by key in tumbling windows. The job is killed with SIGKILL again and again at
random moments and comes back with another number of workers; the broker is killed and comes back with its data. At the end the rows must be
those that one batch of SQL by another engine makes of everything in the topic.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS / "servers"), str(TESTS / "python")]

from confluent_kafka import Consumer, Producer, TopicPartition  # noqa: E402
from kafka_server import KafkaServer, missing  # noqa: E402
from postgres import PostgresServer, programs  # noqa: E402

import gristmill as gm  # noqa: E402

PARTITIONS = 4
KEYS = 50
WINDOW, STEP, DISORDER = 10_000, 5, 2_000  # of event time, in milliseconds: a window, between messages, how far one may be behind
BASE = 1_767_225_600_000
WORKERS = (2, 1, 4)
SINKS = ("postgres", "parquet", "topic")
Counts = dict[tuple[str, int], tuple[int, int]]  # by key and start: rows and sum

JOB = f"""
import sys
import gristmill as gm
from gristmill.stream import tumbling
topic, servers, state, sink, where, workers, until = sys.argv[1:8]
messages = gm.Stream.from_kafka(topic, servers, schema={{"id": "int64", "at": "int64", "k": "string", "cents": "int64"}}, until=until or None)
counts = (messages.with_watermark("at", delay={DISORDER}).window(tumbling({WINDOW}), by="k").aggregate(n=gm.count(), total=gm.col("cents").sum())
          .named("trial").checkpoint(state, interval_seconds=0.2).parallel(int(workers)))
print("begun", flush=True)
if sink == "postgres":
    counts.write_postgres(where, "trial_counts", mode="create")
elif sink == "parquet":
    counts.write_parquet(where)
else:
    counts.write_kafka(where, servers, key="k")
"""


class Feeder:
    """Writes the messages, a share at a time."""

    def __init__(self, broker: KafkaServer, topic: str, messages: int, seed: int) -> None:
        self.topic, self.messages, self.written = topic, messages, 0
        self._random = random.Random(seed)
        self._producer = Producer({"bootstrap.servers": broker.servers, "enable.idempotence": True, "linger.ms": 5, "log_level": 0})
        self._failed: list[Any] = []

    def write(self, rows: int) -> None:
        draw = self._random.randrange
        for i in range(self.written, min(self.messages, self.written + rows)):
            value = b'{"id":%d,"at":%d,"k":"k%d","cents":%d}' % (i, BASE + STEP * i - draw(DISORDER + 1), draw(KEYS), draw(-5000, 50_000))
            while True:
                try:
                    self._producer.produce(self.topic, value, partition=i % PARTITIONS, on_delivery=lambda e, _: self._failed.append(e) if e else None)
                    break
                except BufferError:
                    self._producer.poll(0.1)
            if i % 1000 == 0:
                self._producer.poll(0)
        self.written = min(self.messages, self.written + rows)
        left = self._producer.flush(120)
        if left or self._failed:
            raise RuntimeError(f"{left} messages were not written, {len(self._failed)} failed: {self._failed[:1]}")


def values(broker: KafkaServer, topic: str) -> pa.Table:
    """Everything that is committed in the topic, through the other client."""
    consumer = Consumer({"bootstrap.servers": broker.servers, "group.id": "oracle", "enable.auto.commit": False, "isolation.level": "read_committed",
                         "enable.partition.eof": True})
    partitions = sorted(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
    lines, ended = io.BytesIO(), set()
    while len(ended) < len(partitions):
        for m in consumer.consume(10_000, 1):
            if m.error() is None:
                lines.write(m.value() + b"\n")
            elif m.error().name() == "_PARTITION_EOF":
                ended.add(m.partition())
            else:
                raise RuntimeError(str(m.error()))
    consumer.close()
    return pa.json.read_json(io.BytesIO(lines.getvalue())) if lines.tell() else pa.table({})


def batch(messages: pa.Table) -> Counts:
    """The answer of one batch of SQL over all messages."""
    import duckdb

    query = f"select k, \"at\" - \"at\" % {WINDOW} as start, count(*) as n, sum(cents)::bigint as total from messages group by all"
    return {(k, start): (n, total) for k, start, n, total in duckdb.sql(query).fetchall()}


def found(rows: list[tuple[Any, ...]], wrong: list[str]) -> Counts:
    out: Counts = {}
    for k, start, n, total in rows:
        if (k, start) in out:
            wrong.append(f"window {start} of {k} is there twice")
        out[(k, start)] = (n, total)
    return out


def sink_rows(sink: str, where: str, broker: KafkaServer, server: PostgresServer | None) -> list[tuple[Any, ...]]:
    if sink == "postgres":
        assert server is not None
        return [(k, int(start), n, int(total)) for k, start, n, total in server.sql("select k, window_start, n, total from trial_counts")]
    table = gm.scan_parquet(where).collect().to_arrow() if sink == "parquet" else values(broker, where)
    return list(zip(*(table[name].to_pylist() for name in ("k", "window_start", "n", "total")))) if table.num_columns else []


class Trial:
    def __init__(self, broker: KafkaServer, server: PostgresServer | None, folder: Path, sink: str, options: argparse.Namespace) -> None:
        self.broker, self.server, self.folder, self.sink, self.options = broker, server, folder, sink, options
        self.random = random.Random(f"{options.seed} {sink}")
        self.topic = broker.create(f"trial-{sink}", PARTITIONS)
        self.where = {"postgres": server.uri if server else "", "parquet": str(folder / "out"), "topic": f"trial-{sink}-counts"}[sink]
        if sink == "topic":
            broker.create(self.where, 2)
        if sink == "postgres" and server is not None:
            server.sql("drop table if exists trial_counts; drop table if exists gristmill_epochs")

    def job(self, workers: int, until: str = "") -> subprocess.Popen[str]:
        command = [sys.executable, "-c", JOB, self.topic, self.broker.servers, str(self.folder / "state"), self.sink, self.where, str(workers), until]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stdout is not None and child.stderr is not None
        if child.stdout.readline() != "begun\n":
            raise RuntimeError(child.stderr.read())
        return child

    def run(self) -> list[str]:
        o = self.options
        restarts = set(self.random.sample(range(o.kills), min(o.restarts, o.kills)))
        feeder = Feeder(self.broker, self.topic, o.messages, o.seed)
        feeder.write(1)  # a topic without messages has no end to be at
        errors: list[str] = []

        def feed() -> None:
            try:
                feeder.write(o.messages // max(o.kills, 1) + 1)
            except Exception as e:
                errors.append(f"the writer failed: {e}")

        for attempt in range(o.kills):
            child = self.job(WORKERS[attempt % len(WORKERS)])
            writing = threading.Thread(target=feed)
            writing.start()
            time.sleep(self.random.random() * o.life)
            if attempt in restarts:
                self.broker.kill()
                time.sleep(self.random.random() * 0.5)
                self.broker.start()
                time.sleep(self.random.random() * o.life)
            if child.poll() is not None:
                errors.append(f"the job ended by itself: {child.communicate()[1]}")
            child.kill()
            child.communicate()
            writing.join()
            if errors:
                return errors
        feeder.write(o.messages)
        child = self.job(WORKERS[o.kills % len(WORKERS)], "end")
        _, error = child.communicate(timeout=600)
        return [f"the last run failed: {error}"] if child.returncode else self.compare()

    def compare(self) -> list[str]:
        messages = values(self.broker, self.topic)
        wrong: list[str] = []
        if len(set(messages["id"].to_pylist())) != self.options.messages or messages.num_rows != self.options.messages:
            wrong.append(f"{messages.num_rows} messages in the topic instead of {self.options.messages}")
        want = batch(messages)
        got = found(sink_rows(self.sink, self.where, self.broker, self.server), wrong)
        for name, some in (("missing", want.keys() - got.keys()), ("too many", got.keys() - want.keys()),
                           ("different", {w for w in want.keys() & got.keys() if want[w] != got[w]})):
            if some:
                wrong.append(f"{len(some)} of {len(want)} windows are {name}, such as {sorted(some)[0]}")
        print(f"{self.sink}: {len(want)} windows of {messages.num_rows} messages {'differ' if wrong else 'are those of one batch'}", flush=True)
        return wrong


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="./run stream-trial", description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=2_000_000, help="into each sink's own topic")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--restarts", type=int, default=2, help="of the broker")
    parser.add_argument("--life", type=float, default=2.0, help="the longest time in seconds before a kill")
    parser.add_argument("--sinks", default=",".join(SINKS), help=f"some of {', '.join(SINKS)}")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args(arguments)
    sinks = [s for s in options.sinks.split(",") if s]
    if unknown := [s for s in sinks if s not in SINKS]:
        parser.error(f"no sink {unknown[0]!r}: known are {', '.join(SINKS)}")
    if reason := missing() or ("no PostgreSQL server: apt-get install postgresql" if "postgres" in sinks and programs() is None else None):
        print(reason, file=sys.stderr)
        return 2
    print(f"seed {options.seed}, {options.messages} messages, {options.kills} kills, {options.restarts} restarts of the broker, "
          f"{' -> '.join(map(str, WORKERS))} workers in turn", flush=True)
    began, wrong = time.monotonic(), []
    broker = KafkaServer()
    server = PostgresServer() if "postgres" in sinks else None
    try:
        for sink in sinks:
            with tempfile.TemporaryDirectory() as folder:
                wrong += [f"{sink}: {text}" for text in Trial(broker, server, Path(folder), sink, options).run()]
    finally:
        broker.stop()
        if server is not None:
            server.stop()
    for text in wrong:
        print("WRONG:", text)
    print(f"{'wrong' if wrong else 'all as it must be'}, {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
