"""streams --kafka: counts and sums by key and second from one topic into another, the highest load and the latency below it, beside a peer.

Broker, writer and job share this machine. The highest load is what a job counts a second while the writer gives all it can. Then the writer gives 50,
80 and 95 % of that; the latency of a result is the time at which the broker has it less the end of its second. Every result of the seconds that are
measured must be what the writer wrote.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import stream_peers
from engines import ALL
from measure import report
from stream_peers import OURS

ROOT = Path(__file__).resolve().parents[2]
PARTITIONS, KEYS = 4, 100
SHARES = (0.5, 0.8, 0.95)
WARM = 5.0  # seconds of each run that do not count


@dataclass
class Load:
    share: float
    rate: float
    milliseconds: list[float] = field(default_factory=list)

    def quantile(self, q: float) -> float:
        return sorted(self.milliseconds)[min(len(self.milliseconds) - 1, int(q * len(self.milliseconds)))]


@dataclass
class Engine:
    name: str
    highest: float = 0.0
    loads: list[Load] = field(default_factory=list)
    problem: str = ""


class Trial:
    """A broker, and jobs between fresh topics of it."""

    def __init__(self, broker: Any, folder: Path) -> None:
        self._broker, self._folder, self._number = broker, folder, 0

    @contextmanager
    def _job(self, engine: str) -> Iterator[tuple[str, str, subprocess.Popen[bytes]]]:
        self._number += 1
        source = self._broker.create(f"in-{self._number}", PARTITIONS)
        target = self._broker.create(f"out-{self._number}", 1, **{"message.timestamp.type": "LogAppendTime"})
        with open(self._folder / f"{engine}.log", "ab") as log:
            job = subprocess.Popen([*stream_peers.command(engine), self._broker.servers, source, target], stdout=log, stderr=log, cwd=self._folder)
        try:
            yield source, target, job
        finally:
            job.kill()
            job.wait()

    def _write(self, topic: str, rate: float, seconds: float, name: str) -> subprocess.Popen[bytes]:
        out = self._folder / f"{topic}-{name}.json"
        return subprocess.Popen([sys.executable, str(stream_peers.HERE / "writer.py"), self._broker.servers, topic, str(PARTITIONS), str(KEYS), str(rate),
                                 str(seconds), str(out)])

    def _written(self, writer: subprocess.Popen[bytes], topic: str, name: str) -> dict[tuple[int, str], tuple[int, int]]:
        if writer.wait(300):
            raise RuntimeError("the writer failed")
        made = json.loads((self._folder / f"{topic}-{name}.json").read_text())
        if made["left"] or made["failed"]:
            raise RuntimeError(f"the writer failed: {made['left']} messages left, {made['failed']}")
        return {(start, k): (n, total) for start, k, n, total in made["counts"]}

    def _results(self, target: str) -> "Results":
        return Results(self._broker.servers, target)

    def run(self, engine: str, rate: float, seconds: float) -> tuple[float, list[float]]:
        """Events counted a second, and the latency of each result, behind the first seconds."""
        with self._job(engine) as (source, target, job):
            results = self._results(target)
            try:
                self._wait_until_it_answers(engine, source, job, results)
                began = time.time()
                writer = self._write(source, rate, seconds, "load")
                while writer.poll() is None:
                    results.take(0.2)
                ended = time.time()
                wrote = self._written(writer, source, "load")
                time.sleep(2)
                results.take(1)
            finally:
                results.close()
        first, last = (began + WARM) * 1000, ended * 1000
        counted = [r for r in results.rows if first <= r.appended <= last and r.start >= began * 1000]
        whole = {at for at, _ in wrote if at >= first and at + 2000 <= last}
        for r in counted:
            if r.start in whole and wrote.get((r.start, r.key)) != (r.n, r.total):
                raise AssertionError(f"WRONG: {r.n} of {r.key} in the second {r.start}, written were {wrote.get((r.start, r.key))}")
        if len({(r.start, r.key) for r in counted}) != len(counted):
            raise AssertionError("WRONG: a second of a key came twice")
        return sum(r.n for r in counted) / (ended - began - WARM), [r.appended - r.start - 1000 for r in counted if r.start in whole]

    def _wait_until_it_answers(self, engine: str, source: str, job: subprocess.Popen[bytes], results: "Results") -> None:
        """Jobs take their time to start; a little is written until the first result comes."""
        for _ in range(30):
            self._written(self._write(source, 2000, 2, "warm"), source, "warm")
            results.take(0.5)
            if results.rows:
                return
            if job.poll() is not None:
                raise RuntimeError(f"the job ended: {(self._folder / f'{engine}.log').read_text()[-500:]}")
        raise RuntimeError(f"no result in a minute: {(self._folder / f'{engine}.log').read_text()[-500:]}")


@dataclass
class Result:
    start: int
    key: str
    n: int
    total: int
    appended: float


class Results:
    """What has come into a topic so far."""

    def __init__(self, servers: str, topic: str) -> None:
        from confluent_kafka import Consumer, TopicPartition

        self._consumer = Consumer({"bootstrap.servers": servers, "group.id": "bench", "enable.auto.commit": False, "log_level": 0})
        self._consumer.assign([TopicPartition(topic, 0, 0)])
        self.rows: list[Result] = []

    def take(self, seconds: float) -> None:
        for m in self._consumer.consume(100_000, seconds):
            if m.error() is None:
                row = json.loads(m.value())
                self.rows.append(Result(int(row["start"]), row["k"], int(row["n"]), int(row["total"]), m.timestamp()[1]))

    def close(self) -> None:
        self._consumer.close()


def _measure(trial: Trial, name: str, seconds: float, small: bool) -> Engine:
    engine = Engine(name)
    try:
        engine.highest = statistics.median(trial.run(name, 20_000 if small else 0, seconds)[0] for _ in range(1 if small else 3))
        for share in SHARES:
            load = Load(share, share * engine.highest)
            load.milliseconds = trial.run(name, load.rate, seconds)[1]
            if not load.milliseconds:
                raise RuntimeError(f"no result at {share:.0%} of the highest load: the job fell behind")
            engine.loads.append(load)
    except Exception as e:  # noqa: BLE001 - the report says it, other engines go on
        engine.problem = str(e).strip() or type(e).__name__
    return engine


def _line(e: Engine) -> list[str]:
    cells = [f"{load.quantile(0.5):.0f} / {load.quantile(0.99):.0f}" for load in e.loads]
    return [e.name, f"{e.highest:,.0f}" if e.highest else "", *cells, *[""] * (len(SHARES) - len(cells)), e.problem.splitlines()[-1] if e.problem else ""]


def _not_ahead(ours: Engine, peers: list[Engine]) -> list[str]:
    found = []
    for p in peers:
        if p.highest > ours.highest:
            found.append(f"{p.name} counts {p.highest:,.0f} events/s, we {ours.highest:,.0f}")
        for mine, theirs in zip(ours.loads, p.loads):
            for q in (0.5, 0.99):
                if theirs.quantile(q) < mine.quantile(q):
                    found.append(f"p{q * 100:.0f} at {mine.share:.0%}: {p.name} {theirs.quantile(q):.0f} ms, we {mine.quantile(q):.0f}")
    return found


def run(options: argparse.Namespace) -> int:
    sys.path.insert(0, str(ROOT / "tests" / "servers"))
    from kafka_server import KafkaServer, missing

    if (why := missing()) is not None:
        print(f"no broker: {why}")
        return 1
    small = options.scale == "small"
    absent = stream_peers.ENVIRONMENT.install()
    names = [OURS, *(p for p in stream_peers.ENVIRONMENT.pins() if p not in absent)]
    if options.engines != ",".join(ALL):
        names = [n for n in names if n in options.engines.split(",")]
    engines = []
    broker = KafkaServer()
    try:
        with tempfile.TemporaryDirectory() as folder:
            trial = Trial(broker, Path(folder))
            for name in names:
                engines.append(_measure(trial, name, 12 if small else options.seconds, small))
                print(" | ".join(_line(engines[-1])), file=sys.stderr, flush=True)
    finally:
        broker.stop()
    engines += [Engine(name, problem=f"not installed: {why}") for name, why in absent.items()]
    head = ("engine", "highest events/s", *(f"p50 / p99 ms at {s:.0%}" for s in SHARES), "")
    text = f"# streams from Kafka\n\n{__doc__.split(chr(10), 2)[2].strip()}\n\n{report.markdown_table(head, [_line(e) for e in engines])}\n"
    report.save("streams-kafka" + ("-small" if small else ""), text, {"engines": [asdict(e) for e in engines]})
    if OURS not in names:
        return 0
    ours, peers = engines[0], [e for e in engines[1:] if e.loads]
    broken = [ours.problem] if ours.problem else [] if small else _not_ahead(ours, peers)
    if not peers:
        broken.append("no peer was measured")
    for line in broken:
        print(f"GATE DOES NOT HOLD: {line}")
    return int(bool(broken) and not options.no_gate)
