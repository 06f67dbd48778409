"""The same rows in every shape that a table can bring: whole, in chunks, as slices, as dictionaries, between rows filtered away."""

from __future__ import annotations

import math
import random
from typing import Any

import pyarrow as pa

import gristmill as gm


def shapes(table: pa.Table) -> dict[str, tuple[pa.Table, bool]]:
    n = table.num_rows
    thirds = [table.slice(k, 3) for k in range(0, n, 3)]
    junk = pa.concat_tables([table.slice(n // 2), table, table.slice(0, 2)])
    doubled = table.take([i // 2 for i in range(2 * n)]).append_column("kept__", pa.array([i % 2 == 1 for i in range(2 * n)]))
    encoded = table
    for i, field in enumerate(table.schema):
        if pa.types.is_string(field.type) or pa.types.is_integer(field.type):
            encoded = encoded.set_column(i, field.name, table.column(i).combine_chunks().dictionary_encode())
    return {"whole": (table, False), "chunks": (pa.concat_tables(thirds), False), "slice": (junk.slice(n - n // 2, n), False),
            "dictionary": (encoded, False), "selection": (doubled, True)}


def same(a: Any, b: Any, tolerance: float = 0) -> bool:
    if isinstance(a, float) and isinstance(b, (float, int)):
        if math.isnan(a) or math.isnan(b):
            return math.isnan(a) and math.isnan(b)
        return a == b or (tolerance > 0 and math.isfinite(a) and abs(a - b) <= tolerance * max(abs(a), abs(b), 1e-300))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b))
    return type(a) is type(b) and a == b or (a is not None and b is not None and not isinstance(a, (str, bytes)) and a == b)


def evaluate(table: pa.Table, expr: gm.Expr) -> list[Any]:
    """The values of the expression, the same in all shapes."""
    first: list[Any] | None = None
    for name, (shape, filtered) in shapes(table).items():
        frame = gm.from_arrow(shape)
        if filtered:
            frame = frame.filter(gm.col("kept__"))
        values = frame.select(expr.alias("x")).collect().to_arrow().column("x").to_pylist()
        if first is None:
            first = values
        assert same(first, values), f"{expr} as {name}: {[(i, a, b) for i, (a, b) in enumerate(zip(first, values)) if not same(a, b)][:5]}"
    assert first is not None
    return first


def expect(table: pa.Table, expr: gm.Expr, expected: list[Any], seed: int, tolerance: float = 0) -> None:
    got = evaluate(table, expr)
    rows = table.to_pylist()
    wrong = [(i, rows[i], g, e) for i, (g, e) in enumerate(zip(got, expected)) if not same(g, e, tolerance)]
    assert len(got) == len(expected) and not wrong, f"seed {seed}: {expr}: {len(wrong)} rows, (row, data, got, expected): {wrong[:4]}"


ALPHABET = ["a", "b", "ab", "B", "z", "ä", "ß", "é", "漢", "😀", " ", ",", "1", "_", "%", "-", "A", "Z", "é", "\\", "."]


def texts(rng: random.Random, n: int, longest: int = 12, nulls: float = 0.1) -> list[str | None]:
    odd = [None, "", " ", ",", ",,", "a,b,", "ääää", "😀😀", "x" * 40, "Straße nach Åland, bitte", "a" * 12, "a" * 13]
    out: list[str | None] = list(odd)
    while len(out) < n:
        out.append(None if rng.random() < nulls else "".join(rng.choice(ALPHABET) for _ in range(rng.randrange(longest))))
    rng.shuffle(out)
    return out


def choices(rng: random.Random, n: int, values: list[Any], nulls: float = 0.1) -> list[Any]:
    return [None if rng.random() < nulls else rng.choice(values) for _ in range(n)]


def each(f: Any, *columns: list[Any]) -> list[Any]:
    """f of every row; None if one of its arguments is."""
    return [None if any(v is None for v in row) else f(*row) for row in zip(*columns)]
