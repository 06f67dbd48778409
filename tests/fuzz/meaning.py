"""What a registered function is told of: the arguments it is drawn with, the type it gives, a plain function of Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

import pyarrow as pa

INT64, INT32, FLOAT64, BOOL, STRING, BINARY, DATE = pa.int64(), pa.int32(), pa.float64(), pa.bool_(), pa.string(), pa.binary(), pa.date32()
TEXTS = pa.list_(pa.string())


@dataclass(frozen=True)
class Meaning:
    """`takes`: names of makers of arguments (Arguments in expressions.py), literals, or ranges of integers. `of`: of values that are there, unless
    `nulls`: then of all. `typed`: it takes the types of the arguments first. `loose`: right to some digits, not to the last bit."""

    takes: tuple[Any, ...]
    gives: Any
    of: Callable[..., Any]
    nulls: bool = False
    typed: bool = False
    loose: bool = False


@dataclass(frozen=True)
class OneOf:
    """A literal, drawn from these."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Within:
    """An int64 between these, both included."""

    low: int
    high: int


MEANINGS: dict[str, Meaning] = {}


def meaning(name: str, takes: tuple[Any, ...], gives: Any, of: Callable[..., Any], **rules: bool) -> None:
    MEANINGS[name] = Meaning(takes, gives, of, **rules)


def first_type(types: list[pa.DataType]) -> pa.DataType:
    return types[0]
