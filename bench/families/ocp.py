"""ocp: the cost job on generated usage, from Parquet to Parquet and into PostgreSQL, every run in a process of its own.

Seconds of this engine are those of the whole process; of peers the work alone, without the start of Python. All programs write the same rows,
which is checked before a time is printed: each result against DuckDB's. Into PostgreSQL this engine writes a Parquet file and copies its rows.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from measure import report

HELP = "the OpenShift cost job: days of 20k to 2M rows and a realistic month"
_ROOT = Path(__file__).resolve().parents[2]
JOB = _ROOT / "build" / "release" / "bin" / "gristmill-ocp"
_FOLDER = report.RESULTS / "ocp"
DAYS = ("20k", "50k", "100k", "250k", "500k", "1M", "1.5M", "2M")
MONTHS = ("2.5M", "5M", "10M")
OURS = "gristmill-ocp"
TO_PARQUET = (OURS, "duckdb", "polars")
TO_POSTGRES = (OURS, "duckdb_postgres", "postgres", "copy")
TABLE = "reporting_ocpusagelineitem_daily_summary"


@dataclass
class Outcome:
    """One program on one input."""

    input: str
    target: str
    program: str
    seconds: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)
    phases: list[dict[str, float]] = field(default_factory=list)
    problem: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--inputs", default="all", help="comma-separated: day-20k ... day-2M, month-2.5M ...; all, days, months")
    parser.add_argument("--targets", default="parquet,postgres")
    parser.add_argument("--programs", default="", help=f"some of {', '.join((*TO_PARQUET, *TO_POSTGRES[1:]))}")
    parser.add_argument("--rounds", type=int, default=5, help="runs of every program, in turns, after one to warm up")
    parser.add_argument("--memory", default="", help="limit of this engine, e.g. 512MB")
    parser.add_argument("--scale", choices=("full", "small"), default="full", help="small: 20k rows each; checks answers, times mean nothing")
    parser.add_argument("--no-gate", action="store_true")


def _inputs(options: argparse.Namespace) -> list[str]:
    days, months = [f"day-{n}" for n in DAYS], [f"month-{n}" for n in MONTHS]
    if options.scale == "small":
        days, months = ["day-20k"], ["month-20k"]
    chosen = {"all": days + months, "days": days, "months": months}.get(options.inputs)
    return options.inputs.split(",") if chosen is None else chosen


def _generated(name: str) -> Path:
    """The folder of an input, made once."""
    folder = _FOLDER / "inputs" / name
    if not (folder / "job.json").exists() or not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        shape, rows = name.split("-")
        subprocess.run([JOB, "generate", "--shape", shape, "--rows", rows, "--out", folder], check=True, stdout=subprocess.DEVNULL)
        (folder / "done").touch()
    return folder


def _ours(arguments: list[str]) -> tuple[float, float, str]:
    """Seconds, peak MiB and what went wrong of one run of the program with two workers."""
    start = time.perf_counter()
    process = subprocess.Popen([JOB, *arguments, "--workers", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - start, usage.ru_maxrss / 1024, errors.strip() if process.returncode else ""


def _peer(program: str, source: Path, target: str, connection: str) -> tuple[dict[str, object], str]:
    done = subprocess.run([sys.executable, "-m", "ocp.worker", program, str(source), target, connection], cwd=_ROOT / "bench", capture_output=True, text=True,
                          env=os.environ | {"POLARS_MAX_THREADS": "2", "GRISTMILL_WORKERS": "2"})
    if done.returncode:
        return {}, (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
    return json.loads(done.stdout), ""


def _once(outcome: Outcome, folder: Path, connection: str, memory: list[str], count: bool) -> None:
    from ocp.duckdb_month import difference

    out = _FOLDER / f"{outcome.input}-{outcome.program}.parquet"
    if outcome.target == "postgres":
        from ocp.into_postgres import make_table

        make_table(connection, TABLE)
    reference = _FOLDER / f"{outcome.input}-{OURS}.parquet"
    if outcome.program == OURS:
        seconds, peak, outcome.problem = _ours(["case", str(folder), "--out", str(out), *memory])
        if outcome.target == "postgres" and not outcome.problem:  # and the file's rows into the table, as the floor does it
            copied, outcome.problem = _peer("copy", out, TABLE, connection)
            seconds += float(copied.get("seconds", 0))  # type: ignore[arg-type]
        reply: dict[str, object] = {"seconds": seconds, "peak_mib": peak, "phases": {}}
    else:
        source = reference if outcome.program == "copy" else folder
        reply, outcome.problem = _peer(outcome.program, source, str(out) if outcome.target == "parquet" else TABLE, connection)
    if outcome.problem:
        outcome.problem = f"FAILED: {outcome.problem}"
        return
    if count:
        outcome.seconds.append(float(reply["seconds"]))  # type: ignore[arg-type]
        outcome.peak_mib.append(float(reply["peak_mib"]))  # type: ignore[arg-type]
        outcome.phases.append(reply["phases"])  # type: ignore[arg-type]
        return
    if outcome.target == "postgres":  # the warm-up's answer is the one that is checked
        import gristmill as gm

        out = _FOLDER / f"{outcome.input}-{outcome.program}-table.parquet"
        _table_rows(gm, connection).sink_parquet(out)
    wrong = difference(out, folder)
    outcome.problem = f"WRONG: {wrong}" if wrong else ""


def _table_rows(gm: object, connection: str) -> object:
    """The table's rows with labels as the files have them."""
    from ocp.duckdb_month import EXACT, NUMBERS

    canonical = ("case when {0} is not null then (select '{{' || coalesce(string_agg(to_json(key)::text || ':' || to_json(value)::text, ',' "
                 "order by key collate \"C\"), '') || '}}' from jsonb_each_text({0})) end as {0}")
    texts = {n: canonical.format(n) for n in ("pod_labels", "volume_labels", "all_labels")}
    texts |= {n: f"{n}::text as {n}" for n in ("infrastructure_usage_cost", "source_uuid")}
    return gm.scan_postgres(connection, f"select {', '.join(texts.get(n, n) for n in EXACT + NUMBERS)} from {TABLE}")  # type: ignore[attr-defined]


def _measure(name: str, target: str, programs: tuple[str, ...], options: argparse.Namespace, connection: str) -> list[Outcome]:
    folder = _generated(name)
    memory = ["--memory", options.memory] if options.memory else []
    outcomes = [Outcome(name, target, p) for p in programs]
    for turn in range(options.rounds + 1):
        for outcome in outcomes:
            if not outcome.problem:
                _once(outcome, folder, connection, memory, turn > 0)
    for o in outcomes:
        state = o.problem or f"{o.median:.2f} s, {max(o.peak_mib):.0f} MiB" + "".join(f", {k} {statistics.median(p[k] for p in o.phases):.2f}" for k in o.phases[0])
        print(f"{name} -> {target}, {o.program}: {state}", file=sys.stderr, flush=True)
    return outcomes


def _line(o: Outcome, outcomes: list[Outcome]) -> list[str]:
    if o.problem:
        return [o.input, o.target, o.program, o.problem, "", ""]
    peers = [p for p in outcomes if p.program not in (OURS, "copy") and not p.problem]
    ratio = ""
    if o.program == OURS and peers:
        best = min(peers, key=lambda p: p.median)
        pairs = [a / b for a, b in zip(o.seconds, best.seconds)]
        ratio = f"{statistics.median(pairs):.2f} ({min(pairs):.2f}..{max(pairs):.2f}) of {best.program}"
    return [o.input, o.target, o.program, f"{o.median:.3f}", f"{max(o.peak_mib):.0f}", ratio]


def run(options: argparse.Namespace) -> int:
    server = None
    if "postgres" in options.targets.split(","):
        sys.path.insert(0, str(_ROOT / "tests" / "servers"))
        from postgres import PostgresServer

        server = PostgresServer()
    _FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = options.programs.split(",") if options.programs else None
    everything: list[list[Outcome]] = []
    try:
        for name in _inputs(options):
            for target in options.targets.split(","):
                programs = tuple(p for p in (TO_PARQUET if target == "parquet" else TO_POSTGRES) if wanted is None or p in wanted)
                everything.append(_measure(name, target, programs, options, server.address if server else ""))
    finally:
        if server:
            server.stop()
    lines = [_line(o, outcomes) for outcomes in everything for o in outcomes]
    text = "# ocp\n\n" + report.markdown_table(("input", "into", "program", "seconds", "peak MiB", "ours / fastest peer"), lines) + "\n"
    text += "\nPostgreSQL's memory is that of the client; its time includes loading the line items.\n"
    report.save("ocp" + ("-small" if options.scale == "small" else ""), text, {"rows": [asdict(o) for outcomes in everything for o in outcomes]})
    bad = [f"{o.input} -> {o.target}, {o.program}: {o.problem}" for outcomes in everything for o in outcomes if o.problem]
    for line in bad:
        print(line)
    return int(any(f" {OURS}:" in line for line in bad) and not options.no_gate)
