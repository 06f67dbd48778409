"""Names of other libraries: what an AttributeError says to somebody who comes from pandas or Polars.

The tables hold only names that do not exist here; a name that is added later is never looked up, as `__getattr__` is asked for missing ones
only. Nothing here changes what a query gives.
"""

from __future__ import annotations

import functools
import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Callable, Mapping, TypeVar

_SINKS = {"to_csv": "sink_csv", "write_csv": "sink_csv", "to_parquet": "sink_parquet", "write_parquet": "sink_parquet", "to_json": "sink_ndjson",
          "write_json": "sink_ndjson", "write_ndjson": "sink_ndjson", "write_ipc": "sink_ipc", "to_feather": "sink_ipc", "to_sql": "sink_postgres",
          "write_database": "sink_postgres"}
_ROWS = {
    "groupby": 'group_by("a").agg(...)', "assign": "with_columns(name=...)", "with_column": "with_columns(name=...)", "where": "filter(...)",
    "query": "filter(...)",
    "loc": "filter(...) for rows, select(...) for columns", "iloc": "slice(offset, length)", "sort_values": 'sort("a", descending=True)',
    "order_by": 'sort("a")',
    "merge": "join(other, on=...)", "drop_duplicates": "unique(...)", "fillna": "fill_null(value)", "dropna": "drop_nulls()", "isnull": "null_count()",
    "isna": "null_count()", "astype": 'with_columns(gm.col("a").cast("int64"))', "cast": 'with_columns(gm.col("a").cast("int64"))', "dtypes": "schema",
    "with_row_count": "with_row_index()", "nlargest": 'top_k(n, "a")', "nsmallest": 'bottom_k(n, "a")', "vstack": "union(other)", "append": "union(other)",
    "extend": "union(other)", "hstack": 'gm.concat([...], how="horizontal")', "agg": "select(...) for all rows, group_by(...).agg(...) for groups",
    "apply": "gm.udf: functions of your own stand in expressions", "map": "gm.udf: functions of your own stand in expressions",
    "map_rows": "gm.udf: functions of your own stand in expressions", "map_batches": 'gm.udf(f, kind="vector")',
    "pivot_table": 'pivot("column", index=..., values=..., aggregate="mean")', "unnest": 'with_columns(a=gm.col("s").struct.field("a"), ...)',
    "info": "schema, or describe()", "glimpse": "schema and head()", "dtype": "schema", "collect_schema": "schema", "show": "print(frame.collect())",
    "fetch": "head(n).collect()", "df": "collect().to_pandas()", "fetchdf": "collect().to_pandas()", "pl": "collect().to_polars()",
    "arrow": "collect().to_arrow()", "fetch_arrow_table": "collect().to_arrow()", "fetchall": "collect().rows()", "fetchone": "collect().rows()[0]",
    "to_dicts": "collect().to_pylist()", "to_list": "collect().to_pylist()", "iter_rows": "for row in collect(): rows are dicts",
    "iterrows": "for row in collect(): rows are dicts", "itertuples": "collect().rows()", "get_column": 'collect()["a"]', "to_series": 'collect()["a"]',
    "is_empty": "len(collect()) == 0", "empty": "len(collect()) == 0", "width": "len(columns)", "nunique": "select(gm.all().n_unique())",
    "corr": 'select(gm.corr("a", "b"))', "cov": 'select(gm.cov("a", "b"))', "write_excel": "collect().to_pandas().to_excel(path)",
    "to_excel": "collect().to_pandas().to_excel(path)", "plot": "collect().to_pandas().plot", "hist": "collect().to_pandas().hist()",
    "set_index": "columns only: rows have no index", "reset_index": "with_row_index(): rows have no index", "index": "with_row_index(): rows have no index",
    "shift": 'with_columns(gm.col("a").shift(1))', "diff": 'with_columns(gm.col("a").diff())', "cumsum": 'with_columns(gm.col("a").cum_sum())',
    "rolling": 'with_columns(gm.col("a").rolling_mean(7))', "ffill": 'with_columns(gm.col("a").forward_fill())',
    "bfill": 'with_columns(gm.col("a").backward_fill())', "round": 'with_columns(gm.col("a").round(2))', "clone": "the frame itself: it never changes",
    "copy": "the frame itself: it never changes", "cache": "collect().lazy()", "pipe": "f(frame): frames are values",
    "lazy": "the frame itself: it is lazy", "transpose": "unpivot(...) and pivot(...)",
} | {name: f"select(gm.all().{name}())" for name in ("sum", "mean", "min", "max", "median", "std", "var", "n_unique")} | {
    name: "select(gm.count()), or len(frame.collect())" for name in ("count", "len", "height", "size")}
_GROUPS = {name: f'agg(gm.col("a").{name}())' for name in ("sum", "mean", "min", "max", "first", "last", "median", "std", "var", "n_unique")} | {
    name: "agg(gm.count())" for name in ("count", "len", "size")} | {
    "all": 'agg(gm.col("a").implode())', "apply": 'agg(gm.udf(f, kind="aggregate")("a"))',
    "transform": 'gm.col("a").sum().over("key") in with_columns() of the frame',
    "head": 'gm.row_number().over("key") <= n in filter() of the frame'}
_EXPRESSIONS = {
    "apply": "gm.udf(f)(column)", "map_elements": "gm.udf(f)(column)", "map_batches": 'gm.udf(f, kind="vector")(column)', "astype": "cast(type)",
    "isna": "is_null()", "isnull": "is_null()", "notna": "is_not_null()", "notnull": "is_not_null()", "isin": "is_in(values)", "nunique": "n_unique()",
    "fillna": "fill_null(value)", "fill_nan": "gm.when(x.is_nan()).then(value).otherwise(x)", "desc": "sort(..., descending=True) of the frame",
    "asc": "sort(...) of the frame", "len": "count(), or gm.count() for all rows", "size": "gm.count()", "to_list": "implode()", "collect_list": "implode()",
    "cumsum": "cum_sum()", "is_between": "between(low, high)", "ffill": "forward_fill()", "bfill": "backward_fill()",
    "quantile_cont": "quantile(q)", "startswith": "str.starts_with(text)", "endswith": "str.ends_with(text)",
    "contains": "str.contains(text), list.contains(value)", "strftime": "dt.strftime(pattern)", "year": "dt.year()"}
_TEXT = {"to_uppercase": "upper()", "to_lowercase": "lower()", "strip": "trim()", "strip_chars": "trim(characters)", "len": "length()",
         "len_chars": "length()", "len_bytes": "octet_length()", "slice": "substring(start, length)", "to_date": 'strptime("%Y-%m-%d").cast("date")',
         "to_datetime": 'strptime("%Y-%m-%d %H:%M:%S")'}
_LISTS = {"len": "length()", "lengths": "length()", "size": "length()"}
_CALLED = {"StringNamespace": "cast(str) makes text", "ListNamespace": "implode() makes a list of a group's values",
           "MapNamespace": "functions of your own are called as gm.udf(f)(column)", "JsonNamespace": "to_json() makes JSON text"}
_TYPES = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64", "Boolean", "String", "Utf8", "Date", "Datetime",
          "Decimal", "int8", "int16", "int32", "int64", "float32", "float64", "string")
_MODULE = {
    "DataFrame": "from_pydict({...}), from_pylist([...]), from_pandas(df) or from_arrow(data)",
    "LazyFrame": "from_pydict({...}), or scan_parquet(path) and its kin",
    "from_dicts": "from_pylist([...])", "from_records": "from_pylist([...])", "Series": "from_pydict({...})",
    "read_excel": "from_pandas(pandas.read_excel(path))",
    "read_sql": "read_postgres(connection, query)", "read_database": "read_postgres(connection, query)", "read_table": 'read_csv(path, separator="\\t")',
    "read_feather": "read_ipc(path)", "scan_feather": "scan_ipc(path)", "to_datetime": 'col("a").str.strptime("%Y-%m-%d")', "concat_list": "pack_list(...)",
    "max_horizontal": "greatest(...)", "min_horizontal": "least(...)",
    "date_range": "sql(\"select * from generate_series(date '2026-01-01', date '2026-01-31', interval '1 day')\")",
    "int_range": 'sql("select * from range(10)")', "arange": 'sql("select * from range(10)")', "merge": "Frame.join(other, on=...)",
    "cut": "when(...).then(...)",
    "read_json": "read_ndjson(path)", "scan_json": "scan_ndjson(path)", "query": "sql(text)", "len": "count()", "date": "lit(datetime.date(...))",
    "datetime": "lit(datetime.datetime(...))", "concat_str": 'concat_ws("", ...)', "SQLContext": "connect()"} | {
    name: f'col("a").{name}()' for name in ("sum", "mean", "min", "max", "first", "last", "median", "std", "var", "n_unique")} | {
    name: f'flow.{name}: from gristmill.flow import {name}'
    for name in ("Cache", "CallTimeout", "Event", "Failure", "Limit", "RateLimit", "Retry", "WorkerCrashed")} | {
    name: f"stream.{name}: from gristmill.stream import {name}" for name in ("count_window", "hopping", "tumbling")} | {
    name: 'a type as text, as in cast("int64") or schema={"a": "timestamp(us,UTC)"}; pyarrow\'s types are taken too' for name in _TYPES}


def _missing(what: str, name: str, owner: Any, known: Mapping[str, str], lead: str = "") -> AttributeError:
    said = f"; here it is {lead}{known[name]}" if name in known else ""
    if not said and not name.startswith("_") and (near := get_close_matches(name, [n for n in dir(type(owner)) if not n.startswith("_")], 1)):
        return AttributeError(f"{what} has no attribute {name!r}; did you mean {near[0]!r}?")  # without name=: Python would say it again
    return AttributeError(f"{what} has no attribute {name!r}{said}", name=name, obj=owner)


def _is_column(owner: Any, name: str) -> bool:
    from .errors import GristmillError

    try:
        return not name.startswith("_") and name in owner.columns
    except GristmillError:  # a plan that is wrong is told when it is asked for, not here
        return False


def of_frame(frame: Any, name: str) -> AttributeError:
    """For Frame: what tables have needs collect() first."""
    from .table import Table

    if not name.startswith("_") and hasattr(Table, name) and name not in _ROWS:
        return AttributeError(f"'Frame' object has no attribute {name!r}; a frame is lazy: collect() gives a table, which has it", name=name, obj=frame)
    known = {**_ROWS, **{k: f"{v}(path, ...)" for k, v in _SINKS.items()}}
    if name not in known and _is_column(frame, name):
        return AttributeError(f"'Frame' object has no attribute {name!r}; the column is gm.col({name!r}) in expressions", name=name, obj=frame)
    return _missing("'Frame' object", name, frame, known)


_OF_TABLES = {name: "num_rows, or len(table)" for name in ("count", "len", "height", "size")} | {
    "show": "print(table)", "copy": "the table itself: it never changes", "clone": "the table itself: it never changes",
    "cache": "the table itself: it is data",
    "is_empty": "len(table) == 0", "empty": "len(table) == 0", "iter_rows": "for row in table: rows are dicts",
    "iterrows": "for row in table: rows are dicts",
    "get_column": 'table["a"]', "to_series": 'table["a"]', "fetch": "head(n)"}


def of_table(table: Any, name: str) -> AttributeError:
    """For Table: what only frames have needs lazy() first."""
    from .frame import Frame

    if name == "collect":
        return AttributeError("'Table' object has no attribute 'collect'; a table is data already, and its methods run at once", name=name, obj=table)
    if not name.startswith("_") and hasattr(Frame, name):
        return AttributeError(f"'Table' object has no attribute {name!r}; lazy() gives a frame, which has it", name=name, obj=table)
    known = {**{k: v.replace("collect().", "") for k, v in _ROWS.items()}, **{k: f"{v}(path, ...)" for k, v in _SINKS.items()}, **_OF_TABLES}
    if name not in known and _is_column(table, name):
        told = f"the column is table[{name!r}], or gm.col({name!r}) in expressions"
        return AttributeError(f"'Table' object has no attribute {name!r}; {told}", name=name, obj=table)
    return _missing("'Table' object", name, table, known)


def of_groups(groups: Any, name: str) -> AttributeError:
    return _missing(f"'{type(groups).__name__}' object", name, groups, _GROUPS)


def of_outcome(outcome: Any, name: str) -> AttributeError:
    """For what Session.execute() gave: rows come by collect()."""
    from .table import Table

    told = _ROWS.get(name, f"collect().{name}" if not name.startswith("_") and hasattr(Table, name) else "")
    known = {name: told} if told.startswith("collect()") else {}
    return _missing("'Outcome' object", name, outcome, known)


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


def keys(named: Mapping[str, Any]) -> None:
    """Refuses flags of other libraries' group_by: they would be keys of one value."""
    for name, told in _GROUPING.items():
        if isinstance(named.get(name), bool):
            raise TypeError(f"group_by() has no option {name!r}: {told}")


def predicate(value: Any) -> None:
    """Refuses text where a condition belongs: it would be a literal."""
    if isinstance(value, str):
        raise TypeError(f'filter() takes expressions like gm.col("a") > 1, not the text {value!r}; in SQL: gm.sql("select * from frame where {value}")')


_GROUPING = {"maintain_order": "groups always come in the order of their first row", "as_index": "keys are columns", "sort": "sort() what agg() gives",
             "dropna": "null is a key like others; drop_nulls() before leaves it out", "observed": "only values that are there make groups"}
READING = {name: "separator" for name in ("sep", "delimiter", "delim", "field_delimiter")} | {
    name: "null_values" for name in ("na_values", "null_value", "nullstr", "null_strings")} | {
    name: 'schema_overrides={"a": "int64"}' for name in ("dtype", "dtypes", "types", "converters")} | {
    name: "a select(...) behind it: no other column is read" for name in ("columns", "usecols", "include_columns")} | {
    name: "a head(n) behind it: no more is read" for name in ("nrows", "n_rows", "limit")} | {
    "header": "has_header", "names": "column_names", "new_columns": "column_names", "decimal": "decimal_comma=True", "comment": "comment_prefix",
    "comment_char": "comment_prefix", "skiprows": "skip_rows", "skip": "skip_rows",
    "parse_dates": "try_parse_dates, for ISO; others: col.str.strptime(pattern)",
    "ignore_errors": 'on_error="null", or "skip"', "on_bad_lines": 'on_error="skip"', "infer_schema_length": "infer_rows", "sample_size": "infer_rows",
    "quotechar": "quote_char", "quote": "quote_char", "escapechar": "escape_char", "truncate_ragged_lines": "extra_columns=True",
    "filters": "a filter(...) behind it: files and row groups that cannot match are not read", "union_by_name": 'schema_evolution="union"',
    "allow_missing_columns": 'schema_evolution="union"', "partitioning": "hive_partitioning", "filesystem": "storage_options",
    "row_index_name": "with_row_index(name) behind it", "include_file_paths": "no option: folders named key=value are columns",
    "chunksize": "scan_...(path).collect_batches()", "batch_size": "scan_...(path).collect_batches()", "n_threads": "collect(num_workers=n)",
    "lines": "what it always does: NDJSON"}
RUNNING = {name: "num_workers" for name in ("workers", "n_workers", "n_jobs", "threads", "n_threads", "num_threads", "max_workers")} | {
    "streaming": "nothing to say: what does not fit into memory goes to disk", "engine": "nothing to say: there is one engine",
    "memory": "memory_limit", "max_memory": "memory_limit", "batch_size": "batch_rows", "chunk_size": "chunk_rows", "partition_cols": "partition_by",
    "partition_on": "partition_by", "hive": "partition_by", "index": "nothing to say: rows have no index", "sep": "separator", "delimiter": "separator",
    "header": "include_header", "na_rep": "null_value", "mode": "overwrite", "if_exists": "overwrite", "row_group_size": "row_group_rows",
    "float_format": "float_precision", "mkdir": "nothing to say with partition_by; a file's folder must be there"}
SORTING = {"reverse": "descending", "ascending": "descending", "desc": "descending", "nulls_last": "nulls_first; nulls are last unless it is set",
           "na_position": "nulls_first", "maintain_order": "nothing to say: sorts are stable", "kind": "nothing to say: sorts are stable",
           "inplace": "the frame that sort() gives", "ignore_index": "nothing to say: rows have no index"}
RENAMING = {"columns": "rename({...})", "mapper": "rename({...})", "mapping": "rename({...})", "inplace": "the frame that rename() gives"}
SAMPLING = {"frac": "fraction", "random_state": "seed", "replace": "no option: a row is taken once", "with_replacement": "no option: a row is taken once"}
PIVOTING = {"columns": "on", "aggfunc": "aggregate", "aggregate_function": "aggregate", "fill_value": "fill_null(value) behind it",
    "sort_columns": "on_values"}
UNPIVOTING = {"id_vars": "index", "value_vars": "on", "var_name": "variable_name"}
JOINING = {"coalesce": "on= gives one key column, left_on= and right_on= both", "join_nulls": "nulls_equal", "suffixes": "suffix",
    "validate": "validate(unique=...) of the frame",
           "maintain_order": "nothing to say: the left rows' order is kept", "left_index": "left_on", "right_index": "right_on"}
FILLING = {"strategy": 'with_columns(gm.col("a").forward_fill()), or backward_fill()',
    "method": 'with_columns(gm.col("a").forward_fill()), or backward_fill()'}
DROPPING = {"columns": "drop(...)", "axis": "drop(...) for columns", "inplace": "the frame that it gives",
    "strict": "no option: what is dropped must be there",
            "how": "drop_nulls(): rows with any null among subset"}

_Function = TypeVar("_Function", bound=Callable[..., Any])


def unknown_option(name: str, known: Mapping[str, str], options: Any) -> TypeError:
    """What is said of an option that there is not."""
    if name in known:
        says = known[name].split()[0] in ("a", "no", "nothing", "what", "only")
        return TypeError(f"no option {name!r}; {'' if says else 'here it is '}{known[name]}")
    near = get_close_matches(name, list(options), 1)
    return TypeError(f"no option {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"known: {', '.join(options)}"))


def told(known: Mapping[str, str]) -> Callable[[_Function], _Function]:
    """Wraps a function, so that options which other libraries have in its place lead to its own."""

    def wrap(function: _Function) -> _Function:
        parameters = inspect.signature(function).parameters
        options = [p.name for p in parameters.values() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name != "self"]
        more = any(p.kind is p.VAR_KEYWORD for p in parameters.values())

        @functools.wraps(function)
        def run(*arguments: Any, **named: Any) -> Any:
            for name in named:
                if name not in parameters and (name in known or not more):
                    raise unknown_option(name, known, options)
            return function(*arguments, **named)

        return run  # type: ignore[return-value]

    return wrap
