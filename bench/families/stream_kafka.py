"""streams --kafka: counts and sums by key and second from one topic into another, the highest load and the latency below it, beside peers.

Broker, writer and job share this machine. A load counts when the job keeps up with it and every result is right (kafka_trial.py). The highest load of an
engine is found by doubling the rate from 10,000 events/s until a run fails, and halving what lies between the last good rate and the first bad one.
The latency of a result is the time at which the broker has it less the end of its second, at 50, 80 and 95 % of each engine's highest load; at those of a peer
we are measured too. Engines whose clocks must wait for messages that are behind (bytewax, pathway) wait the least of 50, 200 and 800 ms at which
their answers are right.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import stream_peers
from engines import ALL
from measure import report
from stream_peers import OURS

from .kafka_trial import Outcome, Trial

ROOT = Path(__file__).resolve().parents[2]
SHARES = (0.5, 0.8, 0.95)
FIRST, LEAST, HALVINGS = 10_000.0, 500.0, 3
WAITS = {"bytewax": (50, 200, 800), "pathway": (50, 200, 800)}


@dataclass
class Engine:
    """`at`: latencies by whose highest load they are shares of, and the share."""

    name: str
    highest: float = 0.0
    limit: str = ""
    tried: list[Outcome] = field(default_factory=list)
    at: dict[str, Outcome] = field(default_factory=dict)

    def say(self, text: str) -> None:
        print(f"{self.name}: {text}", file=sys.stderr, flush=True)


def _attempt(trial: Trial, engine: Engine, rate: float, seconds: float) -> Outcome:
    """With the least wait at which the answers are right."""
    for wait in WAITS.get(engine.name, (0,)):
        out = trial.run(engine.name, rate, seconds, wait)
        engine.tried.append(out)
        engine.say(f"{rate:,.0f} events/s{f', wait {wait} ms' if wait else ''}: " +
                   (out.problem or f"p50 {out.quantile(0.5):.0f} ms, p99 {out.quantile(0.99):.0f} ms"))
        if not out.wrong:
            return out
    return out


def find_highest(trial: Trial, engine: Engine, seconds: float, most: float) -> None:
    low, high, rate = 0.0, 0.0, min(FIRST, most)
    while not high:
        out = _attempt(trial, engine, rate, seconds)
        if out.good:
            low = rate
            if rate >= most:
                break
            rate = min(rate * 2, most)
        else:
            high, engine.limit = rate, out.problem
            if not low and rate / 4 >= LEAST:  # not even the first: the other way
                high, rate = 0.0, rate / 4
    for _ in range(HALVINGS if low and high else 0):
        middle = (low + high) / 2
        out = _attempt(trial, engine, middle, seconds)
        if out.good:
            low = middle
        else:
            high, engine.limit = middle, out.problem
    engine.highest = low


def _known(text: str) -> dict[str, float]:
    return {name: float(rate) for name, rate in (part.split("=") for part in text.split(",") if part)}


def _cell(out: Outcome | None) -> str:
    if out is None:
        return ""
    if not out.good:
        return out.problem.splitlines()[0][:80]
    return f"{out.quantile(0.5):.0f} / {out.quantile(0.99):.0f}" + (f" (wait {out.wait})" if out.wait else "")


def _lines(engines: list[Engine]) -> list[list[str]]:
    lines = []
    for of in engines:
        for e in engines:
            if any((key := f"{of.name} {share}") in e.at for share in SHARES):
                loads = " / ".join(f"{of.highest * share:,.0f}" for share in SHARES)
                lines.append([of.name, loads, e.name, *(_cell(e.at.get(f"{of.name} {share}")) for share in SHARES)])
    return lines


def _not_ahead(ours: Engine, peers: list[Engine]) -> list[str]:
    found = []
    for p in peers:
        if ours.highest and p.highest >= ours.highest:
            found.append(f"{p.name} keeps up with {p.highest:,.0f} events/s, we with {ours.highest:,.0f}")
        for share in SHARES:
            mine, theirs = ours.at.get(f"{p.name} {share}"), p.at.get(f"{p.name} {share}")
            if theirs is None or not theirs.good:
                continue
            if mine is None or not mine.good:
                found.append(f"{share:.0%} of {p.name}'s highest load: {mine.problem if mine else 'we were not measured'}")
                continue
            for q in (0.5, 0.99):
                if theirs.quantile(q) < mine.quantile(q):
                    found.append(f"p{q * 100:.0f} at {share:.0%} of {p.name}'s highest load: {p.name} {theirs.quantile(q):.0f} ms, we {mine.quantile(q):.0f}")
    return found


def _measure(trial: Trial, engines: list[Engine], seconds: float, small: bool, known: dict[str, float]) -> None:
    for e in engines:
        if e.name in known:
            e.highest, e.limit = known[e.name], "found before"
        else:
            find_highest(trial, e, seconds, 4 * FIRST if small else float("inf"))
        e.say(f"highest load {e.highest:,.0f} events/s ({e.limit})")
    for of in engines:
        for share in SHARES if of.highest and of.name not in known else ():
            for e in engines:
                if e is of or e.name == OURS:
                    e.at[f"{of.name} {share}"] = _attempt(trial, e, of.highest * share, seconds)


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
    engines = [Engine(name) for name in names]
    broker = KafkaServer()
    try:
        with tempfile.TemporaryDirectory() as folder:
            _measure(Trial(broker, Path(folder)), engines, 4 if small else options.seconds, small, _known(options.known))
    finally:
        broker.stop()
    loads = [[e.name, f"{e.highest:,.0f}" if e.highest else "none", e.limit.splitlines()[0] if e.limit else ""] for e in engines]
    loads += [[name, "", f"not installed: {why}"] for name, why in absent.items()]
    text = (f"# streams from Kafka\n\n{__doc__.split(chr(10), 2)[2].strip()}\n\n{report.markdown_table(('engine', 'highest events/s', 'above it'), loads)}\n\n" +
            report.markdown_table(("highest load of", "events/s at 50 / 80 / 95 %", "engine", *(f"p50 / p99 ms at {s:.0%}" for s in SHARES)),
                                  _lines(engines)) + "\n")
    report.save("streams-kafka" + ("-small" if small else ""), text, {"engines": [asdict(e) for e in engines]})
    if OURS not in names:
        return 0
    ours, peers = engines[0], [e for e in engines[1:] if e.highest]
    broken = [] if ours.highest else [f"{OURS}: {ours.limit}"]
    if not small:
        broken += _not_ahead(ours, peers)
    if not peers:
        broken.append("no peer was measured")
    for line in broken:
        print(f"GATE DOES NOT HOLD: {line}")
    return int(bool(broken) and not options.no_gate)
