"""Groups whose rows come again and again in nearly the same order, as hourly measurements do: against plain Python, at any setting."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest

import gristmill as gm
from gristmill import col

SETTINGS: list[dict[str, Any]] = [
    {"num_workers": 1},
    {"num_workers": 1, "batch_rows": 97},
    {"num_workers": 2, "chunk_rows": 3000, "batch_rows": 500, "min_parallel_rows": 0},
    {"num_workers": 3, "chunk_rows": 1111, "batch_rows": 33, "min_parallel_rows": 0},
    {"num_workers": 8, "chunk_rows": 700, "min_parallel_rows": 0},
]


def hours(seed: int, churn: float) -> dict[str, list[Any]]:
    """Things with keys of every kind; from hour to hour some go, some come, some change place or one of their keys."""
    rng = random.Random(seed)
    floats = [0.0, -0.0, 1.5, float("nan"), float("inf"), None]

    def thing(i: int) -> list[Any]:
        text = rng.choice(["", "x", f"pod-{i}", f"a name beyond a view's twelve bytes {i}", "y" * 254 + str(i), "z" * 300 + str(i), None])
        return [text, f'{{"app":"{i % 90}","own":"{i}"}}', rng.choice(floats), rng.choice([True, False, None]), rng.choice([i, -i, None]), rng.randrange(20000)]

    things = [thing(i) for i in range(800)]
    made = len(things)
    columns: list[list[Any]] = [[] for _ in range(7)]
    for hour in range(36):
        if hour % 12 == 11:
            rng.shuffle(things)
        for _ in range(int(len(things) * churn)):
            what, at = rng.randrange(4), rng.randrange(len(things))
            if what == 0:
                del things[at]
            elif what == 1:
                things.insert(at, thing(made))
                made += 1
            elif what == 2:
                things[at] = things[at][:1] + [f'{{"app":"changed {hour}"}}'] + things[at][2:]
            else:
                things.append(things.pop(at))
        for t in things:
            for c, v in zip(columns, [*t, rng.randrange(-4096, 4096) / 64]):
                c.append(v)
    return dict(zip(["name", "labels", "f", "b", "i", "d", "v"], columns))


def table(rows: dict[str, list[Any]]) -> pa.Table:
    return pa.table({"name": pa.array(rows["name"], pa.string()), "labels": pa.array(rows["labels"]), "f": pa.array(rows["f"], pa.float64()),
                     "b": pa.array(rows["b"], pa.bool_()), "i": pa.array(rows["i"], pa.int64()), "d": pa.array(rows["d"], pa.int32()).cast(pa.date32()),
                     "v": pa.array(rows["v"])})


def shown(t: pa.Table) -> pa.Table:
    """NaN as text: it equals itself then."""
    return t.set_column(t.column_names.index("f"), "f", t["f"].cast(pa.string()))


def expected(rows: dict[str, list[Any]]) -> list[tuple[Any, ...]]:
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for *k, v in zip(*rows.values()):
        k[2] = "nan" if k[2] is not None and k[2] != k[2] else None if k[2] is None else k[2] + 0.0
        g = groups.setdefault(tuple(k), [0, Fraction(0)])
        g[0] += 1
        g[1] += Fraction(v)
    return [(*k, n, float(s)) for k, (n, s) in groups.items()]


@pytest.mark.parametrize("churn", [0.0, 0.01, 0.3])
def test_against_python(churn: float) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rows = hours(seed, churn)
    data, wanted = table(rows), expected(rows)
    keys = list(rows)[:-1]
    query = gm.from_arrow(data).group_by(*keys).agg(gm.count().alias("n"), col("v").sum().alias("s"))
    first = query.collect(num_workers=1).to_arrow()
    days = first["d"].cast(pa.int32()).to_pylist()
    out = [tuple("nan" if v != v else v for v in r.values()) for r in first.to_pylist()]
    assert [(*r[:5], day, *r[6:]) for r, day in zip(out, days)] == wanted
    for settings in SETTINGS:
        assert shown(query.collect(**settings).to_arrow()).equals(shown(first)), settings


def test_dictionaries_and_constants() -> None:
    rows = hours(5, 0.02)
    data = table(rows)
    plain = gm.from_arrow(data).with_columns(gm.lit("east").alias("zone"))
    coded = gm.from_arrow(data.set_column(0, "name", pa.chunked_array([data["name"].combine_chunks().dictionary_encode()]))).with_columns(gm.lit("east").alias("zone"))
    keys = ["zone", "name", "labels", "b"]
    want = plain.group_by(*keys).agg(col("v").sum(), col("d").max()).collect(num_workers=1, batch_rows=61).to_arrow()
    for settings in SETTINGS:
        assert coded.group_by(*keys).agg(col("v").sum(), col("d").max()).collect(**settings).to_arrow().cast(want.schema).equals(want), settings


def test_under_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = hours(9, 0.01)
    query = gm.from_arrow(table(rows)).group_by("name", "labels", "i").agg(col("v").sum(), gm.count().alias("n"), col("labels").last().alias("l"))
    want = query.collect(num_workers=1).to_arrow()
    assert query.collect(num_workers=2, min_parallel_rows=0, chunk_rows=2000, memory_limit="24MB").to_arrow().equals(want)
    monkeypatch.setenv("GRISTMILL_SPILL_EAGERLY", "1")
    assert query.collect(num_workers=2, min_parallel_rows=0, chunk_rows=4000, batch_rows=800).to_arrow().equals(want)
