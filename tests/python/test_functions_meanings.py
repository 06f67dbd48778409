"""Every registered function against plain Python, over random columns of every type with nulls and odd values, in every shape a table can bring.

What the functions mean is written in tests/fuzz/meanings.py and reference.py; a function that is registered and has no meaning there fails here.
"""

from __future__ import annotations

import random
import string
from dataclasses import replace
from functools import lru_cache

import data
import numpy as np
import pyarrow as pa
import pytest
from arguments import call
from case import Setting, check
from data import Source, source_of, stored_as
from expressions import Generator, X, build
from function_shapes import shapes
from meanings import MEANINGS, NOT_DRAWN
from plans import PlanGenerator
from reference import RowError, compile_row
from values import canonical, kind, raw_values, same_bits, to_arrow

import gristmill as gm
from gristmill import _engine

FUNCTIONS = [f["name"] for f in _engine.functions()]
SEEDS = [11, 20240229]
TYPES = [pa.int64(), pa.int8(), pa.uint16(), pa.uint64(), pa.float64(), pa.float32(), pa.bool_(), pa.string(), pa.string(), pa.binary(), pa.date32(), pa.date32(),
         pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("s", "UTC"), pa.duration("ms"), pa.decimal128(9, 2), pa.list_(pa.int64()), pa.list_(pa.string()),
         pa.struct([("a", pa.int64()), ("b", pa.string())]), pa.map_(pa.string(), pa.int64())]


@lru_cache(maxsize=16)
def ordinary(seed: int, rows: int = 90) -> Source:
    """A table with a column of each type, its times in the years that calendars of both sides know."""
    rng = random.Random(seed)
    draw = np.random.default_rng(seed)
    arrays, names = [], []
    for name, t in zip(string.ascii_lowercase, TYPES):
        while True:
            values = data._with_nulls(rng, draw, data._values(rng, draw, rows, t))
            there = [abs(v) for v in values if v is not None] if kind(t) in ("date", "timestamp") else []
            span = 600_000 if kind(t) == "date" else 2_000_000_000 * {"s": 1, "us": 10**6, "ns": 10**9}.get(getattr(t, "unit", "s"), 1)
            if any(v is not None for v in values) and max(there, default=0) < span:
                break
        arrays.append(stored_as(to_arrow(values, canonical(t)), t))
        names.append(name)
    return source_of(pa.Table.from_arrays(arrays, names=names))


def drawn(x: X) -> set[str]:
    return {x.op}.union(*(drawn(a) for a in x.args))


def with_function(g: Generator, name: str) -> X | None:
    if name in MEANINGS:
        return call(g, name, 2)
    for _ in range(4000):
        x = g.value(2) if g.rng.random() < 0.7 else g.predicate(2)
        if x is not None and name in drawn(x) and len(str(x)) < 400:
            return x
    return None


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n not in NOT_DRAWN])
def test_function_agrees_with_python(name: str, seed: int) -> None:
    tested = 0
    for attempt in range(8):
        source = ordinary(seed + attempt)
        g = Generator(random.Random(f"{name}:{seed}:{attempt}"), source.columns, failures=0)
        x = with_function(g, name)
        if x is None:
            continue
        row = compile_row(x, source.table.column_names)
        try:
            want = [row(r) for r in source.rows]
        except RowError:
            continue
        for shape, (table, filtered) in shapes(source.table).items() if tested == 0 else [("whole", (source.table, False))]:
            frame = gm.from_arrow(table)
            if filtered:
                frame = frame.filter(gm.col("kept__"))
            result = frame.select(build(x).alias("x")).collect().to_arrow().column("x")
            assert canonical(result.type) == canonical(x.type), f"{x}: {result.type}, expected {x.type}"
            wrong = [(source.rows[i], a, b) for i, (a, b) in enumerate(zip(raw_values(result), want, strict=True)) if not same_bits(a, b)]
            assert not wrong, f"seed {seed} attempt {attempt} {shape}: {x}: {len(wrong)} rows, (row, got, expected): {wrong[:2]}"
        tested += 1
        if tested == 3:
            return
    assert tested > 0, f"{name} could hardly be drawn"


def test_the_fuzz_draws_every_function_and_aggregate() -> None:
    functions: set[str] = set()
    aggregates: set[str] = set()
    for n in range(12):
        source, rng = ordinary(n), random.Random(n)
        g = Generator(rng, source.columns)
        for _ in range(700):
            for x in (g.value(2), g.predicate(2)):
                functions |= drawn(x)
        plans = PlanGenerator(rng, [source], 0.002)
        for _ in range(60):
            aggregates |= {a.function for a in plans.total(plans.source(), 1).extra}
    assert set(FUNCTIONS) - functions == set(NOT_DRAWN), "registered functions that random queries never call (or an exception without need)"
    assert set(AGGREGATES) <= aggregates


AGGREGATES = ["count", "sum", "mean", "min", "max", "first", "last", "var", "std", "n_unique", "mode", "implode", "join", "median", "quantile", "lower_quantile", "approx_quantile",
              "approx_median", "cov", "corr", "min_by", "max_by", "all", "any", "bit_and", "bit_or", "bit_xor", "skew", "kurtosis", "product", "regr_slope", "regr_intercept"]


@pytest.mark.parametrize("name", AGGREGATES)
def test_aggregate_agrees_with_python(name: str) -> None:
    """Over all rows and in groups, at two settings."""
    tested = 0
    for attempt in range(400):
        rng = random.Random(f"{name}:{attempt}")
        sources = [ordinary(attempt % 6, (3, 60, 200)[attempt % 3])]
        generator = PlanGenerator(rng, sources, 0.0)
        source = generator.source()
        plan = (generator.group if attempt % 2 else generator.total)(source, 1)
        if plan is None or plan.op not in ("group", "total"):
            continue
        aggregates, columns = plan.extra if plan.op == "total" else plan.extra[1], plan.columns
        kept = [i for i, a in enumerate(aggregates) if a.function == name]
        if not kept:
            continue
        keys = columns[: len(columns) - len(aggregates)]
        chosen = [aggregates[i] for i in kept]
        plan = replace(plan, columns=keys + [columns[len(keys) + i] for i in kept], extra=chosen if plan.op == "total" else (plan.extra[0], chosen))
        problem = check(plan, sources, [Setting(3, 7, 7), Setting(2, 1000, 0, 0, True)], f"{name}:{attempt}", [], False)
        assert problem is None, f"attempt {attempt}: {problem.verdict}: {problem.text}\n{plan.text()}"
        tested += 1
        if tested == 3:
            return
    assert tested > 0, f"{name} is never drawn"


def test_every_aggregate_has_its_test() -> None:
    spelt = {"join": "string_agg", "lower_quantile": "quantile"}
    assert {a["name"] for a in _engine.aggregates()} - {spelt.get(a, a) for a in AGGREGATES} == {"approx_n_unique"}  # test_aggregates.py says how near it is
