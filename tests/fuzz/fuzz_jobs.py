#!/usr/bin/env python3
"""Random record jobs against a plain Python computation of what must come out: ./run fuzz-jobs --count N --seed S.

Each seed makes a job file with its inputs: sources of every format in several files, broken records, values that steps cannot handle, random
steps, one sink or several, a policy, settings of the engine, and sometimes a sink that fails. The command runs it; then

- the exit code is 0, or 1 where the run had to fail;
- every sink holds exactly the expected rows in their order: nothing lost, nothing doubled; after a failure nothing is visible;
- the report's accounting balances and agrees with what was injected, step by step;
- the file of dead letters has exactly the bad records, in the order of the source;
- another number of workers and another batch size give the same bytes.

A failing seed keeps its folder and prints the command that repeats it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parents[1]
for place in (_HERE, _ROOT / "tests" / "servers"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from http_sink import HttpSink, serving  # noqa: E402
from jobs_data import KINDS, Record, Source, make_records, write_source  # noqa: E402
from jobs_sinks import Row, Sink, make_sink, small_disk  # noqa: E402
from jobs_steps import Bad, Plan, condition, make_plan  # noqa: E402

COMMAND = _ROOT / "build" / "release" / "bin" / "gristmill"
DISK_KIB = 64


@dataclass
class Case:
    seed: int
    folder: Path
    source: Source
    plan: Plan
    sinks: list[Sink]
    policy: str
    at_most: int | None
    parallel: dict[str, Any]
    fault: str  # "", "no folder", "full disk", "refusing table" or "dead service"

    @property
    def records(self) -> list[Record]:
        return self.source.records

    @property
    def dead_letters(self) -> Path:
        return self.folder / "rejected.ndjson"

    def yaml(self, parallel: dict[str, Any] | None = None) -> str:
        lines = [f"name: fuzz_{self.seed}", f"source: {{{self.source.yaml()}}}"]
        steps = [s.yaml for s in self.plan.steps] + ([self.plan.over_all[0]] if self.plan.over_all else [])
        if steps:
            lines += ["transforms:"] + [f"  - {text}" for text in steps]
        if len(self.sinks) == 1 and not self.sinks[0].when:
            lines.append(f"sink: {{{self.sinks[0].yaml()}}}")
        else:
            lines += ["sinks:"] + [f"  - {{{s.yaml()}}}" for s in self.sinks]
        rules = {"policy": self.policy} | ({"path": f"'{self.dead_letters}'"} if self.policy == "dead_letter" else {})
        rules |= {"at_most": self.at_most} if self.at_most is not None else {}
        lines.append("on_error: {" + ", ".join(f"{k}: {v}" for k, v in rules.items()) + "}")
        lines.append("parallel: {" + ", ".join(f"{k}: {v}" for k, v in (parallel or self.parallel).items()) + "}")
        return "\n".join(lines) + "\n"


@dataclass
class Expected:
    """What must come out. `steps`: of the source, each step and each sink in turn: in, out, filtered, bad, merged."""

    fails: bool = False
    sinks: list[list[Row]] = field(default_factory=list)
    bad: list[int] = field(default_factory=list)  # places in the source
    steps: list[list[int]] = field(default_factory=list)


def _settings(rng: random.Random) -> dict[str, Any]:
    out: dict[str, Any] = {"workers": rng.choice([1, 2, 2, 3, 8])}
    if rng.random() < 0.6:
        out["batch_rows"] = rng.choice([1, 7, 64, 1000, 8192])
    if rng.random() < 0.3:
        out["queue_batches"] = rng.choice([1, 2, 10])
    if rng.random() < 0.2:
        out["groups"] = rng.choice([1, 2])
    return out


def _with_table(case: Case, rng: random.Random, server: Any) -> None:
    """One sink becomes a table, which sometimes refuses what it is given."""
    sink = rng.choice(case.sinks)
    sink.server, sink.table, sink.rows_per_file, sink.standard_output = server, f"fuzz_{case.seed}", 0, False
    case.fault = "refusing table" if rng.random() < 0.25 else ""
    sink.create(case.plan.kinds, bool(case.fault))


def _with_service(case: Case, rng: random.Random) -> None:
    """One sink becomes a service over HTTP: slow, failing now and then (each post at most twice in a row), or dead."""
    sink, kind = rng.choice(case.sinks), rng.choice(["good", "slow", "flaky", "flaky", "dead"])
    service = HttpSink(seconds=0.02 if kind == "slow" else 0.0)
    sink.batch_rows, sink.retries = rng.choice([1000, 250, 100]), 12 if kind == "flaky" else 1
    if kind == "flaky":
        every = rng.choice([2, 3])
        service.answers = lambda n: 200 if n % every else _passing_fault(n)
    if kind == "dead":
        service.answers = lambda n: 503
    sink.service, sink.rows_per_file, sink.standard_output = service, 0, False
    case.fault = "dead service" if kind == "dead" else ""
    if kind == "dead":  # what becomes of rows that a dead service never took is the policy's business; without one the run fails
        case.policy, case.at_most = "fail", None


def _passing_fault(n: int) -> int:
    """A passing fault: an answer that asks to come again, or a cut connection."""
    return (500, 503, 429, 0)[n % 4]


def make_case(seed: int, folder: Path, server: Any = None) -> Case:
    """`server`: of PostgreSQL, for sinks."""
    rng = random.Random(seed)
    form = rng.choice(["csv", "csv", "ndjson", "ndjson", "parquet", "ipc"])
    records = make_records(rng, form)
    source = write_source(rng, folder, form, records, by_stdin=form in ("csv", "ndjson") and rng.random() < 0.1)
    plan = make_plan(rng, KINDS)
    out = folder / "out"
    if rng.random() < 0.5:
        out.mkdir(exist_ok=True)
    sinks = [make_sink(rng, out, i) for i in range(rng.choice([1, 1, 1, 2, 3]))]
    for i, sink in enumerate(sinks):
        if (i + 1 < len(sinks)) or (len(sinks) > 1 and rng.random() < 0.3):
            e = condition(rng, plan.kinds)
            sink.when, sink.row_test = e.sql, (lambda row, e=e: e.function(row[e.column]) is True)
    if len(sinks) == 1 and sinks[0].form in ("csv", "ndjson") and not sinks[0].rows_per_file and rng.random() < 0.1:
        sinks[0].standard_output = True
    policy = rng.choice(["fail", "skip", "dead_letter", "dead_letter"])
    at_most = rng.choice([0, 3, 50]) if policy != "fail" and rng.random() < 0.2 else None
    fault = rng.choice(["no folder", "full disk"]) if rng.random() < 0.08 and not any(s.standard_output for s in sinks) else ""
    case = Case(seed, folder, source, plan, sinks, policy, at_most, _settings(rng), fault)
    if server and rng.random() < 0.3:
        _with_table(case, rng, server)
    elif rng.random() < 0.15:
        _with_service(case, rng)
    return case


def _through_steps(case: Case, e: Expected) -> list[tuple[int, Row]]:
    """The rows that leave the row-wise steps, with their places in the source."""
    counts = [[0, 0, 0, 0, 0] for _ in case.plan.steps]
    read, left = 0, []
    for place, record in enumerate(case.records):
        if record.broken:
            e.bad.append(place)
            continue
        read += 1
        row: Row | None = record.row
        for step, count in zip(case.plan.steps, counts):
            count[0] += 1
            try:
                row = step.apply(row)  # type: ignore[arg-type]
            except Bad:
                count[3] += 1
                e.bad.append(place)
                row = None
                break
            if row is None:
                count[2] += 1
                break
            count[1] += 1
        if row is not None:
            left.append((place, row))
    e.steps = [[len(case.records), read, 0, len(case.records) - read, 0], *counts]
    return left


def _into_sinks(case: Case, rows: list[tuple[int, Row]], e: Expected) -> None:
    routed = any(s.when for s in case.sinks)
    count, e.sinks = [len(rows), 0, 0, 0, 0], [[] for _ in case.sinks]
    for place, row in rows:
        try:
            taken = next((i for i, s in enumerate(case.sinks) if s.row_test is None or s.row_test(row)), None)
        except Bad:
            count[3] += 1
            e.bad.append(place)
            continue
        if taken is None:
            count[2] += 1
        else:
            count[1] += 1
            e.sinks[taken].append(row)
    if routed:
        e.steps.append(count)
    e.steps += [[len(rows), len(rows), 0, 0, 0] for rows in e.sinks]


def expect(case: Case) -> Expected:
    e = Expected()
    rows = _through_steps(case, e)
    if case.plan.over_all:
        try:
            over = case.plan.over_all[1]([row for _, row in rows])
        except Bad:
            return Expected(fails=True)
        dropped = len(rows) - len(over)
        e.steps.append([len(rows), len(over), dropped if case.plan.chooses else 0, 0, 0 if case.plan.chooses else dropped])
        before = len(e.bad)
        _into_sinks(case, [(-1, row) for row in over], e)
        if len(e.bad) > before:  # behind a step over all rows every error ends the run
            return Expected(fails=True)
    else:
        _into_sinks(case, rows, e)
    e.bad.sort()
    e.fails = bool(e.bad) and case.policy == "fail" or (case.at_most is not None and len(e.bad) > case.at_most)
    return e


def _equal(a: Any, b: Any) -> bool:
    return a == b and (a is None) == (b is None) and isinstance(a, bool) == isinstance(b, bool)


def _difference(found: Sequence[Row], wanted: Sequence[Row]) -> str:
    if len(found) != len(wanted):
        return f"{len(found)} rows, not {len(wanted)}"
    for i, (a, b) in enumerate(zip(found, wanted)):
        if list(a) != list(b) or not all(_equal(a[k], b[k]) for k in b):
            return f"row {i} is {a}, not {b}"
    return ""


@dataclass
class Outcome:
    code: int
    said: bytes
    errors: str
    report: dict[str, Any]


def run_job(case: Case, parallel: dict[str, Any] | None = None) -> Outcome:
    job, report = case.folder / "job.yaml", case.folder / "report.json"
    job.write_text(case.yaml(parallel))
    report.unlink(missing_ok=True)
    done = subprocess.run([COMMAND, "run", job, "--no-live", "--report", report], input=case.source.standard_input or b"", capture_output=True, timeout=120)
    told = json.loads(report.read_text()) if report.exists() else {}
    return Outcome(done.returncode, done.stdout, done.stderr.decode(errors="replace"), told)


def _check_letters(case: Case, e: Expected) -> str:
    if case.policy != "dead_letter":
        return "there are dead letters without that policy" if case.dead_letters.exists() else ""
    lines = [json.loads(line) for line in case.dead_letters.read_text().splitlines()]
    if len(lines) != len(e.bad):
        return f"{len(lines)} dead letters, not {len(e.bad)}"
    for line, place in zip(lines, e.bad):
        record = case.records[place]
        if not line.get("error"):
            return f"a dead letter without its error: {line}"
        if record.broken:
            text = str(line.get("text", ""))
            number = text.split(",", 1)[0] if case.source.form == "csv" else text.split(":", 1)[-1].split(",", 1)[0].strip()
            if number != str(place):
                return f"the dead letter {line} is not that of record {place}"
        elif line.get("record") != record.row:
            return f"the dead letter has {line.get('record')}, not {record.row}"
    return ""


def _check_report(case: Case, e: Expected, report: dict[str, Any]) -> str:
    steps = report.get("steps", [])
    if len(steps) != len(e.steps):
        return f"the report has {len(steps)} steps, not {len(e.steps)}: {[s.get('name') for s in steps]}"
    for told, (came, left, filtered, bad, merged) in zip(steps, e.steps):
        found = [told[k] for k in ("rows_in", "rows_out", "filtered", "rejected", "skipped", "merged", "generated")]
        wanted = [came, left, filtered, bad if case.policy == "dead_letter" else 0, bad if case.policy == "skip" else 0, merged, 0]
        if found != wanted:
            return f"step {told['name']!r} counts in, out, filtered, rejected, skipped, merged, generated as {found}, not {wanted}"
    return "" if report.get("outcome") == "done" else f"the outcome is {report.get('outcome')!r}"


def _remains(case: Case) -> str:
    left = [str(p.relative_to(case.folder)) for p in (case.folder / "out").rglob("*") if p.is_file()] if (case.folder / "out").is_dir() else []
    if case.dead_letters.exists():
        left.append(case.dead_letters.name)
    left += [f"{n} rows in table {s.table}" for s in case.sinks if s.server and (n := s.rows_there())]
    return f"after a failed run there is {', '.join(left)}" if left else ""


def check(case: Case, e: Expected, outcome: Outcome) -> str:
    """What is wrong; empty when nothing is."""
    if outcome.code not in (0, 1):
        return f"exit code {outcome.code}: {outcome.errors[-600:]}"
    if e.fails != (outcome.code == 1):
        return f"exit code {outcome.code}, expected {int(e.fails)}: {outcome.errors[-600:]}"
    if e.fails:
        if not outcome.errors.strip():
            return "it failed without a word"
        if outcome.report.get("outcome") != "failed":
            return f"the report says {outcome.report.get('outcome')!r} of a run that failed"
        return _remains(case)
    for sink, wanted in zip(case.sinks, e.sinks):
        found = sink.read(case.plan.kinds, outcome.said)
        if sink.remote:  # neither a table nor posts side by side have an order
            found, wanted = (sorted(rows, key=lambda r: str(list(r.values()))) for rows in (found, wanted))
        if wrong := _difference(found, wanted):
            return f"sink {sink.name}: {wrong}"
    return _check_letters(case, e) or _check_report(case, e, outcome.report)


def _clean(case: Case) -> None:
    out = case.folder / "out"
    for path in out.iterdir() if out.is_dir() else ():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    case.dead_letters.unlink(missing_ok=True)


def _written(case: Case) -> dict[str, bytes]:
    out = {name: data for s in case.sinks if s.there() for name, data in s.bytes().items()}
    return out | ({"dead letters": case.dead_letters.read_bytes()} if case.dead_letters.exists() else {})


def _check_again(case: Case) -> str:
    """The same job with other settings of the engine: the same bytes."""
    rng = random.Random(-case.seed)
    first = _written(case)
    _clean(case)
    parallel = _settings(rng)
    again = run_job(case, parallel)
    if again.code != 0:
        return f"with {parallel} the exit code is {again.code}: {again.errors[-600:]}"
    second = _written(case)
    differing = [name for name in first.keys() | second.keys() if first.get(name) != second.get(name)]
    return f"other bytes with {parallel} than with {case.parallel}: {', '.join(sorted(differing))}" if differing else ""


def _size_of(rows: Sequence[Row]) -> int:
    return sum(len(str(v)) + 1 for row in rows for v in row.values())


def run_case(seed: int, folder: Path, server: Any = None) -> str:
    case = make_case(seed, folder, server)
    e = expect(case)
    if case.fault in ("refusing table", "dead service"):
        e.fails |= any(rows for s, rows in zip(case.sinks, e.sinks) if s.remote)
    with contextlib.ExitStack() as stack:
        for s in case.sinks:
            if s.service:
                stack.enter_context(serving(s.service))
        if case.fault == "no folder":
            shutil.rmtree(folder / "out", ignore_errors=True)
            (folder / "out").write_text("a file where the folder should be")
            e.fails = True
        if case.fault == "full disk":
            if not stack.enter_context(small_disk(folder / "out", DISK_KIB)):
                case.fault = ""
            elif any(_size_of(rows) > 3 * DISK_KIB * 1024 for s, rows in zip(case.sinks, e.sinks) if not s.remote and s.form in ("csv", "ndjson") and s.path.suffix[1:] == s.form):
                e.fails = True  # what is not compressed cannot fit
            else:
                return ""  # it may fit or not
        outcome = run_job(case)
        if wrong := check(case, e, outcome):
            return wrong
        if not e.fails and not case.fault and seed % 4 == 0 and not any(s.remote for s in case.sinks) and case.source.standard_input is None:
            return _check_again(case)
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run fuzz-jobs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="jobs")
    parser.add_argument("--seed", type=int, default=None, help="of the first job; the others follow it")
    parser.add_argument("--keep", action="store_true", help="keep the folder of a job that passes as well")
    parser.add_argument("--no-postgres", action="store_true", help="no tables of PostgreSQL among the sinks")
    options = parser.parse_args()
    server = None
    if not options.no_postgres:
        from postgres import PostgresServer, programs

        server = PostgresServer() if programs() else None
    try:
        return run_all(options, server)
    finally:
        if server:
            server.stop()


def run_all(options: argparse.Namespace, server: Any) -> int:
    first = options.seed if options.seed is not None else random.randrange(10**9)
    print(f"{options.count} jobs from seed {first}{'' if server else ', without PostgreSQL'}", flush=True)
    failed = []
    for seed in range(first, first + options.count):
        folder = Path(tempfile.mkdtemp(prefix=f"gristmill-job-{seed}-"))
        try:
            wrong = run_case(seed, folder, server)
        except Exception:  # noqa: BLE001 - told with the seed
            wrong = traceback.format_exc(limit=4)
        if wrong:
            failed.append(seed)
            print(f"seed {seed}: {wrong}\n  again: ./run fuzz-jobs --count 1 --seed {seed}   (files: {folder})", flush=True)
        elif options.keep:
            print(f"seed {seed}: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{options.count - len(failed)} of {options.count} jobs are right" + (f"; wrong: {', '.join(map(str, failed))}" if failed else ""))
    return int(bool(failed))


if __name__ == "__main__":
    os.environ.setdefault("TZ", "UTC")
    sys.exit(main())
