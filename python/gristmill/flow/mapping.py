"""The inputs of many items: lists side by side (zip) or every combination (product), found by number without being written out."""

from __future__ import annotations

import math
from typing import Any, Iterable, Iterator, Mapping, Sequence

from .failures import FlowTypeError


def as_list(name: str, value: Any) -> Sequence[Any]:
    """Values of a mapped input: any iterable; columns of Arrow, pandas and polars give Python values."""
    if isinstance(value, (list, tuple, range)):
        return value
    for method in ("to_pylist", "to_list", "tolist"):
        convert = getattr(value, method, None)
        if convert is not None:
            found: list[Any] = convert()
            if not isinstance(found, list):
                break
            return found
    if isinstance(value, (str, bytes)):
        raise FlowTypeError(f"map_over {name!r} needs many values, got the text {value!r}; put it into a list")
    if hasattr(value, "columns"):
        raise FlowTypeError(f"map_over {name!r} needs the values of one column, got a {type(value).__name__}; give its column, e.g. table[{name!r}]")
    if isinstance(value, Mapping):
        raise FlowTypeError(f"map_over {name!r} needs a sequence, got a {type(value).__name__}; say .values() or .items()")
    try:
        return list(value)
    except TypeError:
        raise FlowTypeError(f"map_over {name!r} needs many values, got {type(value).__name__}") from None


def names_of(map_over: str | Iterable[str], given: Iterable[str]) -> tuple[str, ...]:
    names = (map_over,) if isinstance(map_over, str) else tuple(map_over)
    if not names:
        raise FlowTypeError("map_over needs at least one input's name")
    known = set(given)
    for name in names:
        if name not in known:
            raise FlowTypeError(f"map_over {name!r} is not among the inputs: {', '.join(sorted(known)) or 'none'}")
    if len(set(names)) < len(names):
        raise FlowTypeError(f"map_over names an input twice: {', '.join(names)}")
    return names


def check_mode(mode: str) -> None:
    if mode not in ("zip", "product"):
        raise FlowTypeError(f"unknown mode {mode!r}; known: zip, product")


class Mapped:
    """Items by number. `slots`: where the inputs go."""

    __slots__ = ("names", "slots", "columns", "mode", "total", "strides")

    def __init__(self, names: tuple[str, ...], slots: Sequence[int], columns: Sequence[Sequence[Any]], mode: str) -> None:
        self.names, self.slots, self.columns, self.mode = names, tuple(slots), tuple(columns), mode
        sizes = [len(c) for c in columns]
        if mode == "zip":
            if len(set(sizes)) > 1:
                raise FlowTypeError("map_over needs equally many values: " + ", ".join(f"{n!r} has {s}" for n, s in zip(names, sizes))
                                    + "; mode='product' takes every combination")
            self.total = sizes[0] if sizes else 1
        else:
            self.total = math.prod(sizes)
        self.strides = [math.prod(sizes[i + 1:]) for i in range(len(sizes))]

    def item(self, position: int) -> list[Any]:
        if self.mode == "zip":
            return [c[position] for c in self.columns]
        return [c[position // s % len(c)] for c, s in zip(self.columns, self.strides)]

    def fill(self, values: list[Any], position: int) -> None:
        if self.mode == "zip":
            for slot, column in zip(self.slots, self.columns):
                values[slot] = column[position]
        else:
            for slot, value in zip(self.slots, self.item(position)):
                values[slot] = value


def products(columns: Sequence[Iterable[Any]]) -> Iterator[tuple[Any, ...]]:
    """Every combination; the first input may be endless, the others are kept."""
    first, rest = iter(columns[0]), [list(c) for c in columns[1:]]
    total = math.prod(len(r) for r in rest)
    strides = [math.prod(len(x) for x in rest[i + 1:]) for i in range(len(rest))]
    for value in first:
        for k in range(total):
            yield (value, *(r[k // s % len(r)] for r, s in zip(rest, strides)))


def together(names: Sequence[str], columns: Sequence[Iterable[Any]]) -> Iterator[tuple[Any, ...]]:
    """Side by side; one that ends before the others is an error when it is seen."""
    iterators = [iter(c) for c in columns]
    while True:
        row, ended = [], []
        for name, it in zip(names, iterators):
            try:
                row.append(next(it))
            except StopIteration:
                ended.append(name)
        if ended and row:
            raise FlowTypeError(f"map_over needs equally many values: {ended[0]!r} ended before the others")
        if ended:
            return
        yield tuple(row)
