"""What the parts of a run share: its plan, settings, scopes and the ways between them.

Calls (calls.py) says where a call goes and runs it, Advance (advance.py) what follows when it ends, Faults (faults.py) what follows when it fails.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Callable, Coroutine, Sequence

from . import pools
from .cache import fingerprint
from .classify import in_worker
from .event_loop import Home
from .events import Event
from .failures import Failure
from .items import Item, Scope, window_for
from .plan import NESTED, SPLIT, Plan, Step
from .processes import Function

NOBODY = 0  # `here` of a thread that must not wait or compute: a feeder of processes, a hand-over
CALLER = 10  # the thread that asked for the run
WINDOW = 10_000
STREAM_WINDOW = 1_024


@dataclass
class Settings:
    """How a run goes; nothing here changes a value."""

    errors: str = "fail"
    window: int = WINDOW
    out_window: float = float("inf")
    in_order: bool = True
    collect: bool = True
    cache: Any = None
    listeners: Sequence[Callable[[Event], Any]] = ()
    spans: list[Any] | None = None
    dead_letter: Callable[[Failure], Any] | None = None
    mapped: bool = True
    names: tuple[str, ...] = ()
    context: contextvars.Context = field(default_factory=contextvars.copy_context)


class RunState(ABC):
    """The state, and what each part may call of the others."""

    def __init__(self, plan: Plan, base: list[Any], mapped: Any, settings: Settings, home: Callable[[], Home]) -> None:
        self.plan, self.settings, self.errors = plan, settings, settings.errors
        self.lock = threading.Lock()
        self.out: deque[Any] = deque()
        self.out_window = settings.out_window
        self.held_back = 0  # rows of generators that wait for those of earlier items
        self.over = False
        self.failures: list[Failure] = []
        self.broken: BaseException | None = None  # an error that is nobody's call
        self.counts = {"failed": 0}
        self.waiters: list[Callable[[], Any]] = []
        self.full_batches: list[Any] = []
        self.bell: Callable[[], Any] = lambda: None
        self.cancelled: set[Any] = set()  # coroutines on their way to their ends
        self.root = Scope(self, None, None, plan, base, mapped, window_for(plan, settings.window))
        self.root.in_order = settings.in_order
        self.many = any(s.fixed in (NESTED, SPLIT) for s in plan.names())  # more items may come than are mapped
        self.single: Item | None = None
        self.shared: set[Any] = set()  # tasks of several items
        self.walks: Any = None  # items on the short way through the loop
        if mapped is not None and settings.collect:
            self.root.results = [None] * mapped.total
        self._make_home = home
        self._home: Home | None = None
        self._to_loop: list[tuple[Item, Step]] = []
        self._probing: dict[Any, list[tuple[Item, Step]]] = {}
        self._functions: dict[Any, Function | None] = {}
        self._contents: dict[Any, bytes] = {}
        self.listeners = settings.listeners
        self.spans = settings.spans

    @property
    def home(self) -> Home:
        if self._home is None:
            self._home = self._make_home()
        return self._home

    def function_of(self, step: Step) -> Function | None:
        """The function packed for other processes, once a run; None: it stays, and the node's numbers say why."""
        if step.stats in self._functions:
            return self._functions[step.stats]
        found: Function | None = None
        if not in_worker():
            found = pools.packed(step)
        self._functions[step.stats] = found
        return found

    def content_of(self, step: Step) -> bytes:
        """The fingerprint of a step's function, once a run."""
        found = self._contents.get(step.stats)
        if found is None:
            found = self._contents[step.stats] = fingerprint(step.call)
        return found

    def keep_task(self, item: Item | None, work: Coroutine[Any, Any, None]) -> None:
        """A task of an item, on the loop's thread; it is cancelled if the item dies, or with the run if it is of several items."""
        task = self.home.loop.create_task(self._kept(work), context=self.settings.context.copy())
        task.add_done_callback(lambda _: work.close())  # one that is cancelled before it began would be warned of
        if item is None:
            self.shared.add(task)
            task.add_done_callback(self.shared.discard)
            if self.over:
                task.cancel()
            return
        item.tasks.append(task)
        if item.dead:  # it died in between
            task.cancel()

    async def _kept(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as e:  # noqa: BLE001 - our own mistake must not hang the caller
            self.abort(e)

    def tell(self, what: str, item: Item | None, step: Step | None, error: BaseException | None = None, attempt: int = 1) -> None:
        if not self.listeners:
            return
        event = Event(what, step.name if step is not None else None, item.path() if item is not None else (), error, attempt)
        for listener in self.listeners:
            try:
                listener(event)
            except BaseException as e:  # noqa: BLE001 - a listener that fails ends the run, it does not vanish
                self.abort(e)

    @abstractmethod
    def go(self, item: Item, ready: Sequence[Step], here: int) -> Step | None: ...

    @abstractmethod
    def done(self, item: Item, step: Step, value: Any) -> Sequence[Step]: ...

    @abstractmethod
    def start(self, scope: Scope, position: int, item: Item, here: int) -> None: ...

    @abstractmethod
    def settle(self, item: Item, rows: list[Any], quiet: bool = False) -> None: ...

    @abstractmethod
    def after(self, scope: Scope) -> None: ...

    @abstractmethod
    def close(self, scope: Scope) -> None: ...

    @abstractmethod
    def pump(self, scope: Scope, here: int) -> None: ...

    @abstractmethod
    async def on_loop(self, item: Item, step: Step | None) -> None: ...

    @abstractmethod
    def step_failed(self, item: Item, step: Step, error: BaseException, attempts: int = 1, quiet: bool = False) -> None: ...

    @abstractmethod
    def failure_of(self, item: Item, step: Step, error: BaseException, attempts: int = 1) -> Failure | None: ...

    @abstractmethod
    def item_failed(self, item: Item, quiet: bool = False) -> None: ...

    @abstractmethod
    def scope_failed(self, scope: Scope, failure: Failure) -> None: ...

    @abstractmethod
    def abort(self, error: BaseException | None, failure: Failure | None = None) -> None: ...
