"""Text files: CSV and newline-delimited JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

from . import _engine, hints
from .files import Paths, _file_options, _paths
from .expr import _PYTHON_TYPES
from .frame import Frame
from .table import _type_name

OnError = Literal["fail", "null", "skip"]


def _character(name: str, value: str | None) -> str:
    value = value or ""
    if len(value.encode()) > 1:
        raise ValueError(f"{name} must be one byte, got {value!r}")
    return value


def _texts(value: str | Sequence[str] | None) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _types(name: str, value: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    out = []
    for column, kind in (value or {}).items():
        if isinstance(kind, pa.DataType):
            kind = _type_name(kind)
        kind = _PYTHON_TYPES.get(kind, kind) if isinstance(kind, type) else kind
        if not isinstance(kind, str):
            raise TypeError(f'{name} of column {column!r}: a type is a text like "int64" or "timestamp(us,UTC)", a type of pyarrow or one of '
                            f"Python's (int, float, str, ...), not {kind!r}")
        out.append((column, kind))
    return out


def _policy(on_error: str) -> str:
    if on_error not in ("fail", "null", "skip"):
        raise ValueError(f'on_error must be "fail", "null" or "skip", got {on_error!r}')
    return on_error


@hints.told(hints.READING)
def scan_csv(
    source: Paths,
    *,
    separator: str = ",",
    quote_char: str | None = '"',
    escape_char: str | None = None,
    comment_prefix: str | None = None,
    has_header: bool | Literal["auto"] = True,
    skip_rows: int = 0,
    column_names: Sequence[str] | None = None,
    schema: Mapping[str, Any] | None = None,
    schema_overrides: Mapping[str, Any] | None = None,
    null_values: str | Sequence[str] | None = None,
    missing_utf8_is_empty_string: bool = False,
    true_values: Sequence[str] | None = None,
    false_values: Sequence[str] | None = None,
    decimal_comma: bool = False,
    trim: bool = False,
    try_parse_dates: bool = True,
    on_error: OnError = "fail",
    missing_columns: bool = False,
    extra_columns: bool = False,
    infer_rows: int | None = 10_000,
    encoding: str = "utf8",
    compression: str = "infer",
    block_bytes: int = 1 << 20,
    storage_options: Mapping[str, Any] | None = None,
    hive_partitioning: bool | Literal["auto"] = "auto",
    hive_schema: Mapping[str, str] | None = None,
) -> Frame:
    """CSV files: a path, a glob or several, compressed or not, read by every worker.

    Types are guessed from the first `infer_rows` rows (None: all) of the first file, but for those that `schema` (all columns, in order)
    or `schema_overrides` (some) give. A value that does not fit is an error, or null, or leaves its row out: `on_error`. Records with fewer or
    more fields than columns are errors unless `missing_columns` or `extra_columns` is set. `storage_options`, `hive_partitioning`
    and `hive_schema`: see scan_parquet().

    >>> import gristmill as gm, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "t.csv")
    >>> _ = path.write_text('id;price;day\\n1;2,5;2024-02-29\\n2;NA;\\n')
    >>> gm.scan_csv(path, separator=";", decimal_comma=True, null_values="NA").collect().to_pydict()
    {'id': [1, 2], 'price': [2.5, None], 'day': [datetime.date(2024, 2, 29), None]}
    """
    options: dict[str, Any] = {
        "separator": _character("separator", separator) or ",",
        "quote_char": _character("quote_char", quote_char),
        "escape_char": _character("escape_char", escape_char),
        "comment_prefix": comment_prefix or "",
        "has_header": None if has_header == "auto" else bool(has_header),
        "skip_rows": skip_rows,
        "column_names": list(column_names or []),
        "schema": _types("schema", schema),
        "schema_overrides": _types("schema_overrides", schema_overrides),
        "null_values": _texts(null_values),
        "empty_is_null": not missing_utf8_is_empty_string,
        "true_values": list(true_values or []),
        "false_values": list(false_values or []),
        "decimal_comma": decimal_comma,
        "trim": trim,
        "try_parse_dates": try_parse_dates,
        "on_error": _policy(on_error),
        "missing_columns": missing_columns,
        "extra_columns": extra_columns,
        "infer_rows": infer_rows,
        "encoding": encoding,
        "compression": compression,
        "block_bytes": block_bytes,
        "files": _file_options(storage_options, hive_partitioning, hive_schema),
    }
    return Frame(_engine.scan_csv(_paths(source), options))


@hints.told(hints.READING)
def scan_ndjson(
    source: Paths,
    *,
    schema: Mapping[str, Any] | None = None,
    schema_overrides: Mapping[str, Any] | None = None,
    try_parse_dates: bool = False,
    on_error: OnError = "fail",
    extra_columns: bool = True,
    infer_rows: int | None = 10_000,
    compression: str = "infer",
    block_bytes: int = 1 << 20,
    storage_options: Mapping[str, Any] | None = None,
    hive_partitioning: bool | Literal["auto"] = "auto",
    hive_schema: Mapping[str, str] | None = None,
) -> Frame:
    """Newline-delimited JSON, an object a line: a path, a glob or several, compressed or not, read by every worker.

    The schema is guessed from the first `infer_rows` lines (None: all) of the first file, lists and structs too, but for what `schema` (all columns)
    or `schema_overrides` (some) give. A field that a line has not is null; one that the schema has not is left out, or an error with
    `extra_columns=False`. In a column of type string other values keep their JSON. `storage_options`, `hive_partitioning` and `hive_schema`: see
    scan_parquet().

    >>> import gristmill as gm, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "t.ndjson")
    >>> _ = path.write_text('{"id": 1, "tags": ["a"], "at": {"x": 1.5}}\\n{"id": 2, "at": null}\\n')
    >>> gm.scan_ndjson(path).collect().to_pylist()
    [{'id': 1, 'tags': ['a'], 'at': {'x': 1.5}}, {'id': 2, 'tags': None, 'at': None}]
    """
    options: dict[str, Any] = {
        "schema": _types("schema", schema),
        "schema_overrides": _types("schema_overrides", schema_overrides),
        "try_parse_dates": try_parse_dates,
        "on_error": _policy(on_error),
        "extra_columns": extra_columns,
        "infer_rows": infer_rows,
        "compression": compression,
        "block_bytes": block_bytes,
        "files": _file_options(storage_options, hive_partitioning, hive_schema),
    }
    return Frame(_engine.scan_ndjson(_paths(source), options))
