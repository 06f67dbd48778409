"""Record jobs: rows from a source through steps into sinks, every row accounted for.

A job is a YAML file, its text, or the same as a dict; steps may also be functions, of a record or of a batch.

>>> import gristmill as gm, pathlib, tempfile
>>> folder = pathlib.Path(tempfile.mkdtemp())
>>> _ = (folder / "in.csv").write_text("id,value\\n1,2.5\\n2,-1\\n3,x\\n")
>>> job = gm.Job({
...     "source": {"csv": {"path": str(folder / "in.csv"), "schema": {"id": "int64", "value": "float64"}}},
...     "transforms": [{"filter": "value > 0"}, gm.each_record(lambda r: {**r, "twice": 2 * r["value"]}, gives={"id": "int64", "value": "float64", "twice": "float64"})],
...     "sink": {"ndjson": {"path": str(folder / "out.ndjson")}},
...     "on_error": {"policy": "dead_letter", "path": str(folder / "rejected.ndjson")},
... })
>>> result = job.run()
>>> result.written, result.filtered, result.bad
(1, 1, 1)
>>> (folder / "out.ndjson").read_text()
'{"id":1,"value":2.5,"twice":5.0}\\n'
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from . import _engine
from .errors import DataError
from .options import parse_bytes

Row = dict[str, Any]
RecordFunction = Callable[[Row], "Row | None"]
BatchFunction = Callable[[pa.RecordBatch], pa.RecordBatch]


@dataclass(frozen=True)
class JobFunction:
    """A function as a step of a job; made by each_record() and each_batch()."""

    function: Callable[[Any], Any]
    per_record: bool
    gives: Mapping[str, str] | None


def each_record(function: RecordFunction, gives: Mapping[str, str] | None = None) -> JobFunction:
    """A step that calls `function` with each row as a dict: what it returns is the row from then on, None drops it.

    gives: names and types of all columns of what it returns; nothing: those that it gets. An exception makes the row a bad one.
    """
    return JobFunction(function, True, gives)


def each_batch(function: BatchFunction, gives: Mapping[str, str] | None = None) -> JobFunction:
    """A step that calls `function` with a `pyarrow.RecordBatch` and goes on with the one it returns, of as many rows in the same order.

    Batches have any size, and several may be at work at once: each row's result must depend on that row alone. When it raises, the batch is
    halved until the rows that it cannot take are found; they are bad rows.
    """
    return JobFunction(function, False, gives)


@dataclass(frozen=True)
class JobResult:
    """What a run of a job did: rows, and the accounting of every step."""

    read: int
    written: int
    filtered: int
    bad: int
    stopped: bool
    seconds: float
    text: str = field(repr=False)
    report: dict[str, Any] = field(repr=False)


class Job:
    """A record job: see docs/records.md for what may stand in it.

    job: a path of a YAML file, or the job as a dict. functions: what `function: NAME` stands for in it; in a dict a function may also
    stand in `transforms` itself.
    """

    def __init__(self, job: str | Path | Mapping[str, Any], functions: Mapping[str, JobFunction | RecordFunction] | None = None) -> None:
        self._raised: dict[str, BaseException] = {}
        given = dict(functions or {})
        if isinstance(job, Mapping):
            plain = dict(job)
            plain["transforms"] = [self._named(step, given) for step in job.get("transforms", [])]
            self._job = _engine.Job.from_yaml(json.dumps(_without_variables(plain), ensure_ascii=False), str(job.get("name", "job")))
        else:
            self._job = _engine.Job.from_file(str(job))
        for name, function in given.items():
            made = function if isinstance(function, JobFunction) else each_record(function)
            self._job.define(name, self._call(made), list((made.gives or {}).items()))

    @staticmethod
    def from_yaml(yaml: str, functions: Mapping[str, JobFunction | RecordFunction] | None = None, name: str = "job") -> Job:
        """A job from the text of its file."""
        made = Job.__new__(Job)
        made._raised = {}
        made._job = _engine.Job.from_yaml(yaml, name)
        for n, function in (functions or {}).items():
            f = function if isinstance(function, JobFunction) else each_record(function)
            made._job.define(n, made._call(f), list((f.gives or {}).items()))
        return made

    def run(self, *, workers: int = 0, batch_rows: int = 0, memory_limit: int | str = 0, cancel: _engine.Cancellation | None = None) -> JobResult:
        """Runs the job; what is not given is as the job says. A bad row under policy fail raises what the function raised, or DataError."""
        self._raised.clear()
        try:
            out = self._job.run(workers, batch_rows, parse_bytes(memory_limit), cancel or _engine.Cancellation())
        except DataError as error:
            for text, raised in self._raised.items():
                if str(error).startswith(text):
                    raise raised from error
            raise
        return JobResult(out.read, out.written, out.filtered, out.bad, out.stopped, out.seconds, out.text, json.loads(out.json))

    def check(self) -> dict[str, pa.Schema]:
        """The columns behind the source and behind each step; nothing runs."""
        return {f"{i} {step}" if i else step: pa.schema(_Schema(capsule)) for i, (step, capsule) in enumerate(self._job.check())}

    @staticmethod
    def schema() -> dict[str, Any]:
        """The JSON Schema of job files, for editors."""
        schema: dict[str, Any] = json.loads(_engine.job_schema())
        return schema

    def _named(self, step: Any, functions: dict[str, JobFunction | RecordFunction]) -> Any:
        if not isinstance(step, JobFunction) and not callable(step):
            return step
        name = f"{getattr(step, '__name__', 'function')} {len(functions) + 1}"
        functions[name] = step
        return {"function": name}

    def _call(self, step: JobFunction) -> Callable[[Any], Any]:
        return _record_call(step, self._note) if step.per_record else _batch_call(step, self._note)

    def _note(self, error: Exception) -> str:
        text = f"{type(error).__name__}: {error}"
        if len(self._raised) < 1000:
            self._raised.setdefault(text, error)
        return text


class _Schema:
    """A capsule as pyarrow takes it."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __arrow_c_schema__(self) -> Any:
        return self._capsule


class _Array:
    def __init__(self, capsules: Any) -> None:
        self._capsules = capsules

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        return self._capsules


class _RowError(Exception):
    pass


def _without_variables(value: Any) -> Any:
    """What a program says holds no variables: a dollar sign is one."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {str(k): _without_variables(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_variables(v) for v in value]
    if isinstance(value, Path):
        return str(value).replace("$", "$$")
    return value


def _output_schema(step: JobFunction, came: pa.Schema) -> pa.Schema:
    if not step.gives:
        return came
    from .frame import from_pydict

    empty = from_pydict({name: [] for name in step.gives})
    from .expr import col

    return empty.select(*[col(name).cast(type_) for name, type_ in step.gives.items()]).collect().schema


def _record_call(step: JobFunction, note: Callable[[Exception], str]) -> Callable[[Any], Any]:
    schemas: dict[str, pa.Schema] = {}

    def call(capsules: Any) -> Any:
        batch = pa.record_batch(_Array(capsules))
        schema = schemas.get("out") or schemas.setdefault("out", _output_schema(step, batch.schema))
        rows: list[Row] = []
        places: list[int] = []
        bad: list[tuple[int, str]] = []
        for i, row in enumerate(batch.to_pylist()):
            try:
                made = step.function(row)
                if made is not None and not isinstance(made, Mapping):
                    raise TypeError(f"a function of a record gives a dict or None, not {type(made).__name__}")
            except Exception as error:
                bad.append((i, note(error)))
                continue
            if made is not None:
                rows.append(dict(made))
                places.append(i)
        out = _columns(rows, places, bad, schema, note)
        return out.__arrow_c_array__(), places, bad

    return call


def _columns(rows: list[Row], places: list[int], bad: list[tuple[int, str]], schema: pa.Schema, note: Callable[[Exception], str]) -> pa.RecordBatch:
    """The rows as columns; those whose values do not fit the types are bad rows."""
    try:
        return pa.RecordBatch.from_pylist(rows, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError, ValueError):
        pass
    good_rows: list[Row] = []
    good_places: list[int] = []
    for row, place in zip(rows, places):
        try:
            pa.RecordBatch.from_pylist([row], schema=schema)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError, ValueError) as error:
            bad.append((place, note(error)))
        else:
            good_rows.append(row)
            good_places.append(place)
    places[:] = good_places
    bad.sort()
    return pa.RecordBatch.from_pylist(good_rows, schema=schema)


def _batch_call(step: JobFunction, note: Callable[[Exception], str]) -> Callable[[Any], Any]:
    schemas: dict[str, pa.Schema] = {}

    def call(capsules: Any) -> Any:
        batch = pa.record_batch(_Array(capsules))
        schema = schemas.get("out") or schemas.setdefault("out", _output_schema(step, batch.schema))
        try:
            out = step.function(batch)
            if isinstance(out, pa.Table):
                out = out.combine_chunks().to_batches()[0] if out.num_rows else pa.RecordBatch.from_pylist([], schema=out.schema)
            if not isinstance(out, pa.RecordBatch):
                raise TypeError(f"a function of a batch gives a pyarrow.RecordBatch, not {type(out).__name__}")
            if out.schema != schema:
                out = out.select(schema.names).cast(schema)
        except Exception as error:
            raise _RowError(note(error)) from error
        return out.__arrow_c_array__(), None, []

    return call
