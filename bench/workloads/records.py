"""Record jobs: six-field records from CSV or NDJSON through one transform, or all of them, into Parquet (zstd) or CSV.

A row is named FORM_to_TARGET_WHAT_SIZE. Peers are given the columns' types, as the job file gives them to this engine; a query is given the
engine, the file and the mode, and gives the name of the file it wrote.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .file_inputs import TYPES
from .tables import DATA, parquet_file
from .workload import Deferred, Table, by_name, pl

Query = Callable[[Any, str, str], str]
SIZES = {"10k": 10_000, "1m": 1_000_000, "10m": 10_000_000}
COLUMNS = TYPES["records"]
NAMES = {"id": "record_id", "name": "label", "value": "amount", "timestamp": "moment", "category": "kind", "flag": "active"}
ITERATIONS = 100
duckdb = Deferred("duckdb")
gm = Deferred("gristmill")


def text_file(form: str, rows: int) -> Path:
    """The records as CSV or NDJSON, written once by DuckDB."""
    path = DATA / f"records_{rows}.{form}"
    if path.exists():
        return path
    source, unfinished = parquet_file(Table("records", rows)), path.with_suffix(f".{os.getpid()}")
    options = "format csv, header" if form == "csv" else "format json, array false"
    duckdb.connect().execute(f"copy (select * from read_parquet('{source}')) to '{unfinished}' ({options})")
    unfinished.rename(path)
    return path


def _loop(value: str) -> str:
    """A hundred dependent multiplications and additions, as one SQL expression."""
    for _ in range(ITERATIONS):
        value = f"({value} * 0.999 + 0.5)"
    return value


@dataclass(frozen=True)
class Step:
    """A transform as the job file, DuckDB and Polars say it. `sql`: the select list by output name; `where`: what stays."""

    yaml: tuple[str, ...]
    sql: dict[str, str]
    polars: Callable[[Any], Any]
    where: str = ""


def _unchanged(**others: str) -> dict[str, str]:
    return {name: f'"{name}"' for name in COLUMNS} | others


def _moments(frame: Any, name: str) -> Any:
    return frame.with_columns(pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us").dt.epoch("s"))


def _loop_polars(frame: Any) -> Any:
    value = pl.col("value")
    for _ in range(ITERATIONS):
        value = value * 0.999 + 0.5
    return frame.with_columns(looped=value)


_EPOCH = "epoch(\"timestamp\"::timestamp)::bigint"
_RENAME = "rename: {" + ", ".join(f"{old}: {new}" for old, new in NAMES.items()) + "}"
STEPS = {
    "copy": Step((), _unchanged(), lambda f: f),
    "rename": Step((_RENAME,), {new: f'"{old}"' for old, new in NAMES.items()}, lambda f: f.rename(NAMES)),
    "timestamp": Step(("cast: {timestamp: unix_seconds from rfc3339}",), _unchanged(timestamp=_EPOCH), lambda f: _moments(f, "timestamp")),
    "squares": Step(('compute: {squared: "value * value", root: "sqrt(abs(value))"}',), _unchanged(squared="value * value", root="sqrt(abs(value))"),
                    lambda f: f.with_columns(squared=pl.col("value") * pl.col("value"), root=pl.col("value").abs().sqrt())),
    "filter": Step(('filter: "value > 0"',), _unchanged(), lambda f: f.filter(pl.col("value") > 0), "value > 0"),
    "loop": Step((f'compute: {{looped: "{_loop("value")}"}}',), _unchanged(looped=_loop("value")), _loop_polars),
    "all": Step((_RENAME, "cast: {moment: unix_seconds from rfc3339}", 'compute: {squared: "amount * amount", root: "sqrt(abs(amount))"}', 'filter: "amount > 0"'),
                {new: _EPOCH if old == "timestamp" else f'"{old}"' for old, new in NAMES.items()} | {"squared": "value * value", "root": "sqrt(abs(value))"},
                lambda f: _moments(f.rename(NAMES), "moment").with_columns(
                    squared=pl.col("amount") * pl.col("amount"), root=pl.col("amount").abs().sqrt()).filter(pl.col("amount") > 0), "value > 0"),
}


@dataclass(frozen=True)
class RecordWorkload:
    """Duck-typed as a Workload whose one table is the text file."""

    name: str
    form: str
    target: str
    what: str
    rows: int
    queries: dict[str, Query]
    order: tuple[int, ...] = ()
    rounded: tuple[int, ...] = ()
    gate: float = 1.0
    tables: tuple[()] = ()

    def job(self, source: str, target: str, workers: int, batch_rows: int = 0) -> str:
        """The job file."""
        return _job(self.name, self.form, self.target, STEPS[self.what], source, target, workers, batch_rows)


def _job(name: str, form: str, target: str, step: Step, source: str, path: str, workers: int, batch_rows: int = 0) -> str:
    schema = ", ".join(f"{column}: {kind}" for column, kind in COLUMNS.items())
    sink = f"parquet: {{path: '{path}', compression: zstd}}" if target == "parquet" else f"csv: {{path: '{path}'}}"
    lines = [f"name: {name}", f"source: {{{form}: {{path: '{source}', schema: {{{schema}}}}}}}"]
    lines += ["transforms:", *(f"  - {line}" for line in step.yaml)] if step.yaml else []
    batch = f", batch_rows: {batch_rows}" if batch_rows else ""
    return "\n".join([*lines, f"sink: {{{sink}}}", f"parallel: {{workers: {workers}{batch}}}"]) + "\n"


def _by_gristmill(name: str, form: str, target: str, step: Step) -> Query:
    def query(e: Any, path: str, mode: str) -> str:
        out = f"{path}.{e.name}.{target}"
        gm.Job.from_yaml(_job(name, form, target, step, path, out, e.threads)).run()
        return out

    return query


_DUCKDB = {"int64": "bigint", "float64": "double", "string": "varchar", "bool": "boolean"}
_POLARS = {"int64": "Int64", "float64": "Float64", "string": "String", "bool": "Boolean"}


def _by_duckdb(form: str, target: str, step: Step) -> Query:
    types = "{" + ", ".join(f"'{name}': '{_DUCKDB[kind]}'" for name, kind in COLUMNS.items()) + "}"
    options = "format csv, header" if target == "csv" else "format parquet, compression zstd, compression_level 1"
    columns = ", ".join(f'{text} as "{name}"' for name, text in step.sql.items())

    def query(e: Any, path: str, mode: str) -> str:
        read = f"read_csv('{path}', header = true, columns = {types})" if form == "csv" else f"read_json('{path}', format = 'newline_delimited', columns = {types})"
        out = f"{path}.{e.name}.{target}"
        e.execute(f"copy (select {columns} from {read}{' where ' + step.where if step.where else ''}) to '{out}' ({options})")
        return out

    return query


def _by_polars(form: str, target: str, step: Step) -> Query:
    def query(e: Any, path: str, mode: str) -> str:
        schema = {name: getattr(pl, _POLARS[kind]) for name, kind in COLUMNS.items()}
        frame = step.polars(pl.scan_csv(path, schema=schema) if form == "csv" else pl.scan_ndjson(path, schema=schema))
        out = f"{path}.{e.name}.{target}"
        if target == "csv":
            frame.sink_csv(out)
        else:
            frame.sink_parquet(out, compression="zstd", compression_level=1)
        return out

    return query


def _workloads() -> list[RecordWorkload]:
    out = []
    for size, rows in SIZES.items():
        for form, target in (("csv", "parquet"), ("csv", "csv"), ("ndjson", "parquet")):
            for what, step in STEPS.items():
                name = f"{form}_to_{target}_{what}_{size}"
                queries = {"gristmill": _by_gristmill(name, form, target, step), "duckdb": _by_duckdb(form, target, step), "polars": _by_polars(form, target, step)}
                out.append(RecordWorkload(name, form, target, what, rows, queries))
    return out


WORKLOADS = by_name(_workloads())  # type: ignore[arg-type]
