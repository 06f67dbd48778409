"""What an expression means, one row at a time: the slow and plain twin of the engine's evaluator.

`compile_row(x, columns)` gives a function from a row of raw values to the raw result. A value that cannot be computed
raises RowError; NULL is None. `and`, `or`, `case`, `coalesce` look at an argument only if those before it left it open.
"""

from __future__ import annotations

import ctypes
import math
import re
from functools import lru_cache
from zoneinfo import ZoneInfo

import pyarrow as pa

from expressions import X, as_decimal, common, common_of, type_beside
from meanings import MEANINGS
from values import UNITS, kind, limits, normal, order_key


class RowError(Exception):
    """This row has no value: overflow, division by zero, a cast that does not fit."""


class Poison:
    """Stands where a value or a row would be that could not be computed."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def single(v: float) -> float:
    return ctypes.c_float(v).value


def divided(n: int, d: int) -> float:
    try:
        return n / d
    except OverflowError:
        return math.inf if (n < 0) == (d < 0) else -math.inf


def rounded_away(n: int, d: int) -> int:
    q, r = divmod(abs(n), d)
    return (q + (2 * r >= d)) * (1 if n >= 0 else -1)


def checked(v: int, t: pa.DataType) -> int:
    """v if it is a value of the integer or decimal type."""
    if kind(t) == "decimal":
        if abs(v) >= 10**t.precision:
            raise RowError(f"decimal overflow {v}")
        return v
    low, high = limits(t)
    if not low <= v <= high:
        raise RowError(f"integer overflow {v}")
    return v


def range64(v: int) -> int:
    if not -(2**63) <= v < 2**63:
        raise RowError("time out of range")
    return v


# Casts ---------------------------------------------------------------------------------------------------------------


def caster(a: pa.DataType, b: pa.DataType):
    """A function from a non-null value of type a to one of type b; None: nothing to do."""
    if a == b or a == pa.null():
        return None
    ka, kb = kind(a), kind(b)
    if kb == "float":
        fit = single if b == pa.float32() else lambda v: v
        if ka == "decimal":
            return lambda v: fit(divided(v, 10**a.scale))
        return lambda v: fit(float(v))
    if kb == "int":
        if ka == "float":
            return lambda v: checked(_truncated(v), b)
        if ka == "decimal":
            return lambda v: checked(abs(v) // 10**a.scale * (1 if v >= 0 else -1), b)
        if ka == "string":
            return lambda v: checked(_parsed(v), b)
        if ka in ("int", "bool"):
            return lambda v: checked(int(v), b)
        return lambda v: checked(v, b)
    if kb == "decimal" and ka in ("int", "decimal"):
        shift = b.scale - (a.scale if ka == "decimal" else 0)
        return lambda v: checked(v * 10**shift if shift >= 0 else rounded_away(v, 10**-shift), b)
    if kb == "bool":
        return lambda v: v != 0
    if kb == "string":
        return (lambda v: "true" if v else "false") if ka == "bool" else str
    if kb == "timestamp" and ka == "date":
        return lambda v: range64(v * 86400 * UNITS[b.unit])
    if kb == "timestamp" and ka == "timestamp":
        x, y = UNITS[a.unit], UNITS[b.unit]
        return (lambda v: range64(v * (y // x))) if y >= x else (lambda v: v // (x // y))
    raise TypeError(f"no cast from {a} to {b}")


def _truncated(v: float) -> int:
    if not math.isfinite(v):
        raise RowError("not finite")
    return math.trunc(v)


def _parsed(s: str) -> int:
    s = s.strip(" \t\n\v\f\r")
    if not re.fullmatch(r"(\+|-)?[0-9]+", s, re.ASCII):
        raise RowError("not an integer")
    return int(s)


# Functions of values that are there ----------------------------------------------------------------------------------


def _float_divide(a: float, b: float) -> float:
    if b != 0:
        return a / b
    return math.nan if a == 0 or a != a else math.copysign(math.inf, a) * math.copysign(1.0, b)


def _float_floor(v: float) -> float:
    return v if not math.isfinite(v) or v == 0 else float(math.floor(v))


def _float_ceil(v: float) -> float:
    return v if not math.isfinite(v) or v == 0 else math.copysign(float(math.ceil(v)), v)


def _float_round(v: float) -> float:
    if not math.isfinite(v):
        return v
    t = math.copysign(float(math.trunc(v)), v)
    return t + math.copysign(1.0, v) if abs(v - t) >= 0.5 else t


def _float_mod(a: float, b: float) -> float:
    if a != a or b != b or math.isinf(a) or b == 0:
        return math.nan
    r = math.fmod(a, b)
    return r + b if r != 0 and (r < 0) != (b < 0) else r


def _not_zero(b: int) -> int:
    if b == 0:
        raise RowError("division by zero")
    return b


FLOAT_OPS = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": _float_divide, "mod": _float_mod}
EXACT_OPS = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "floor_div": lambda a, b: a // _not_zero(b),
             "mod": lambda a, b: a % _not_zero(b)}


def arithmetic(x: X):
    """(function, type the first argument is cast to, the second's)."""
    a, b = x.args
    if kind(a.type) == "date":
        return (lambda v, n: _days(v + n)), a.type, b.type
    t = x.type
    if kind(t) == "float":
        fit = single if t == pa.float32() else None
        if x.op == "floor_div":
            return (lambda p, q: _float_floor(fit(_float_divide(p, q)) if fit else _float_divide(p, q))), t, t
        op = FLOAT_OPS[x.op]
        return (op if fit is None else lambda p, q: fit(op(p, q))), t, t
    op = EXACT_OPS[x.op]
    if kind(t) == "int":
        return (lambda p, q: checked(op(p, q), t) if x.op != "mod" else op(p, q)), t, t
    ta, tb = as_decimal(type_beside(a, b, False)), as_decimal(type_beside(b, a, False))
    if x.op != "mul":
        scale = max(ta.scale, tb.scale)
        ta, tb = (pa.decimal128(min(38, u.precision - u.scale + scale), scale) for u in (ta, tb))
    return (lambda p, q: checked(op(p, q), pa.decimal128(38, 0)) if x.op != "mod" else op(p, q)), ta, tb


def _days(v: int) -> int:
    if not -(2**31) <= v < 2**31:
        raise RowError("time out of range")
    return v


def one_number(x: X):
    t = x.type
    if kind(x.args[0].type) == "float" and x.op != "sqrt":
        return {"neg": lambda v: -v, "abs": abs, "floor": _float_floor, "ceil": _float_ceil, "round": _float_round,
                "sign": lambda v: v if v != v else float((v > 0) - (v < 0))}[x.op], t
    if x.op == "sqrt":
        return (lambda v: math.nan if v < 0 or v != v else math.sqrt(v)), t
    if x.op == "sign":
        return (lambda v: (v > 0) - (v < 0)), None
    return (lambda v: checked(-v if x.op == "neg" else abs(v), t)), t


BLANKS = " \t\n\v\f\r"


def _mapped(s: str, upper: bool) -> str:
    return "".join(c.upper() if upper else c.lower() for c in s)


def _substring(s: str, start: int, length: int | None = None) -> str:
    begin = start if start >= 0 else max(len(s) + start, 0)
    return s[begin:] if length is None else s[begin : begin + max(length, 0)]


@lru_cache(maxsize=256)
def like_pattern(pattern: str) -> re.Pattern:
    out, escaped = [], False
    for c in pattern:
        if escaped or c not in "%_\\":
            out.append(re.escape(c))
            escaped = False
        elif c == "\\":
            escaped = True
        else:
            out.append(".*" if c == "%" else ".")
    return re.compile("".join(out), re.DOTALL)


TEXT = {
    "str.upper": lambda s: _mapped(s, True),
    "str.lower": lambda s: _mapped(s, False),
    "str.trim": lambda s: s.strip(BLANKS),
    "str.length": len,
    "str.octet_length": lambda s: len(s.encode()),
    "str.contains": lambda s, t: t in s,
    "str.starts_with": str.startswith,
    "str.ends_with": str.endswith,
    "str.like": lambda s, p: like_pattern(p).fullmatch(s) is not None,
    "str.substring": _substring,
    "str.replace": lambda s, old, new: s.replace(old, new) if old else s,
    "str.concat": lambda s, t: s + t,
}


# Times ---------------------------------------------------------------------------------------------------------------


def civil(days: int) -> tuple[int, int, int]:
    z = days + 719468
    era, doe = divmod(z, 146097)
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    month = mp + 3 if mp < 10 else mp - 9
    return yoe + era * 400 + (month <= 2), month, doy - (153 * mp + 2) // 5 + 1


def days_of(year: int, month: int, day: int) -> int:
    y = year - (month <= 2)
    era, yoe = divmod(y, 400)
    doy = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719468


@lru_cache(maxsize=8)
def zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def local_seconds(v: int, t: pa.DataType) -> int:
    """Seconds since 1970 on the wall's clock."""
    if kind(t) == "date":
        return v * 86400
    seconds = v // UNITS[t.unit]
    if t.tz in (None, "UTC"):
        return seconds
    import datetime

    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).astimezone(zone(t.tz))
    return seconds + int(moment.utcoffset().total_seconds())


def _day_part(name: str):
    def part(days: int) -> int:
        if name == "weekday":
            return (days + 3) % 7 + 1
        year, month, day = civil(days)
        return {"year": year, "month": month, "day": day, "quarter": (month + 2) // 3, "dayofyear": days - days_of(year, 1, 1) + 1}[name]

    return part


def truncated_days(days: int, unit: str) -> int:
    if unit == "week":
        return days - (days + 3) % 7
    if unit == "day":
        return days
    year, month, _ = civil(days)
    return days_of(year, {"year": 1, "quarter": (month - 1) // 3 * 3 + 1, "month": month}[unit], 1)


def temporal(x: X):
    t, name = x.args[0].type, x.op[3:]
    per_second = 1 if kind(t) == "date" else UNITS[t.unit]
    if name in ("hour", "minute", "second"):
        size, count = {"hour": (3600, 24), "minute": (60, 60), "second": (1, 60)}[name]
        return lambda v: local_seconds(v, t) // size % count
    if name == "date":
        return lambda v: local_seconds(v, t) // 86400
    if name == "epoch":
        return lambda v: v * 86400 if kind(t) == "date" else v // per_second
    if name == "truncate":
        unit = x.extra
        if kind(t) == "date":
            return lambda v: v if unit in ("day", "hour", "minute", "second") else truncated_days(v, unit)
        if unit in ("hour", "minute", "second"):
            step = per_second * {"hour": 3600, "minute": 60, "second": 1}[unit]
            return lambda v: v // step * step
        return lambda v: truncated_days(v // (86400 * per_second), unit) * 86400 * per_second
    part = _day_part(name)
    return lambda v: part(local_seconds(v, t) // 86400)


# Expressions ---------------------------------------------------------------------------------------------------------

COMPARE = {"eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "lt": lambda a, b: a < b, "le": lambda a, b: a <= b, "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b}


class Compiler:
    def __init__(self, names: list[str], poisoned: bool) -> None:
        self.index = {n: i for i, n in enumerate(names)}
        self.poisoned = poisoned

    def compile(self, x: X):
        if x.op == "col":
            i = self.index[x.extra]
            return self._guarded(i) if self.poisoned else lambda row: row[i]
        if x.op in ("lit", "typed"):
            v = x.extra
            return lambda row: v
        return getattr(self, "_" + x.op, self._plain)(x)

    @staticmethod
    def _guarded(i: int):
        def read(row):
            v = row[i]
            if v.__class__ is Poison:
                raise RowError(v.reason)
            return v

        return read

    def converted(self, x: X, t: pa.DataType | None):
        f = self.compile(x)
        cast = None if t is None else caster(x.type, t)
        if cast is None:
            return f

        def convert(row):
            v = f(row)
            return None if v is None else cast(v)

        return convert

    def _plain(self, x: X):
        """A function that is NULL if an argument is."""
        if x.op in MEANINGS:
            return self._meant(x)
        if x.op in FLOAT_OPS or x.op == "floor_div":
            op, *types = arithmetic(x)
        elif x.op in ("neg", "abs", "floor", "ceil", "round", "sqrt", "sign"):
            op, t = one_number(x)
            types = [t]
        elif x.op.startswith("dt."):
            op, types = temporal(x), [None]
        elif x.op in ("is_nan", "is_finite"):
            op, types = (lambda v: v != v) if x.op == "is_nan" else math.isfinite, [pa.float64()]
        else:
            op, types = TEXT[x.op], [None] * len(x.args)
        args = [self.converted(a, t) for a, t in zip(x.args, types)]
        if len(args) == 1:
            (f,) = args

            def one(row):
                v = f(row)
                return None if v is None else op(v)

            return one

        def many(row):
            values = [f(row) for f in args]
            return None if None in values else op(*values)

        return many

    def _meant(self, x: X):
        m = MEANINGS[x.op]
        op = m.of([a.type for a in x.args]) if m.typed else m.of
        args = [self.compile(a) for a in x.args]

        def call(row):
            values = [f(row) for f in args]
            return None if not m.nulls and None in values else op(*values)

        return call

    def _cast(self, x: X):
        return self.converted(x.args[0], x.type)

    def _try_cast(self, x: X):
        f, cast = self.compile(x.args[0]), caster(x.args[0].type, x.type)

        def attempt(row):
            v = f(row)
            try:
                return None if v is None else cast(v)
            except RowError:
                return None

        return attempt

    def _keys(self, args: list[X]):
        """Functions to values of the common type that Python compares as the engine does."""
        t = common_of(args, True)
        floats = t is not None and kind(t) == "float"
        parts = [self.converted(a, t) for a in args]
        return [(lambda row, f=f: None if (v := f(row)) is None else order_key(v)) if floats else f for f in parts]

    def _compare(self, x: X):
        a, b = self._keys(x.args)
        op = COMPARE[x.op]

        def compare(row):
            p, q = a(row), b(row)
            return None if p is None or q is None else op(p, q)

        return compare

    _eq = _ne = _lt = _le = _gt = _ge = _compare

    def _is_distinct_from(self, x: X):
        a, b = self._keys(x.args)
        return lambda row: a(row) != b(row)

    def _is_not_distinct_from(self, x: X):
        a, b = self._keys(x.args)
        return lambda row: a(row) == b(row)

    def _between(self, x: X):
        value, low, high = self._keys(x.args)

        def between(row):
            v, p, q = value(row), low(row), high(row)
            if v is None:
                return None
            if (p is not None and v < p) or (q is not None and v > q):
                return False
            return None if p is None or q is None else True

        return between

    def _is_in(self, x: X):
        value, *items = self._keys(x.args)

        def is_in(row):
            v = value(row)
            if v is None:
                return None
            others = [f(row) for f in items]
            return True if v in [o for o in others if o is not None] else None if None in others else False

        return is_in

    def _and(self, x: X):
        a, b = map(self.compile, x.args)

        def conjunction(row):
            p = a(row)
            if p is False:
                return False
            q = b(row)
            return False if q is False else None if p is None or q is None else True

        return conjunction

    def _or(self, x: X):
        a, b = map(self.compile, x.args)

        def disjunction(row):
            p = a(row)
            if p is True:
                return True
            q = b(row)
            return True if q is True else None if p is None or q is None else False

        return disjunction

    def _not(self, x: X):
        f = self.compile(x.args[0])
        return lambda row: None if (v := f(row)) is None else not v

    def _is_null(self, x: X):
        f = self.compile(x.args[0])
        return lambda row: f(row) is None

    def _is_not_null(self, x: X):
        f = self.compile(x.args[0])
        return lambda row: f(row) is not None

    def _case(self, x: X):
        pairs = [(self.compile(x.args[i]), self.converted(x.args[i + 1], x.type)) for i in range(0, len(x.args) - 1, 2)]
        other = self.converted(x.args[-1], x.type) if len(x.args) % 2 else lambda row: None

        def case(row):
            for condition, value in pairs:
                if condition(row):
                    return value(row)
            return other(row)

        return case

    def _coalesce(self, x: X):
        args = [self.converted(a, x.type) for a in x.args]

        def coalesce(row):
            for f in args:
                if (v := f(row)) is not None:
                    return v
            return None

        return coalesce

    def _nullif(self, x: X):
        t = common_of(x.args, True)
        a, b = (self.converted(v, t) for v in x.args)

        def nullif(row):
            p, q = a(row), b(row)
            return None if p is not None and q is not None and order_key(p) == order_key(q) else p

        return nullif

    def _extreme(self, x: X):
        args = [self.converted(a, x.type) for a in x.args]
        greatest = x.op == "greatest"

        def extreme(row):
            best = None
            for f in args:
                v = f(row)
                if v is not None and (best is None or (order_key(v) > order_key(best) if greatest else order_key(v) < order_key(best))):
                    best = v
            return best

        return extreme

    _greatest = _least = _extreme


def compile_row(x: X, names: list[str], poisoned: bool = False):
    return Compiler(names, poisoned).compile(x)


def compile_keys(keys: list[tuple[X, pa.DataType]], names: list[str], poisoned: bool):
    """A function from a row to a tuple in which equal keys are equal objects."""
    compiler = Compiler(names, poisoned)
    parts = [compiler.converted(x, t) for x, t in keys]
    return lambda row: tuple([normal(f(row)) for f in parts])


__all__ = ["Compiler", "Poison", "RowError", "common", "compile_keys", "compile_row"]
