"""What Python gives streams to read: batches, tables, lists of dicts, iterables, asynchronous ones."""

from __future__ import annotations

import asyncio
import queue
import threading
from contextvars import ContextVar
from itertools import chain
from typing import Any, AsyncIterable, AsyncIterator, Callable, Iterable, Iterator

import pyarrow as pa

from .operators import as_batch, capsules

_AHEAD = 4


def next_of(batches: Iterator[Any]) -> Callable[[], Any]:
    """What the engine calls for the next batch; None at the end."""

    def call() -> Any:
        for value in batches:
            batch = as_batch(value)
            if batch.num_rows:
                return capsules(batch)
        return None

    return call


def peeked(iterable: Iterable[Any], schema: pa.Schema | None) -> tuple[pa.Schema, Callable[[], Any]]:
    """The schema of an iterable's batches, and a function that gives a new reader for every run. What can be read once only is looked at
    once: the first batch is kept for the first run."""
    again = iter(iterable) is not iterable
    if schema is not None:
        first: list[Any] = []
        rest: Iterator[Any] | None = None if again else iter(iterable)
    else:
        rest = iter(iterable)
        head = next(rest, None)
        if head is None:
            raise ValueError("the iterable gives no batch, so its columns are not known; say schema=")
        first = [as_batch(head)]
        schema = first[0].schema
    runs = iter(range(1 << 62))

    def reader() -> Any:
        run = next(runs)
        if again:
            return next_of(iter(iterable))
        if run:
            raise RuntimeError("this iterable can be read once only; give a list, or a function that makes a new one")
        return next_of(chain(first, rest or ()))

    return schema, reader


def is_list(iterable: Any) -> bool:
    """Whether it is batches that are all there, as they are.

    >>> is_list([pa.record_batch({"a": [1]})]), is_list([{"a": [1]}]), is_list([])
    (True, False, False)
    """
    return isinstance(iterable, (list, tuple)) and len(iterable) > 0 and all(isinstance(b, pa.RecordBatch) for b in iterable)


def all_of(batches: list[Any] | tuple[Any, ...], schema: pa.Schema) -> Any:
    """What the engine takes for a list at the beginning of a run: the batches where they have its schema, else what each one says of itself."""
    if all(isinstance(b, pa.RecordBatch) and b.schema.equals(schema) for b in batches):
        return list(batches)
    return [capsules(as_batch(b)) for b in batches]


def rows_of_lists(rows: Iterable[Any], schema: pa.Schema, size: int) -> Iterator[pa.RecordBatch]:
    """Dicts in batches of `size`."""
    waiting: list[Any] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == size:
            yield pa.RecordBatch.from_pylist(waiting, schema=schema)
            waiting = []
    if waiting:
        yield pa.RecordBatch.from_pylist(waiting, schema=schema)


# The loop of whoever iterates asynchronously: asynchronous sources are read on it.
caller_loop: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar("caller_loop", default=None)


async def _ended(loop: asyncio.AbstractEventLoop) -> None:
    """What a cancelled reader still has to do."""
    others = [t for t in asyncio.all_tasks(loop) if t is not asyncio.current_task()]
    await asyncio.gather(*others, return_exceptions=True)


class AsyncBatches:
    """An asynchronous iterable, read a few batches ahead of whoever takes them: on the loop of an asynchronous caller, else on one of its own."""

    def __init__(self, source: AsyncIterable[Any]) -> None:
        self._source = source

    def __iter__(self) -> Iterator[Any]:
        waiting: queue.Queue[tuple[bool, Any]] = queue.Queue()
        room = asyncio.Semaphore(_AHEAD)

        async def read() -> None:
            batches: AsyncIterator[Any] = aiter(self._source)
            try:
                await room.acquire()
                async for batch in batches:
                    waiting.put((True, batch))
                    await room.acquire()
                waiting.put((False, None))
            except BaseException as e:  # noqa: BLE001 - handed to the consumer
                waiting.put((False, e))
            finally:
                close = getattr(batches, "aclose", None)
                if close is not None:
                    await close()

        loop, own = caller_loop.get(), None
        if loop is None:
            loop = asyncio.new_event_loop()
            own = threading.Thread(target=loop.run_forever, name="gristmill-async-source", daemon=True)
            own.start()
        reading = asyncio.run_coroutine_threadsafe(read(), loop)
        try:
            while True:
                more, value = waiting.get()
                if not more:
                    if value is not None:
                        raise value
                    return
                loop.call_soon_threadsafe(room.release)
                yield value
        finally:
            reading.cancel()
            if own is not None:
                loop.call_soon_threadsafe(loop.stop)
                own.join()
                loop.run_until_complete(_ended(loop))
                loop.close()
