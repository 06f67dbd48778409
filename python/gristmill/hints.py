"""Names of other libraries: what an AttributeError says to somebody who comes from pandas or Polars.

The tables hold only names that do not exist here; a name that is added later is never looked up, as `__getattr__` is asked for missing ones
only. Nothing here changes what a query gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping

_SINKS = {"to_csv": "sink_csv", "write_csv": "sink_csv", "to_parquet": "sink_parquet", "write_parquet": "sink_parquet", "to_json": "sink_ndjson",
          "write_json": "sink_ndjson", "write_ndjson": "sink_ndjson", "write_ipc": "sink_ipc", "to_feather": "sink_ipc", "to_sql": "sink_postgres",
          "write_database": "sink_postgres"}
_ROWS = {
    "groupby": 'group_by("a").agg(...)', "assign": "with_columns(name=...)", "with_column": "with_columns(name=...)", "where": "filter(...)", "query": "filter(...)",
    "loc": "filter(...) for rows, select(...) for columns", "iloc": "slice(offset, length)", "sort_values": 'sort("a", descending=True)', "order_by": 'sort("a")',
    "merge": "join(other, on=...)", "drop_duplicates": "unique(...)", "fillna": "fill_null(value)", "dropna": "drop_nulls()", "isnull": "null_count()",
    "isna": "null_count()", "astype": 'with_columns(gm.col("a").cast("int64"))', "cast": 'with_columns(gm.col("a").cast("int64"))', "dtypes": "schema",
    "with_row_count": "with_row_index()", "nlargest": 'top_k(n, "a")', "nsmallest": 'bottom_k(n, "a")', "vstack": "union(other)", "append": "union(other)",
    "extend": "union(other)", "hstack": 'gm.concat([...], how="horizontal")', "agg": "select(...) for all rows, group_by(...).agg(...) for groups",
    "apply": "gm.udf: functions of your own stand in expressions", "map": "gm.udf: functions of your own stand in expressions",
    "map_rows": "gm.udf: functions of your own stand in expressions", "map_batches": 'gm.udf(f, kind="vector")',
    "pipe": "f(frame): frames are values", "lazy": "the frame itself: it is lazy", "transpose": "unpivot(...) and pivot(...)",
} | {name: f"select(gm.all().{name}())" for name in ("sum", "mean", "min", "max", "median", "std", "var", "n_unique")} | {
    name: "select(gm.count()), or len(frame.collect())" for name in ("count", "len", "height", "size")}
_GROUPS = {name: f'agg(gm.col("a").{name}())' for name in ("sum", "mean", "min", "max", "first", "last", "median", "std", "var", "n_unique")} | {
    name: "agg(gm.count())" for name in ("count", "len", "size")} | {
    "all": 'agg(gm.col("a").implode())', "apply": 'agg(gm.udf(f, kind="aggregate")("a"))', "transform": 'gm.col("a").sum().over("key") in with_columns() of the frame',
    "head": 'gm.row_number().over("key") <= n in filter() of the frame'}
_EXPRESSIONS = {
    "apply": "gm.udf(f)(column)", "map_elements": "gm.udf(f)(column)", "map_batches": 'gm.udf(f, kind="vector")(column)', "astype": "cast(type)",
    "isna": "is_null()", "isnull": "is_null()", "notna": "is_not_null()", "notnull": "is_not_null()", "isin": "is_in(values)", "nunique": "n_unique()",
    "fillna": "fill_null(value)", "fill_nan": "gm.when(x.is_nan()).then(value).otherwise(x)", "desc": "sort(..., descending=True) of the frame",
    "asc": "sort(...) of the frame", "len": "count(), or gm.count() for all rows", "size": "gm.count()", "to_list": "implode()", "collect_list": "implode()",
    "cumsum": "cum_sum()"}
_TEXT = {"to_uppercase": "upper()", "to_lowercase": "lower()", "strip": "trim()", "strip_chars": "trim(characters)", "len": "length()",
         "len_chars": "length()", "len_bytes": "octet_length()", "slice": "substring(start, length)", "to_date": 'strptime("%Y-%m-%d").cast("date")',
         "to_datetime": 'strptime("%Y-%m-%d %H:%M:%S")'}
_LISTS = {"len": "length()", "lengths": "length()", "size": "length()"}
_CALLED = {"StringNamespace": "cast(str) makes text", "ListNamespace": "implode() makes a list of a group's values",
           "MapNamespace": "functions of your own are called as gm.udf(f)(column)", "JsonNamespace": "to_json() makes JSON text"}
_TYPES = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64", "Boolean", "String", "Utf8", "Date", "Datetime",
          "Decimal", "int8", "int16", "int32", "int64", "float32", "float64", "string")
_MODULE = {
    "DataFrame": "from_pydict({...}), from_pylist([...]), from_pandas(df) or from_arrow(data)", "LazyFrame": "from_pydict({...}), or scan_parquet(path) and its kin",
    "read_json": "read_ndjson(path)", "scan_json": "scan_ndjson(path)", "query": "sql(text)", "len": "count()", "date": "lit(datetime.date(...))",
    "datetime": "lit(datetime.datetime(...))", "concat_str": 'concat_ws("", ...)', "SQLContext": "connect()"} | {
    name: f'col("a").{name}()' for name in ("sum", "mean", "min", "max", "first", "last", "median", "std", "var", "n_unique")} | {
    name: f'flow.{name}: from gristmill.flow import {name}'
    for name in ("Cache", "CallTimeout", "Event", "Failure", "Limit", "RateLimit", "Retry", "WorkerCrashed")} | {
    name: f"stream.{name}: from gristmill.stream import {name}" for name in ("count_window", "hopping", "tumbling")} | {
    name: 'a type as text, as in cast("int64") or schema={"a": "timestamp(us,UTC)"}; pyarrow\'s types are taken too' for name in _TYPES}


def _missing(what: str, name: str, owner: Any, known: Mapping[str, str], lead: str = "") -> AttributeError:
    said = f"; here it is {lead}{known[name]}" if name in known else ""
    return AttributeError(f"{what} has no attribute {name!r}{said}", name=name, obj=owner)


def of_frame(frame: Any, name: str) -> AttributeError:
    """For Frame: what tables have needs collect() first."""
    from .table import Table

    if not name.startswith("_") and hasattr(Table, name) and name not in _ROWS:
        return AttributeError(f"'Frame' object has no attribute {name!r}; a frame is lazy: collect() gives a table, which has it", name=name, obj=frame)
    return _missing("'Frame' object", name, frame, {**_ROWS, **{k: f"{v}(path, ...)" for k, v in _SINKS.items()}})


def of_table(table: Any, name: str) -> AttributeError:
    """For Table: what only frames have needs lazy() first."""
    from .frame import Frame

    if name == "collect":
        return AttributeError("'Table' object has no attribute 'collect'; a table is data already, and its methods run at once", name=name, obj=table)
    if not name.startswith("_") and hasattr(Frame, name):
        return AttributeError(f"'Table' object has no attribute {name!r}; lazy() gives a frame, which has it", name=name, obj=table)
    return _missing("'Table' object", name, table, {**_ROWS, **{k: f"lazy().{v}(path, ...)" for k, v in _SINKS.items()}})


def of_groups(groups: Any, name: str) -> AttributeError:
    return _missing(f"'{type(groups).__name__}' object", name, groups, _GROUPS)


def of_expression(expression: Any, name: str) -> AttributeError:
    return _missing(f"'{type(expression).__name__}' object", name, expression, _EXPRESSIONS)


class Namespace:
    """What `.str`, `.list` and their kin have in common: they hold functions and are none."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            known = {"StringNamespace": _TEXT, "ListNamespace": _LISTS}.get(type(self).__name__, {})
            raise _missing(f"'{type(self).__name__}' object", name, self, known)

        def __call__(self, *arguments: Any, **named: Any) -> Any:
            said = _CALLED.get(type(self).__name__)
            raise TypeError("this holds functions and is none itself" + (f"; {said}" if said else ""))


def of_module(name: str) -> AttributeError:
    said = f"; here it is {'gm.' if name not in _TYPES else ''}{_MODULE[name]}" if name in _MODULE else ""
    return AttributeError(f"module 'gristmill' has no attribute {name!r}{said}", name=name)


def aggregates(given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    """Refuses the ways pandas writes aggregates: they would be literals."""
    for value in given:
        if isinstance(value, dict):
            column, function = next(iter(value.items()), ("a", "sum"))
            raise TypeError(f"agg() takes expressions, not a dict: gm.col({column!r}).{function if isinstance(function, str) else 'sum'}()")
    for name, value in named.items():
        if isinstance(value, tuple) and len(value) == 2 and all(isinstance(v, str) for v in value):
            raise TypeError(f"agg() takes expressions, not a tuple: {name}=gm.col({value[0]!r}).{value[1]}()")
