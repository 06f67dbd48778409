"""One case: its data and plan, its runs at several settings, and the verdict."""

from __future__ import annotations

import io
import json
import os
import random
import tempfile
import traceback
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import gristmill as gm
import join_oracle
import oracle
from data import Source, random_sources
from expressions import NoSql
from plans import P, build_frame, frame_sql, random_plan
from shrink import smaller
from values import NESTED, canonical, kind, raw_values, same_bits, to_arrow

EXEMPTIONS = json.loads((Path(__file__).parent / "exemptions.json").read_text())
SMALL = 5000
MOST_ALIKE = 700  # rows, where all keys have the same hash
MOST_NEAR = 50_000  # rows of an as-of join that spills eagerly: its parts are as small as a batch there, and each probe row meets every part


# Settings ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    workers: int = 1
    morsel_rows: int = 0
    batch_rows: int = 0
    memory: int = 0
    eager: bool = False

    def __str__(self) -> str:
        tail = f" memory {self.memory >> 20} MB" if self.memory else ""
        return f"workers {self.workers} morsel rows {self.morsel_rows or 'auto'} batch rows {self.batch_rows or 'auto'}{tail}{' spilling eagerly' if self.eager else ''}"

    def options(self) -> gm.ParallelOptions:
        return gm.ParallelOptions(num_workers=self.workers, chunk_rows=self.morsel_rows, batch_rows=self.batch_rows, memory_limit=self.memory, min_parallel_rows=0)


REFERENCE = Setting()


def random_setting(rng, small: bool, bytes_needed: int) -> Setting:
    eager = rng.random() < 0.4
    morsel, batch = rng.choice([1, 7, 1000, 0] if small else [1000, 0]), rng.choice([1, 1024, 0] if small else [1024, 0])
    # A result is held in memory, in pieces as small as the batches that brought it, and so is what every worker works on.
    memory = max(48 << 20, (40 if morsel in (1, 7) or batch == 1 else 4) * bytes_needed) if rng.random() < 0.4 else 0
    return Setting(rng.choice([1, 2, 3, 8]), morsel, batch, memory, eager)


# Running -------------------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """A result and its bytes, or an error's text."""

    table: pa.Table | None
    key: bytes

    @property
    def error(self) -> str | None:
        return None if self.table is not None else self.key.decode()


def ipc_bytes(t: pa.Table) -> bytes:
    t = t.combine_chunks().unify_dictionaries()
    for i, f in enumerate(t.schema):  # where the long texts of views lie is not part of the value
        if pa.types.is_string_view(f.type):
            t = t.set_column(i, f.name, t.column(i).cast(pa.string()))
        elif pa.types.is_struct(f.type) or pa.types.is_map(f.type):  # nor what stands under a row that is NULL
            t = t.set_column(i, f.name, to_arrow(raw_values(t.column(i)), canonical(f.type)))
        elif pa.types.is_list(f.type):  # nor the bits behind the last row
            t = t.set_column(i, f, t.column(i).take(pa.array(range(t.num_rows), pa.int64())))
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, t.schema) as writer:
        writer.write_table(t.combine_chunks())
    return sink.getvalue()


def with_environment(setting: Setting, f):
    os.environ["GRISTMILL_SPILL_EAGERLY"] = "1" if setting.eager else "0"
    try:
        return f()
    finally:
        os.environ["GRISTMILL_SPILL_EAGERLY"] = "0"


def run(frame: gm.Frame, setting: Setting) -> Outcome:
    try:
        table = with_environment(setting, lambda: frame.collect(setting.options()).to_arrow())
    except gm.GristmillError as e:
        return Outcome(None, f"{type(e).__name__} row {e.row}: {e}".encode())
    table.validate(full=True)
    return Outcome(table, ipc_bytes(table))


def file_bytes(frame: gm.Frame, setting: Setting, folder: str, kind_: str) -> bytes:
    path = os.path.join(folder, f"out.{kind_}")
    try:
        with_environment(setting, lambda: getattr(frame, f"sink_{kind_}")(path, setting.options()))
    except gm.GristmillError as e:
        return f"{type(e).__name__} row {e.row}: {e}".replace(path, "PATH").encode()
    with open(path, "rb") as f:
        return f.read()


# Sources -------------------------------------------------------------------------------------------------------------


def parquet_ready(t: pa.Table) -> pa.Table | None:
    """The table as Parquet can hold it, None if it changes types."""
    if any(pa.types.is_timestamp(f.type) and f.type.unit == "s" or pa.types.is_duration(f.type) for f in t.schema):
        return None
    fields = [pa.field(f.name, pa.string()) if pa.types.is_string_view(f.type) else f for f in t.schema]
    return t.cast(pa.schema(fields))


def file_frame(rng, t: pa.Table, via: str, folder: str, name: str) -> gm.Frame:
    stored = parquet_ready(t) if via == "parquet" else t
    if stored is None:
        return gm.from_arrow(t)
    files = rng.choice([1, 1, 3])
    cuts = [0, *sorted(rng.randint(0, t.num_rows) for _ in range(files - 1)), t.num_rows]
    group = rng.choice([1, 10, 100]) if t.num_rows < 300 else rng.choice([100, 1000, 100_000])
    for i, (a, b) in enumerate(zip(cuts, cuts[1:])):
        path = os.path.join(folder, f"{name}-{i}.{via}")
        part = stored.slice(a, b - a)
        if via == "parquet":
            pq.write_table(part, path, row_group_size=group, compression=rng.choice(["none", "snappy", "zstd"]), use_dictionary=rng.random() < 0.6,
                           data_page_size=rng.choice([200, 4000, 1 << 20]), write_page_index=rng.random() < 0.5, data_page_version=rng.choice(["1.0", "2.0"]))
        else:
            with pa.ipc.new_file(path, part.schema, options=pa.ipc.IpcWriteOptions(unify_dictionaries=True)) as writer:
                writer.write_table(part, max_chunksize=group)
    scan = gm.scan_parquet if via == "parquet" else gm.scan_ipc
    return scan(os.path.join(folder, f"{name}-*.{via}" if files > 1 else f"{name}-0.{via}"))


def frames_of(rng, plan: P, sources: list[Source], folder: str) -> dict:
    frames = {}
    for n in plan.nodes():
        if n.op == "source" and n.extra not in frames:
            i, via = n.extra
            t = sources[i].table
            frames[n.extra] = gm.from_arrow(t) if via == "memory" else file_frame(rng, t, via, folder, f"t{i}")
    return frames


# The check -----------------------------------------------------------------------------------------------------------


@dataclass
class Problem:
    verdict: str  # differs: from the reference setting; wrong: from the oracle; error: something that must not be raised
    text: str
    settings: list[Setting]


def check(plan: P, sources: list[Source], settings: list[Setting], seed: str, marks: list[str], extras: bool) -> Problem | None:
    """None if all is well."""
    rng = random.Random(seed)
    answer = oracle.Oracle(sources).answer(plan)
    with tempfile.TemporaryDirectory(prefix="gristmill-fuzz-", dir="/var/tmp") as folder:
        try:
            frame = build_frame(plan, frames_of(rng, plan, sources, folder))
        except gm.GristmillError as e:
            return Problem("error", f"the plan is refused: {type(e).__name__}: {e}", [])
        first = run(frame, REFERENCE)
        problem = compare_with_oracle(plan, frame, first, answer)
        if problem:
            return Problem("wrong", f"{problem}\n{explained(frame)}", [])
        marks.append("failing query" if first.table is None else "rows" if first.table.num_rows else "empty")
        for s in settings:
            other = run(frame, s)
            if other.key != first.key:
                return Problem("differs", f"at {s}:\n{difference(first, other)}\n{explained(frame)}", [s])
        if extras:
            return other_ways(rng, plan, frame, first, settings, marks) or file_check(rng, frame, settings, folder, marks) or sql_check(plan, sources, first, marks)
    return None


def explained(frame: gm.Frame) -> str:
    return f"--- explain\n{frame.explain()}"


def other_ways(rng, plan: P, frame: gm.Frame, first: Outcome, settings: list[Setting], marks: list[str]) -> Problem | None:
    """In batches, with times, and as a plan that was written down: the same."""
    setting = settings[0] if settings else REFERENCE
    if first.table is not None and rng.random() < 0.1:
        marks.append("batches")
        batches = list(with_environment(setting, lambda: list(frame.collect_batches(setting.options()))))
        if batches and ipc_bytes(pa.Table.from_batches(batches)) != first.key:
            return Problem("differs", f"collect_batches at {setting}:\n{difference(first, Outcome(pa.Table.from_batches(batches), b''))}", [setting])
        if not batches and first.table.num_rows:
            return Problem("differs", f"collect_batches at {setting} gives nothing", [setting])
    if first.table is not None and rng.random() < 0.1:
        marks.append("analyze")
        frame.explain(analyze=True, options=setting.options())
    if rng.random() < 0.3 and all(n.extra[1] != "memory" for n in plan.nodes() if n.op == "source"):
        try:
            again = gm.deserialize(frame.serialize())
        except gm.GristmillError as e:
            if "cannot leave its process" in str(e):  # a table that Parquet cannot hold
                return None
            return Problem("error", f"serialize: {type(e).__name__}: {e}", [])
        marks.append("serialized")
        if run(again, setting).key != first.key:
            return Problem("differs", f"after serialize() and deserialize():\n{again.explain()}\n{explained(frame)}", [setting])
    return None


def file_check(rng, frame: gm.Frame, settings: list[Setting], folder: str, marks: list[str]) -> Problem | None:
    if rng.random() > 0.15:
        return None
    marks.append("files")
    for kind_ in ("parquet", "ipc"):
        want = file_bytes(frame, REFERENCE, folder, kind_)
        for s in settings[:2]:
            got = file_bytes(frame, s, folder, kind_)
            if got != want:
                return Problem("differs", f"the {kind_} file at {s}: {len(want)} bytes, {len(got)} bytes\n{want[:200]!r}\n{got[:200]!r}\n{explained(frame)}", [s])
    return None


def sql_check(plan: P, sources: list[Source], first: Outcome, marks: list[str]) -> Problem | None:
    """gm.sql gives the frame's result, DuckDB the same rows."""
    if first.table is None:
        return None
    try:
        query = frame_sql(plan)
    except NoSql:
        return None
    marks.append("sql")
    tables = {f"t{i}": s.table for i, s in enumerate(sources)}
    try:
        ours = gm.sql(query, **tables).collect(num_workers=1).to_arrow()
    except gm.GristmillError as e:
        return Problem("error", f"gm.sql: {type(e).__name__}: {e}\n{query}", [])
    if (text := first_difference(ours, [raw_values(c) for c in first.table.columns])) is not None:
        return Problem("wrong", f"gm.sql and the frame differ: {text}\n{query}", [])
    theirs = oracle.duckdb_rows(plan, list(tables.values()))
    if theirs is None:
        return None
    marks.append("duckdb")
    mine = oracle.multiset(zip(*[oracle.comparable(c.type, raw_values(c)) for c in first.table.columns]))
    if mine != theirs:
        return Problem("wrong", f"DuckDB has other rows: only we {list((mine - theirs).items())[:3]}, only DuckDB {list((theirs - mine).items())[:3]}\n{query}", [])
    return None


def compare_with_oracle(plan: P, frame: gm.Frame, got: Outcome, answer: oracle.Answer) -> str | None:
    if got.table is None:
        return None if answer.may_fail else f"failed, but no row has a reason: {got.error}"
    if answer.rows is None:
        return None if not answer.certain else "did not fail, but a value cannot be computed"
    schema = [(f.name, canonical(f.type)) for f in got.table.schema]
    want = [(c.name, canonical(c.type)) for c in plan.columns]
    if schema != want:
        return f"the schema is {schema}, expected {want}"
    if [(f.name, canonical(f.type)) for f in frame.schema] != want:
        return f"the plan says its schema is {frame.schema}"
    columns = [list(c) for c in zip(*answer.rows)] if answer.rows else [[] for _ in plan.columns]
    return first_difference(got.table, columns)


def first_difference(table: pa.Table, columns: list[list]) -> str | None:
    """The first rows where the table is not these columns of raw values."""
    if table.num_columns != len(columns):
        return f"{table.num_columns} columns, expected {len(columns)}"
    if columns and table.num_rows != len(columns[0]):
        return f"{table.num_rows} rows, expected {len(columns[0])}" + _sample(table, columns)
    for name, got, want in zip(table.column_names, table.columns, columns):
        values = raw_values(got)
        if values == want and kind(got.type) not in ("float", *NESTED):
            continue
        for i, (a, b) in enumerate(zip(values, want)):
            if not same_bits(a, b):
                return f"column {name} row {i}: {a!r}, expected {b!r}" + _sample(table, columns, i)
    return None


def _sample(table: pa.Table, columns: list[list], at: int = 0) -> str:
    begin = max(0, at - 1)
    got = list(zip(*(raw_values(c.slice(begin, 4)) for c in table.columns)))
    want = list(zip(*(c[begin : begin + 4] for c in columns)))
    return f"\n  rows from {begin}: got {_short(got)}\n  expected {_short(want)}"


def _short(v: object) -> str:
    text = repr(v)
    return text if len(text) < 1500 else text[:1500] + "..."


def difference(a: Outcome, b: Outcome) -> str:
    if a.table is None or b.table is None:
        return f"reference: {a.error or f'{a.table.num_rows} rows'}\nhere: {b.error or f'{b.table.num_rows} rows'}"
    if a.table.schema != b.table.schema:
        return f"schema {a.table.schema} and {b.table.schema}"
    text = first_difference(b.table, [raw_values(c) for c in a.table.columns])
    return text or f"the same values, other bytes: {odd_columns(a.table, b.table)}"


def odd_columns(a: pa.Table, b: pa.Table) -> str:
    return ", ".join(f"{n} ({a.schema.field(n).type})" for n in a.column_names if ipc_bytes(a.select([n])) != ipc_bytes(b.select([n])))


# Cases ---------------------------------------------------------------------------------------------------------------


def generate(seed: int, case: int):
    """(sources, plan, settings); plans whose rows explode are drawn again."""
    rng = random.Random(f"{seed}:{case}")
    sources = random_sources(rng)
    small = max(len(s.rows) for s in sources) <= SMALL
    oracle.MOST_ROWS = join_oracle.MOST_ROWS = 40_000 if small else 1_000_000
    for _ in range(20):
        plan = random_plan(rng, sources)
        try:
            answer = oracle.Oracle(sources).answer(plan)
            break
        except oracle.TooBig:
            continue
    else:
        plan, answer = P("source", [], sources[0].columns, (0, "memory")), None
    size = sum(s.table.nbytes for s in sources) + 64 * len(answer.rows or ()) * len(plan.columns) if answer else 0
    settings = [random_setting(rng, small, size) for _ in range(5)]
    if any(n.op == "asof" for n in plan.nodes()) and max(len(s.rows) for s in sources) > MOST_NEAR:
        settings = [replace(setting, eager=False) for setting in settings]
    return sources, plan, settings


def run_case(seed: int, case: int, shrink: bool = True, verbose: bool = False) -> dict:
    marks: list[str] = []
    sources, plan, settings = generate(seed, case)
    if "GRISTMILL_CONSTANT_HASH" in os.environ and max(len(s.rows) for s in sources) > MOST_ALIKE:
        return {"verdict": "ok", "marks": ["too long for a constant hash"]}
    if verbose:
        print(described(plan, sources), "\n".join(map(str, settings)), sep="\n", flush=True)
    name = f"{seed}:{case}"
    try:
        problem = check(plan, sources, settings, name, marks, True)
    except Exception:  # noqa: BLE001 - anything that is no error of the engine is told as it is
        return {"verdict": "error", "text": traceback.format_exc() + described(plan, sources), "marks": marks}
    if problem is None:
        return {"verdict": "ok", "marks": marks}
    for e in EXEMPTIONS:
        if e["text"] in problem.text and e["verdict"] == problem.verdict:
            return {"verdict": "exempt", "marks": [*marks, e["text"]]}
    if shrink:
        plan, sources, problem = smaller(plan, sources, problem, lambda p, s, old: check(p, s, old.settings or settings, name, [], old.settings == []))
    environment = " ".join(f"{k}={os.environ[k]}" for k in ("GRISTMILL_SIMD", "GRISTMILL_CONSTANT_HASH") if os.environ.get(k))
    rerun = f"{environment} ./run fuzz --seed {seed} --case {case}    ({gm._engine.simd_level()})"
    return {"verdict": problem.verdict, "text": f"{rerun}\n{problem.text}\n{described(plan, sources)}", "marks": marks}


def described(plan: P, sources: list[Source]) -> str:
    out = ["--- plan", plan.text()]
    for i in sorted({n.extra[0] for n in plan.nodes() if n.op == "source"}):
        t = sources[i].table
        out.append(f"--- t{i}: {t.num_rows} rows, chunks {[len(c) for c in t.column(0).chunks]}, " + ", ".join(f"{f.name} {f.type}" for f in t.schema))
        if t.num_rows <= 12:
            out.append(_short({n: raw_values(c) for n, c in zip(t.column_names, t.columns)}) if t.nbytes < 4000 else "")
    return "\n".join(out)
