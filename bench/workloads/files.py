"""Text files: count the rows, read one column, keep 1 % of the rows, turn them into Parquet or CSV.

A query is given the engine, the file and the mode. It begins with the file's name: types are found as the engine finds them, but for dates in
JSON and moments in text, which are said (so that all engines read the same).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .file_inputs import TYPES
from .workload import Deferred, by_name, gm, pl, pa, pc

csv, json, ds, pq, df = (Deferred(n) for n in ("pyarrow.csv", "pyarrow.json", "pyarrow.dataset", "pyarrow.parquet", "datafusion"))
Query = Callable[[Any, str, str], Any]


@dataclass(frozen=True)
class FileWorkload:
    """Duck-typed as a Workload whose one table is the text file."""

    name: str
    source: str
    form: str
    queries: dict[str, Query]
    target: str = ""  # ending of the file it writes
    order: tuple[int, ...] = ()
    rounded: tuple[int, ...] = ()
    gate: float = 1.5
    tables: tuple[()] = ()


@dataclass(frozen=True)
class Question:
    """What is asked of a file: a column, and a bound that 1 % of the rows pass."""

    column: str
    test: str
    below: bool
    bound: float

    @property
    def sql(self) -> str:
        return f"{self.test} {'<=' if self.below else '>'} {self.bound:g}"

    def of(self, column: Any) -> Any:
        return column <= self.bound if self.below else column > self.bound


QUESTIONS = {"records": Question("value", "value", False, 490), "lineitem": Question("l_extendedprice", "l_partkey", True, 2000)}
_DUCKDB = {"int64": "bigint", "float64": "double", "string": "varchar", "bool": "boolean", "date": "date"}


def _arrow_type(name: str) -> Any:
    return {"date": pa.date32}.get(name, getattr(pa, {"bool": "bool_"}.get(name, name), None))()


def _schema(source: str) -> Any:
    return pa.schema([(name, _arrow_type(kind)) for name, kind in TYPES[source].items()])


def _duckdb(source: str, form: str) -> Callable[[str], str]:
    types = "{" + ", ".join(f"'{name}': '{_DUCKDB[kind]}'" for name, kind in TYPES[source].items()) + "}"
    if form == "ndjson":
        return lambda path: f"read_json('{path}', format = 'newline_delimited', columns = {types})"
    return lambda path: f"read_csv('{path}'" + (", types = {'timestamp': 'varchar'})" if source == "records" else ")")


def _polars(source: str, form: str) -> Callable[[str], Any]:
    if form == "csv":
        return lambda path: pl.scan_csv(path, try_parse_dates=source == "lineitem")
    names = {"int64": "Int64", "float64": "Float64", "string": "String", "bool": "Boolean", "date": "String"}
    dates = [name for name, kind in TYPES[source].items() if kind == "date"]

    def scan(path: str) -> Any:
        frame = pl.scan_ndjson(path, schema={name: getattr(pl, names[kind]) for name, kind in TYPES[source].items()})
        return frame.with_columns(pl.col(dates).str.to_date("%Y-%m-%d")) if dates else frame

    return scan


def _gristmill(source: str, form: str) -> Callable[[str], Any]:
    if form == "csv":
        return lambda path: gm.scan_csv(path, schema_overrides={"timestamp": "string"} if source == "records" else None)
    return lambda path: gm.scan_ndjson(path, schema=TYPES[source])


def _datafusion(source: str, form: str) -> Callable[[Any, str], str]:
    def register(engine: Any, path: str) -> str:
        context = engine.context
        context.deregister_table("t")
        if form == "csv":
            context.register_csv("t", path, schema=_schema(source), has_header=True)
        else:
            context.register_json("t", path, schema=_schema(source), file_extension=".ndjson")
        return "t"

    return register


def _read_arrow(source: str, form: str, path: str, columns: list[str] | None = None) -> Any:
    if form == "ndjson":
        wanted = _schema(source)
        as_text = pa.schema([f.with_type(pa.string()) if pa.types.is_date(f.type) else f for f in wanted])  # it reads no dates itself
        table = json.read_json(path, parse_options=json.ParseOptions(explicit_schema=as_text, unexpected_field_behavior="ignore"))
        return table.select(columns) if columns else table.cast(wanted)
    return csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=_schema(source), include_columns=columns))


def _count(source: str, form: str) -> dict[str, Query]:
    duck, polars, ours, fusion = _duckdb(source, form), _polars(source, form), _gristmill(source, form), _datafusion(source, form)
    out: dict[str, Query] = {
        "duckdb": lambda e, path, mode: e.run(f"select count(*) from {duck(path)}", mode),
        "polars": lambda e, path, mode: e.run(lambda _: polars(path).select(pl.len().cast(pl.Int64)), mode),
        "gristmill": lambda e, path, mode: e.run(lambda _: ours(path).select(gm.count()), mode),
        "datafusion": lambda e, path, mode: e.run(f"select count(*) from {fusion(e, path)}", mode),
    }
    if form == "csv":
        out["pyarrow"] = lambda e, path, mode: pa.table({"n": [ds.dataset(path, format="csv").count_rows()]})
    return out


def _project(source: str, form: str) -> dict[str, Query]:
    duck, polars, ours, fusion = _duckdb(source, form), _polars(source, form), _gristmill(source, form), _datafusion(source, form)
    column = QUESTIONS[source].column
    return {
        "duckdb": lambda e, path, mode: e.run(f"select {column} from {duck(path)}", mode),
        "polars": lambda e, path, mode: e.run(lambda _: polars(path).select(column), mode),
        "gristmill": lambda e, path, mode: e.run(lambda _: ours(path).select(column), mode),
        "datafusion": lambda e, path, mode: e.run(f"select {column} from {fusion(e, path)}", mode),
        "pyarrow": lambda e, path, mode: _read_arrow(source, form, path, [column]),
    }


def _filter(source: str, form: str) -> dict[str, Query]:
    duck, polars, ours, fusion = _duckdb(source, form), _polars(source, form), _gristmill(source, form), _datafusion(source, form)
    question = QUESTIONS[source]

    def pyarrow(e: Any, path: str, mode: str) -> Any:
        table = _read_arrow(source, form, path)
        test = pc.less_equal if question.below else pc.greater
        return table.filter(test(table[question.test], question.bound))

    return {
        "duckdb": lambda e, path, mode: e.run(f"select * from {duck(path)} where {question.sql}", mode),
        "polars": lambda e, path, mode: e.run(lambda _: polars(path).filter(question.of(pl.col(question.test))), mode),
        "gristmill": lambda e, path, mode: e.run(lambda _: ours(path).filter(question.of(gm.col(question.test))), mode),
        "datafusion": lambda e, path, mode: e.run(f"select * from {fusion(e, path)} where {question.sql}", mode),
        "pyarrow": pyarrow,
    }


def _convert(source: str, form: str, target: str) -> dict[str, Query]:
    """A query gives the name of the file it wrote."""
    duck, polars, ours, fusion = _duckdb(source, form), _polars(source, form), _gristmill(source, form), _datafusion(source, form)

    def to(e: Any, path: str) -> str:
        return f"{path}.{e.name}.{target}"

    def by_duckdb(e: Any, path: str, mode: str) -> str:
        options = "format csv, header" if target == "csv" else "format parquet, compression zstd, compression_level 1"
        e.execute(f"copy (select * from {duck(path)}) to '{to(e, path)}' ({options})")
        return to(e, path)

    def by_polars(e: Any, path: str, mode: str) -> str:
        if target == "csv":
            polars(path).sink_csv(to(e, path))
        else:
            polars(path).sink_parquet(to(e, path), compression="zstd", compression_level=1)
        return to(e, path)

    def by_gristmill(e: Any, path: str, mode: str) -> str:
        frame = ours(path)
        (frame.sink_csv if target == "csv" else frame.sink_parquet)(to(e, path), num_workers=e.threads)
        return to(e, path)

    def by_datafusion(e: Any, path: str, mode: str) -> str:
        rows, single = e.context.sql(f"select * from {fusion(e, path)}"), df.DataFrameWriteOptions(single_file_output=True)
        if target == "csv":
            rows.write_csv(to(e, path), with_header=True, write_options=single)
        else:
            rows.write_parquet_with_options(to(e, path), df.ParquetWriterOptions(compression="zstd(1)"), single)
        return to(e, path)

    def by_pyarrow(e: Any, path: str, mode: str) -> str:
        table = _read_arrow(source, form, path)
        if target == "csv":
            csv.write_csv(table, to(e, path))
        else:
            pq.write_table(table, to(e, path), compression="zstd", compression_level=1)
        return to(e, path)

    return {"duckdb": by_duckdb, "polars": by_polars, "gristmill": by_gristmill, "datafusion": by_datafusion, "pyarrow": by_pyarrow}


def _workloads() -> list[FileWorkload]:
    out = []
    for form in ("csv", "ndjson"):
        for source in ("records", "lineitem"):
            for what, queries in (("count", _count), ("project", _project), ("filter", _filter)):
                out.append(FileWorkload(f"{form}_{source}_{what}", source, form, queries(source, form)))
            for target in ("parquet", "csv") if (form, source) == ("csv", "records") else ("parquet",):
                out.append(FileWorkload(f"{form}_{source}_to_{target}", source, form, _convert(source, form, target), target))
    return out


WORKLOADS = by_name(_workloads())
