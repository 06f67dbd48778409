"""Streams: operators over batches, run on morsels; the source may end or not.

>>> import gristmill as gm, pyarrow as pa
>>> stream = gm.Stream.from_pylist([{"id": 1, "amount": 90.0}, {"id": 2, "amount": 120.0}]).filter(gm.col("amount") > 100)
>>> for batch in stream:
...     print(batch.to_pylist())
[{'id': 2, 'amount': 120.0}]
"""

from .keyed import KeyContext, KeyedOperator
from .operators import Morsel, MorselDriven, StreamOperator
from .stream import GroupedStream, Stream
from .windows import WindowedStream, Windows, count_window, hopping, session, sliding, tumbling

__all__ = ["GroupedStream", "KeyContext", "KeyedOperator", "Morsel", "MorselDriven", "Stream", "StreamOperator", "WindowedStream", "Windows", "count_window", "hopping",
           "session", "sliding", "tumbling"]
