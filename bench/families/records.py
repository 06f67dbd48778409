"""records: job files over six-field records, this engine's command against DuckDB and Polars.

Every engine runs in a process of its own that lives on and is warm; ours runs the job file through `gm.Job`. Beside that `gristmill run` is timed,
a fresh process each time: the time of the run as its report says it, and the process's own with its start. Every file is read and compared first.

Gates: no row above 1.0 x the faster peer; the command never above 300 MB; every run's accounting balances (or the command fails).
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engines.worker import read_written
from measure import plot, report
from measure.checksum import Answer, answer_of, difference
from measure.engine_process import EngineFailed
from measure.session import Session, Timing
from workloads.records import ITERATIONS, WORKLOADS, RecordWorkload, text_file

HELP = "record jobs: CSV and NDJSON through transforms to Parquet and CSV"
PEERS = ("duckdb", "polars")
_COMMAND = "gristmill run"
_OURS = {"gristmill", _COMMAND}
MEMORY_MIB = 300e6 / 2**20
_ROOT = Path(__file__).resolve().parents[2]
COMMAND = _ROOT / "build" / "release" / "bin" / "gristmill"
_LAUNCHER = _ROOT / "bench" / "measure" / "launch.py"
_FOLDER = report.RESULTS / "records"
BATCHES = (256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)


@dataclass
class Run:
    """What one run of the command said and took."""

    seconds: float  # of the job, by its report
    process_seconds: float
    peak_mib: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0


@dataclass
class Outcome:
    name: str
    rows: int
    warm: list[float] = field(default_factory=list)  # seconds in the living process
    runs: list[Run] = field(default_factory=list)  # of the command
    peers: dict[str, list[float]] = field(default_factory=dict)
    peer_mib: dict[str, float] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return statistics.median(self.warm)

    @property
    def peer(self) -> str:
        return min(self.peers, key=lambda p: statistics.median(self.peers[p]), default="")

    @property
    def ratios(self) -> list[float]:
        return [ours / theirs for ours, theirs in zip(self.warm, self.peers[self.peer])] if self.peer else []

    @property
    def command_ratio(self) -> float:
        return statistics.median(r.seconds / s for r, s in zip(self.runs, self.peers[self.peer]))

    @property
    def ratio(self) -> float | None:
        return statistics.median(self.ratios) if self.ratios and self.runs else None

    @property
    def peak_mib(self) -> float:
        return max((r.peak_mib for r in self.runs), default=0.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", default="*_10k,*_1m,*_10m", help="names or patterns, comma-separated")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--pairs", type=int, default=7, help="runs of every engine, in turns, after one to warm up")
    parser.add_argument("--scale", choices=("full", "small"), default="full", help="small: the rows of 10,000 records only; checks answers, times mean nothing")
    parser.add_argument("--curves", action="store_true", help="instead: time over batch size and workers, as plots in docs/images")
    parser.add_argument("--scaling", action="store_true", help="instead: the float loop with 1 and 2 workers against two independent processes")
    parser.add_argument("--no-gate", action="store_true")


def _start(workload: RecordWorkload, target: Path, workers: int, batch_rows: int) -> tuple[subprocess.Popen[str], Path]:
    _FOLDER.mkdir(parents=True, exist_ok=True)
    job, said, took = (target.with_suffix(ending) for ending in (".yaml", ".report", ".took"))
    job.write_text(workload.job(str(text_file(workload.form, workload.rows)), str(target), workers, batch_rows))
    launcher = [sys.executable, "-S", "-E", str(_LAUNCHER)]
    process = subprocess.Popen([*launcher, took, COMMAND, "run", job, "--no-live", "--report", said], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    return process, target


def _finish(process: subprocess.Popen[str], target: Path) -> Run:
    errors = process.communicate()[1]
    took: dict[str, Any] = json.loads(target.with_suffix(".took").read_text())
    if took["code"]:
        raise EngineFailed((errors.strip().splitlines() or [f"it ended with {took['code']} and without a word"])[-1])
    told: dict[str, Any] = json.loads(target.with_suffix(".report").read_text())
    batches = told.get("metrics", {}).get("batches", {})
    return Run(told["seconds"], took["seconds"], took["peak_mib"], batches.get("p50_seconds", 0) * 1e3, batches.get("p99_seconds", 0) * 1e3)


def ours(workload: RecordWorkload, workers: int = 2, batch_rows: int = 0, place: str = "") -> tuple[Run, Path]:
    target = _FOLDER / f"{workload.name}{place}.{workload.target}"
    return _finish(*_start(workload, target, workers, batch_rows)), target


def _check(outcome: Outcome, answers: dict[str, Answer]) -> None:
    """Three answers: who differs from both others is wrong; where all differ nothing is right."""
    for who in answers:
        others = [a for other, a in answers.items() if other != who]
        wrong = [difference(answers[who], a) for a in others]
        if others and all(wrong):
            outcome.problems[who] = f"WRONG: {wrong[0]}"


def _measure(workload: RecordWorkload, pairs: int) -> Outcome:
    outcome = Outcome(workload.name, workload.rows)
    source = str(text_file(workload.form, workload.rows))
    answers: dict[str, Answer] = {}
    kinds: Sequence[str] | None = None
    with contextlib.ExitStack() as stack:
        sessions = {p: stack.enter_context(Session(p, "records", workload, False, path=source)) for p in ("gristmill", *PEERS)}  # type: ignore[arg-type]
        for peer, session in sessions.items():
            try:
                session.run()
                answers[peer] = session.answer(kinds)
                kinds = kinds or answers[peer]["kinds"]
            except EngineFailed as e:
                outcome.problems[peer] = f"FAILED: {e}"
        try:
            _, written = ours(workload)
            answers[_COMMAND] = answer_of(read_written(str(written)), workload.order, kinds)
        except EngineFailed as e:
            outcome.problems[_COMMAND] = f"FAILED: {e}"
        _check(outcome, answers)
        timings = {p: Timing() for p in sessions if p not in outcome.problems}
        for turn in range(0 if _OURS & outcome.problems.keys() else pairs):
            who = [_COMMAND, *timings]
            for engine in who if turn % 2 == 0 else reversed(who):
                if engine == _COMMAND:
                    outcome.runs.append(ours(workload)[0])
                else:
                    sessions[engine].run(timings[engine])
        outcome.warm = timings.pop("gristmill", Timing()).seconds
        outcome.peers = {p: t.seconds for p, t in timings.items() if t.seconds}
        outcome.peer_mib = {p: t.peak_mib for p, t in timings.items()}
    _tidy(workload)
    return outcome


def _tidy(workload: RecordWorkload) -> None:
    for path in _FOLDER.glob(f"{workload.name}*"):
        path.unlink()
    source = text_file(workload.form, workload.rows)
    for path in source.parent.glob(f"{source.name}.*.{workload.target}"):
        path.unlink()


_HEAD = ("row", "ours / peer", "spread", "faster peer", "ours ms", "peer ms", "M records/s", "command / peer", "command, whole process ms", "peak MiB", "batch p50 / p99 ms", "other ms")


def _line(o: Outcome) -> list[str]:
    if o.ratio is None:
        return [o.name, "; ".join(f"{who} {why}" for who, why in o.problems.items()) or "no peer", *[""] * (len(_HEAD) - 2)]
    middle = sorted(o.runs, key=lambda r: r.seconds)[len(o.runs) // 2]
    other = ", ".join(f"{p} {statistics.median(s) * 1e3:.1f}" for p, s in o.peers.items() if p != o.peer)
    return [o.name, f"{o.ratio:.2f}" + (" !" if o.ratio > 1 else ""), f"{min(o.ratios):.2f}..{max(o.ratios):.2f}", o.peer, f"{o.seconds * 1e3:.1f}",
            f"{statistics.median(o.peers[o.peer]) * 1e3:.1f}", f"{o.rows / o.seconds / 1e6:.2f}", f"{o.command_ratio:.2f}", f"{statistics.median(r.process_seconds for r in o.runs) * 1e3:.0f}",
            f"{o.peak_mib:.0f} / {o.peer_mib[o.peer]:.0f}", f"{middle.p50_ms:.2f} / {middle.p99_ms:.2f}", other]


def _broken(outcomes: Sequence[Outcome]) -> list[str]:
    broken = [f"{o.name}, {who}: {why}" for o in outcomes for who, why in o.problems.items() if who in _OURS]
    broken += [f"{o.name}: {o.ratio:.2f} x {o.peer}" for o in outcomes if o.ratio is not None and o.ratio > 1 and o.rows >= 1_000_000]
    broken += [f"{o.name}: {o.peak_mib:.0f} MiB" for o in outcomes if o.peak_mib > MEMORY_MIB]
    return broken


def _draw(rows: int, cores: int, by_batch: dict[int, list[Run]], by_workers: dict[int, list[Run]]) -> None:
    """Shares of the best, which hold on a machine that is busy; the report has the rates."""
    images, what = _ROOT / "docs" / "images", f"CSV to Parquet, all transforms, {rows / 1e6:g}M records"
    for name, title, axis, runs in (("batch", f"{what}, 2 workers", "rows of a batch", by_batch), ("workers", f"{what}, {cores} cores", "workers", by_workers)):
        seconds = {n: statistics.median(r.seconds for r in found) for n, found in runs.items()}
        plot.curve(images / f"records-{name}.svg", title, axis, "records a second, as a share of the best", [(n, min(seconds.values()) / s) for n, s in seconds.items()])


def _curves(pairs: int) -> int:
    """Time of the job with all transforms over the rows of a batch and over the workers; both are interleaved runs."""
    workload = WORKLOADS["csv_to_parquet_all_1m"]
    cores = len(os.sched_getaffinity(0))
    workers = sorted({1, 2, 3, 4, 6, 8, cores, 2 * cores, 4 * cores})
    by_batch: dict[int, list[Run]] = {n: [] for n in BATCHES}
    by_workers: dict[int, list[Run]] = {n: [] for n in workers}
    ours(workload)
    for _ in range(pairs):
        for n in BATCHES:
            by_batch[n].append(ours(workload, 2, n)[0])
        for n in workers:
            by_workers[n].append(ours(workload, n)[0])
    _tidy(workload)
    rate = lambda runs: workload.rows / statistics.median(r.seconds for r in runs) / 1e6  # noqa: E731
    _draw(workload.rows, cores, by_batch, by_workers)
    lines = [["batch rows", str(n), f"{rate(r):.2f}", f"{statistics.median(x.p50_ms for x in r):.2f}", f"{statistics.median(x.p99_ms for x in r):.2f}",
              f"{max(x.peak_mib for x in r):.0f}"] for n, r in by_batch.items()]
    lines += [["workers", str(n), f"{rate(r):.2f}", f"{statistics.median(x.p50_ms for x in r):.2f}", f"{statistics.median(x.p99_ms for x in r):.2f}",
               f"{max(x.peak_mib for x in r):.0f}"] for n, r in by_workers.items()]
    text = report.markdown_table(("what", "value", "M records/s", "batch p50 ms", "batch p99 ms", "peak MiB"), lines)
    report.save("records-curves", f"# records, curves ({workload.name})\n\n{text}\n",
                {"batch_rows": {n: [asdict(x) for x in r] for n, r in by_batch.items()}, "workers": {n: [asdict(x) for x in r] for n, r in by_workers.items()}})
    return 0


def _scaling(options: argparse.Namespace) -> int:
    """The time of one of two processes with one worker each, over twice the time of one process with two workers."""
    workload = WORKLOADS["csv_to_parquet_loop_" + ("10k" if options.scale == "small" else "1m")]
    ours(workload)
    efficiencies = []
    for _ in range(max(options.pairs, 5)):
        both, _ = ours(workload, 2)
        started = [_start(workload, _FOLDER / f"{workload.name}-{i}.{workload.target}", 1, 0) for i in range(2)]
        apart = [_finish(*s) for s in started]
        efficiencies.append(statistics.mean(r.seconds for r in apart) / (2 * both.seconds))
    _tidy(workload)
    middle = statistics.median(efficiencies)
    report.save("records-scaling", f"# records, float loop of {ITERATIONS} iterations\n\n1 -> 2 workers: {middle:.2f} of two independent processes "
                f"({min(efficiencies):.2f}..{max(efficiencies):.2f}); gate: 0.9\n", {"efficiencies": efficiencies})
    if middle < 0.9 and not options.no_gate and options.scale == "full":
        print("GATE DOES NOT HOLD: scaling")
        return 1
    return 0


def run(options: argparse.Namespace) -> int:
    if options.list:
        print("\n".join(WORKLOADS))
        return 0
    if options.curves:
        return _curves(options.pairs)
    if options.scaling:
        return _scaling(options)
    patterns = ["*_10k"] if options.scale == "small" and options.rows == "*_10k,*_1m,*_10m" else options.rows.split(",")
    chosen = [w for w in WORKLOADS.values() if any(fnmatch.fnmatch(w.name, p) for p in patterns)]
    if not chosen:
        raise SystemExit(f"no row is called {options.rows}; --list prints them")
    outcomes = []
    for workload in chosen:
        outcomes.append(_measure(workload, options.pairs))
        o = outcomes[-1]
        print(f"{o.name}: {' | '.join(_line(o)[1:])}" + "".join(f" -- {who} {why}" for who, why in o.problems.items()), file=sys.stderr, flush=True)
    problems = "".join(f"\n- {o.name}, {who}: {why}" for o in outcomes for who, why in o.problems.items())
    text = f"# records\n\n{report.markdown_table(_HEAD, [_line(o) for o in outcomes])}\n" + (f"\nWrong or failed:\n{problems}\n" if problems else "")
    small = options.scale == "small"
    report.save("records" + ("-small" if small else ""), text, {"rows": [asdict(o) | {"ratio": o.ratio} for o in outcomes]})
    broken = _broken(outcomes)
    wrong = [b for o in outcomes for b in o.problems if b in _OURS]
    for line in broken:
        print(f"GATE DOES NOT HOLD: {line}")
    return int(not options.no_gate and bool(wrong if small else broken))
