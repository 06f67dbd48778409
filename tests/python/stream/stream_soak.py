#!/usr/bin/env python3
"""A job under 80 % of its highest load for a long time, into a table that is locked at random: ./run stream-soak --minutes 30.

First the highest load is found: what the job takes in when messages come as fast as they can, with the broker and the writer on the same
machine. Then a writer of its own process gives that share of it, and the sink stalls at random. Memory must be flat, descriptors and threads
must not grow, the lag must go when the load does, and every message must be counted once.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS / "servers"), str(TESTS / "python")]

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition  # noqa: E402
from kafka_server import KafkaServer, missing  # noqa: E402
from postgres import PostgresServer, programs  # noqa: E402

PARTITIONS = 4
KEYS = 100
# What a partition keeps is more than two minutes of any load a test machine has; older messages make room.
TOPIC = {"retention.bytes": str(512 << 20), "segment.bytes": str(64 << 20), "file.delete.delay.ms": "1000"}

MOVING = (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)

# Messages of a fixed set, their time that of the message: so the writer is cheap and can say what it wrote.
WRITER = f"""
import collections, json, random, signal, sys, time
from confluent_kafka import Producer
servers, topic, rate, out = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]
draw = random.Random(7)
values = [(draw.randrange({KEYS}), draw.randrange(-5000, 50_000)) for _ in range(4096)]
payloads = [json.dumps({{"k": f"k{{k}}", "cents": cents, "note": "n" * draw.randrange(40)}}).encode() for k, cents in values]
producer = Producer({{"bootstrap.servers": servers, "enable.idempotence": True, "linger.ms": 20, "log_level": 0, "queue.buffering.max.messages": 200_000}})
stopped, failed = [], []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
counts = collections.defaultdict(lambda: [0, 0])
written, began = 0, time.monotonic()
last = 0
while not stopped:
    now = last = max(last, int(time.time() * 1000))  # never back, so nothing is late
    second = now // 1000
    for i in range(written, written + 1000):
        k, cents = values[i * 7919 % 4096]
        while True:
            try:
                producer.produce(topic, payloads[i * 7919 % 4096], partition=i % {PARTITIONS}, timestamp=now, on_delivery=lambda e, _: failed.append(str(e)) if e else None)
                break
            except BufferError:
                producer.poll(0.05)
        count = counts[(second, k)]
        count[0] += 1
        count[1] += cents
    written += 1000
    producer.poll(0)
    if rate:
        time.sleep(max(0.0, began + written / rate - time.monotonic()))
left = producer.flush(120)
with open(out, "w") as file:
    json.dump({{"written": written, "seconds": time.monotonic() - began, "left": left, "failed": failed[:3],
               "counts": [[s, f"k{{k}}", *c] for (s, k), c in counts.items()]}}, file)
"""

JOB = """
import sys
import gristmill as gm
from gristmill.stream import tumbling
topic, servers, state, where, table, until = sys.argv[1:7]
messages = gm.Stream.from_kafka(topic, servers, schema={"k": "string", "cents": "int64", "note": "string"}, metadata=["timestamp"], group=table, until=until or None)
counts = (messages.with_watermark("_timestamp", delay="1s").window(tumbling("1s"), by="k").aggregate(n=gm.count(), total=gm.col("cents").sum())
          .named(table).checkpoint(state, interval_seconds=1))
print("begun", flush=True)
counts.write_postgres(where, table, mode="create")
"""


@dataclass
class Sample:
    seconds: float
    bytes: int
    descriptors: int
    threads: int
    lag: int


class Soak:
    def __init__(self, broker: KafkaServer, server: PostgresServer, folder: Path, name: str) -> None:
        self.broker, self.server, self.folder, self.name = broker, server, folder, name
        self.topic = broker.create(name, PARTITIONS, **TOPIC)
        self._positions = Consumer({"bootstrap.servers": broker.servers, "group.id": name, "enable.auto.commit": False})
        self.counts = folder / f"{name}.json"

    def start_job(self, until: str = "") -> subprocess.Popen[str]:
        command = [sys.executable, "-c", JOB, self.topic, self.broker.servers, str(self.folder / f"{self.name}-state"), self.server.uri, self.name, until]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stdout is not None and child.stderr is not None
        if child.stdout.readline() != "begun\n":
            raise RuntimeError(child.stderr.read())
        return child

    def start_writer(self, rate: float) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", WRITER, self.broker.servers, self.topic, str(rate), str(self.counts)], text=True)

    def taken(self) -> tuple[int, int]:
        """Messages that have left the job's sink, and those in the topic, ever."""
        done = self._committed()
        ends = [self._positions.get_watermark_offsets(TopicPartition(self.topic, p), timeout=30)[1] for p in range(PARTITIONS)]
        return sum(max(0, p.offset) for p in done), sum(ends)

    def _committed(self) -> list[TopicPartition]:
        deadline = time.monotonic() + 30
        while True:
            try:
                return self._positions.committed([TopicPartition(self.topic, p) for p in range(PARTITIONS)], timeout=30)
            except KafkaException as e:
                # A young broker still decides who coordinates which group.
                if e.args[0].code() not in MOVING or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def close(self) -> None:
        self._positions.close()


def end_writer(writer: subprocess.Popen[str], counts: Path) -> dict[str, Any]:
    writer.send_signal(signal.SIGTERM)
    writer.wait(timeout=180)
    made: dict[str, Any] = json.loads(counts.read_text())
    if made["left"] or made["failed"]:
        raise RuntimeError(f"the writer failed: {made['left']} messages left, {made['failed']}")
    return made


def highest_load(soak: Soak, seconds: float) -> float:
    """Messages a second that the job takes in while as many come as the machine can write."""
    job, writer = soak.start_job(), soak.start_writer(0)
    try:
        deadline = time.monotonic() + 60
        while soak.taken()[0] == 0:
            if time.monotonic() > deadline or job.poll() is not None:
                raise RuntimeError(f"the job takes nothing in: {job.communicate()[1] if job.poll() is not None else ''}")
            time.sleep(0.1)
        first, began = soak.taken()[0], time.monotonic()
        time.sleep(seconds)
        return (soak.taken()[0] - first) / (time.monotonic() - began)
    finally:
        writer.kill()
        job.kill()
        writer.wait()
        job.communicate()


def stall(server: PostgresServer, table: str, over: threading.Event, draw: random.Random, longest: float) -> None:
    """Locks the table now and then: whoever writes to it waits."""
    import psycopg

    while not over.wait(draw.uniform(5, 25) * min(1.0, longest)):
        try:
            with psycopg.connect(server.address) as connection:
                connection.execute(f"lock table {table} in access exclusive mode")  # type: ignore[arg-type]
                over.wait(draw.uniform(0.1, longest))
                connection.rollback()
        except psycopg.errors.UndefinedTable:
            continue


def sample(pid: int, seconds: float, lag: int) -> Sample:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return Sample(seconds, int(status["VmRSS"].split()[0]) * 1024, len(os.listdir(f"/proc/{pid}/fd")), int(status["Threads"]), lag)


def grown(samples: list[Sample]) -> list[str]:
    """What is greater in the last third of the time than it was in the second."""
    third = len(samples) // 3
    before, after = samples[third:2 * third], samples[2 * third:]
    wrong = []
    for name, slack in (("bytes", lambda n: n * 1.1 + (32 << 20)), ("descriptors", lambda n: n + 3), ("threads", lambda n: n + 2)):
        most = [max(getattr(s, name) for s in part) for part in (before, after)]
        if most[1] > slack(most[0]):
            wrong.append(f"{name} grow: {most[0]} at most in the second third, {most[1]} in the last")
    return wrong


def soak(soaked: Soak, minutes: float, rate: float, seed: int, longest: float) -> list[str]:
    job, writer = soaked.start_job(), soaked.start_writer(rate)
    over, samples = threading.Event(), []
    stalls = threading.Thread(target=stall, args=(soaked.server, soaked.name, over, random.Random(seed), longest))
    stalls.start()
    began = time.monotonic()
    try:
        while (passed := time.monotonic() - began) < minutes * 60:
            if job.poll() is not None:
                return [f"the job ended by itself after {passed:.0f} s: {job.communicate()[1]}"]
            if writer.poll() is not None:
                return [f"the writer ended by itself after {passed:.0f} s"]
            done, there = soaked.taken()
            samples.append(sample(job.pid, passed, there - done))
            if len(samples) % 60 == 0:
                s = samples[-1]
                print(f"{passed:5.0f} s: {done} messages, lag {s.lag}, {s.bytes >> 20} MiB, {s.descriptors} descriptors, {s.threads} threads", flush=True)
            time.sleep(1)
        made = end_writer(writer, soaked.counts)
        over.set()
        deadline = time.monotonic() + 120
        while (left := soaked.taken())[0] < left[1]:
            if time.monotonic() > deadline:
                return [f"{left[1] - left[0]} messages are still waiting two minutes after the last was written"]
            time.sleep(0.5)
    finally:
        over.set()
        stalls.join()
        for child in (writer, job):
            child.kill()
            child.wait()
    last = soaked.start_job("end")  # closes the last windows
    _, error = last.communicate(timeout=300)
    if last.returncode:
        return [f"the last run failed: {error}"]
    want = {(k, second): (n, total) for second, k, n, total in made["counts"]}
    rows = soaked.server.sql(f"select k, extract(epoch from window_start)::bigint, n, total from {soaked.name}")
    got = {(k, second): (n, int(total)) for k, second, n, total in rows}
    wrong = grown(samples)
    if len(got) != len(rows) or got != want:
        lost = sum(n for n, _ in want.values()) - sum(n for n, _ in got.values())
        wrong.append(f"{len(want.items() ^ got.items())} windows differ, {len(rows) - len(got)} are there twice; {lost} messages lost")
    most, lag = max(s.bytes for s in samples), max(s.lag for s in samples)
    print(f"{made['written']} messages in {made['seconds']:.0f} s ({made['written'] / made['seconds']:.0f}/s of {rate:.0f}/s), {len(want)} windows, "
          f"at most {most >> 20} MiB, {max(s.descriptors for s in samples)} descriptors, lag {lag}")
    return wrong


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="./run stream-soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--load", type=float, default=0.8, help="share of the highest load")
    parser.add_argument("--rate", type=float, default=0, help="messages a second, instead of a share of the highest load")
    parser.add_argument("--stall", type=float, default=2, help="the longest stall of the sink, in seconds")
    parser.add_argument("--measure", type=float, default=15, help="seconds in which the highest load is found")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args(arguments)
    if reason := missing() or ("no PostgreSQL server: apt-get install postgresql" if programs() is None else None):
        print(reason, file=sys.stderr)
        return 2
    broker, server = KafkaServer({"log.retention.check.interval.ms": 2000}), PostgresServer()
    try:
        with tempfile.TemporaryDirectory() as folder:
            rate = options.rate
            if not rate:
                trial = Soak(broker, server, Path(folder), "highest")
                highest = highest_load(trial, options.measure)
                trial.close()
                rate = highest * options.load
                print(f"seed {options.seed}; highest load {highest:.0f} messages/s, {rate:.0f} messages/s for {options.minutes:g} minutes", flush=True)
            soaked = Soak(broker, server, Path(folder), "soaked")
            wrong = soak(soaked, options.minutes, rate, options.seed, options.stall)
            soaked.close()
    finally:
        broker.stop()
        server.stop()
    for text in wrong:
        print("WRONG:", text)
    print("wrong" if wrong else "all as it must be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
