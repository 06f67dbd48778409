#!/usr/bin/env python3
"""Random queries over random tables, each run at several settings and compared with a reference.

    ./run fuzz --seconds 600              two processes, until the time is over
    ./run fuzz --seed 7 --case 123        one case again, with all that is known about it

A case is run at the reference setting (one worker) and at five random ones of workers, morsel rows, batch rows and memory
limit. The results must be the same bytes as an IPC stream, or the same error; they must equal what oracle.py says; and where the
plan can be written in SQL, the engine's SQL and DuckDB must agree. Exemptions: exemptions.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import selectors
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CASES_PER_PROCESS = 150
CASE_SECONDS = 180  # after them a case hangs if it stands still, and whatever it does after five times as many
LEVELS = ["baseline", "avx2", ""]


def worker_command(seed: int, rng: random.Random, cases: range) -> tuple[list[str], dict]:
    environment = {**os.environ, "GRISTMILL_SIMD": rng.choice(LEVELS)}
    if rng.random() < 0.1:
        environment["GRISTMILL_CONSTANT_HASH"] = "1"
    command = [sys.executable, "-X", "faulthandler", __file__, "--seed", str(seed), "--cases", f"{cases.start}:{cases.stop}:{cases.step}"]
    return command, environment


class Worker:
    """A process that runs cases and prints a line of JSON before and after each."""

    def __init__(self, seed: int, number: int, step: int, deadline: float) -> None:
        self.seed, self.next_case, self.step, self.deadline = seed, number, step, deadline
        self.rng = random.Random(f"{seed}:{number}:levels")
        self.process: subprocess.Popen | None = None
        self.current: int | None = None
        self.started = self.computed = 0.0
        self.rest = b""

    def start(self) -> None:
        cases = range(self.next_case, self.next_case + CASES_PER_PROCESS * self.step, self.step)
        command, environment = worker_command(self.seed, self.rng, cases)
        self.stderr = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.stderr, env=environment)
        self.started, self.computed, self.rest = time.monotonic(), 0.0, b""

    def lines(self) -> list[bytes] | None:
        """What has come, line by line; None at the end."""
        data = os.read(self.process.stdout.fileno(), 1 << 16)
        *whole, self.rest = (self.rest + data).split(b"\n")
        return whole if data else None

    def take(self, line: bytes) -> dict | None:
        try:
            message = json.loads(line)
        except json.JSONDecodeError:
            return None
        self.started, self.computed = time.monotonic(), self.computing()
        if "begin" in message:
            self.current = message["begin"]
            return None
        self.next_case = message["case"] + self.step
        self.current = None
        return message

    def computing(self) -> float:
        """Seconds of processor time of the process so far."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def hangs(self) -> bool:
        """A large case beside other work takes long but computes; one that stands still, or never ends, is a mistake."""
        passed = time.monotonic() - self.started
        return passed > CASE_SECONDS and (self.computing() - self.computed < passed / 20 or passed > 5 * CASE_SECONDS)

    def errors(self) -> str:
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace")[-6000:]

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def reap(w: Worker) -> dict | None:
    """What the end of a worker's process means: nothing, or a case that crashed or hung."""
    code = w.process.wait()
    if w.current is None and code == 0:
        return None
    case = w.current if w.current is not None else w.next_case
    w.next_case, w.current = case + w.step, None
    return {"case": case, "verdict": "crash", "text": f"the process ended with {code}\n{w.errors()}"}


def run_many(options: argparse.Namespace) -> int:
    deadline = time.monotonic() + options.seconds
    workers = [Worker(options.seed, options.first + i, options.processes, deadline) for i in range(options.processes)]
    counts: dict[str, int] = {}
    failures: list[dict] = []
    waiting = selectors.DefaultSelector()

    def launch(w: Worker) -> None:
        w.start()
        waiting.register(w.process.stdout, selectors.EVENT_READ, w)

    def note(message: dict) -> None:
        counts[message["verdict"]] = counts.get(message["verdict"], 0) + 1
        for name in message.get("marks", []):
            counts[name] = counts.get(name, 0) + 1
        if message["verdict"] not in ("ok", "exempt"):
            failures.append(message)
            print(f"\n==== seed {options.seed} case {message['case']}: {message['verdict']}\n{message['text']}", flush=True)

    for w in workers:
        launch(w)
    while time.monotonic() < deadline and len(failures) < options.most_failures and sum(counts.get(v, 0) for v in VERDICTS) < options.most_cases:
        for key, _ in waiting.select(timeout=1.0):
            w = key.data
            lines = w.lines()
            if lines is None:
                waiting.unregister(w.process.stdout)
                messages = [reap(w)]
                launch(w)
            else:
                messages = map(w.take, lines)
            for message in filter(None, messages):
                note(message)
        for w in workers:
            if w.hangs():
                seconds = time.monotonic() - w.started
                waiting.unregister(w.process.stdout)
                w.process.kill()
                message = reap(w)
                note({**message, "verdict": "hang", "text": f"no end after {seconds:.0f} s"} if message else {"case": -1, "verdict": "hang", "text": ""})
                launch(w)
    for w in workers:
        w.stop()
    done = sum(counts.get(v, 0) for v in VERDICTS)
    print(f"\n{done} cases, {len(failures)} failures, seed {options.seed}: {json.dumps(counts, sort_keys=True)}")
    return 1 if failures or done == 0 else 0


VERDICTS = ("ok", "exempt", "differs", "wrong", "error", "crash", "hang")


def run_cases(options: argparse.Namespace) -> int:
    """The worker: its cases one after another."""
    from case import run_case

    for case in range(*map(int, options.cases.split(":"))):
        print(json.dumps({"begin": case}), flush=True)
        print(json.dumps({"case": case, **run_case(options.seed, case, shrink=True)}), flush=True)
    return 0


def run_one(options: argparse.Namespace) -> int:
    from case import run_case

    result = run_case(options.seed, options.case, shrink=not options.no_shrink, verbose=True)
    print(f"seed {options.seed} case {options.case}: {result['verdict']} {' '.join(result.get('marks', []))}\n{result.get('text', '')}")
    return 0 if result["verdict"] in ("ok", "exempt") else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None, help="default: from the clock")
    parser.add_argument("--case", type=int, default=None, help="run this case alone")
    parser.add_argument("--first", type=int, default=0, help="the first case's number")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--most-failures", type=int, default=10)
    parser.add_argument("--most-cases", type=int, default=10**9)
    parser.add_argument("--no-shrink", action="store_true")
    parser.add_argument("--cases", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.seed is None:
        options.seed = int(time.time()) % 10**6
    sys.path.insert(0, str(Path(__file__).parent))
    if options.cases:
        return run_cases(options)
    return run_one(options) if options.case is not None else run_many(options)


if __name__ == "__main__":
    sys.exit(main())
