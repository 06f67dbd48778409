"""What happens in a run, told to whoever wants to hear it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

WHATS = ("flow_start", "flow_end", "flow_error", "map_start", "map_end", "item_start", "item_end", "item_error", "node_start", "node_end", "node_error",
         "cached", "retry")


@dataclass(frozen=True)
class Event:
    """Something that happened: `what`, at which node, for which item.

    what: flow_start, flow_end, flow_error; map_start, map_end; item_start, item_end, item_error; node_start, node_end, node_error; cached (no call
    was needed); retry (a call failed and will be made again).

    item: the number of the item; () for the whole flow; followed by step and number for rows of a split and items of a nested map.
    """

    what: str
    node: str | None = None
    item: tuple[int, ...] = ()
    error: BaseException | None = None
    attempt: int = 1

    def __str__(self) -> str:
        """A line for a log.

        >>> str(Event("retry", "fetch", (17,), OSError("gone"), 2))
        'retry item=17 node=fetch attempt=2 error=OSError: gone'
        """
        parts = [self.what]
        if self.item:
            parts.append("item=" + ".".join(map(str, self.item)))
        if self.node:
            parts.append(f"node={self.node}")
        if self.attempt > 1:
            parts.append(f"attempt={self.attempt}")
        if self.error is not None:
            parts.append(f"error={type(self.error).__name__}: {self.error}")
        return " ".join(parts)


Listener = Callable[[Event], Any]


def as_listeners(on_event: Any) -> tuple[Listener, ...]:
    """A function of events, several, or objects with methods named like events (`on_item_end(event)`)."""
    if on_event is None:
        return ()
    if isinstance(on_event, (list, tuple)):
        return tuple(listener for one in on_event for listener in as_listeners(one))
    methods = {what: getattr(on_event, f"on_{what}") for what in WHATS if hasattr(on_event, f"on_{what}")}
    if methods:
        return (lambda event: methods[event.what](event) if event.what in methods else None,)
    if callable(on_event):
        return (on_event,)
    raise TypeError(f"on_event takes a function of an Event or an object with methods like on_item_end, got {on_event!r}")
