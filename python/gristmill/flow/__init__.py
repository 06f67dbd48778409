"""Flows: graphs of functions mapped over many items, each function run the way that suits it.

>>> import gristmill as gm
>>> @gm.node(output_name="page")
... async def fetch(url: str) -> str:
...     return f"the page of {url}"
>>> @gm.node(output_name="words")
... def count(page: str) -> int:
...     return len(page.split())
>>> flow = gm.Flow([fetch, count])
>>> flow.run({"url": "a"})
{'page': 'the page of a', 'words': 4}
>>> flow.map({"url": ["a", "b c"]}, map_over="url", outputs="words")
[{'words': 4}, {'words': 5}]
"""

from .cache import Cache
from .events import Event
from .failures import CallTimeout, Failure, WorkerCrashed
from .flow import Flow
from .graph import Nested
from .limits import RateLimit
from .node import Node, node
from .open_limit import Limit
from .pools import shutdown
from .retry import Retry
from .stream import Stream
from .timeline import Span, Timeline

__all__ = [
    "Cache", "CallTimeout", "Event", "Failure", "Flow", "Limit", "Nested", "Node", "RateLimit", "Retry", "Span", "Stream", "Timeline", "WorkerCrashed",
    "node", "shutdown",
]
