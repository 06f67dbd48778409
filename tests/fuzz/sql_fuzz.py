#!/usr/bin/env python3
"""Random SQL over small random tables: the rows that PostgreSQL and DuckDB give, and the same bytes at every setting.

    ./run fuzz-sql --cases 5000                           both judges (installs PostgreSQL when it is missing)
    ./run fuzz-sql --seed 7 --case 123                    one case again
    python tests/fuzz/sql_fuzz.py --seconds 60 --judges duckdb

Queries: sql_queries.py, their expressions: sql_expressions.py. PostgreSQL decides; where DuckDB differs from it without a reason known beforehand
(EXPLAINED), that is a finding, too. What the engine says it does not support, or no judge answers, is counted and passed by.
"""

from __future__ import annotations

import argparse
import datetime
import os
import random
import re
import sys
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

import gristmill as gm

sys.path.insert(0, str(Path(__file__).parent))
from sql_judges import DuckDBJudge, PostgresJudge, Refused, kind_of, rows_of  # noqa: E402
from sql_queries import Queries  # noqa: E402
from table_bytes import as_bytes  # noqa: E402

SETTINGS = [dict(num_workers=1), dict(num_workers=2, chunk_rows=1, batch_rows=1, min_parallel_rows=0), dict(num_workers=8, chunk_rows=3, min_parallel_rows=0),
            dict(num_workers=3, chunk_rows=2, batch_rows=2, min_parallel_rows=0, memory_limit="64MB")]
SPILLING = SETTINGS[3]

# Where DuckDB may differ from PostgreSQL: (a, b) < (c, d) with a NULL inside is NULL to one and decided, as for structs, to the other.
EXPLAINED = [re.compile(r"(?<!\w)\((?:[^()]|\([^()]*\))*, (?:[^()]|\([^()]*\))*\) (?:=|<|>|<=|>=|<>) \(")]


def make_tables(rng: random.Random) -> dict[str, pa.Table]:
    tables = {}
    day = datetime.date(2024, 1, 28)
    for t in range(3):
        n = rng.choice([0, 1, 3, 8, 8, 14, 14])

        def column(values: list, dtype: pa.DataType) -> pa.Array:
            return pa.array([None if rng.random() < 0.2 else rng.choice(values) for _ in range(n)], dtype)

        tables[f"t{t}"] = pa.table({
            "a": column(list(range(5)), pa.int64()), "b": column(list(range(-1, 3)), pa.int64()), "s": column(["a", "b", "c", "ab", "b c", ""], pa.string()),
            "d": column([Decimal(v) for v in ("0.50", "1.25", "-1.75", "2.00", "10.10")], pa.decimal128(9, 2)),
            "e": column([day + datetime.timedelta(days=v) for v in (0, 1, 2, 3, 40)], pa.date32()),
            "f": column([0.5, 1.0, -1.5, 2.0, 8.0], pa.float64()), "g": column([True, False], pa.bool_())})
    return tables


def encoded(table: pa.Table) -> pa.Table:
    return pa.table([c.dictionary_encode() if pa.types.is_string(c.type) else c for c in table.columns], names=table.column_names)


FINDINGS = ("different", "judges differ")
MOST_ROWS = 100_000  # of an answer: it counts within the limit of memory, here in batches of two rows


@dataclass
class Outcome:
    """same; unsupported: the engine says so; passed by: no judge answers, or with very many rows; different; judges differ. `marks`: what else is worth counting."""

    status: str
    detail: str = ""
    marks: tuple[str, ...] = ()


def run_case(seed: int, case: int, judges: list) -> Outcome:
    """`judges`: the first that answers decides."""
    rng = random.Random(f"{seed}:{case}")
    tables = make_tables(rng)
    query = Queries(rng, {name: {f.name: kind_of(f.type) for f in table.schema} for name, table in tables.items()}).query()
    answers, refusals = {}, {}
    for judge in judges:
        try:
            answers[judge.name] = judge.answer(query, tables)
        except Refused as e:
            refusals[judge.name] = str(e)
    if not answers:
        return Outcome("passed by", "\n".join([query, *(f"{who}: {why}" for who, why in refusals.items())]))
    expected = next(iter(answers.values()))
    if len(expected) > MOST_ROWS:
        return Outcome("passed by", f"{query}\n{len(expected)} rows")
    marks = tuple(f"no answer of {who}" for who in refusals) + tuple(f"{who} differs" for who, rows in answers.items() if rows != expected)
    shown = {n: t.to_pydict() for n, t in tables.items()}
    first = None
    for setting in SETTINGS:
        frames = {n: gm.from_arrow(encoded(t) if setting is SETTINGS[2] else t) for n, t in tables.items()}
        if setting is SPILLING:
            os.environ["GRISTMILL_SPILL_EAGERLY"] = "1"
        try:
            table = gm.sql(query, **frames).collect(gm.ParallelOptions(**setting)).to_arrow()
        except gm.GristmillError as e:
            status = "unsupported" if "not supported" in str(e) else "different"
            return Outcome(status, f"{query}\n{setting}\n{e}\ntables {shown}", marks)
        finally:
            os.environ.pop("GRISTMILL_SPILL_EAGERLY", None)
        if first is None:
            if (got := rows_of(table)) != expected:
                told = "".join(f"\n{who:11}{[r for r in rows if r not in got]} more" for who, rows in answers.items())
                return Outcome("different", f"{query}\ngot {got}\nof that not {next(iter(answers))}'s: {[r for r in got if r not in expected]}{told}\ntables {shown}", marks)
            first = as_bytes(table)
        elif as_bytes(table) != first:
            return Outcome("different", f"{query}\n{setting}: other bytes\ntables {shown}", marks)
    if len(set(map(repr, answers.values()))) > 1 and not any(known.search(query) for known in EXPLAINED):
        return Outcome("judges differ", f"{query}\n{answers}\ntables {shown}", marks)
    return Outcome("same", "", marks)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--case", type=int, help="run this one only")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cases", type=int, default=1 << 60)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--judges", default="postgres,duckdb", help="the first decides")
    parser.add_argument("--verbose", action="store_true", help="also what was passed by and why")
    options = parser.parse_args()
    if options.cases == 1 << 60 and options.seconds == 1e9:
        options.seconds = 60.0
    print(f"seed {options.seed}", flush=True)
    judges = [{"postgres": PostgresJudge, "duckdb": DuckDBJudge}[name]() for name in options.judges.split(",")]
    try:
        return run(options, judges)
    finally:
        for judge in judges:
            judge.close()


def run(options: argparse.Namespace, judges: list) -> int:
    if options.case is not None:
        outcome = run_case(options.seed, options.case, judges)
        print(f"{outcome.status} {', '.join(outcome.marks)}\n{outcome.detail}")
        return int(outcome.status in FINDINGS)
    counts: dict[str, int] = {}
    end = time.monotonic() + options.seconds
    case = options.first
    while case < options.first + options.cases and time.monotonic() < end:
        outcome = run_case(options.seed, case, judges)
        for name in (outcome.status, *outcome.marks):
            counts[name] = counts.get(name, 0) + 1
        if outcome.status in FINDINGS or (options.verbose and outcome.detail):
            print(f"case {case}: {outcome.status} {', '.join(outcome.marks)}\n{outcome.detail}\n", flush=True)
        case += 1
    print(f"{case - options.first} queries, seed {options.seed}: {counts}")
    return int(any(counts.get(bad) for bad in FINDINGS) or case == options.first)


if __name__ == "__main__":
    sys.exit(main())
