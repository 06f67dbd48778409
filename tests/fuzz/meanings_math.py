"""Functions of numbers: those of floats by C's library, which Python has too, to some digits."""

from __future__ import annotations

import ctypes
import math
from typing import Callable

import pyarrow as pa

from meaning import BOOL, FLOAT64, INT64, STRING, OneOf, Within, first_type, meaning
from values import limits

_LIBM = ctypes.CDLL("libm.so.6")


def libm(name: str, arguments: int = 1) -> Callable[..., float]:
    f = getattr(_LIBM, name)
    f.restype, f.argtypes = ctypes.c_double, [ctypes.c_double] * arguments
    return f


def quotient(a: float, b: float) -> float:
    if b != 0:
        return a / b
    return math.nan if a == 0 or a != a else math.copysign(math.inf, a) * math.copysign(1.0, b)


_log = libm("log")
for _name, _c in {"ln": "log", "log10": "log10", "log2": "log2", "log1p": "log1p", "exp": "exp", "expm1": "expm1", "cbrt": "cbrt", "sin": "sin", "cos": "cos", "tan": "tan",
                  "asin": "asin", "acos": "acos", "atan": "atan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "asinh": "asinh", "acosh": "acosh",
                  "atanh": "atanh"}.items():
    meaning(_name, ("double",), FLOAT64, libm(_c), loose=True)
meaning("cot", ("double",), FLOAT64, lambda v, tan=libm("tan"): quotient(1.0, tan(v)), loose=True)
meaning("degrees", ("double",), FLOAT64, lambda v: v * (180 / math.pi), loose=True)
meaning("radians", ("double",), FLOAT64, lambda v: v * (math.pi / 180), loose=True)
meaning("atan2", ("double", "double"), FLOAT64, libm("atan2", 2), loose=True)
meaning("pow", ("double", OneOf((0.5, 2.0, -1.0, 3.0))), FLOAT64, libm("pow", 2), loose=True)
meaning("log", ("double", OneOf((3.0, 10.0, 2.5))), FLOAT64, lambda v, base: quotient(_log(v), _log(base)), loose=True)
meaning("pi", (), FLOAT64, lambda: math.pi)
meaning("trunc", ("double",), FLOAT64, libm("trunc"))
meaning("clip", ("double", OneOf((0.0, -1.5)), OneOf((100.0, 2.5))), FLOAT64, lambda v, low, high: v if v != v else min(max(v, low), high))
meaning("is_infinite", ("double",), BOOL, math.isinf)
meaning("round_significant", ("double", OneOf((1, 4, 9))), FLOAT64, lambda v, n: float(f"{v:.{n}g}"))


def wrapped(v: int, t: pa.DataType) -> int:
    v &= (1 << t.bit_width) - 1
    return v - (1 << t.bit_width) if limits(t)[0] < 0 and v >> (t.bit_width - 1) else v


meaning("bit_and", ("integer", OneOf((0, 1, 5, 100))), first_type, lambda a, b: a & b)
meaning("bit_or", ("integer", OneOf((0, 1, 5, 100))), first_type, lambda a, b: a | b)
meaning("bit_xor", ("integer", OneOf((0, 1, 5, 100))), first_type, lambda a, b: a ^ b)
meaning("bit_not", ("integer",), first_type, lambda t: lambda a: wrapped(~a, t[0]), typed=True)
meaning("shift_left", ("integer", OneOf((0, 1, 7))), first_type, lambda t: lambda a, n: wrapped(a << n, t[0]), typed=True)
meaning("shift_right", ("integer", OneOf((0, 1, 7))), first_type, lambda a, n: a >> n)
meaning("gcd", (Within(-50, 49), Within(0, 99)), INT64, math.gcd)
meaning("lcm", (Within(-50, 49), Within(0, 99)), INT64, math.lcm)
meaning("factorial", (Within(0, 20),), INT64, math.factorial)
meaning("sql_div", ("integer", OneOf((1, 3, 7, 100))), first_type, lambda a, b: abs(a) // b * (1 if a >= 0 else -1))
meaning("sql_mod", ("integer", OneOf((1, 3, 7, 100))), first_type, lambda a, b: abs(a) % b * (1 if a >= 0 else -1))
meaning("fill_null", ("text", "text"), STRING, lambda a, b: b if a is None else a, nulls=True)
