"""Aggregates against plain Python (fractions for exact sums), DuckDB and each other: any worker count, batch, memory limit, form."""

from __future__ import annotations

import math
import random
import re
from fractions import Fraction
from pathlib import Path
from typing import Any, Callable

import duckdb
import pyarrow as pa
import pytest

import gristmill as gm
from gristmill import _engine, col

SEED = 20240229
ROWS = 6000
SETTINGS: list[dict[str, Any]] = [
    {"num_workers": 1},
    {"num_workers": 2, "chunk_rows": 211, "min_parallel_rows": 0},
    {"num_workers": 3, "chunk_rows": 97, "batch_rows": 13, "min_parallel_rows": 0},
    {"num_workers": 8, "chunk_rows": 50, "min_parallel_rows": 0},
]


def random_rows(seed: int, rows: int = ROWS) -> dict[str, pa.Array]:
    rng = random.Random(seed)
    maybe = lambda v: None if rng.random() < 0.15 else v  # noqa: E731
    floats = [0.0, -0.0, 1.5, -2.25, 1e300, -1e300, 5e-324, math.inf, -math.inf, math.nan]
    words = ["", "a", "ab", "b", "long enough to lie outside a view", "x" * 40, "ä", "zz"]
    lists = lambda: None if rng.random() < 0.1 else [maybe(rng.randrange(3)) for _ in range(rng.randrange(3))]  # noqa: E731
    return {
        "k": pa.array([maybe(rng.randrange(40)) for _ in range(rows)], pa.int64()),
        "t": pa.array([maybe(rng.choice(words)) for _ in range(rows)]),
        "i": pa.array([maybe(rng.randrange(-50, 50)) for _ in range(rows)], pa.int32()),
        "u": pa.array([maybe(rng.choice([0, 1, 2**63, 2**64 - 1, rng.randrange(100)])) for _ in range(rows)], pa.uint64()),
        "f": pa.array([maybe(rng.choice(floats) if rng.random() < 0.2 else rng.uniform(-100, 100)) for _ in range(rows)], pa.float64()),
        "g": pa.array([maybe(rng.randrange(-1000, 1000) / 8) for _ in range(rows)], pa.float64()),
        "h": pa.array([maybe(rng.randrange(-9, 9) / 4) for _ in range(rows)], pa.float32()),
        "d": pa.array([maybe(rng.randrange(-500, 500)) for _ in range(rows)], pa.int64()).cast(pa.decimal128(19, 0)).cast(pa.decimal128(21, 2)),
        "b": pa.array([maybe(rng.random() < 0.8) for _ in range(rows)]),
        "s": pa.array([maybe(rng.choice(words) + str(rng.randrange(5))) for _ in range(rows)]),
        "y": pa.array([maybe(rng.choice(words).encode()) for _ in range(rows)], pa.binary()),
        "m": pa.array([maybe(rng.randrange(10**6)) for _ in range(rows)], pa.timestamp("us")),
        "e": pa.array([maybe(rng.randrange(20000)) for _ in range(rows)], pa.date32()),
        "l": pa.array([lists() for _ in range(rows)], pa.list_(pa.int64())),
        "p": pa.array([rng.random() < 0.5 for _ in range(rows)]),
    }


# Plain Python --------------------------------------------------------------------------------------------------------


def key(v: Any) -> Any:
    """Equal values of the engine are equal, and NaN is one value."""
    if isinstance(v, float):
        return ("nan",) if v != v else v + 0.0
    return tuple(map(key, v)) if isinstance(v, list) else v


def order(v: Any) -> Any:
    return (1, 0) if isinstance(v, float) and v != v else (0, v)


def there(values: list) -> list:
    return [v for v in values if v is not None]


def distinct(values: list) -> list:
    return in_first_order(there(values))


def in_first_order(values: list) -> list:
    seen: dict = {}
    for v in values:
        seen.setdefault(key(v), v + 0.0 if isinstance(v, float) else v)
    return list(seen.values())


def plus_zero(v: Any) -> Any:
    return v + 0.0 if isinstance(v, float) else v


def mode(values: list) -> Any:
    counts: dict = {}
    for v in there(values):
        counts.setdefault(key(v), [0, v + 0.0 if isinstance(v, float) else v])[0] += 1
    best = max((c for c, _ in counts.values()), default=0)
    return next((v for c, v in counts.values() if c == best), None)


def quantile(q: float, way: str) -> Callable[[list], Any]:
    def of(values: list) -> Any:
        v = sorted(there(values), key=order)
        if not v:
            return None
        n = len(v)
        at = q * (n - 1)
        low, high = math.floor(at), math.ceil(at)
        if way == "equiprobable":
            return plus_zero(v[min(max(math.ceil(q * n) - 1, 0), n - 1)])
        if way in ("lower", "higher", "nearest"):
            return plus_zero(v[{"lower": low, "higher": high, "nearest": math.floor(at + 0.5)}[way]])
        a, b = float(v[low]), float(v[high])
        w = 0.5 if way == "midpoint" and low != high else at - low
        if w == 0 or a == b:
            return a + 0.0
        return (a + (b - a) * w if math.isfinite(b - a) else a * (1 - w) + b * w) + 0.0
    return of


def moments(rows: list[tuple], want: str) -> Any:
    rows = [(x, y) for x, y in rows if x is not None and y is not None]
    if not rows or (want == "cov" and len(rows) < 2):
        return None
    if not all(math.isfinite(x) and math.isfinite(y) for x, y in rows):
        return math.nan
    n = len(rows)
    xs, ys = [Fraction(x) for x, _ in rows], [Fraction(y) for _, y in rows]
    cross = lambda a, b: n * sum(p * q for p, q in zip(a, b)) - sum(a) * sum(b)  # noqa: E731
    sxy, sxx, syy = cross(xs, ys), cross(xs, xs), cross(ys, ys)
    if want == "cov":
        return float(sxy / (n * (n - 1)))
    if want == "corr":
        return math.nan if sxx == 0 or syy == 0 else math.copysign(math.sqrt(sxy * sxy / (sxx * syy)), sxy)
    slope = None if syy == 0 else sxy / syy
    if slope is None:
        return math.nan
    return float(slope) if want == "slope" else float((sum(xs) - slope * sum(ys)) / n)


def rounded_root(q: Fraction) -> float:
    """The root, rounded once."""
    if q == 0:
        return 0.0
    shift = 120 - (q.numerator.bit_length() - q.denominator.bit_length())
    shift += shift % 2
    scaled = Fraction(q.numerator << shift, q.denominator) if shift >= 0 else Fraction(q.numerator, q.denominator << -shift)
    root = math.isqrt(scaled.numerator // scaled.denominator)
    sticky = root * root * scaled.denominator != scaled.numerator
    return float(Fraction(2 * root + sticky) / (Fraction(2) ** (shift // 2 + 1)))


def shape(want: str, unbiased: bool = False, pearson: bool = False) -> Callable[[list], Any]:
    def of(values: list) -> Any:
        v = there(values)
        n = len(v)
        if n < (1 if not unbiased else 3 if want == "skew" else 4):
            return None
        if not all(map(math.isfinite, v)):
            return math.nan
        mean = Fraction(sum(map(Fraction, v)), n)
        m2, m3, m4 = (sum((Fraction(x) - mean) ** p for x in v) / n for p in (2, 3, 4))
        if m2 == 0:
            return math.nan
        if want == "skew":
            square = m3 * m3 / m2**3 * (Fraction(n * (n - 1), (n - 2) ** 2) if unbiased else 1)
            return rounded_root(square) * (-1 if m3 < 0 else 1) + 0.0
        g = m4 / m2**2 - 3
        if unbiased:
            g = Fraction(n - 1, (n - 2) * (n - 3)) * ((n + 1) * g + 6)
        return float(g + (3 if pearson else 0))
    return of


def by(greatest: bool) -> Callable[[list], Any]:
    def of(rows: list[tuple]) -> Any:
        rows = [r for r in rows if r[1] is not None]
        return None if not rows else (max if greatest else min)(rows, key=lambda r: order(r[1]))[0]
    return of


def joined(separator: str) -> Callable[[list], Any]:
    return lambda values: separator.join(there(values)) if there(values) else None


def product(values: list) -> Any:
    return math.prod(there(values), start=1) if there(values) else None


def ordered(values: list[tuple], descending: bool = False) -> list:
    down = sorted((r for r in values if r[1] is not None), key=lambda r: order(r[1]), reverse=descending)
    return [r[0] for r in down] + [r[0] for r in values if r[1] is None]


def exact_sum(values: list) -> Any:
    v = there(values)
    if not v:
        return None
    if isinstance(v[0], float):
        if not all(map(math.isfinite, v)):
            return math.nan if any(x != x for x in v) or {math.inf, -math.inf} <= set(v) else next(x for x in v if math.isinf(x))
        total = sum(map(Fraction, v))
        return float(total) if abs(total) < Fraction(2) ** 1024 else math.copysign(math.inf, total)
    return sum(v)


ANY = ["i", "u", "f", "h", "d", "b", "s", "y", "m", "e", "l"]
ORDERED = [c for c in ANY if c != "l"]
CASES: dict[str, tuple[gm.Expr, list[str], Callable[[list], Any]]] = {
    "all b": (col("b").all(), ["b"], lambda v: all(there(v)) if there(v) else None),
    "any b": (col("b").any(), ["b"], lambda v: any(there(v)) if there(v) else None),
    "product h": (col("h").product(), ["h"], product),
    "product f": (col("f").product(), ["f"], product),
    "product of signs": (gm.when(col("i") > 0).then(1).when(col("i") < 0).then(-1).otherwise(1).product(), ["i"],
                         lambda v: product([-1 if x is not None and x < 0 else 1 for x in v])),
    "sum distinct f": (col("f").sum().distinct(), ["f"], lambda v: exact_sum(distinct(v))),
    "sum distinct i": (col("i").sum().distinct(), ["i"], lambda v: exact_sum(distinct(v))),
    "sum distinct d": (col("d").sum().distinct(), ["d"], lambda v: exact_sum(distinct(v))),
    "median distinct g": (col("g").median().distinct(), ["g"], lambda v: quantile(0.5, "linear")(distinct(v))),
    "join": (col("s").str.join(", "), ["s"], joined(", ")),
    "join distinct": (col("s").str.join("|").distinct(), ["s"], lambda v: joined("|")(distinct(v))),
    "join by i": (col("s").str.join("").order_by("i"), ["s", "i"], lambda v: joined("")(ordered(v))),
    "implode by f down": (col("i").implode().order_by("f", descending=True), ["i", "f"], lambda v: ordered(v, True) if v else None),
    "implode distinct by itself": (col("i").implode().distinct().order_by("i", descending=True), ["i"],
                                   lambda v: sorted(distinct(v), reverse=True) + [None] * (None in v) or None),
    "first by g": (col("s").first().order_by("g"), ["s", "g"], lambda v: ordered(v)[0] if v else None),
    "last by g": (col("s").last().order_by("g", "i"), ["s", "g", "i"],
                  lambda v: max(enumerate(v), key=lambda e: (e[1][1] is None, e[1][1] or 0, e[1][2] is None, e[1][2] or 0, e[0]))[1][0] if v else None),
    "cov": (gm.cov("g", "h"), ["g", "h"], lambda v: moments(v, "cov")),
    "cov with inf": (gm.cov("f", "h"), ["f", "h"], lambda v: moments(v, "cov")),
    "corr": (gm.corr("g", "i"), ["g", "i"], lambda v: moments(v, "corr")),
    "slope": (gm.regr_slope("g", "h"), ["g", "h"], lambda v: moments(v, "slope")),
    "intercept": (gm.regr_intercept("g", "h"), ["g", "h"], lambda v: moments(v, "intercept")),
    "skew g": (col("g").skew(), ["g"], shape("skew")),
    "skew f": (col("f").skew(), ["f"], shape("skew")),
    "skew of a sample i": (col("i").skew(bias=False), ["i"], shape("skew", True)),
    "skew distinct h": (col("h").skew().distinct(), ["h"], lambda v: shape("skew")(distinct(v))),
    "kurtosis g": (col("g").kurtosis(), ["g"], shape("kurtosis")),
    "kurtosis of a sample g": (col("g").kurtosis(bias=False), ["g"], shape("kurtosis", True)),
    "kurtosis pearson h": (col("h").kurtosis(fisher=False), ["h"], shape("kurtosis", False, True)),
    "kurtosis pearson of a sample i": (col("i").kurtosis(False, False), ["i"], shape("kurtosis", True, True)),
    "kurtosis f": (col("f").kurtosis(), ["f"], shape("kurtosis")),
    "count distinct s": (col("s").count().distinct(), ["s"], lambda v: len(distinct(v))),
}
for name, fold in (("and", lambda a, b: a & b), ("or", lambda a, b: a | b), ("xor", lambda a, b: a ^ b)):
    for c in ("i", "u"):
        def folded(values: list, fold=fold) -> Any:
            v = there(values)
            out = v[0] if v else None
            for x in v[1:]:
                out = fold(out, x)
            return out
        CASES[f"bit_{name} {c}"] = (getattr(col(c), f"bit_{name}")(), [c], folded)
for c in ANY:
    CASES[f"n_unique {c}"] = (col(c).n_unique(), [c], lambda v: len(distinct(v)))
    CASES[f"mode {c}"] = (col(c).mode(), [c], mode)
    CASES[f"implode {c}"] = (col(c).implode(), [c], lambda v: v or None)
    CASES[f"implode distinct {c}"] = (col(c).implode().distinct(), [c], lambda v: in_first_order(v) or None)
    CASES[f"{c} min_by f"] = (col(c).min_by("f"), [c, "f"], by(False))
for c in ORDERED:
    CASES[f"i max_by {c}"] = (col("i").max_by(c), ["i", c], by(True))
    CASES[f"quantile lower {c}"] = (col(c).quantile(0.3, "lower"), [c], quantile(0.3, "lower"))
    CASES[f"quantile equiprobable {c}"] = (col(c).quantile(0.7, "equiprobable"), [c], quantile(0.7, "equiprobable"))
for c in ("i", "u", "f", "h", "d"):
    CASES[f"median {c}"] = (col(c).median(), [c], quantile(0.5, "linear"))
    CASES[f"quantile {c}"] = (col(c).quantile(0.9), [c], quantile(0.9, "linear"))
    CASES[f"midpoint {c}"] = (col(c).quantile(0.25, "midpoint"), [c], quantile(0.25, "midpoint"))


def expected(data: dict[str, list], key_column: str | None, columns: list[str], of: Callable, filtered: bool) -> list:
    groups: dict = {} if key_column else {(): []}
    picked = list(zip(*(data[c] for c in columns))) if len(columns) > 1 else data[columns[0]]
    for n, row in enumerate(picked):
        k = key(data[key_column][n]) if key_column else ()
        group = groups.setdefault(k, [])
        if not filtered or data["p"][n]:
            group.append(row)
    return [of(g) for g in groups.values()]


def shown(v: Any) -> Any:
    if isinstance(v, list):
        return [shown(x) for x in v]
    return ("nan" if v != v else v.hex()) if isinstance(v, float) else v


def same(a: list, b: list, loose: bool) -> bool:
    if not loose:
        return [shown(v) for v in a] == [shown(v) for v in b]
    return all(x == y or (x is not None and y is not None and (x != x and y != y or math.isclose(x, y, rel_tol=1e-15))) for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def data() -> dict[str, pa.Array]:
    return random_rows(SEED)


@pytest.mark.parametrize("form", ["all rows", "by number", "by text", "by number, filtered"])
def test_against_python(data: dict[str, pa.Array], form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table(data)
    values = {c: a.cast(pa.int64()).to_pylist() if c in "me" else a.to_pylist() for c, a in ((c, a if c != "e" else a.cast(pa.int32())) for c, a in data.items())}
    by_column = {"by number": "k", "by text": "t", "by number, filtered": "k"}.get(form)
    filtered = form.endswith("filtered")
    expressions = [(e.filter(col("p")) if filtered else e).alias(name) for name, (e, _, _) in CASES.items()]
    frame = gm.from_arrow(table)
    query = frame.group_by(by_column).agg(*expressions) if by_column else frame.select(*expressions)
    results = [query.collect(**s).to_arrow() for s in SETTINGS]
    monkeypatch.setenv("GRISTMILL_SPILL_EAGERLY", "1")
    results.append(query.collect(num_workers=3, chunk_rows=700, min_parallel_rows=0, memory_limit="256MB").to_arrow())
    for name, (_, columns, of) in CASES.items():
        first = results[0].column(name)
        got = plain(first)
        want = [w for w in expected(values, by_column, columns, of, filtered)]
        assert same(got, want, name in ("corr",)), (SEED, form, name)
        for r in results[1:]:
            assert [shown(v) for v in plain(r.column(name))] == [shown(v) for v in got], (SEED, form, name)


def plain(c: pa.ChunkedArray) -> list:
    t = c.type
    if pa.types.is_list(t) and (pa.types.is_timestamp(t.value_type) or pa.types.is_date(t.value_type)):
        c = c.cast(pa.list_(pa.int32() if pa.types.is_date(t.value_type) else pa.int64()))
    elif pa.types.is_timestamp(t) or pa.types.is_date(t):
        c = c.cast(pa.int32() if pa.types.is_date(t) else pa.int64())
    return c.to_pylist()


def test_unordered_results_hold_the_same_groups(data: dict[str, pa.Array]) -> None:
    frame = gm.from_arrow(pa.table(data))
    aggregates = [col("i").implode().alias("a"), col("f").median().alias("b"), col("s").n_unique().alias("c")]
    one = frame.group_by("k", "t").agg(*aggregates).collect(num_workers=1).to_arrow().to_pylist()
    two = frame.group_by("k", "t").agg(*aggregates).collect(num_workers=3, chunk_rows=100, min_parallel_rows=0, ordered=False).to_arrow().to_pylist()
    assert sorted(map(repr, one)) == sorted(map(repr, two))


# SQL -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aggregate", [
    "count(distinct i)", "count(distinct s)", "sum(distinct i)", "bool_and(b)", "bool_or(b)", "bit_and(i)", "bit_or(i)", "bit_xor(i)", "median(g)",
    "quantile_cont(g, 0.9)", "quantile_disc(i, 0.25)", "string_agg(s, '-' order by n)", "array_agg(i order by n desc)", "array_agg(i order by g desc nulls last, n)",
    "array_agg(s order by s desc nulls last, n)", "covar_pop(g, h)", "covar_samp(g, i)", "corr(g, i)", "regr_slope(g, i)", "regr_intercept(g, i)",
    "sum(i) filter (where p)", "count(distinct i) filter (where g > 0)", "arg_max(n, n)", "arg_min(n, g)", "avg(distinct i)", "var_pop(g) filter (where i > 0)",
    "skewness(i)", "kurtosis(i)", "kurtosis_pop(i)",
    "percentile_cont(0.3) within group (order by g)", "percentile_disc(0.3) within group (order by n)", "percentile_disc(0.3) within group (order by n desc)",
    "percentile_cont(0.3) within group (order by g desc)", "product(h)", "count(*) filter (where b)",
])
def test_against_duckdb(data: dict[str, pa.Array], aggregate: str) -> None:
    table = pa.table({**{c: data[c] for c in "kigsbph"}, "n": pa.array(range(ROWS))})
    text = f"select k, {aggregate} as a from t group by k"
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("t", table)
        want = dict(connection.sql(text).fetchall())
    got = {r["k"]: r["a"] for r in gm.sql(text, t=gm.from_arrow(table)).collect(num_workers=2).to_pylist()}
    assert got.keys() == want.keys()
    for k, v in want.items():
        if isinstance(v, float):
            assert math.isclose(got[k], v, rel_tol=1e-9), (k, got[k], v)
        else:
            assert got[k] == v, k


# Memory --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aggregate", [
    lambda: col("x").implode(), lambda: col("s").str.join(","), lambda: col("x").n_unique(), lambda: col("s").n_unique(), lambda: col("x").median(),
    lambda: col("s").mode(), lambda: col("s").implode().order_by("x"), lambda: col("x").sum().distinct(), lambda: col("s").approx_n_unique(),
    lambda: col("x").approx_median(), lambda: col("s").max_by("x"), lambda: gm.corr("x", "z"),
], ids=["implode", "join", "n_unique", "n_unique text", "median", "mode", "implode by", "sum distinct", "approx n_unique", "approx median", "max_by", "corr"])
@pytest.mark.parametrize("groups", [20_000, 7])
def test_under_a_limit(aggregate: Callable[[], gm.Expr], groups: int) -> None:
    rng = random.Random(SEED)
    rows = 150_000
    frame = gm.from_arrow(pa.table({
        "k": pa.array([rng.randrange(groups) for _ in range(rows)]), "x": pa.array([rng.randrange(10**9) for _ in range(rows)]),
        "z": pa.array([rng.random() for _ in range(rows)]), "s": pa.array([f"some text number {rng.randrange(rows)}" for _ in range(rows)])}))
    query = frame.group_by("k").agg(aggregate().alias("a")).select("k", col("a").hash().alias("h") if groups > 100 else "a")
    free = query.collect(num_workers=2, chunk_rows=5000).to_arrow()
    tight = query.collect(num_workers=2, chunk_rows=5000, memory_limit="24MB")
    assert tight.to_arrow().combine_chunks().equals(free.combine_chunks())


def test_what_does_not_fit_says_so() -> None:
    frame = gm.from_pydict({"x": list(range(3_000_000))})
    with pytest.raises(gm.MemoryLimitError, match="memory_limit"):
        frame.select(col("x").implode()).collect(num_workers=2, memory_limit="8MB")


# Approximation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 100, 5000, 200_000])
def test_approx_n_unique_is_near(n: int) -> None:
    for values in (pa.array(range(n), pa.int64()), pa.array([f"v{i}" for i in range(n)], pa.string())):
        got = gm.from_arrow(pa.table({"x": values})).select(col("x").approx_n_unique()).collect().to_pydict()["x"][0]
        assert abs(got - n) <= max(1, 0.05 * n), n


def test_approx_quantile_is_near() -> None:
    rng = random.Random(SEED)
    values = [rng.lognormvariate(0, 5) * rng.choice([-1, 1]) for _ in range(20_000)]
    frame = gm.from_pydict({"x": values})
    exact = sorted(values)
    for q in (0.0, 0.01, 0.3, 0.5, 0.77, 1.0):
        got = frame.select(col("x").approx_quantile(q)).collect().to_pydict()["x"][0]
        want = exact[math.floor(q * (len(exact) - 1) + 0.5)]
        assert abs(got - want) <= abs(want) / 256, q


# Errors and the table of aggregates ----------------------------------------------------------------------------------


@pytest.mark.parametrize("query, message", [
    (lambda f: f.select(col("s").all()), "all takes bools, got string"),
    (lambda f: f.select(col("i").quantile(1.5)), "q of quantile is a number from 0 to 1"),
    (lambda f: f.select(col("i").quantile(0.5, "cubic")), "no interpolation"),
    (lambda f: f.select(col("s").quantile(0.5)), "quantile takes values that have an order"),
    (lambda f: f.select(col("s").implode().distinct().order_by("i")), "ordered by its argument only"),
    (lambda f: f.select(gm.cov("i", "s")), "cov takes numbers"),
    (lambda f: f.select(col("i").distinct()), "no function \"distinct\""),
    (lambda f: f.select(col("i").sum().filter(col("i"))), "a filter of an aggregate is a bool"),
])
def test_plan_errors(query: Callable[[gm.Frame], gm.Frame], message: str) -> None:
    with pytest.raises(gm.PlanError, match=re.escape(message)):
        query(gm.from_pydict({"i": [1], "s": ["x"]})).collect()


def test_a_filter_guards_its_argument_and_may_fail_itself() -> None:
    frame = gm.from_pydict({"k": [1, 1, 2], "a": [6, 5, 4], "b": [2, 0, 1]})
    whole = (col("a") // col("b")).sum()
    assert frame.group_by("k").agg(whole.filter(col("b") != 0).alias("x")).collect().to_pydict() == {"k": [1, 2], "x": [3, 4]}
    for settings in SETTINGS:
        with pytest.raises(gm.DataError, match="division by zero"):
            frame.group_by("k").agg(col("a").implode().filter(col("a") // col("b") > 0)).collect(**settings)
    with pytest.raises(gm.DataError, match="integer overflow in product"):
        gm.from_pydict({"x": [2**40, 2**40]}).select(col("x").product()).collect()
    assert gm.from_pydict({"x": [2**40, 2**40, 0]}).select(col("x").product()).collect().to_pydict() == {"x": [0]}


def test_plans_carry_what_aggregates_say(tmp_path: Path) -> None:
    gm.from_pydict({"k": [1, 1], "x": [2, 1], "s": ["a", "b"]}).sink_parquet(tmp_path / "t.parquet")
    frame = gm.scan_parquet(str(tmp_path / "t.parquet"))
    query = frame.group_by("k").agg(col("s").str.join("-").order_by("x", descending=True).filter(col("x") > 0).alias("j"), col("x").quantile(0.25).alias("q"),
                                    col("x").sum().distinct().alias("d"))
    text = query.explain()
    assert "string_agg(s, separator=- order by x desc) filter (where x > 0) as j" in text.replace("'", "")
    assert "sum(distinct x)" in text and "q=0.25" in text
    assert gm.deserialize(query.serialize()).collect().to_pylist() == query.collect().to_pylist() == [{"k": 1, "j": "a-b", "q": 1.25, "d": 3}]


EXAMPLE = pa.table({"x": [3, 1, None, 3], "y": [1, 2, 3, 4], "s": ["a", None, "b", "a"]})


@pytest.mark.parametrize("aggregate", _engine.aggregates(), ids=lambda a: a["name"])
def test_example(aggregate: dict[str, str]) -> None:
    text, _, want = aggregate["example"].rpartition(" -> ")
    names = {n: getattr(gm, n) for n in gm.__all__}
    got = gm.from_arrow(EXAMPLE).select(eval(text, {"__builtins__": {}}, names).alias("v")).collect().to_pydict()["v"][0]
    assert repr(got).replace("None", "null").replace("True", "true") == want


def test_every_aggregate_is_a_method_or_a_function() -> None:
    source = Path(gm.expr.__file__).read_text() + Path(gm.namespaces.__file__).read_text()
    for a in _engine.aggregates():
        assert f'"{a["name"]}"' in source, a["name"]


@pytest.mark.parametrize("keys", [("a",), ("a", "b")])
@pytest.mark.parametrize("options", [dict(num_workers=1), dict(num_workers=3, chunk_rows=5000, min_parallel_rows=0), dict(num_workers=2, batch_rows=100)])
def test_keys_that_stand_in_runs_and_then_do_not(keys: tuple[str, ...], options: dict) -> None:
    rng = random.Random(5)
    rows = [(k * 1_000_003, k // 7 * 999_983) for k in range(6000) for _ in range(rng.randrange(1, 9))]
    rows += rng.sample(rows, len(rows))  # the same groups again, in no order
    table = pa.table({"a": [a for a, _ in rows], "b": [b for _, b in rows], "v": list(range(len(rows)))})
    expected: dict[tuple[int, ...], int] = {}
    for v, row in enumerate(rows):
        key = row[: len(keys)]
        expected[key] = expected.get(key, 0) + v
    out = gm.from_arrow(table).group_by(*keys).agg(total=gm.col("v").sum()).collect(gm.ParallelOptions(**options)).to_arrow()
    assert list(zip(*[out[k].to_pylist() for k in keys])) == list(expected)
    assert out["total"].to_pylist() == list(expected.values())
