#!/usr/bin/env python3
"""Compares exact sums, variances and correlations with Python's fractions.

    tests/fuzz/exact_oracle.py build/release/bin/column_test --seconds 20 --seed 1

Every answer must have the bits of the exact rational (or its root) rounded once. Prints the seed and the
question when one differs, and exits with 1.
"""

import argparse
import math
import os
import random
import struct
import subprocess
import sys
import time
from fractions import Fraction

SINGLE = ["sum", "mean", "var0", "var1", "std0", "std1"]
PAIRS = ["cov0", "cov1", "corr", "slope", "intercept"]


def bits_of(x: float) -> str:
    return struct.pack(">d", x).hex()


def rounded(value: Fraction) -> float:
    try:
        return value.numerator / value.denominator  # integers divide with one rounding
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def rounded_root(value: Fraction) -> float:
    if value == 0:
        return 0.0
    scale = max(0, 300 - (value.numerator.bit_length() - value.denominator.bit_length()))
    scale += scale % 2
    whole, rest = divmod(value.numerator << scale, value.denominator)
    root = math.isqrt(whole)
    sticky = rest != 0 or root * root != whole
    return rounded(Fraction(2 * root + sticky, 1 << (scale // 2 + 1)))


def centred(n: int, a: list[Fraction], b: list[Fraction]) -> Fraction:
    return n * sum((p * q for p, q in zip(a, b)), Fraction()) - sum(a, Fraction()) * sum(b, Fraction())


def expected_sum(operation: str, x: list[float]) -> float:
    if any(math.isnan(v) for v in x) or (math.inf in x and -math.inf in x):
        return math.nan
    for special in (math.inf, -math.inf):
        if special in x:
            return special
    total = sum(map(Fraction, x), Fraction())
    return rounded(total if operation == "sum" else total / len(x))


def expected(operation: str, values: list[float]) -> float | None:
    if operation in ("sum", "mean"):
        return expected_sum(operation, values)
    pairs = operation in PAIRS
    n = len(values) // 2 if pairs else len(values)
    ddof = int(operation[-1]) if operation[-1].isdigit() else 0
    if n <= ddof:
        return None
    if not all(map(math.isfinite, values)):
        return math.nan
    x = list(map(Fraction, values[::2] if pairs else values))
    y = list(map(Fraction, values[1::2] if pairs else values))
    if operation[:3] in ("var", "cov"):
        return rounded(centred(n, x, y) / (n * (n - ddof)))
    if operation[:3] == "std":
        return rounded_root(centred(n, x, x) / (n * (n - ddof)))
    sxx, sxy, syy = centred(n, x, x), centred(n, x, y), centred(n, y, y)
    if sxx == 0 or (operation == "corr" and syy == 0):
        return math.nan
    if operation == "slope":
        return rounded(sxy / sxx)
    if operation == "intercept":
        return rounded((sum(y) - sxy / sxx * sum(x)) / n)
    root = rounded_root(sxy * sxy / (sxx * syy))
    return -root if sxy < 0 else root


def draw(rng: random.Random, shape: str) -> float:
    if shape == "any":
        return struct.unpack(">d", rng.randbytes(8))[0]
    if shape == "finite":
        return math.ldexp(rng.uniform(-1, 1), rng.randint(-1074, 1023))
    if shape == "subnormal":
        return math.ldexp(rng.randint(-(1 << 52), 1 << 52), -1074)
    if shape == "price":
        return round(rng.uniform(-1e6, 1e6), 2)
    if shape == "near":
        return 1e9 + rng.randint(0, 5)
    return rng.choice([0.0, -0.0, 1.0, -1.0, 5e-324, 1.7976931348623157e308, rng.gauss(0, 1)])


def question(rng: random.Random) -> tuple[str, list[float]]:
    operation = rng.choice(SINGLE + PAIRS)
    shape = rng.choice(["any", "finite", "subnormal", "price", "near", "few"])
    n = rng.choice([1, 2, 3, rng.randint(1, 60)]) * (2 if operation in PAIRS else 1)
    values = [draw(rng, shape) for _ in range(n)]
    if shape == "any" and rng.random() < 0.9:
        values = [v if math.isfinite(v) else 1.5 for v in values]
    if rng.random() < 0.2 and operation in SINGLE:  # cancels down to one value
        values = values + [-v for v in values[1:]]
        rng.shuffle(values)
    return operation, values


def same(answer: str, value: float | None) -> bool:
    if value is None or answer == "none":
        return value is None and answer == "none"
    if math.isnan(value):
        return math.isnan(struct.unpack(">d", bytes.fromhex(answer.zfill(16)))[0])
    return int(answer, 16) == int(bits_of(value), 16)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the column_test program")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    child = subprocess.Popen(
        [options.program, "--gtest_filter=ExactOracle.*"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "GRISTMILL_EXACT_ORACLE": "1"},
    )
    end = time.monotonic() + options.seconds
    asked = 0
    while time.monotonic() < end:
        operation, values = question(rng)
        print(operation, *map(bits_of, values), file=child.stdin, flush=True)
        answer = ""
        while not answer.startswith("= "):  # skips what the test framework prints
            answer = child.stdout.readline()
            if not answer:
                print(f"the program ended; seed {options.seed}, question {asked}: {operation} {values}", file=sys.stderr)
                return 1
        value = expected(operation, values)
        if not same(answer[2:].strip(), value):
            got, want = answer[2:].strip(), "none" if value is None else bits_of(value)
            print(f"seed {options.seed}, question {asked}: {operation} {values}\n got {got}\nwant {want}", file=sys.stderr)
            return 1
        asked += 1
    child.stdin.close()
    child.wait()
    print(f"{asked} questions, every answer exact (seed {options.seed})")
    return 0 if asked > 0 and child.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
