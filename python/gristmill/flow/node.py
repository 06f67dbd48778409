"""A function as a node of a graph: which names it takes and gives, and the rules for its calls.

Edges come from names alone: a parameter is an edge from whatever output or input has its name.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from dataclasses import dataclass, replace
from typing import Any, Callable, Generic, Mapping, ParamSpec, Sequence, TypeVar, overload

from .cache import Cache
from .classify import KINDS, Stats
from .failures import FlowTypeError
from .limits import RateLimit, as_rate
from .open_limit import Limit, as_limit
from .retry import Retry, as_retry
from .stateful import Built

P = ParamSpec("P")
R = TypeVar("R")
_numbers = itertools.count()


@dataclass(frozen=True)
class Parameter:
    """What a function takes: `name` in the graph, `own` in its signature."""

    name: str
    own: str
    required: bool
    by_keyword: bool


@dataclass(frozen=True)
class Rules:
    """What a user asked for about the calls of a node."""

    kind: str | None = None
    retry: Retry | None = None
    timeout: float | None = None
    rate: RateLimit | None = None
    limit: Limit | None = None
    cache: Cache | bool | None = None
    batch: int | None = None
    batch_form: Callable[..., Any] | None = None

    @property
    def guarded(self) -> bool:
        """Whether a call is more than a call."""
        return (self.retry is not None or self.timeout is not None or self.rate is not None or self.limit is not None
                or (self.cache is not None and self.cache is not False))


def _parameters(fn: Callable[..., Any], name: str, mapping: Mapping[str, str]) -> tuple[Parameter, ...]:
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):
        raise FlowTypeError(f"node {name!r}: the function does not say what its parameters are; wrap it: def {name}(x): return f(x)") from None
    out: list[Parameter] = []
    for p in signature.parameters.values():
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            if p.kind is p.VAR_KEYWORD or not out:
                raise FlowTypeError(f"node {name!r} takes {p}: edges come from parameter names, so they must be spelled out")
            continue
        out.append(Parameter(mapping.get(p.name, p.name), p.name, p.default is p.empty, p.kind is p.KEYWORD_ONLY))
    if unknown := [k for k in mapping if k not in {p.own for p in out}]:
        raise FlowTypeError(f"node {name!r} has no parameter {unknown[0]!r} to rename; it has {', '.join(p.own for p in out) or 'none'}")
    names = [p.name for p in out]
    if twice := [n for n in names if names.count(n) > 1]:
        raise FlowTypeError(f"node {name!r} takes {twice[0]!r} twice")
    return tuple(out)


def _innermost(fn: Any) -> Any:
    """What functools.partial was made of."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return fn


def _check_built(cls: type, name: str) -> None:
    try:
        inspect.signature(cls).bind()
    except TypeError as e:
        raise FlowTypeError(f"node {name!r}: a class is built without arguments, once per worker, and {cls.__name__} takes some ({e}); "
                            "pass an object of it, or a class that needs none") from None
    except ValueError:  # it does not say what it takes
        pass


def _form(fn: Callable[..., Any]) -> str:
    target = fn
    while hasattr(target, "func"):  # functools.partial
        target = target.func
    called = target if inspect.isroutine(target) else type(target).__call__
    for f in (target, called):
        if inspect.isasyncgenfunction(f):
            return "async generator"
        if inspect.isgeneratorfunction(f):
            return "generator"
        if inspect.iscoroutinefunction(f):
            return "async"
    return "sync"


class Node(Generic[P, R]):
    """A function in a graph; calling it calls the function. Made by node()."""

    __gristmill_node__ = True

    def __init__(self, fn: Callable[P, R], outputs: tuple[str, ...], several: bool, name: str, mapping: Mapping[str, str], bound: Mapping[str, Any],
                 rules: Rules) -> None:
        self.fn = fn
        self.outputs = outputs
        self.several = several
        self.name = name
        self.mapping = dict(mapping)
        self.bound = dict(bound)
        self.rules = rules
        self.number = next(_numbers)
        self.call: Callable[..., Any] = Built(fn) if inspect.isclass(fn) else fn
        signed = fn.__call__ if inspect.isclass(fn) else fn
        self.form = _form(signed)
        self.parameters = _parameters(signed, name, mapping)
        if inspect.isclass(fn):
            _check_built(fn, name)
            self.parameters = self.parameters[1:]
        self.stats = Stats()
        self.many_stats = Stats()
        self._check()
        self.__wrapped__ = fn
        self.__doc__ = fn.__doc__
        self.__name__ = name
        self.__module__ = getattr(fn, "__module__", __name__)

    def _check(self) -> None:
        rules, name = self.rules, self.name
        for output in self.outputs:
            if not isinstance(output, str) or not output.isidentifier():
                raise FlowTypeError(f"node {name!r}: an output's name must be a Python name, as parameters are; got {output!r}")
        if len(set(self.outputs)) < len(self.outputs):
            raise FlowTypeError(f"node {name!r} gives an output twice: {', '.join(self.outputs)}")
        if unknown := [k for k in self.bound if k not in {p.name for p in self.parameters}]:
            raise FlowTypeError(f"node {name!r} has no parameter {unknown[0]!r} to bind; it has {', '.join(p.name for p in self.parameters) or 'none'}")
        if "generator" in self.form and (rules.guarded or rules.batch):
            raise FlowTypeError(f"node {name!r} is a generator: what it gave is on its way already, so it takes no retry, timeout, rate, limit, cache or batch")
        if self.form.startswith("async") and rules.kind not in (None, "async"):
            raise FlowTypeError(f"node {name!r} is async; it cannot be run as {rules.kind!r}")
        if not self.form.startswith("async") and rules.kind == "async":
            raise FlowTypeError(f"node {name!r} is not an async function; pin it as 'blocking' to wait in threads")
        if self.form == "generator" and rules.kind == "cpu":
            raise FlowTypeError(f"node {name!r} is a generator, which no process can be handed; return a list, or pin another kind")
        if rules.batch_form is not None and not rules.batch:
            raise FlowTypeError(f"node {name!r}: batch_form= needs batch=, how many items it takes at once")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.fn(*args, **kwargs)

    def bind(self, **values: Any) -> "Node[P, R]":
        """The node with some of its inputs fixed.

        >>> def power(x: int, exponent: int) -> int:
        ...     return x ** exponent
        >>> from gristmill import Flow, node
        >>> Flow([node(power).bind(exponent=3)]).run({"x": 2})
        {'power': 8}
        """
        return Node(self.fn, self.outputs, self.several, self.name, self.mapping, {**self.bound, **values}, self.rules)

    def with_rules(self, **changes: Any) -> "Node[P, R]":
        """The node with other rules for its calls."""
        return Node(self.fn, self.outputs, self.several, self.name, self.mapping, self.bound, replace(self.rules, **changes))

    def __repr__(self) -> str:
        return f"<node {self.name}({', '.join(p.name for p in self.parameters)}) -> {', '.join(self.outputs)}>"


@overload
def node(fn: Callable[P, R], *, output_name: str | Sequence[str] | None = None, name: str | None = None, input_mapping: Mapping[str, str] | None = None,
         bind: Mapping[str, Any] | None = None, kind: str | None = None, retry: Retry | int | None = None, timeout: float | None = None,
         rate: RateLimit | str | None = None, limit: Limit | int | None = None, cache: Cache | bool | None = None, batch: int | None = None,
         batch_form: Callable[..., Any] | None = None) -> Node[P, R]: ...
@overload
def node(fn: None = None, *, output_name: str | Sequence[str] | None = None, name: str | None = None, input_mapping: Mapping[str, str] | None = None,
         bind: Mapping[str, Any] | None = None, kind: str | None = None, retry: Retry | int | None = None, timeout: float | None = None,
         rate: RateLimit | str | None = None, limit: Limit | int | None = None, cache: Cache | bool | None = None, batch: int | None = None,
         batch_form: Callable[..., Any] | None = None) -> Callable[[Callable[P, R]], Node[P, R]]: ...
def node(fn: Any = None, *, output_name: str | Sequence[str] | None = None, name: str | None = None, input_mapping: Mapping[str, str] | None = None,
         bind: Mapping[str, Any] | None = None, kind: str | None = None, retry: Retry | int | None = None, timeout: float | None = None,
         rate: RateLimit | str | None = None, limit: Limit | int | None = None, cache: Cache | bool | None = None, batch: int | None = None,
         batch_form: Callable[..., Any] | None = None) -> Any:
    """A function as a node of a Flow; also a decorator. The function stays callable.

    output_name: what its result is called (the function's name if not said); several names for a function that returns that many values.
    input_mapping: {parameter: name in the flow}, where they differ. bind: inputs that are fixed.

    kind: "async", "blocking", "cpu", "native" (computes without Python's lock) or "inline" instead of what is measured.
    retry: how often a failed call is made again, or a Retry. timeout: seconds a call may take. rate: "100/s" or a RateLimit.
    limit: how many calls may be open, or a Limit (of calls, of bytes, shared by name). cache: True for the flow's cache, or a Cache.
    batch: the function takes pyarrow arrays of so many items at once and gives an array; with batch_form, that function does,
    and this one is for single items.

    A class with `__call__` is built once per worker. A generator gives several results: each goes on as an item of its own.

    >>> import gristmill as gm
    >>> @gm.node(output_name="words")
    ... def count(page: str) -> int:
    ...     return len(page.split())
    >>> gm.Flow([count]).run({"page": "to be or not"})
    {'words': 4}
    >>> count("still a function")
    3
    """
    if fn is None:
        return lambda f: node(f, output_name=output_name, name=name, input_mapping=input_mapping, bind=bind, kind=kind, retry=retry, timeout=timeout,
                              rate=rate, limit=limit, cache=cache, batch=batch, batch_form=batch_form)
    if isinstance(fn, Node):
        raise FlowTypeError(f"{fn!r} is a node already")
    if not callable(fn):
        raise FlowTypeError(f"a node needs a function, got {type(fn).__name__}")
    if kind is not None and kind not in KINDS:
        raise FlowTypeError(f"unknown kind {kind!r}; known: {', '.join(KINDS)}")
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or timeout <= 0):
        raise FlowTypeError(f"a timeout is a number of seconds of more than 0, got {timeout!r}")
    if batch is not None and (isinstance(batch, bool) or batch < 1):
        raise FlowTypeError(f"batch must be a number of items of at least 1, got {batch!r}")
    if cache is not None and not isinstance(cache, (bool, Cache)):
        raise FlowTypeError(f"cache takes True, False or a Cache, got {cache!r}; a folder is given as gm.flow.Cache(folder)")
    called = name or getattr(_innermost(fn), "__name__", None) or type(fn).__name__
    if called == "<lambda>" and output_name is None:
        raise FlowTypeError("a lambda has no name; say output_name=")
    several = output_name is not None and not isinstance(output_name, str)
    outputs = (called,) if output_name is None else (output_name,) if isinstance(output_name, str) else tuple(output_name)
    if not outputs:
        raise FlowTypeError(f"node {called!r} gives nothing: output_name is empty")
    rules = Rules(kind, as_retry(retry), timeout, as_rate(rate), as_limit(limit), cache, batch, batch_form)
    return Node(fn, outputs, several, name or (outputs[0] if called == "<lambda>" else called), input_mapping or {}, bind or {}, rules)
