"""Operators of the user's: what a class must define, what it gets, and how its calls reach the engine."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Iterable, Mapping

import pyarrow as pa


@dataclass
class Morsel:
    """A piece of a stream on its way through operators.

    `metadata` holds texts by names and stays with the morsel from operator to operator.
    """

    batch: pa.RecordBatch
    number: int = 0
    """Of the run, in the order of the rows."""
    partition: int = 0
    """Of the source."""
    first_row: int = -1
    """Of the source, where it is known."""
    metadata: dict[str, str] = field(default_factory=dict)
    processed: bool = False

    @property
    def num_rows(self) -> int:
        return self.batch.num_rows


class StreamOperator:
    """An operator of your own; `process_batch` is all it must define.

    Without `.parallel()` it sees one batch after the other, in order. Behind `.parallel()` it sees morsels, several at once, unless it says
    that it is stateful; it must then treat each row alone.

    >>> import gristmill as gm, pyarrow as pa, pyarrow.compute as pc
    >>> class Doubled(gm.StreamOperator):
    ...     def process_batch(self, batch):
    ...         return batch.set_column(0, "x", pc.multiply(batch.column("x"), 2))
    >>> gm.Stream.from_pylist([{"x": 1}, {"x": 2}]).apply(Doubled()).collect().to_pydict()
    {'x': [2, 4]}
    """

    def process_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch | None:
        """What becomes of a batch; None, or no rows: nothing."""
        raise NotImplementedError(f"{type(self).__name__} must define process_batch()")

    def process_morsel(self, morsel: Morsel) -> Morsel | None:
        """What becomes of a morsel: by default its batch is processed, its number and metadata stay, and it is marked as processed."""
        batch = self.process_batch(morsel.batch)
        if batch is None or batch.num_rows == 0:
            return None
        return replace(morsel, batch=batch, processed=True)

    def output_schema(self, schema: pa.Schema) -> pa.Schema | None:
        """Which columns it gives for which it gets. None: found by a call with an empty batch."""
        return None

    @property
    def name(self) -> str:
        return type(self).__name__

    def is_stateful(self) -> bool:
        """True: it sees everything in order, one morsel at a time, whatever `.parallel()` says."""
        return False

    def needs_shuffle(self) -> bool:
        return self.is_stateful() and bool(self.partition_keys())

    def partition_keys(self) -> list[str]:
        return []

    def parallelism_hint(self) -> int:
        """The most morsels at once that are of use; 0: any."""
        return 0

    def save_state(self) -> bytes:
        """Of an operator that is stateful, in runs with a checkpoint: what it knows, asked for between two morsels. By default its attributes,
        pickled."""
        return pickle.dumps(vars(self))

    def load_state(self, state: bytes) -> None:
        """What it knew when `save_state()` gave these bytes: a run that goes on at a checkpoint begins with that."""
        vars(self).clear()
        vars(self).update(pickle.loads(state))


class MorselDriven(StreamOperator):
    """An operator around another one that changes how it is run, never what it gives: the operator sees morsels of `morsel_rows` rows.

    >>> import gristmill as gm, pyarrow as pa
    >>> class Same(gm.StreamOperator):
    ...     def process_batch(self, batch):
    ...         return batch
    >>> gm.stream.MorselDriven(Same(), morsel_rows=2).process_batch(pa.record_batch({"x": [1, 2, 3]})).to_pydict()
    {'x': [1, 2, 3]}
    """

    def __init__(self, operator: StreamOperator, morsel_rows: int = 16_384) -> None:
        if morsel_rows < 1:
            raise ValueError(f"morsel_rows must be 1 or more, got {morsel_rows}")
        self._operator, self._rows = operator, morsel_rows

    def process_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch | None:
        made = [m.batch for m in self.process_morsels(Morsel(batch))]
        return pa.Table.from_batches(made).combine_chunks().to_batches()[0] if made else None

    def process_morsels(self, morsel: Morsel) -> list[Morsel]:
        """The pieces, in order, with the metadata of the whole."""
        parts = (replace(morsel, batch=morsel.batch.slice(at, self._rows), metadata=dict(morsel.metadata))
                 for at in range(0, morsel.num_rows, self._rows))
        return [made for part in parts if (made := self._operator.process_morsel(part)) is not None]

    def output_schema(self, schema: pa.Schema) -> pa.Schema | None:
        return self._operator.output_schema(schema)

    @property
    def name(self) -> str:
        return self._operator.name

    def is_stateful(self) -> bool:
        return self._operator.is_stateful()

    def needs_shuffle(self) -> bool:
        return self._operator.needs_shuffle()

    def partition_keys(self) -> list[str]:
        return self._operator.partition_keys()

    def parallelism_hint(self) -> int:
        return self._operator.parallelism_hint()

    def save_state(self) -> bytes:
        return self._operator.save_state()

    def load_state(self, state: bytes) -> None:
        self._operator.load_state(state)


def saved_state(operator: StreamOperator) -> bytes:
    """What the operator knows; where it cannot be pickled an error that says what to do.

    >>> import pickle, gristmill as gm
    >>> class Sum(gm.StreamOperator):
    ...     def __init__(self):
    ...         self.total = 7
    >>> pickle.loads(saved_state(Sum()))
    {'total': 7}
    """
    try:
        state = operator.save_state()
    except Exception as e:
        raise TypeError(f"the state of operator {operator.name!r} cannot be saved in a checkpoint ({e}); give it save_state() and load_state()") from e
    if not isinstance(state, bytes):
        raise TypeError(f"save_state() of operator {operator.name!r} gave {type(state).__name__} instead of bytes")
    return state


def as_batch(value: Any) -> pa.RecordBatch:
    """A record batch of what a function gave: a batch, a table, a list of dicts, a dict of columns, anything with the Arrow interface.

    >>> as_batch([{"a": 1}, {"a": 2}]).num_rows
    2
    """
    if isinstance(value, pa.RecordBatch):
        return value
    if isinstance(value, Mapping):
        return pa.record_batch(dict(value))
    if isinstance(value, list):
        value = pa.Table.from_pylist(value)
    elif not isinstance(value, pa.Table):
        if hasattr(value, "__arrow_c_array__"):
            return pa.record_batch(value)
        if not hasattr(value, "__arrow_c_stream__"):
            raise TypeError(f"a batch of a stream is a pyarrow RecordBatch, a table, a dict of columns or a list of dicts, not {type(value).__name__}")
        value = pa.table(value)
    batches = value.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=value.schema)


def capsules(batch: pa.RecordBatch) -> tuple[Any, Any]:
    return batch.__arrow_c_array__()


Calls = Callable[..., list[tuple[Any, dict[str, str], bool]]]


def calls_of(operator: StreamOperator) -> Calls:
    """How the engine calls an operator: capsules in, a list of (capsules, metadata, processed) out."""
    many = getattr(operator, "process_morsels", None)

    def run(batch: Any, number: int, partition: int, first_row: int, metadata: dict[str, str], processed: bool) -> list[tuple[Any, dict[str, str], bool]]:
        morsel = Morsel(pa.RecordBatch._import_from_c_capsule(*batch), number, partition, first_row, metadata, processed)
        if many is not None:
            made: Iterable[Morsel] = many(morsel)
        else:
            one = operator.process_morsel(morsel)
            made = () if one is None else (one,)
        return [(capsules(as_batch(m.batch)), m.metadata, m.processed) for m in made]

    return run


class FunctionOperator(StreamOperator):
    """A function as an operator: batch to batch, or with `many` batch to batches."""

    def __init__(self, function: Callable[[pa.RecordBatch], Any], name: str, many: bool) -> None:
        self._function, self._name, self._many = function, name, many

    @property
    def name(self) -> str:
        return self._name

    def process_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch | None:
        made = self._function(batch)
        return None if made is None else as_batch(made)

    def process_morsels(self, morsel: Morsel) -> list[Morsel]:
        if not self._many:
            one = self.process_morsel(morsel)
            return [] if one is None else [one]
        made = (as_batch(b) for b in self._function(morsel.batch))
        return [replace(morsel, batch=b, metadata=dict(morsel.metadata), processed=True) for b in made if b.num_rows > 0]


def schema_of(operator: StreamOperator, given: pa.Schema | None, gets: pa.Schema) -> pa.Schema:
    """Which columns an operator gives: what was said, else what becomes of an empty batch."""
    while isinstance(operator, MorselDriven):
        operator = operator._operator
    said = given if given is not None else operator.output_schema(gets)
    if said is not None:
        return said
    empty = pa.RecordBatch.from_pylist([], schema=gets)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if isinstance(operator, FunctionOperator):
                made = operator._function(empty)
                if operator._many:
                    made = next(iter(made), None)
            else:
                made = operator.process_batch(empty)
        if made is None:
            raise ValueError("it gave nothing")
        return as_batch(made).schema
    except Exception as e:
        raise TypeError(f"which columns {operator.name!r} gives could not be found by a call with an empty batch ({e}); say schema=") from e
