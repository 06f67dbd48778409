"""Mathematics against Python's math, numpy and DuckDB."""

from __future__ import annotations

import decimal
import math
import random
from typing import Callable

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import gristmill as gm
from function_shapes import choices, each, evaluate, expect
from gristmill import col

ODD = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-300, 5e-324, 1e300, -1e300, 1.7976931348623157e308, math.inf, -math.inf, math.nan, 27.0, 1024.0, 100.0, math.pi]
BIG = [0, 1, -1, 2, 12, 18, -7, 255, 2**31, -(2**31), 2**62, 2**63 - 1, -(2**63) + 1, -(2**63)]


def data(seed: int) -> tuple[pa.Table, dict[str, list]]:
    rng = random.Random(seed)
    n = 150
    c = {"x": [v if rng.random() > 0.4 or v is None else rng.uniform(-50, 50) for v in choices(rng, n, ODD)],
         "y": [v if rng.random() > 0.4 or v is None else rng.uniform(-5, 5) for v in choices(rng, n, ODD)],
         "i": choices(rng, n, BIG), "j": choices(rng, n, BIG), "k": choices(rng, n, [0, 1, 2, 5, 13, 20]), "u": choices(rng, n, [0, 1, 7, 200, 255])}
    types = {"x": pa.float64(), "y": pa.float64(), "i": pa.int64(), "j": pa.int64(), "k": pa.int8(), "u": pa.uint8()}
    return pa.table({name: pa.array(v, types[name], from_pandas=False) for name, v in c.items()}), c


def ieee(f: Callable[..., float]) -> Callable[..., float]:
    def call(*args: float) -> float:
        with np.errstate(all="ignore"):
            return float(f(*(np.float64(a) for a in args)))
    return call


@pytest.mark.parametrize("seed", [5, 404])
def test_floats_agree_with_numpy(seed: int) -> None:
    t, c = data(seed)
    x = col("x")
    for name, f in {"cbrt": np.cbrt, "log2": np.log2, "log1p": np.log1p, "expm1": np.expm1, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh,
                    "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "degrees": np.degrees, "radians": np.radians,
                    "sin": np.sin, "cos": np.cos, "tan": np.tan, "trunc": np.trunc, "exp": np.exp, "log10": np.log10}.items():
        expect(t, gm.call(name, x), each(ieee(f), c["x"]), seed, tolerance=1e-14)
    expect(t, gm.atan2(x, col("y")), each(ieee(np.arctan2), c["x"], c["y"]), seed, tolerance=1e-14)
    expect(t, x.is_infinite(), each(math.isinf, c["x"]), seed)
    expect(t, x.is_finite(), each(math.isfinite, c["x"]), seed)
    expect(t, x.abs().log(3), each(ieee(lambda v: np.log(np.abs(v)) / np.log(3)), c["x"]), seed, tolerance=1e-14)
    expect(t, x.clip(-1, 2), each(lambda v: v if math.isnan(v) else min(max(v, -1.0), 2.0), c["x"]), seed)
    expect(t, gm.call("clip", x, col("y"), 2.0), [None if a is None else a if math.isnan(a) else 2.0 if a > 2 else b if b is not None and (a < b or math.isnan(b)) else a
                                                  for a, b in zip(c["x"], c["y"])], seed)


@pytest.mark.parametrize("seed", [5, 404])
def test_integers_agree_with_python(seed: int) -> None:
    t, c = data(seed)
    i, j, k = col("i"), col("j"), col("k")
    wrap = lambda v: (v + 2**63) % 2**64 - 2**63  # noqa: E731
    small = lambda v: max(min(v, 10**9), -(10**9))  # noqa: E731
    cases = [
        (i.bit_and(j), each(lambda a, b: a & b, c["i"], c["j"])), (i.bit_or(j), each(lambda a, b: a | b, c["i"], c["j"])),
        (i.bit_xor(j), each(lambda a, b: a ^ b, c["i"], c["j"])), (i.bit_not(), each(lambda a: ~a, c["i"])),
        (i.shift_left(k), each(lambda a, b: wrap(a << b), c["i"], c["k"])), (i.shift_right(k), each(lambda a, b: a >> b, c["i"], c["k"])),
        (col("u").bit_not(), each(lambda a: 255 - a, c["u"])), (col("u").bit_xor(k), each(lambda a, b: a ^ b, c["u"], c["k"])),
        (k.factorial(), each(math.factorial, c["k"])),
        (i.clip(-(10**9), 10**9).gcd(k), each(lambda a, b: math.gcd(small(a), b), c["i"], c["k"])),
        (i.clip(-(10**9), 10**9).lcm(k), each(lambda a, b: math.lcm(small(a), b), c["i"], c["k"])),
        (i.clip(None, 5), each(lambda a: min(a, 5), c["i"])), (i.trunc(-2), each(lambda a: int(math.copysign(abs(a) // 100 * 100, a)) if abs(a) < 2**50 else
                                                                                  (abs(a) // 100 * 100) * (1 if a > 0 else -1), c["i"])),
    ]
    for expr, expected in cases:
        expect(t, expr, expected, seed)


def test_sql_agrees_with_duckdb() -> None:
    seed = 8
    t, _ = data(seed)
    for sql in ["cbrt(x)", "log2(abs(x))", "log(abs(x))", "log(2, abs(y))", "degrees(x)", "radians(x)", "pi()", "gcd(k, u)", "lcm(k, u)", "xor(k, u)", "i & j", "i | j", "u::bigint << 3", "i >> 2",
                "isinf(x)", "isfinite(x)", "trunc(y)", "atan2(x, y)", "sinh(y)", "factorial(k)", "abs(k)", "greatest(x, y)", "least(k, u)"]:
        if sql.startswith("log"):
            sql = f"case when abs(x) > 0 and abs(y) > 0 then {sql} end"
        ours = gm.sql(f"select {sql} as x from t", t=t).collect().to_arrow().column("x").to_pylist()
        theirs = duckdb.sql(f"select {sql} as x from t").arrow().read_all().column("x").to_pylist()
        wrong = [(t.slice(n, 1).to_pylist(), a, b) for n, (a, b) in enumerate(zip(ours, theirs))
                 if a != b and not (isinstance(a, float) and isinstance(b, float) and (math.isnan(a) and math.isnan(b) or math.isclose(a, b, rel_tol=1e-14)))]
        assert not wrong, f"seed {seed}: {sql}: {wrong[:4]}"


def test_decimals_are_truncated() -> None:
    t = pa.table({"d": pa.array([decimal.Decimal("12.349"), decimal.Decimal("-12.349"), None, decimal.Decimal("0.001")], pa.decimal128(8, 3))})
    assert evaluate(t, col("d").trunc(1)) == [decimal.Decimal("12.3"), decimal.Decimal("-12.3"), None, decimal.Decimal("0.0")]
    assert evaluate(t, col("d").trunc()) == [decimal.Decimal("12"), decimal.Decimal("-12"), None, decimal.Decimal("0")]
    assert evaluate(t, col("d").trunc(-1)) == [decimal.Decimal("10"), decimal.Decimal("-10"), None, decimal.Decimal("0")]


@pytest.mark.parametrize("expr, message", [
    (col("n").factorial(), "the factorial of 21"), ((-col("n")).factorial(), "no factorial of -21"), (col("b").lcm(col("b") - 1), "integer overflow: lcm\\("),
    (col("n").shift_left(64), "a shift by 64 is outside 0 to 63"), (col("n").shift_left(-1), "a shift by -1 is outside"), (col("m").gcd(0), "integer overflow: gcd"),
])
def test_what_does_not_fit_is_an_error(expr: gm.Expr, message: str) -> None:
    t = gm.from_pydict({"n": [21], "b": [2**62], "m": [-(2**63)]})
    with pytest.raises(gm.DataError, match=message):
        t.select(expr.alias("r")).collect()


def test_hash_is_stable_and_by_value() -> None:
    t = pa.table({"a": pa.array([1, 2, None, 1]), "s": ["x", "", None, "x"], "f": [0.0, math.nan, None, -0.0]})
    one, two, f = evaluate(t, col("a").hash()), evaluate(t, col("a").hash(col("s"))), evaluate(t, col("f").hash())
    assert one[0] == one[3] and two[0] == two[3] and f[0] == f[3] and None not in one + two + f
    assert len(set(one)) == 3 and len(set(two)) == 3 and len(set(f)) == 3 and one != two
    assert evaluate(pa.table({"a": [1, 2]}), col("a").hash()) == one[:2]
