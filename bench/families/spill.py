"""spill: Parquet to Parquet under a memory limit and without, in a fresh process each time.

Gates: this engine finishes, the peak under the limit less the idle process is at most 1.15 times the limit, both files
have the same bytes. The answer of every engine is checked: each row that is expected (the input's, or those of a generator that knows the answer) must come out,
in key order where sorted.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import statistics
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engines import OURS
from measure import report
from measure.checksum import Answer, Summary, difference, kind_of
from measure.engine_process import EngineFailed, EngineProcess
from workloads.spill import EXPECTED, WORKLOADS
from workloads.tables import parquet_file, pieces, scaled
from workloads.workload import Table, Workload

HELP = "group-by, sort, join and windows larger than the memory limit"
LIMIT = 1_000_000_000
SMALL_LIMIT = 32_000_000
ALLOWED = 1.15
_FOLDER = report.RESULTS / "spill"


@dataclass
class Outcome:
    """One engine with or without the limit."""

    engine: str
    limit: int
    seconds: list[float] = field(default_factory=list)
    above_idle_mib: list[float] = field(default_factory=list)
    digest: str = ""
    problem: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", default=",".join(WORKLOADS), help="names, comma-separated")
    parser.add_argument("--engines", default="gristmill,duckdb,polars,datafusion")
    parser.add_argument("--rounds", type=int, default=3, help="runs of every engine, in turns")
    parser.add_argument("--scale", choices=("full", "small"), default="full")
    parser.add_argument("--no-gate", action="store_true")


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(1 << 20)


def _expected(workload: Workload, small: bool) -> Answer:
    input_ = scaled(next(iter(workload.tables.values())), small)
    if known := EXPECTED.get(workload.name):
        return _answer(pieces(Table(known, input_.rows)), False)[0]
    return _answer(_batches(parquet_file(input_)), False)[0]


def _answer(batches: Iterable[pa.RecordBatch], ordered: bool) -> tuple[Answer, str]:
    """The checksum, and what is wrong with the order of the first column ("" when nothing)."""
    summary, wrong, last = None, "", None
    for batch in batches:
        summary = summary or Summary([kind_of(t) for t in batch.schema.types])
        summary.add(batch)
        if ordered and batch.num_rows:
            keys = batch.column(0).to_numpy()
            if (last is not None and keys[0] < last) or (keys[1:] < keys[:-1]).any():
                wrong = "rows out of order"
            last = keys[-1]
    return (summary or Summary([])).answer(), wrong


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]


def _variables(engine: str, limit: int, folder: Path) -> dict[str, str]:
    """Settings that an engine reads from its environment only."""
    variables = {"GRISTMILL_SPILL_DIR": str(folder), "POLARS_OOC_SPILL_DIR": str(folder)}
    return variables | ({"POLARS_OOC_MEMORY_BUDGET_MB": str(limit // 1_000_000)} if limit and engine == "polars" else {})


def _once(outcome: Outcome, workload: Workload, sources: dict[str, Path], expected: Answer) -> None:
    shutil.rmtree(_FOLDER, ignore_errors=True)
    temporary, target = _FOLDER / "temporary", _FOLDER / "out.parquet"
    temporary.mkdir(parents=True)
    try:
        with EngineProcess(outcome.engine, 2, 1800.0, _variables(outcome.engine, outcome.limit, temporary)) as process:
            if outcome.limit and outcome.engine != "polars":
                process.ask("limit", bytes=outcome.limit, folder=str(temporary))
            process.ask("load", tables=[{"alias": alias, "path": str(path), "columns": None, "parquet": True} for alias, path in sources.items()])
            reply = process.ask("write", family="spill", workload=workload.name, mode=process.modes[0], path=str(target))
            outcome.seconds += reply["seconds"]
            outcome.above_idle_mib.append(reply["peak_mib"] - process.idle_mib)
        if not outcome.digest:
            answer, wrong = _answer(_batches(target), bool(workload.order))
            wrong = difference(answer, expected) or wrong
            outcome.problem = f"WRONG: {wrong}" if wrong else ""
            outcome.digest = _digest(target)
        elif outcome.engine == OURS and _digest(target) != outcome.digest:
            outcome.problem = "WRONG: other bytes in another round"
    except EngineFailed as e:
        outcome.problem = f"FAILED: {e}"
    finally:
        shutil.rmtree(_FOLDER, ignore_errors=True)


def _measure(workload: Workload, options: argparse.Namespace) -> list[Outcome]:
    small = options.scale == "small"
    sources = {alias: parquet_file(scaled(t, small)) for alias, t in workload.tables.items()}
    expected = _expected(workload, small)
    outcomes = [Outcome(e, limit) for e in options.engines.split(",") for limit in (SMALL_LIMIT if small else LIMIT, 0)]
    for _ in range(options.rounds):
        for outcome in outcomes:
            if not outcome.problem:
                _once(outcome, workload, sources, expected)
                state = outcome.problem or f"{outcome.seconds[-1]:.2f} s, {outcome.above_idle_mib[-1]:.0f} MiB above idle"
                print(f"{workload.name} {outcome.engine} limit {outcome.limit or 'none'}: {state}", file=sys.stderr, flush=True)
    return outcomes


def _broken(name: str, outcomes: list[Outcome]) -> list[str]:
    ours = [o for o in outcomes if o.engine == OURS]
    broken = [f"{name}, limit {o.limit or 'none'}: {o.problem}" for o in ours if o.problem]
    if len({o.digest for o in ours if o.digest}) > 1:
        broken.append(f"{name}: the limit changes the bytes of the file")
    for o in ours:
        if o.limit and o.above_idle_mib and max(o.above_idle_mib) * 2**20 > ALLOWED * o.limit:
            broken.append(f"{name}: peak {max(o.above_idle_mib):.0f} MiB above the idle process under a limit of {o.limit / 2**20:.0f} MiB")
    return broken


def _ratio(ours: Outcome, outcomes: list[Outcome]) -> str:
    peers = [o for o in outcomes if o.engine != OURS and o.seconds and not o.problem]
    if not peers or not ours.seconds:
        return ""
    best = min(peers, key=lambda o: o.median)
    pairs = [a / b for a, b in zip(ours.seconds, best.seconds)]
    return f"{statistics.median(pairs):.2f} ({min(pairs):.2f}..{max(pairs):.2f})"


def run(options: argparse.Namespace) -> int:
    lines, broken, data = [], [], {}
    for name in options.rows.split(","):
        outcomes = _measure(WORKLOADS[name], options)
        broken += _broken(name, outcomes)
        data[name] = [asdict(o) for o in outcomes]
        for o in outcomes:
            limit = f"{o.limit // 1_000_000} MB" if o.limit else "none"
            state = [o.problem, "", ""] if o.problem else [f"{o.median:.2f}", f"{max(o.above_idle_mib):.0f}", _ratio(o, outcomes) if o.engine == OURS else ""]
            lines.append([name, o.engine, limit, *state])
    text = f"# spill\n\n{report.markdown_table(('row', 'engine', 'limit', 'seconds', 'peak MiB above idle', 'ours / fastest peer, limited or not'), lines)}\n"
    text += "".join(f"\nDOES NOT HOLD: {b}" for b in broken) + ("\n" if broken else "\nBoth files of this engine have the same bytes; memory holds.\n")
    report.save("spill" + ("-small" if options.scale == "small" else ""), text, data)
    wrong = any("WRONG" in b or "FAILED" in b or "bytes" in b for b in broken)
    return int(wrong or (bool(broken) and options.scale == "full")) if not options.no_gate else 0
