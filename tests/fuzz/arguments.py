"""Arguments for the functions of meanings.py, made from the columns of a frame.

Each maker gives an expression of the kind that its name says, or None where the columns do not allow one.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from expressions import FLOAT64, INT64, STRING, Generator, X
from meanings import DOCUMENTS, MEANINGS, MOMENT_PATTERN, OBJECTS, PAIR, PAIRS, TEXT_MAP, TEXTS, Meaning, OneOf, Within
from values import kind

_TYPES = {int: INT64, float: FLOAT64, str: STRING}
NAMES = list(MEANINGS)


def literal(value: Any) -> X:
    return X("lit", [], _TYPES[type(value)], value, abs(value) if type(value) is int else None)


def within(g: Generator, low: int, high: int) -> X:
    """A column's remainder, moved; of no column a literal."""
    if not g.has("int") or g.rng.random() < 0.2:
        return literal(g.rng.randint(low, high))
    c, size = g.column("int"), min(high - low + 1, 100)
    x = X("cast", [X("mod", [c, literal(size)], c.type, None, size - 1)], INT64, None, size - 1)
    return x if low == 0 else X("add", [x, literal(low)], INT64, None, max(abs(low), abs(low + size - 1)))


def safe_moments(g: Generator, zones: tuple[str | None, ...], kinds: tuple[str, ...] = ("date", "timestamp")) -> list[X]:
    found = [x for k in kinds for x in g.by_kind.get(k, [])]
    return [x for x in found if g.moment_safe(x) and getattr(x.type, "tz", None) in zones]


def some(g: Generator, found: list[X]) -> X | None:
    return g.rng.choice(found) if found else None


def documents(g: Generator, texts: tuple[str, ...]) -> X:
    """Now this text, now that, now NULL."""
    a, b, c = (literal(g.rng.choice(texts)) for _ in range(3))
    args = [g.predicate(0), a, g.predicate(0), b]
    return X("case", args + ([c] if g.rng.random() < 0.8 else []), STRING)


def seconds(g: Generator) -> X:
    return X("mul", [within(g, 0, 99), literal(20_000_000)], INT64, None, 99 * 20_000_000)


def instant(g: Generator) -> X:
    return X("from_epoch", [seconds(g)], pa.timestamp("us", "UTC"))


def written_moment(g: Generator) -> X | None:
    x = some(g, safe_moments(g, (None, "UTC")))
    return None if x is None else X("dt.strftime", [x, literal(MOMENT_PATTERN)], STRING)


def duration(g: Generator) -> X:
    return X("make_duration", [within(g, -50, 49), literal(g.rng.choice(["hour", "minute", "second"]))], pa.duration("us"))


def text_map(g: Generator) -> X:
    return X("map.pack", [pair_of(literal("x"), literal("y"), TEXTS), pair_of(within(g, -50, 49), within(g, 0, 9), pa.list_(INT64))], TEXT_MAP)


def pair_of(a: X, b: X, t: pa.DataType) -> X:
    return X("list.pack", [a, b], t)


def entry(g: Generator, of: X) -> X | None:
    if of.type.value_type == INT64:
        return within(g, 0, 9)
    if of.type.value_type != STRING:
        return None
    return g.text(0) if g.has("string") and g.rng.random() < 0.5 else literal(g.rng.choice(["a", "", "ab", "12"]))


def lists(g: Generator, like: pa.DataType | None = None) -> X | None:
    found = [x for x in g.by_kind.get("list", []) if like in (None, x.type)]
    if not found and like in (None, TEXTS) and g.has("string"):
        return X("str.split", [g.text(0), literal("a")], TEXTS)
    return some(g, found)


def argument(g: Generator, want: Any, before: list[X], depth: int) -> X | None:
    rng = g.rng
    if isinstance(want, OneOf):
        return literal(rng.choice(want.values))
    if isinstance(want, Within):
        return within(g, want.low, want.high)
    match want:
        case "text":
            return g.text(depth - 1) if g.has("string") else None
        case "short text":
            return X("str.left", [g.text(0), literal(8)], STRING) if g.has("string") else None
        case "hex text":
            return X("str.encode", [g.text(0), literal("hex")], STRING) if g.has("string") else None
        case "double":
            x = g.number(depth - 1) if g.has("int", "float", "decimal") else None
            return x if x is None or x.type == FLOAT64 else X("cast", [x], FLOAT64)
        case "integer":
            return g.column("int") if g.has("int") else None
        case "moment":
            return some(g, safe_moments(g, (None, "UTC")))
        case "moment like the first":
            return some(g, [x for x in safe_moments(g, (None, "UTC")) if x.type == before[0].type])
        case "timestamp":
            return some(g, safe_moments(g, (None,), ("timestamp",)))
        case "instant":
            return instant(g)
        case "instant in Berlin":
            return X("dt.convert_zone", [instant(g), literal("Europe/Berlin")], pa.timestamp("us", "Europe/Berlin"))
        case "moment text":
            return written_moment(g)
        case "maybe moment text":
            x = written_moment(g)
            return None if x is None or not g.has("string") else X("case", [g.predicate(0), x, g.text(0)], STRING)
        case "duration":
            return g.column("duration") if g.has("duration") and rng.random() < 0.7 else duration(g)
        case "short duration":
            return duration(g)
        case "list":
            return lists(g)
        case "list of numbers or texts":
            return some(g, [x for x in g.by_kind.get("list", []) if x.type.value_type in (INT64, STRING)])
        case "list of texts":
            return lists(g, TEXTS)
        case "list like the first":
            return lists(g, before[0].type)
        case "entry":
            return entry(g, before[0])
        case "small list":
            return X("list.pack", [within(g, -50, 49), within(g, 0, 99)], pa.list_(INT64))
        case "struct":
            made = X("struct.pack", [literal("a"), within(g, -50, 49), literal("b"), g.text(0)], PAIR) if g.has("string") else None
            return g.column("struct") if g.has("struct") and rng.random() < 0.7 else made
        case "two keys":
            return pair_of(literal("x"), literal("y"), TEXTS)
        case "two values":
            return pair_of(within(g, -50, 49), within(g, 0, 9), pa.list_(INT64))
        case "map":
            return g.column("map") if g.has("map") and rng.random() < 0.7 else text_map(g)
        case "json":
            return documents(g, DOCUMENTS)
        case "json object":
            return documents(g, OBJECTS)
        case "pairs":
            return documents(g, PAIRS)
    raise ValueError(want)


def call(g: Generator, name: str, depth: int) -> X | None:
    """The function over random arguments; what is not right to the last bit is rounded to nine digits."""
    m: Meaning = MEANINGS[name]
    args: list[X] = []
    for want in m.takes:
        a = argument(g, want, args, depth)
        if a is None:
            return None
        args.append(a)
    x = X(name, args, m.gives([a.type for a in args]) if callable(m.gives) else m.gives)
    return X("round_significant", [x, literal(9)], FLOAT64) if m.loose else x


def called(g: Generator, depth: int, *kinds: str) -> X | None:
    """Some function that gives one of the kinds; of none, any."""
    for _ in range(8):
        x = call(g, g.rng.choice(NAMES), depth)
        if x is not None and (not kinds or kind(x.type) in kinds):
            return x
    return None
