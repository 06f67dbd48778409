"""ocp: the cost job on generated usage, from Parquet to Parquet and from a store into PostgreSQL, every run in a process of its own.

Seconds of this engine are those of the whole process; of peers the work alone, without the start of Python or of a JVM. All programs write the
same rows, which is checked before a time is printed: each result against DuckDB's. Into PostgreSQL this engine reads the files from an
S3-compatible server beside it, which works on the same cores, and once more from the disk (-files), as the peers do, which have no such reader
of their own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from measure import report

HELP = "the OpenShift cost job: days of 20k to 2M rows and a realistic month"
_ROOT = Path(__file__).resolve().parents[2]
JOB = _ROOT / "build" / "release" / "bin" / "gristmill-ocp"
_FOLDER = report.RESULTS / "ocp"
DAYS = ("20k", "50k", "100k", "250k", "500k", "1M", "1.5M", "2M")
MONTHS = ("2.5M", "5M", "10M")
OURS, LIMITED, FROM_FILES = "gristmill-ocp", "gristmill-ocp-512MB", "gristmill-ocp-files"
ALL_OURS = (OURS, LIMITED, FROM_FILES)
TO_PARQUET = (OURS, LIMITED, "duckdb", "polars")
TO_POSTGRES = (OURS, FROM_FILES, "duckdb_postgres", "postgres", "trino", "copy")
_TYPES = {"pod": "pod_usage", "storage": "storage_usage", "node_labels": "node_labels", "namespace_labels": "namespace_labels"}


@dataclass
class Outcome:
    """One program on one input."""

    input: str
    target: str
    program: str
    seconds: list[float] = field(default_factory=list)
    first_seconds: float = 0  # of the warm-up
    peak_mib: list[float] = field(default_factory=list)
    phases: list[dict[str, float]] = field(default_factory=list)
    problem: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def measured(self) -> bool:
        return not self.problem and bool(self.seconds)


@dataclass
class Reply:
    """One run."""

    seconds: float = 0
    peak_mib: float = 0
    phases: dict[str, float] = field(default_factory=dict)
    problem: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--inputs", default="all", help="comma-separated: day-20k ... day-2M, month-2.5M ...; all, days, months")
    parser.add_argument("--targets", default="parquet,postgres")
    parser.add_argument("--programs", default="", help=f"some of {', '.join((*TO_PARQUET, *TO_POSTGRES[1:]))}; Trino: days only, its first start downloads 450 MB")
    parser.add_argument("--rounds", type=int, default=5, help="runs of every program, in turns, after one to warm up")
    parser.add_argument("--memory", default="", help="limit of this engine, e.g. 512MB")
    parser.add_argument("--trino-heap", default="2g")
    parser.add_argument("--store", choices=("s3proxy", "moto"), default="s3proxy", help="the S3-compatible server: S3Proxy (a JVM; its first start downloads "
                                                                                        "55 MB) or moto (Python, which takes much of the cores)")
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


def _peak_mib(process: int, into: list[float]) -> None:
    """The most that was resident until the process ends; what wait4() says would count the parent it was forked from."""
    status = Path(f"/proc/{process}/status")
    while found := [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]:
        into[0] = int(found[0].split()[1]) / 1024
        time.sleep(0.01)


def _ours(arguments: list[str], environment: dict[str, str] | None = None) -> Reply:
    """One run of the program with two workers; it prints its phases."""
    with tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen([JOB, *arguments, "--workers", "2"], stdout=subprocess.PIPE, stderr=errors, text=True, env=os.environ | (environment or {}))
        peak = [0.0]
        watch = threading.Thread(target=_peak_mib, args=(process.pid, peak))
        watch.start()
        assert process.stdout is not None
        said = process.stdout.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # its number stays its own while it is watched
        seconds = time.perf_counter() - start
        watch.join()
        process.wait()
        errors.seek(0)
        problem = errors.read().strip().splitlines()[-1:] if process.returncode else []
    phases = json.loads(said or "{}")
    if "clusters" in phases:
        phases = {p["name"]: p["seconds"] for p in phases["clusters"][0]["phases"]}
    return Reply(seconds, peak[0], phases, problem[0] if problem else "" if not process.returncode else f"exit code {process.returncode}")


def _peer(program: str, source: Path, target: str, connection: str) -> Reply:
    done = subprocess.run([sys.executable, "-m", "ocp.worker", program, str(source), target, connection], cwd=_ROOT / "bench", capture_output=True, text=True,
                          env=os.environ | {"POLARS_MAX_THREADS": "2", "GRISTMILL_WORKERS": "2"})
    if done.returncode:
        return Reply(problem=(done.stderr.strip().splitlines() or ["it ended without a word"])[-1])
    return Reply(**json.loads(done.stdout))


class Servers:
    """PostgreSQL, an S3-compatible store and Trino, each started when it is first asked for."""

    def __init__(self, trino_heap: str, store: str) -> None:
        self.trino_heap = trino_heap
        self.store_kind = store
        self.stack = contextlib.ExitStack()
        self.made: dict[str, Any] = {}

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def postgres(self) -> Any:
        def make() -> Any:
            from postgres import PostgresServer

            server = PostgresServer(tls=True)  # with a port, which Trino's client needs
            self.stack.callback(server.stop)
            return server
        return self._once("postgres", make)

    def store(self) -> Any:
        def make() -> Any:
            if self.store_kind == "moto":
                from s3_server import s3_server

                return self.stack.enter_context(s3_server())
            from ocp.s3proxy_server import s3proxy_server

            return self.stack.enter_context(s3proxy_server())
        return self._once("store", make)

    def bucket(self, name: str, folder: Path) -> str:
        """The input's files in a store in the layout of installations."""
        def make() -> str:
            files, bucket = self.store().files(), name.lower().replace(".", "-")
            files.create_dir(bucket)
            for place, file in _placed(folder):
                with files.open_output_stream(f"{bucket}/{place}") as out:
                    out.write(file.read_bytes())
            return bucket
        return self._once(f"bucket {name}", make)

    def drop_bucket(self, name: str) -> None:
        if bucket := self.made.pop(f"bucket {name}", None):
            self.store().files().delete_dir(bucket)

    def trino(self) -> Any:
        def make() -> Any:
            from ocp.trino_server import TrinoServer

            server = TrinoServer(self.trino_heap)
            self.stack.callback(server.stop)
            print(f"Trino started in {server.started:.1f} s", file=sys.stderr, flush=True)
            return server
        return self._once("trino", make)

    def stop_trino(self) -> None:
        if server := self.made.pop("trino", None):
            server.stop()

    def __enter__(self) -> Servers:
        sys.path.insert(0, str(_ROOT / "tests" / "servers"))
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()


def _placed(folder: Path) -> list[tuple[str, Path]]:
    """The files of an input and where installations have them."""
    from ocp.into_postgres import SCHEMA

    job = json.loads((folder / "job.json").read_text())
    return [(f"data/parquet/{SCHEMA.removeprefix('acct')}/OCP/{name}/source={job['source_uuid']}/year={job['year']}/month={job['month']:02}/{file.name}", file)
            for kind, name in _TYPES.items() for file in sorted((folder / kind).glob("*.parquet"))]


def _installed(folder: Path) -> Path:
    """The same on the disk: a folder of links."""
    root = folder / "installed"
    for place, file in [] if root.exists() else _placed(folder):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        os.link(file, root / place)
    return root


def _job_flags(server: Any, folder: Path) -> list[str]:
    from ocp.into_postgres import SCHEMA

    job = json.loads((folder / "job.json").read_text())
    flags = {"--source": job["source_uuid"], "--cluster-id": job["cluster_id"], "--cluster-alias": job["cluster_alias"], "--schema": SCHEMA, "--year": job["year"],
             "--month": job["month"], "--start-date": job["start"], "--end-date": job["end"], "--report": "-"}
    settings = {"postgres.host": server.socket, "postgres.port": server.port, "postgres.database": "postgres", "postgres.user": "postgres"}
    return ["run", *(str(x) for f in flags.items() for x in f), *(x for k, v in settings.items() for x in ("--set", f"{k}={v}"))]


def _store_settings(store: Any, bucket: str) -> dict[str, str]:
    return {"S3_ENDPOINT": store.endpoint, "S3_BUCKET": bucket, "S3_ACCESS_KEY": store.options["access_key"], "S3_SECRET_KEY": store.options["secret_key"]}


def _run_once(outcome: Outcome, folder: Path, servers: Servers, memory: list[str], out: Path) -> Reply:
    program = outcome.program
    if outcome.target == "parquet":
        if program in (OURS, LIMITED):
            return _ours(["case", str(folder), "--out", str(out), "--timings", *(["--memory", "512MB"] if program == LIMITED else memory)])
        return _peer(program, folder, str(out), "")
    from ocp.into_postgres import TABLE, make_table

    server = servers.postgres()
    make_table(server, folder)
    if program == OURS:
        return _ours([*_job_flags(server, folder), *memory], _store_settings(servers.store(), servers.bucket(outcome.input, folder)))
    if program == FROM_FILES:
        return _ours([*_job_flags(server, folder), "--input", str(_installed(folder)), *memory])
    if program == "trino":
        from postgres import PASSWORD

        trino = servers.trino()
        if not outcome.seconds and not outcome.first_seconds:
            trino.tables(folder)
        phases = trino.job(folder, TABLE, "127.0.0.1", server.port, "reader", PASSWORD)
        return Reply(sum(phases.values()), trino.peak_mib(), phases)
    source = _FOLDER / f"{outcome.input}-{OURS}.parquet" if program == "copy" else folder
    if program == "copy" and not source.exists():
        _ours(["case", str(folder), "--out", str(source)])
    return _peer(program, source, TABLE, server.address)


def _once(outcome: Outcome, folder: Path, servers: Servers, memory: list[str], count: bool) -> None:
    from ocp.duckdb_month import difference

    out = _FOLDER / f"{outcome.input}-{outcome.program}.parquet"
    try:
        reply = _run_once(outcome, folder, servers, memory, out)
    except (RuntimeError, OSError) as error:
        reply = Reply(problem=str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__)
    if reply.problem:
        outcome.problem = f"FAILED: {reply.problem}"
        return
    if count:
        outcome.seconds.append(reply.seconds)
        outcome.peak_mib.append(reply.peak_mib)
        outcome.phases.append(reply.phases)
        return
    outcome.first_seconds = reply.seconds
    if outcome.target == "postgres":  # the warm-up's answer is the one that is checked
        import gristmill as gm

        out = _FOLDER / f"{outcome.input}-{outcome.program}-table.parquet"
        _table_rows(gm, servers.postgres().address).sink_parquet(out)
    wrong = difference(out, folder)
    outcome.problem = f"WRONG: {wrong}" if wrong else ""


def _table_rows(gm: Any, connection: str) -> Any:
    """The table's rows with labels as the files have them."""
    from ocp.duckdb_month import EXACT, NUMBERS
    from ocp.into_postgres import TABLE

    canonical = ("case when {0} is not null then (select '{{' || coalesce(string_agg(to_json(key)::text || ':' || to_json(value)::text, ',' "
                 "order by key collate \"C\"), '') || '}}' from jsonb_each_text({0})) end as {0}")
    texts = {n: canonical.format(n) for n in ("pod_labels", "volume_labels", "all_labels")}
    texts |= {n: f"{n}::text as {n}" for n in ("infrastructure_usage_cost", "source_uuid")}
    return gm.scan_postgres(connection, f"select {', '.join(texts.get(n, n) for n in EXACT + NUMBERS)} from {TABLE}")


def _measure(name: str, target: str, programs: tuple[str, ...], options: argparse.Namespace, servers: Servers) -> list[Outcome]:
    folder = _generated(name)
    memory = ["--memory", options.memory] if options.memory else []
    outcomes = [Outcome(name, target, p) for p in programs]
    for turn in range(options.rounds + 1):
        for outcome in outcomes:
            if not outcome.problem:
                _once(outcome, folder, servers, memory, turn > 0)
    for o in outcomes:
        state = o.problem
        if o.measured:
            names = o.phases[0] if o.phases else {}
            phases = "".join(f", {k} {statistics.median(p.get(k, 0) for p in o.phases):.2f}" for k in names)
            state = f"{o.median:.2f} s (first {o.first_seconds:.2f}), {max(o.peak_mib):.0f} MiB{phases}"
        print(f"{name} -> {target}, {o.program}: {state or 'right'}", file=sys.stderr, flush=True)
    servers.stop_trino()  # its memory is nobody else's
    servers.drop_bucket(name)
    return outcomes


def _line(o: Outcome, outcomes: list[Outcome]) -> list[str]:
    if not o.measured:
        return [o.input, o.target, o.program, o.problem, "", "", ""]
    peers = [p for p in outcomes if p.program not in (*ALL_OURS, "copy") and p.measured]
    ratio = ""
    if o.program in ALL_OURS and peers:
        best = min(peers, key=lambda p: p.median)
        pairs = [a / b for a, b in zip(o.seconds, best.seconds)]
        ratio = f"{statistics.median(pairs):.2f} ({min(pairs):.2f}..{max(pairs):.2f}) of {best.program}"
    return [o.input, o.target, o.program, f"{o.median:.3f}", f"{o.first_seconds:.2f}", f"{max(o.peak_mib):.0f}", ratio]


def _gates(everything: list[list[Outcome]]) -> list[tuple[str, bool]]:
    """What must hold of 2M rows, and of the peaks of months under a limit; of what was measured."""
    of = {(o.input, o.target, o.program): o for outcomes in everything for o in outcomes if o.measured}
    out: list[tuple[str, bool]] = []

    def at_most(what: str, value: float, most: float, unit: str = "") -> None:
        out.append((f"{what}: {value:.2f}{unit}, at most {most:g}{unit}", value <= most))

    def ratio(ours: Outcome, others: list[Outcome]) -> float:
        best = min(others, key=lambda p: p.median)
        return statistics.median([a / b for a, b in zip(ours.seconds, best.seconds)])

    if ours := of.get(("day-2M", "parquet", OURS)):
        if peers := [of[k] for p in ("duckdb", "polars") if (k := ("day-2M", "parquet", p)) in of]:
            at_most("2M rows, Parquet to Parquet, of the fastest other", ratio(ours, peers), 0.7)
        at_most("2M rows, Parquet to Parquet, peak", max(ours.peak_mib), 512, " MiB")
    if ours := of.get(("day-2M", "postgres", OURS)):
        peers = {p: of[k] for p in ("duckdb_postgres", "postgres", "trino") if (k := ("day-2M", "postgres", p)) in of}
        if peers:
            at_most("2M rows, S3 to PostgreSQL, of the fastest other", ratio(ours, list(peers.values())), 1.0)
        for p in ("postgres", "trino"):
            if p in peers:
                at_most(f"2M rows, S3 to PostgreSQL, of {p}", ratio(ours, [peers[p]]), 0.2)
        if "trino" in peers:
            at_most("2M rows, memory, of Trino's", max(ours.peak_mib) / max(peers["trino"].peak_mib), 0.25)
        at_most("2M rows, S3 to PostgreSQL, peak", max(ours.peak_mib), 512, " MiB")
    peaks = [max(o.peak_mib) for (name, target, program), o in of.items() if program == LIMITED and name in [f"month-{m}" for m in MONTHS]]
    if len(peaks) == len(MONTHS):
        at_most("months of 2.5M to 10M rows with --memory 512MB, peaks apart by", max(peaks) - min(peaks), 64, " MiB")
    return out


def run(options: argparse.Namespace) -> int:
    _FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = options.programs.split(",") if options.programs else None
    everything: list[list[Outcome]] = []
    with Servers(options.trino_heap, options.store) as servers:
        for name in _inputs(options):
            for target in options.targets.split(","):
                left_out = ("trino",) if name.startswith("month") else (LIMITED,)  # its statements know no volumes; a day is no month
                programs = tuple(p for p in (TO_PARQUET if target == "parquet" else TO_POSTGRES) if (wanted is None or p in wanted) and p not in left_out)
                everything.append(_measure(name, target, programs, options, servers))
    lines = [_line(o, outcomes) for outcomes in everything for o in outcomes]
    text = "# ocp\n\n" + report.markdown_table(("input", "into", "program", "seconds", "first", "peak MiB", "ours / fastest peer"), lines) + "\n"
    text += "\nPostgreSQL's memory is that of the client; its time includes loading the line items. `first`: of the run to warm up, which is Trino's cold one.\n"
    gates = _gates(everything)
    text += "".join(f"\n- {'holds' if good else 'BROKEN'}: {what}" for what, good in gates) + ("\n" if gates else "")
    report.save("ocp" + ("-small" if options.scale == "small" else ""), text,
                {"rows": [asdict(o) for outcomes in everything for o in outcomes], "gates": [{"gate": what, "holds": good} for what, good in gates]})
    bad = [f"{o.input} -> {o.target}, {o.program}: {o.problem}" for outcomes in everything for o in outcomes if o.problem]
    for line in bad:
        print(line)
    broken = any(f" {p}:" in line for line in bad for p in ALL_OURS) or any(not good for _, good in gates)
    return int(broken and not options.no_gate)
