"""Functions of your own in expressions."""

from __future__ import annotations

import datetime as _dt
import functools
import inspect
import typing
from typing import Any, Callable, Sequence

import pyarrow as pa

from . import _engine
from .expr import _PYTHON_TYPES, Expr, IntoExpr, _column_or_expr, _type_argument

_KINDS = ("scalar", "vector", "aggregate")


def _annotated_type(annotation: Any) -> Any:
    """The type an annotation means, or None."""
    if isinstance(annotation, pa.DataType):
        return annotation
    arguments = [a for a in typing.get_args(annotation) if a is not type(None)]
    if len(arguments) == 1 and typing.get_origin(annotation) is not list:
        return _annotated_type(arguments[0])  # Optional[x], x | None
    if typing.get_origin(annotation) is list and len(arguments) == 1:
        inner = _annotated_type(arguments[0])
        return None if inner is None else pa.list_(_arrow_type(inner))
    return _PYTHON_TYPES.get(annotation) if isinstance(annotation, type) else None


def _arrow_type(dtype: Any) -> pa.DataType:
    known = _annotated_type(dtype) or dtype
    if isinstance(known, str):
        return pa.schema(_engine_schema(known)).field(0).type
    if not isinstance(known, pa.DataType):
        _type_argument(known)  # says what a type is
    return pa.types.lib.ensure_type(known)


def _engine_schema(dtype: str) -> Any:
    from .table import _Schema

    return _Schema(_engine.from_arrow(pa.table({"x": pa.nulls(0)}).__arrow_c_stream__()).select([_engine.col("x").cast(dtype, False)]).schema())


def _hints(fn: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(fn)
    except Exception:  # noqa: BLE001 - annotations nobody can resolve say nothing
        return {}


def _count_parameters(fn: Callable[..., Any]) -> int:
    """How many arguments it must get; -1 when that is open."""
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return -1
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(plain) < len(parameters) or any(p.default is not p.empty for p in plain):
        return -1
    return len(plain)


def _values(array: pa.Array) -> list[Any]:
    return array.to_pylist()


def _to_array(value: Any, returns: pa.DataType) -> pa.Array:
    if isinstance(value, pa.ChunkedArray):
        return value.combine_chunks()
    if isinstance(value, pa.Array):
        return value
    if hasattr(value, "__arrow_c_array__"):
        return pa.array(value)
    return pa.array(value, type=returns, from_pandas=type(value).__module__.startswith("pandas"))


def _import(capsules: Sequence[Any]) -> list[pa.Array]:
    return [pa.Array._import_from_c_capsule(*pair) for pair in capsules]


def _first_misfit(values: list[Any], returns: pa.DataType) -> int:
    for row, value in enumerate(values):
        try:
            pa.array([value], type=returns)
        except Exception:  # noqa: BLE001
            return row
    return 0


def _run_rows(fn: Callable[..., Any], returns: pa.DataType, columns: list[list[Any]], rows: int) -> tuple:
    out: list[Any] = []
    append = out.append
    try:
        if columns:
            for values in zip(*columns):
                append(fn(*values))
        else:
            for _ in range(rows):
                append(fn())
    except BaseException as e:  # noqa: BLE001 - handed to the caller of the query
        row, columns, out, values = len(out), [], [], ()  # the traceback keeps this frame, not the data
        return None, row, e
    try:
        return pa.array(out, type=returns).__arrow_c_array__(), None, None
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as e:
        row = _first_misfit(out, returns)
        error = TypeError(f"the function returned {out[row]!r}, which is not {returns}")
        error.__cause__ = e
        return None, row, error


def _scalar_runner(fn: Callable[..., Any], returns: pa.DataType) -> Callable[[Any, int], tuple]:
    return lambda capsules, rows: _run_rows(fn, returns, [_values(a) for a in _import(capsules)], rows)


def _waiting_runner(fn: Any, returns: pa.DataType) -> Callable[[Any, int], tuple]:
    """For async functions and nodes: the rows of a batch are open together."""
    from .flow.column import row_flow, rows_through

    flow = row_flow(fn)

    def run(capsules: Any, rows: int) -> tuple:
        try:
            values, row, error = rows_through(flow, [_values(a) for a in _import(capsules)], rows)
        except BaseException as e:  # noqa: BLE001 - handed to the caller of the query
            return None, 0, e
        if error is not None:
            return None, row, error
        give = iter(values)
        return _run_rows(lambda: next(give), returns, [], rows)

    return run


def _waits(fn: Any) -> bool:
    return getattr(type(fn), "__gristmill_node__", False) or inspect.iscoroutinefunction(fn)


def _form(annotation: Any) -> Callable[[pa.Array], Any]:
    """What a function that gets many values wants them as, by the annotation of its first parameter."""
    if getattr(annotation, "__module__", "") == "numpy":
        return lambda values: values.to_numpy(zero_copy_only=False)
    return _values if annotation is list or typing.get_origin(annotation) is list else lambda values: values


def _vector_runner(fn: Callable[..., Any], returns: pa.DataType, form: Callable[[pa.Array], Any]) -> Callable[[Any, int], tuple]:
    def run(capsules: Any, rows: int) -> tuple:
        arrays: list[Any] = _import(capsules)
        try:
            arrays = [form(a) for a in arrays]
            return _to_array(fn(*arrays), returns).__arrow_c_array__(), None, None
        except BaseException as e:  # noqa: BLE001
            arrays = []
            return None, 0, e

    return run


def _aggregate_runner(fn: Callable[..., Any], returns: pa.DataType, form: Callable[[pa.Array], Any]) -> Callable[[Any, int], tuple]:
    def run(capsules: Any, rows: int) -> tuple:
        groups = []
        for array in _import(capsules):
            offsets, values = array.offsets.to_pylist(), array.values
            groups.append([form(values.slice(a, b - a)) for a, b in zip(offsets, offsets[1:])])
        return _run_rows(fn, returns, groups, rows)

    return run


class UserFunction:
    """What udf() makes: call it with columns (text is a column's name) or expressions to get an expression."""

    def __init__(self, fn: Callable[..., Any], name: str, kind: str, returns: pa.DataType, make: Callable[[str], Any]) -> None:
        functools.update_wrapper(self, fn)
        self.name, self.kind, self.returns = name, kind, returns
        self._make = make
        self._udf = make(name)

    def __call__(self, *args: IntoExpr) -> Expr:
        nodes = [_column_or_expr(a) for a in args]
        if self.kind == "aggregate":
            nodes = [_engine.aggregate("implode", [n], {}) for n in nodes]
        return Expr(self._udf.call(nodes))

    def __repr__(self) -> str:
        return f"<{self.kind} udf {self.name} -> {self.returns}>"


@typing.overload
def udf(fn: Callable[..., Any], returns: Any = None, kind: str = "scalar", *, deterministic: bool = True, nulls: str = "pass",
        name: str | None = None, batch_rows: int | None = None) -> UserFunction: ...
@typing.overload
def udf(fn: None = None, returns: Any = None, kind: str = "scalar", *, deterministic: bool = True, nulls: str = "pass",
        name: str | None = None, batch_rows: int | None = None) -> Callable[[Callable[..., Any]], UserFunction]: ...
def udf(fn: Any = None, returns: Any = None, kind: str = "scalar", *, deterministic: bool = True, nulls: str = "pass",
        name: str | None = None, batch_rows: int | None = None) -> Any:
    """A function of yours for expressions: anywhere an expression stands, in every operator. Also a decorator.

    kind: "scalar" is called for each row with Python values; "vector" for many rows at once with pyarrow arrays (numpy arrays or lists
    where its first parameter is annotated so) and must treat each row alone, as it is called on pieces of any size, unless `batch_rows` is
    given; "aggregate" for each group with its rows in order, as such arrays, and gives one value.

    batch_rows: of a vector function: it sees exactly so many rows at a time, the last time fewer, cut by the number of rows that get to
    it and one batch after the other, so a row's result may depend on the other rows of its batch and is the same at any number of workers.
    Such a function stands in select(), with_columns() and filter() and sees also rows that a when() does not take; with nulls="pass" rows that have a
    null argument are left out of what it sees.

    returns: the type of the result, a pyarrow type or its text; taken from the annotation where there is one.

    nulls: "pass" gives null for rows with a null argument without calling the function, "call" calls it with None. An aggregate always
    sees its nulls.

    An async function, or a `gm.node` with its rules (retry, timeout, rate, limit, cache), is called for the rows of a batch side by
    side; results stay in the order of the rows, and the first failing row is the one that is told. `gm.node(f, kind="blocking")` does so for a function that waits,
    `gm.node(f)` finds out; `gm.node(Class)` builds an object per worker and calls that.

    The function may run on any thread, and more than once for a row when a row fails. Its exception ends the query and
    is raised as it is, with a note that says which row it was. Functions are never moved past filters: they only see rows that get to
    them, or with `deterministic=True` (equal arguments, equal results) once for each value of a dictionary column instead of once a row.

    >>> import gristmill as gm
    >>> import pyarrow.compute as pc
    >>> @gm.udf
    ... def initials(name: str) -> str:
    ...     return "".join(word[0] for word in name.split())
    >>> gm.from_pydict({"name": ["Ada Lovelace", None]}).select(initials("name")).collect().to_pydict()
    {'name': ['AL', None]}
    >>> @gm.udf(kind="vector", returns="float64", batch_rows=2)
    ... def share(x):
    ...     return pc.divide(pc.cast(x, "float64"), pc.sum(x))
    >>> gm.from_pydict({"x": [1, 3, 5]}).select(share("x")).collect().to_pydict()
    {'x': [0.25, 0.75, 1.0]}
    """
    if fn is None:
        return lambda f: udf(f, returns, kind, deterministic=deterministic, nulls=nulls, name=name, batch_rows=batch_rows)
    if not callable(fn):
        raise TypeError(f"udf needs a function, got {type(fn).__name__}")
    if kind not in _KINDS:
        raise ValueError(f"unknown kind {kind!r}; known: {', '.join(_KINDS)}")
    if nulls not in ("pass", "call"):
        raise ValueError(f"nulls must be 'pass' or 'call', got {nulls!r}")
    if batch_rows is not None and kind != "vector":
        raise ValueError(f"batch_rows is for kind='vector', not {kind!r}")
    if batch_rows is not None and (not isinstance(batch_rows, int) or batch_rows < 1):
        raise ValueError(f"batch_rows must be 1 or more, got {batch_rows!r}")
    waits = _waits(fn)
    if waits and kind != "scalar":
        raise ValueError(f"an async function or a node is called for each row; kind={kind!r} is for plain functions")
    target = getattr(fn, "fn", fn) if waits else fn
    built = waits and inspect.isclass(target)  # its objects are called
    signed = target.__call__ if built else target
    hints = _hints(signed)
    if returns is None:
        returns = _annotated_type(hints.get("return"))
    if returns is None:
        raise TypeError("udf cannot tell the type of the result; say returns=, or annotate the function")
    dtype = _arrow_type(returns)
    parameters = [h for p, h in hints.items() if p != "return"]
    form = _form(parameters[0] if parameters else None)
    runner = (_waiting_runner(fn, dtype) if waits else _scalar_runner(fn, dtype) if kind == "scalar" else _vector_runner(fn, dtype, form) if kind == "vector"
              else _aggregate_runner(fn, dtype, form))
    called: str = name or getattr(fn, "__name__", "") or "udf"
    skips_nulls, count = nulls == "pass" and kind != "aggregate", _count_parameters(signed)
    if built and count > 0:
        count -= 1  # the object itself
    return UserFunction(fn, called, kind, dtype,
                        lambda n: _engine.udf(n, dtype.__arrow_c_schema__(), runner, skips_nulls, deterministic, count, batch_rows or 0))


def register(name: str, function: UserFunction | Callable[..., Any]) -> UserFunction:
    """Makes a function known to sql() and call() by a name, in the whole process.

    >>> import gristmill as gm
    >>> def twice(x: int) -> int:
    ...     return 2 * x
    >>> _ = gm.register("twice", twice)
    >>> t = gm.from_pydict({"a": [1, 2]})
    >>> gm.sql("select twice(a) as b from t").collect().to_pydict()
    {'b': [2, 4]}
    """
    if isinstance(function, UserFunction):
        if function.kind == "aggregate":
            raise TypeError("an aggregate cannot be registered; use it in frames")
        renamed = UserFunction(function.__wrapped__, name, function.kind, function.returns, function._make)  # type: ignore[attr-defined]
    else:
        renamed = udf(function, name=name)
    renamed._udf.register()
    return renamed
