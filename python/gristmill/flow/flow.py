"""Flow: a graph of functions, run for one item, for many, or for as many as come."""

from __future__ import annotations

import json
import os
import threading
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

from ..errors import PlanError
from . import pools
from .cache import Cache
from .classify import reason
from .draw import graph_svg
from .drive import finish, rows_of, wait, wait_async
from .event_loop import running_home
from .events import Event, Listener, as_listeners
from .failures import Failure, FlowTypeError, _short
from .graph import Graph, Nested
from .mapping import Mapped, as_list, check_mode, names_of, products, together
from .node import Node, Parameter
from .plan import Plan, make_plan
from .run import Run
from .state import STREAM_WINDOW, WINDOW, Settings
from .stream import Stream
from .timeline import Timeline

ERRORS = ("fail", "ordered", "return", "skip", "dead_letter")
DeadLetters = list[Any] | Callable[[Failure], Any] | str | os.PathLike[str]


class Flow:
    """Functions joined by the names of their parameters.

    nodes: functions, nodes made by node(), other flows. bind: inputs that are fixed. cache: for nodes with `cache=True`, a Cache or a folder.
    on_event: a function of an Event, several of them, or an object with methods like `on_item_end`.

    >>> import gristmill as gm
    >>> def words(text: str) -> list[str]:
    ...     return text.split()
    >>> def longest(words: list[str]) -> str:
    ...     return max(words, key=len)
    >>> flow = gm.Flow([words, longest])
    >>> flow.run({"text": "many a mickle makes a muckle"}, outputs="longest")
    {'longest': 'mickle'}
    >>> flow.map({"text": ["a bc", "def g"]}, map_over="text", outputs="longest")
    [{'longest': 'bc'}, {'longest': 'def'}]
    """

    def __init__(self, nodes: Sequence[Node[Any, Any] | Nested | Callable[..., Any] | "Flow"], *, name: str = "flow", bind: Mapping[str, Any] | None = None,
                 cache: Cache | str | os.PathLike[str] | None = None, on_event: Any = None) -> None:
        if callable(nodes) or isinstance(nodes, (str, Mapping)):
            raise FlowTypeError("a Flow takes a list of nodes")
        self.name = name
        self.graph = Graph(nodes)
        self.bound = dict(bind or {})
        self.graph.check_given(self.bound)
        self.cache = cache if cache is None or isinstance(cache, Cache) else Cache(cache)
        self.listeners: tuple[Listener, ...] = as_listeners(on_event)
        self._plans: dict[tuple[frozenset[str], tuple[str, ...]], Plan] = {}
        self._last: Timeline | None = None

    # ---- what it is

    @property
    def inputs(self) -> tuple[Parameter, ...]:
        """What it takes; `required` says which have no default."""
        return tuple(p for p in self.graph.inputs if p.name not in self.bound)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of all results, in the order of the graph."""
        return self.graph.outputs

    def __repr__(self) -> str:
        return f"<Flow {self.name}({', '.join(p.name for p in self.inputs)}) -> {', '.join(self.outputs)}>"

    def bind(self, **values: Any) -> "Flow":
        """The flow with some of its inputs fixed."""
        return Flow(self.graph.elements, name=self.name, bind={**self.bound, **values}, cache=self.cache, on_event=self.listeners)

    def as_node(self, input_mapping: Mapping[str, str] | None = None, output_mapping: Mapping[str, str] | None = None,
                map_over: str | Sequence[str] | None = None, *, mode: str = "zip", name: str | None = None) -> Nested:
        """The flow as a node of another one, in the same scheduler.

        input_mapping: {input here: name there}. output_mapping: {output here: name there}; if given, others are left out. With `map_over`
        (names of inputs here) it is run for each of many values and its outputs are lists.

        >>> import gristmill as gm
        >>> inner = gm.Flow([gm.node(lambda x: x * x, output_name="square")])
        >>> outer = gm.Flow([inner.as_node({"x": "numbers"}, {"square": "squares"}, map_over="x"),
        ...                  gm.node(lambda squares: sum(squares), output_name="total")])
        >>> outer.run({"numbers": [1, 2, 3]})
        {'squares': [1, 4, 9], 'total': 14}
        """
        check_mode(mode)
        over = () if map_over is None else (map_over,) if isinstance(map_over, str) else tuple(map_over)
        return Nested(self, input_mapping or {}, output_mapping or {}, over, mode, name or self.name)

    def plan(self, given: frozenset[str], wanted: tuple[str, ...]) -> Plan:
        key = (given, wanted)
        found = self._plans.get(key)
        if found is None:
            self.graph.check_given(given)
            self.graph.check_wanted(wanted, given | set(self.bound))
            found = self._plans[key] = make_plan(self.graph, self.bound, given, wanted)
        return found

    def explain(self) -> str:
        """Each node with the way its calls go, why, and the numbers behind it."""
        lines = []
        for path, n in _all_nodes(self.graph, ""):
            way, why = reason(n.stats, n.form, n.rules.kind)
            rules = _rules(n)
            if n.rules.cache is True:
                rules += " (this flow has no cache: Flow(..., cache=...))" if self.cache is None else f" ({self.cache!r})"
            lines.append(f"{path}({', '.join(p.name for p in n.parameters)}) -> {', '.join(n.outputs)}\n    {way}: {why}" + (f"\n    {rules}" if rules else ""))
        return "\n".join(lines)

    def to_svg(self) -> str:
        """The graph as a drawing; in a notebook it shows itself."""
        return graph_svg(self.graph)

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def timeline(self) -> Timeline:
        """What ran when in the last run that was told `timeline=True`."""
        if self._last is None:
            raise PlanError("no run of this flow kept its times; say timeline=True in run() or map()")
        return self._last

    # ---- runs

    def _wanted(self, outputs: str | Sequence[str] | None) -> tuple[str, ...]:
        if outputs is None:
            return self.graph.outputs
        return (outputs,) if isinstance(outputs, str) else tuple(outputs)

    def __call__(self, **inputs: Any) -> dict[str, Any]:
        return self.run(inputs)

    def run(self, inputs: Mapping[str, Any] | None = None, *, outputs: str | Sequence[str] | None = None, on_event: Any = None,
            timeline: bool = False) -> dict[str, Any]:
        """The outputs (all, if not said) for one item. An input with the name of an output takes its place.

        After a generator an output is the list of what came of its values.
        """
        run = self._prepare(inputs or {}, outputs, (), "zip", Settings(mapped=False, cache=self.cache), on_event, timeline, pools.loop)
        self._sync(run)
        return _single(run)

    async def arun(self, inputs: Mapping[str, Any] | None = None, *, outputs: str | Sequence[str] | None = None, on_event: Any = None,
                   timeline: bool = False) -> dict[str, Any]:
        """As run(), in the caller's event loop."""
        home = running_home()
        run = self._prepare(inputs or {}, outputs, (), "zip", Settings(mapped=False, cache=self.cache), on_event, timeline, lambda: home)
        await self._async(run)
        return _single(run)

    def map(self, inputs: Mapping[str, Any], map_over: str | Sequence[str], *, mode: str = "zip", outputs: str | Sequence[str] | None = None,
            errors: str = "fail", dead_letters: DeadLetters | None = None, on_event: Any = None, timeline: bool = False,
            window: int = WINDOW) -> list[Any]:
        """A dict of outputs for each item, in the order of the input; `map_over` names the inputs that have many values.

        mode: "zip" takes the values side by side, "product" every combination, the last input changing fastest.

        errors: "fail" stops at the first failure that occurs and raises it; "ordered" raises that of the earliest item; "return" puts a
        Failure in the item's place; "skip" leaves the item out; "dead_letter" does so too and hands the Failure to `dead_letters`, a list, a function or
        a file of JSON lines.

        window: how many items may be open at once.
        """
        letters = _Letters(errors, dead_letters)
        settings = Settings(errors=_checked(errors), cache=self.cache, window=_positive(window), dead_letter=letters.take)
        run = self._prepare(inputs, outputs, map_over, mode, settings, on_event, timeline, pools.loop)
        with letters:
            self._sync(run)
        return rows_of(run)

    async def amap(self, inputs: Mapping[str, Any], map_over: str | Sequence[str], *, mode: str = "zip", outputs: str | Sequence[str] | None = None,
                   errors: str = "fail", dead_letters: DeadLetters | None = None, on_event: Any = None, timeline: bool = False,
                   window: int = WINDOW) -> list[Any]:
        """As map(), in the caller's event loop."""
        home, letters = running_home(), _Letters(errors, dead_letters)
        settings = Settings(errors=_checked(errors), cache=self.cache, window=_positive(window), dead_letter=letters.take)
        run = self._prepare(inputs, outputs, map_over, mode, settings, on_event, timeline, lambda: home)
        with letters:
            await self._async(run)
        return rows_of(run)

    def stream(self, inputs: Mapping[str, Any], map_over: str | Sequence[str], *, mode: str = "zip", outputs: str | Sequence[str] | None = None,
               errors: str = "fail", dead_letters: DeadLetters | None = None, ordered: bool = True, on_event: Any = None,
               window: int = STREAM_WINDOW) -> Stream:
        """The results one after the other, for `for` or `async for`; inputs may be endless and are pulled as there is room.

        ordered: in the order of the input, or as they are completed. window: how many items may be open, and how many results may wait.
        An async iterable as input needs `async for`.
        """
        names = names_of(map_over, inputs)
        check_mode(mode)
        letters = _Letters(errors, dead_letters)
        settings = Settings(errors=_checked(errors), cache=self.cache, window=_positive(window), out_window=window, in_order=ordered, collect=False,
                            dead_letter=letters.take, names=names)
        plan = self._plan_for(inputs, outputs)

        def make(in_loop: bool) -> tuple[Run, Any]:
            home = running_home() if in_loop else None
            run = self._build(plan, inputs, names, None, settings, on_event, lambda: home or pools.loop())
            source = _source(names, [inputs[n] for n in names], mode)
            letters.open()
            run.tell("flow_start", None, None)
            return run, source

        return Stream(make, letters.close)

    def astream(self, inputs: Mapping[str, Any], map_over: str | Sequence[str], *, mode: str = "zip", outputs: str | Sequence[str] | None = None,
                errors: str = "fail", dead_letters: DeadLetters | None = None, ordered: bool = True, on_event: Any = None,
                window: int = STREAM_WINDOW) -> Stream:
        """As stream(), for `async for`."""
        return self.stream(inputs, map_over, mode=mode, outputs=outputs, errors=errors, dead_letters=dead_letters, ordered=ordered, on_event=on_event,
                           window=window)

    # ---- how

    def _plan_for(self, inputs: Mapping[str, Any], outputs: str | Sequence[str] | None) -> Plan:
        if not isinstance(inputs, Mapping):
            raise FlowTypeError(f"inputs are given as a dict of names and values, got a {type(inputs).__name__}")
        return self.plan(frozenset(inputs), self._wanted(outputs))

    def _prepare(self, inputs: Mapping[str, Any], outputs: str | Sequence[str] | None, map_over: str | Sequence[str], mode: str, settings: Settings,
                 on_event: Any, timeline: bool, home: Callable[[], Any]) -> Run:
        plan = self._plan_for(inputs, outputs)
        names: tuple[str, ...] = ()
        if settings.mapped:
            names = names_of(map_over, inputs)
            check_mode(mode)
            if any(hasattr(inputs[n], "__aiter__") for n in names):
                raise FlowTypeError("an async iterable cannot be mapped to a list; use stream() and `async for`")
        mapped = Mapped(names, [plan.inputs[n] for n in names], [as_list(n, inputs[n]) for n in names], mode)
        settings.names = names
        if timeline:
            settings.spans = []
        return self._build(plan, inputs, names, mapped, settings, on_event, home)

    def _build(self, plan: Plan, inputs: Mapping[str, Any], names: tuple[str, ...], mapped: Mapped | None, settings: Settings, on_event: Any,
               home: Callable[[], Any]) -> Run:
        if on_event is not None or self.listeners:
            settings.listeners = self.listeners + as_listeners(on_event)
        base = plan.template.copy()
        for name, value in inputs.items():
            if name not in names:
                base[plan.inputs[name]] = value
        return Run(plan, base, mapped, settings, home)

    def _sync(self, run: Run) -> None:
        self._begin(run)
        try:
            wait(run)
            finish(run)
        except BaseException as e:
            run.tell("flow_error", None, None, e)
            raise
        finally:
            self._keep(run)
        _end(run)

    async def _async(self, run: Run) -> None:
        self._begin(run)
        try:
            await wait_async(run)
            finish(run)
        except BaseException as e:
            run.tell("flow_error", None, None, e)
            raise
        finally:
            self._keep(run)
        _end(run)

    @staticmethod
    def _begin(run: Run) -> None:
        run.tell("flow_start", None, None)

    def _keep(self, run: Run) -> None:
        if run.spans is not None:
            self._last = Timeline(list(run.spans))


def _end(run: Run) -> None:
    run.tell("flow_end", None, None)
    finish(run)  # the listener may have failed


def _single(run: Run) -> dict[str, Any]:
    rows = rows_of(run)
    exploded = run.plan.exploded
    if not exploded:
        found: dict[str, Any] = rows[0]
        return found
    assert run.single is not None
    return {name: [r[name] for r in rows] if slot in exploded else run.single.values[slot] for name, slot in run.plan.outputs}


def _checked(errors: str) -> str:
    if errors not in ERRORS:
        raise FlowTypeError(f"unknown errors={errors!r}; known: {', '.join(ERRORS)}")
    return errors


def _positive(window: int) -> int:
    if isinstance(window, bool) or window < 1:
        raise FlowTypeError(f"window must be at least 1 item, got {window!r}")
    return window


def _source(names: tuple[str, ...], values: list[Any], mode: str) -> Any:
    if any(hasattr(v, "__aiter__") for v in values):
        if len(values) > 1:
            raise FlowTypeError("an async iterable can only be mapped over alone")
        return _each(values[0])
    columns: list[Iterable[Any]] = [v if isinstance(v, Iterator) else _checked_iterable(n, v) for n, v in zip(names, values)]
    return products(columns) if mode == "product" else together(names, columns)


def _checked_iterable(name: str, value: Any) -> Iterable[Any]:
    if hasattr(value, "__iter__") and not isinstance(value, (str, bytes, Mapping)) and not hasattr(value, "to_pylist") and not hasattr(value, "to_list"):
        found: Iterable[Any] = value
        return found
    return as_list(name, value)


async def _each(source: Any) -> Any:
    async for value in source:
        yield (value,)


class _Letters:
    """Where dead letters go; a file holds those of the last run."""

    def __init__(self, errors: str, to: DeadLetters | None) -> None:
        if (errors == "dead_letter") != (to is not None):
            raise FlowTypeError("errors='dead_letter' and dead_letters= (a list, a function or a file) belong together")
        self._to = to
        self._file: Any = None
        self._lock = threading.Lock()

    def open(self) -> None:
        if isinstance(self._to, (str, os.PathLike)):
            self._file = open(self._to, "w", encoding="utf-8")

    def __enter__(self) -> "_Letters":
        self.open()
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def take(self, failure: Failure) -> None:
        if isinstance(self._to, list):
            self._to.append(failure)
        elif callable(self._to):
            self._to(failure)
        else:
            self._write(failure)

    def _write(self, failure: Failure) -> None:
        entry = {"item": failure.item, "path": failure.path, "node": failure.node, "error": type(failure.error).__name__, "message": str(failure.error),
                 "attempts": failure.attempts, "inputs": failure.inputs}
        with self._lock:
            if self._file is not None:  # closed: the run is over
                self._file.write(json.dumps(entry, default=_short) + "\n")
                self._file.flush()


def _all_nodes(graph: Graph, prefix: str) -> Iterator[tuple[str, Node[Any, Any]]]:
    for element in graph.elements:
        if isinstance(element, Node):
            yield prefix + element.name, element
        else:
            yield from _all_nodes(element.flow.graph, f"{prefix}{element.name}.")


def _rules(n: Node[Any, Any]) -> str:
    rules = n.rules
    parts = [f"{k}={v!r}" for k, v in (("retry", rules.retry and rules.retry.times), ("timeout", rules.timeout), ("rate", rules.rate), ("limit", rules.limit),
                                       ("cache", rules.cache), ("batch", rules.batch)) if v]
    return ", ".join(parts)


__all__ = ["ERRORS", "Event", "Flow"]
