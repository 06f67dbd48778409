"""Operators of the user's with state and timers by key, over event time."""

from __future__ import annotations

import pickle
from typing import Any, Callable, Mapping, Sequence

import pyarrow as pa

from .. import _engine
from .operators import as_batch


class KeyContext:
    """What an operator knows of the key at hand; good during the call it was given to."""

    def __init__(self, engine_context: _engine.KeyContext) -> None:
        self._c = engine_context

    @property
    def key(self) -> dict[str, Any]:
        """The key columns with their values."""
        return pa.RecordBatch._import_from_c_capsule(*self._c.key()).to_pylist()[0]

    @property
    def time(self) -> int:
        """Of the rows, or of the timer: ticks of the time column (microseconds for timestamp(us))."""
        return self._c.time()

    @property
    def state(self) -> Any:
        """What was kept for this key, None at first. What is set is pickled: a part of checkpoints, and restored with them."""
        kept = self._c.state()
        return pickle.loads(kept) if kept else None

    @state.setter
    def state(self, value: Any) -> None:
        self._c.set_state(b"" if value is None else pickle.dumps(value, protocol=5))

    def set_timer(self, time: int) -> None:
        """on_timer() comes once event time has come so far, before rows of that time; a time that has passed comes next."""
        self._c.set_timer(time)

    def delete_timer(self, time: int) -> None:
        self._c.delete_timer(time)


class KeyedOperator:
    """An operator with state and timers by key. It sees rows in the order of event time, those of one key and one time together.

    What it gives depends on them alone, so results are the same at any speed and number of workers. A run makes an operator of its own;
    what belongs to a key stands in ``context.state``, not in the object: state and timers are part of checkpoints.

    >>> import gristmill as gm, pyarrow as pa
    >>> class Silence(gm.KeyedOperator):
    ...     def output_schema(self, schema):
    ...         return pa.schema({"user": pa.string(), "rows": pa.int64(), "silent_at": pa.int64()})
    ...     def process(self, rows, context):
    ...         seen, timer = context.state or (0, None)
    ...         if timer is not None:
    ...             context.delete_timer(timer)
    ...         context.set_timer(context.time + 10)
    ...         context.state = (seen + rows.num_rows, context.time + 10)
    ...     def on_timer(self, context):
    ...         return {"user": [context.key["user"]], "rows": [context.state[0]], "silent_at": [context.time]}
    >>> rows = pa.table({"ts": [1, 3, 4, 30], "user": ["ann", "bob", "ann", "ann"]})
    >>> gm.Stream.replay(rows).with_watermark("ts").process_keyed("user", Silence).collect().to_pylist()
    [{'user': 'bob', 'rows': 1, 'silent_at': 13}, {'user': 'ann', 'rows': 2, 'silent_at': 14}, {'user': 'ann', 'rows': 3, 'silent_at': 40}]
    """

    def process(self, rows: pa.RecordBatch, context: KeyContext) -> Any:
        """What becomes of the rows: a batch, a table, a dict of columns or a list of dicts; None, or no rows: nothing."""
        raise NotImplementedError(f"{type(self).__name__} must define process()")

    def on_timer(self, context: KeyContext) -> Any:
        """A timer that process() or this set is due."""
        return None

    def output_schema(self, schema: pa.Schema) -> pa.Schema:
        """The columns that it gives for those that it gets; by default the same."""
        return schema

    @property
    def name(self) -> str:
        return type(self).__name__


def keyed_calls(make: Callable[[], KeyedOperator], gives: pa.Schema) -> Callable[[], tuple[Any, Any]]:
    """Makes the calls of one run: (of rows, of a timer), in Arrow's capsules."""

    def again() -> tuple[Any, Any]:
        operator = make()

        def given(made: Any) -> Any:
            if made is None:
                return None
            if isinstance(made, Mapping):
                batch = pa.record_batch(dict(made), schema=gives)
            else:
                batch = pa.RecordBatch.from_pylist(made, schema=gives) if isinstance(made, list) else as_batch(made)
            return None if batch.num_rows == 0 else batch.__arrow_c_array__()

        def process(capsules: Any, context: _engine.KeyContext) -> Any:
            return given(operator.process(pa.RecordBatch._import_from_c_capsule(*capsules), KeyContext(context)))

        def on_timer(context: _engine.KeyContext) -> Any:
            return given(operator.on_timer(KeyContext(context)))

        return process, on_timer

    return again


def key_names(by: str | Sequence[str]) -> list[str]:
    return [by] if isinstance(by, str) else list(by)
