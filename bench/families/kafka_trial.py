"""One run of streams --kafka: a job of one engine between two fresh topics, a writer at a steady rate, and what came of it.

A run counts when the writer gave what it was told, every result of the seconds that are measured is what the writer wrote, each once, and the
job was not behind: no result came later than two seconds after the end of its second and the wait that the job was told.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import stream_peers

PARTITIONS, KEYS = 4, 100
WARM = 4.0  # seconds of each run that do not count
BEHIND = 2000.0  # milliseconds
WRITER = 0.97  # of the rate that was asked for


@dataclass
class Outcome:
    """`problem`: why the run does not count; `wrong`: because of its answers."""

    rate: float
    wait: int
    milliseconds: list[float] = field(default_factory=list)
    problem: str = ""
    wrong: bool = False

    @property
    def good(self) -> bool:
        return not self.problem

    def quantile(self, q: float) -> float:
        return sorted(self.milliseconds)[min(len(self.milliseconds) - 1, int(q * len(self.milliseconds)))]


class Trial:
    """A broker, and jobs between fresh topics of it."""

    def __init__(self, broker: Any, folder: Path) -> None:
        self._broker, self._folder, self._number = broker, folder, 0

    @contextmanager
    def _job(self, engine: str, wait: int) -> Iterator[tuple[str, str, subprocess.Popen[bytes]]]:
        self._number += 1
        source = self._broker.create(f"in-{self._number}", PARTITIONS)
        target = self._broker.create(f"out-{self._number}", 1, **{"message.timestamp.type": "LogAppendTime"})
        with open(self._folder / f"{engine}.log", "wb") as log:
            job = subprocess.Popen([*stream_peers.command(engine), self._broker.servers, source, target, str(wait)], stdout=log, stderr=log, cwd=self._folder)
        try:
            yield source, target, job
        finally:
            job.kill()
            job.wait()

    def _said(self, engine: str) -> str:
        return (self._folder / f"{engine}.log").read_text(errors="replace").strip()[-300:]

    def _write(self, topic: str, rate: float, seconds: float, name: str) -> subprocess.Popen[bytes]:
        out = self._folder / f"{topic}-{name}.json"
        return subprocess.Popen([sys.executable, str(stream_peers.HERE / "writer.py"), self._broker.servers, topic, str(PARTITIONS), str(KEYS), str(rate),
                                 str(seconds), str(out)])

    def _written(self, writer: subprocess.Popen[bytes], topic: str, name: str) -> tuple[float, dict[tuple[int, str], tuple[int, int]]]:
        if writer.wait(300):
            raise RuntimeError("the writer failed")
        made = json.loads((self._folder / f"{topic}-{name}.json").read_text())
        if made["left"] or made["failed"]:
            raise RuntimeError(f"the writer failed: {made['left']} messages left, {made['failed']}")
        return made["written"] / made["seconds"], {(start, k): (n, total) for start, k, n, total in made["counts"]}

    def run(self, engine: str, rate: float, seconds: float, wait: int = 0) -> Outcome:
        out = Outcome(rate, wait)
        try:
            with self._job(engine, wait) as (source, target, job):
                results = Results(self._broker.servers, target)
                try:
                    self._measure(engine, source, job, results, seconds, out)
                finally:
                    results.close()
        except RuntimeError as e:
            out.problem = str(e)
        return out

    def _measure(self, engine: str, source: str, job: subprocess.Popen[bytes], results: "Results", seconds: float, out: Outcome) -> None:
        self._wait_until_it_answers(engine, source, job, results, out.wait)
        began = time.time()
        writer = self._write(source, out.rate, WARM + seconds + 1, "load")
        while writer.poll() is None:
            results.take(0.2)
        gave, wrote = self._written(writer, source, "load")
        until = time.time() + (BEHIND + out.wait) / 1000
        while time.time() < until:
            results.take(0.2)
        if gave < WRITER * out.rate:
            raise RuntimeError(f"the writer gave {gave:,.0f} events/s")
        first = (began + WARM) * 1000
        last = max(at for at, _ in wrote) - 1000  # the last second but one: what is behind it closes it in every engine
        whole = {at for at, _ in wrote if first <= at <= last}
        counted = [r for r in results.rows if r.start in whole]
        came = {(r.start, r.key): (r.n, r.total) for r in counted}
        want = {at: value for at, value in wrote.items() if at[0] in whole}
        out.wrong = True
        if len(came) != len(counted):
            raise RuntimeError("wrong: a second of a key came twice")
        for at, value in came.items():
            if want.get(at) != value:
                raise RuntimeError(f"wrong: {value} of {at[1]} in the second {at[0]}, written were {want.get(at)}")
        out.wrong = False
        out.milliseconds = [r.appended - r.start - 1000 for r in counted]
        if len(came) != len(want) or max(out.milliseconds) > BEHIND + out.wait:
            raise RuntimeError(f"fell behind: {len(came):,} of {len(want):,} results, the slowest after {max(out.milliseconds, default=0):,.0f} ms")

    def _wait_until_it_answers(self, engine: str, source: str, job: subprocess.Popen[bytes], results: "Results", wait: int) -> None:
        """Jobs take their time to start; a little is written until the first result comes."""
        for _ in range(20):
            self._written(self._write(source, 2000, 2, "warm"), source, "warm")
            results.take(0.5 + wait / 1000)
            if results.rows:
                return
            if job.poll() is not None:
                raise RuntimeError(f"the job ended: {self._said(engine)}")
        raise RuntimeError(f"no result in a minute: {self._said(engine)}")


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
