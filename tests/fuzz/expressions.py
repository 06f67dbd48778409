"""Expressions: a small tree, the rules for its types, the engine's form and SQL's, and a random generator.

Types follow semantics.md 4, written here a second time: the plan's schema is checked against them.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pyarrow as pa

import gristmill as gm
from data import WORDS, Column
from values import INTS, UNITS, kind, limits, to_arrow

INT64, FLOAT64, BOOL, STRING = pa.int64(), pa.float64(), pa.bool_(), pa.string()


@dataclass
class X:
    """One node. `op`: "col" (extra: name), "lit" (extra: raw value), "typed" (a literal with a type), "cast", "try_cast", or the
    engine's name of a function. `bound`: no magnitude of the integers is above it, None if unknown."""

    op: str
    args: list["X"]
    type: pa.DataType
    extra: Any = None
    bound: int | None = None

    def __str__(self) -> str:
        if self.op in ("col", "lit", "typed"):
            return repr(self.extra) if self.op != "col" else str(self.extra)
        tail = f" as {self.type}" if "cast" in self.op else ""
        return f"{self.op}({', '.join(map(str, self.args))}{tail})"

    def columns(self) -> set[str]:
        return {self.extra} if self.op == "col" else set().union(*(a.columns() for a in self.args))


class NoSql(Exception):
    """The expression has no form in SQL, or not the same meaning there."""


# Types ---------------------------------------------------------------------------------------------------------------


def digits_of_integer(t: pa.DataType) -> int:
    return {8: 3, 16: 5, 32: 10, 64: 19 if str(t)[0] == "i" else 20}[t.bit_width]


def as_decimal(t: pa.DataType) -> pa.DataType:
    return pa.decimal128(digits_of_integer(t), 0) if pa.types.is_integer(t) else t


def decimal_type(precision: int, scale: int) -> pa.DataType:
    return pa.decimal128(min(precision, 38), min(scale, 38))


def common(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    """Where two types meet; None: nowhere."""
    if a == b:
        return a
    kinds = {kind(a), kind(b)}
    if kinds <= {"int", "float", "decimal"}:
        if "float" in kinds:
            return pa.float32() if a == b == pa.float32() else FLOAT64
        if kinds == {"int"}:
            (a_low, a_high), (b_low, b_high) = limits(a), limits(b)
            fits = [t for n, t in INTS.items() if limits(t)[0] <= min(a_low, b_low) and limits(t)[1] >= max(a_high, b_high)]
            return min(fits, key=lambda t: t.bit_width) if fits else pa.decimal128(20, 0)
        a, b = as_decimal(a), as_decimal(b)
        scale = max(a.scale, b.scale)
        return decimal_type(max(a.precision - a.scale, b.precision - b.scale) + scale, scale)
    if kinds == {"timestamp"} and (a.tz is None) == (b.tz is None):
        return pa.timestamp(max(a.unit, b.unit, key=list(UNITS).index), a.tz or b.tz)
    if kinds == {"timestamp", "date"}:
        return a if kind(a) == "timestamp" else b
    return None


def literal_beside(value: Any, other: pa.DataType, exact: bool) -> pa.DataType:
    """The type an int or float literal takes beside a column of type `other`."""
    if isinstance(value, int):
        if kind(other) == "int":
            if limits(other)[0] <= value <= limits(other)[1]:
                return other
            return next(INTS[n] for n in ("int8", "int16", "int32", "int64") if limits(INTS[n])[0] <= value <= limits(INTS[n])[1])
        if kind(other) == "decimal":
            return pa.decimal128(len(str(abs(value))), 0)
        return other if abs(value) <= 2**24 else FLOAT64
    if other == pa.float32():
        return other if not exact or to_arrow([value], pa.float32())[0].as_py() == value or value != value else FLOAT64
    return FLOAT64


def type_beside(x: X, other: X, exact: bool) -> pa.DataType:
    if x.op == "lit" and kind(x.type) in ("int", "float") and other.op != "lit":
        return literal_beside(x.extra, other.type, exact)
    return x.type


def common_of(args: list[X], exact: bool) -> pa.DataType | None:
    t = None
    for literal in (False, True):
        for a in args:
            if (a.op == "lit") != literal or a.type == pa.null():
                continue
            mine = a.type if t is None or not literal or kind(a.type) not in ("int", "float") else literal_beside(a.extra, t, exact)
            t = mine if t is None else common(t, mine)
            if t is None:
                return None
    return t


# The engine's form ---------------------------------------------------------------------------------------------------


def literal_value(x: X) -> Any:
    if x.op == "typed":
        return to_arrow([x.extra], x.type)[0]
    return x.extra


def build(x: X) -> gm.Expr:
    if x.op == "col":
        return gm.col(x.extra)
    if x.op in ("lit", "typed"):
        return gm.lit(literal_value(x))
    args = [build(a) for a in x.args]
    if x.op in ("cast", "try_cast"):
        return getattr(args[0], x.op)(x.type)
    if x.op == "dt.truncate":
        return gm.call(x.op, args[0], x.extra)
    return gm.call(x.op, *args)


# SQL's form ----------------------------------------------------------------------------------------------------------

_INFIX = {"add": "+", "sub": "-", "mul": "*", "eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and": "and", "or": "or",
          "str.like": "like", "is_distinct_from": "is distinct from", "is_not_distinct_from": "is not distinct from"}
_FUNCTIONS = {"abs": "abs", "coalesce": "coalesce", "nullif": "nullif", "greatest": "greatest", "least": "least", "str.upper": "upper", "str.lower": "lower",
              "str.length": "length", "str.replace": "replace"}

_CHOICES = ("coalesce", "greatest", "least", "case")


def quoted(name: str) -> str:
    return '"' + name + '"'


def sql(x: X) -> str:
    """Text that the engine's SQL and DuckDB read alike."""
    if x.op == "col":
        return quoted(x.extra)
    if x.op == "lit" and x.extra is None:
        return "null"
    if x.op == "lit" and kind(x.type) == "bool":
        return str(x.extra).lower()
    if x.op == "lit" and kind(x.type) == "int" and abs(x.extra) < 2**31:
        return f"({x.extra})" if x.extra < 0 else str(x.extra)
    if x.op == "lit" and kind(x.type) == "string" and "\0" not in x.extra and "\\" not in x.extra:
        return "'" + x.extra.replace("'", "''") + "'"
    if x.op in ("lit", "typed", "cast", "try_cast"):
        raise NoSql
    if x.op in _CHOICES and x.type == FLOAT64:
        kept = {v.type for v in (x.args if x.op != "case" else [v for i, v in enumerate(x.args) if i % 2 or i + 1 == len(x.args)])}
        if pa.float32() in kept and FLOAT64 not in kept:  # DuckDB's choice among floats and exact numbers is a float, ours a double
            raise NoSql
    args = [sql(a) for a in x.args]
    if x.op in _INFIX:
        return f"({args[0]} {_INFIX[x.op]} {args[1]})"
    if x.op in _FUNCTIONS:
        return f"{_FUNCTIONS[x.op]}({', '.join(args)})"
    if x.op == "not":
        return f"(not {args[0]})"
    if x.op == "neg":
        return f"(- {args[0]})"
    if x.op in ("is_null", "is_not_null"):
        return f"({args[0]} {x.op.replace('_', ' ')})"
    if x.op == "between":
        return f"({args[0]} between {args[1]} and {args[2]})"
    if x.op == "is_in":
        return f"({args[0]} in ({', '.join(args[1:])}))"
    if x.op == "case":
        pairs = " ".join(f"when {args[i]} then {args[i + 1]}" for i in range(0, len(args) - 1, 2))
        other = f" else {args[-1]}" if len(args) % 2 else ""
        return f"(case {pairs}{other} end)"
    raise NoSql


# Random expressions --------------------------------------------------------------------------------------------------

COMPARABLE = ("bool", "int", "float", "decimal", "string", "binary", "date", "timestamp")
FAILURES = 0.02  # how often a choice that may overflow, divide by zero or not fit is taken


@dataclass
class Generator:
    """Random valid expressions over the columns of one frame."""

    rng: Any
    columns: list[Column]
    failures: float = FAILURES
    by_kind: dict[str, list[X]] = field(init=False)
    samples: dict[str, tuple] = field(init=False)

    def __post_init__(self) -> None:
        self.samples = {c.name: c.samples for c in self.columns}
        self.by_kind = {}
        for c in self.columns:
            self.by_kind.setdefault(kind(c.type), []).append(X("col", [], c.type, c.name, c.bound))

    def has(self, *kinds: str) -> bool:
        return any(k in self.by_kind for k in kinds)

    def column(self, *kinds: str) -> X:
        return self.rng.choice([x for k in kinds for x in self.by_kind.get(k, [])])

    def risky(self) -> bool:
        return self.rng.random() < self.failures

    def called(self, depth: int, *kinds: str) -> X | None:
        """A function of meanings.py that gives one of the kinds."""
        from arguments import called

        return called(self, depth, *kinds) if depth > 0 else None

    # Literals

    def int_literal(self, low: int = -5, high: int = 20) -> X:
        v = self.rng.choice([self.rng.randint(low, high), self.rng.choice([0, 1, 2, 7, 100])])
        return X("lit", [], INT64, max(low, v), abs(v))

    def literal_like(self, x: X) -> X:
        """A literal that is comparable with x and likely near its values."""
        rng, k = self.rng, kind(x.type)
        samples = self.samples.get(x.extra, ()) if x.op == "col" else ()
        if samples and rng.random() < 0.75:
            v = rng.choice(samples)
            if k in ("float", "string") or (k == "int" and v < 2**63):
                return X("lit", [], {"float": FLOAT64, "string": STRING, "int": INT64}[k], v)
            return X("typed", [], x.type, v) if k != "bool" else X("lit", [], BOOL, v)
        if k == "bool":
            return X("lit", [], BOOL, rng.random() < 0.5)
        if k == "int":
            return X("lit", [], INT64, rng.choice([rng.randint(-2, 9), rng.randint(-1000, 5000), 0, 10**6]))
        if k == "float":
            return X("lit", [], FLOAT64, rng.choice([0.0, -0.0, 1.5, rng.uniform(-100, 1000), float("nan"), float("inf"), 0.1, 1e300]))
        if k == "string":
            return X("lit", [], STRING, rng.choice([*WORDS, f"key{rng.randint(0, 30)}", "a rather common prefix 3 3"]))
        if k == "decimal":
            top = 10**x.type.precision - 1
            return X("typed", [], x.type, rng.choice([0, rng.randint(-min(top, 1000), min(top, 1000)), rng.randint(-top, top)]))
        if k == "binary":
            return X("typed", [], x.type, rng.choice(WORDS).encode())
        bound = min(x.bound or 1000, limits(pa.int32() if k == "date" else pa.int64())[1])
        return X("typed", [], x.type, rng.randint(-bound if rng.random() < 0.1 else 0, bound))

    # Numbers

    def number(self, depth: int, *kinds: str) -> X:
        kinds = [k for k in (kinds or ("int", "float", "decimal")) if k in self.by_kind]
        if depth <= 0 or self.rng.random() < 0.3:
            return self.column(*kinds)
        if self.rng.random() < 0.15 and (x := self.called(depth, *kinds)) is not None:
            return x
        pick = self.rng.random()
        if pick < 0.55:
            return self.arithmetic(depth, kinds)
        if pick < 0.65:
            return self.unary_number(depth, kinds)
        if pick < 0.72:
            return self.number_cast(depth, kinds)
        return self.choice(lambda d: self.number(d, self.rng.choice(kinds)), depth)

    def arithmetic(self, depth: int, kinds: list[str]) -> X:
        rng = self.rng
        op = rng.choice(["add", "add", "sub", "sub", "mul", "mul", "div", "floor_div", "mod"])
        a = self.number(depth - 1, *kinds)
        if rng.random() < 0.5:
            b = self.number(depth - 1, *kinds)
        elif kind(a.type) == "float" or rng.random() < 0.2:
            b = X("lit", [], FLOAT64, rng.choice([0.5, 2.0, -1.5, 0.1, 1e10, 3.0]))
        else:
            b = self.int_literal(1, 100)
        if rng.random() < 0.2 and b.op != "lit":
            a, b = b, a
        elif rng.random() < 0.2 and b.op == "lit":
            a, b = b, a
        if a.op == "lit" and b.op == "lit":
            return a if a.op == "col" else self.column(*kinds)
        ta, tb = type_beside(a, b, False), type_beside(b, a, False)
        if op in ("floor_div", "mod") and (b.op != "lit" or b.extra == 0) and not self.risky() and "float" not in (kind(ta), kind(tb)):
            op = "div"
        t = common(ta, tb)
        if op == "div":
            t = FLOAT64
        if kind(t) == "float":
            return X(op, [a, b], t)
        return self.exact_arithmetic(op, a, b, ta, tb, t)

    def exact_arithmetic(self, op: str, a: X, b: X, ta, tb, t) -> X:
        """Integers and decimals: overflow is an error, so mostly only what surely fits."""
        raw = self._bound_after(op, a, b, ta, tb)
        if kind(t) == "decimal":
            x, y = as_decimal(ta), as_decimal(tb)
            scale, whole = max(x.scale, y.scale), max(x.precision - x.scale, y.precision - y.scale)
            if op == "mul":
                if x.scale + y.scale > 38:
                    return a if a.op != "lit" else b
                t = decimal_type(x.precision + y.precision, x.scale + y.scale)
            elif op == "floor_div":
                t = pa.decimal128(38, 0)
            elif op == "mod":
                t = decimal_type(whole + scale, scale)
            else:
                t = decimal_type(whole + scale + 1, scale)
            top = 10**t.precision - 1
            # Operands are brought to one scale first, which must fit as well.
            if whole + scale > 38 and op != "mul":
                raw = None
        else:
            top = limits(t)[1]
            if op == "sub" and limits(t)[0] == 0:
                raw = None
        if (raw is None or raw > top) and not self.risky():
            return a if a.op != "lit" else b
        return X(op, [a, b], t, None, None if raw is None else min(raw, top))

    @staticmethod
    def _bound_after(op: str, a: X, b: X, ta, tb) -> int | None:
        x = abs(a.extra) if a.op == "lit" else a.bound
        y = abs(b.extra) if b.op == "lit" else b.bound
        if x is None or y is None:
            return None
        sa, sb = (t.scale if kind(t) == "decimal" else 0 for t in (ta, tb))
        if op == "mul":
            return x * y
        scale = max(sa, sb)
        x, y = x * 10 ** (scale - sa), y * 10 ** (scale - sb)
        return x + y if op in ("add", "sub") else x + 1 if op == "floor_div" else y

    def unary_number(self, depth: int, kinds: list[str]) -> X:
        x = self.number(depth - 1, *kinds)
        op = self.rng.choice(["neg", "abs", "floor", "ceil", "round", "sqrt", "sign"])
        if op in ("neg", "abs"):
            t = x.type
            if op == "neg" and kind(t) == "int" and limits(t)[0] == 0:
                t = common(t, pa.int8())
            if kind(x.type) == "int" and (x.bound is None or x.bound > limits(x.type)[1]) and not self.risky():
                return x
            return X(op, [x], t, None, x.bound)
        if op == "sqrt":
            return X(op, [x], FLOAT64)
        if op == "sign":
            return X(op, [x], pa.int8() if kind(x.type) == "decimal" else x.type, None, 1)
        if kind(x.type) != "float":
            return x
        return X(op, [x], x.type)

    def number_cast(self, depth: int, kinds: list[str]) -> X:
        rng = self.rng
        x = self.number(depth - 1, *kinds)
        to = rng.choice([*INTS.values(), FLOAT64, INT64, INT64, pa.decimal128(38, 2), pa.decimal128(20, 0)])
        k, op = kind(x.type), "try_cast" if rng.random() < 0.3 else "cast"
        if to == x.type or (k == "float" and kind(to) == "decimal"):
            return x
        if kind(to) == "float":
            return X(op, [x], to)
        bound = x.bound
        if bound is not None and k == "decimal":
            bound = bound // 10**x.type.scale + 1
        top, low = (limits(to)[1], limits(to)[0]) if kind(to) == "int" else (10 ** (to.precision - to.scale) - 1, -1)
        fits = bound is not None and bound <= top and (low < 0 or k == "int" and limits(x.type)[0] == 0)
        if op == "cast" and not fits and not self.risky():
            op = "try_cast"
        bound = top if bound is None else min(bound, top)
        return X(op, [x], to, None, bound * (10**to.scale if kind(to) == "decimal" else 1))

    # Choices between values of one type

    def choice(self, value, depth: int) -> X:
        rng = self.rng
        a, b = value(depth - 1), value(depth - 1)
        t = common_of([a, b], False)
        if t is None or kind(t) == "decimal" or (kind(t) == "timestamp" and a.type != b.type):
            b = a
            t = a.type
        bound = None if a.bound is None or b.bound is None else max(a.bound, b.bound)
        op = rng.choice(["case", "case", "coalesce", "nullif", "greatest", "least"])
        if op == "case":
            args = [self.predicate(depth - 1), a]
            if rng.random() < 0.3:
                args += [self.predicate(depth - 1), b]
            if rng.random() < 0.8:
                args.append(b)
            t = common_of([v for i, v in enumerate(args) if i % 2 or i + 1 == len(args)], False)
            return X("case", args, t, None, bound)
        if op in ("greatest", "least") and kind(t) == "list":
            op = "coalesce"
        if op == "nullif":
            if kind(t) == "list":
                return a
            t = common_of([a, b], True)
        return X(op, [a, b], t, None, bound)

    # Predicates

    def predicate(self, depth: int) -> X:
        rng, pick = self.rng, self.rng.random()
        if rng.random() < 0.12 and (x := self.called(depth, "bool")) is not None:
            return x
        if depth > 0 and pick < 0.3:
            return X(rng.choice(["and", "and", "or"]), [self.predicate(depth - 1), self.predicate(depth - 1)], BOOL)
        if depth > 0 and pick < 0.36:
            return X("not", [self.predicate(depth - 1)], BOOL)
        if pick < 0.46:
            return X(rng.choice(["is_null", "is_not_null"]), [self.value(depth - 1)], BOOL)
        if pick < 0.50 and self.has("bool"):
            return self.column("bool")
        if pick < 0.62 and self.has("string"):
            return self.text_test(depth)
        if pick < 0.66 and self.has("float"):
            return X(rng.choice(["is_nan", "is_finite"]), [self.number(depth - 1, "float")], BOOL)
        return self.comparison(depth)

    def comparison(self, depth: int) -> X:
        rng = self.rng
        a = self.value(depth - 1, comparable=True)
        if a is None:
            return X("is_null", [self.value(0)], BOOL)
        pick = rng.random()
        if pick < 0.15:
            many = rng.choice([1, 2, 3, 12])
            items = [self.literal_like(a) for _ in range(many)]
            if rng.random() < 0.15:
                items.append(X("lit", [], pa.null(), None))
            return self._alike("is_in", [a, *items])
        if pick < 0.27:
            return self._alike("between", [a, self.literal_like(a), self.literal_like(a)])
        b = self.literal_like(a)
        if rng.random() < 0.35:
            other = self.value(depth - 1, comparable=True)
            b = other if other is not None and common_of([a, other], True) is not None else b
        if rng.random() < 0.1:
            a, b = b, a
        op = rng.choice(["eq", "eq", "ne", "lt", "le", "gt", "ge", "gt", "lt", "is_distinct_from", "is_not_distinct_from"])
        return self._alike(op, [a, b])

    def _alike(self, op: str, args: list[X]) -> X:
        """A comparison whose casts to the common type cannot fail, or the failure is wanted."""
        t = common_of(args, True)
        if t is not None and kind(t) == "decimal" and t.precision == 38 and any(a.type != t for a in args) and not self.risky():
            t = None
        if t is not None and kind(t) in ("timestamp", "date") and any(a.type != t for a in args) and not self._units_fit(args, t):
            t = None
        return X(op, args, BOOL) if t is not None else X("is_not_null", [args[0]], BOOL)

    @staticmethod
    def _units_fit(args: list[X], t: pa.DataType) -> bool:
        for a in args:
            if a.type == t or a.type == pa.null():
                continue
            per = UNITS[t.unit] * 86400 if kind(a.type) == "date" else UNITS[t.unit] // UNITS[a.type.unit]
            if (abs(a.extra) if a.op in ("lit", "typed") else a.bound or 2**63) * per >= 2**63:
                return False
        return True

    def text_test(self, depth: int) -> X:
        rng = self.rng
        op = rng.choice(["str.contains", "str.starts_with", "str.ends_with", "str.like", "str.like"])
        if op == "str.like":
            part = rng.choice(["a", "b", "ab", "key1", "prefix", "é", "😀", "100", "", "x" * 12])
            pattern = rng.choice([f"%{part}%", f"{part}%", f"%{part}", f"_{part}%", f"%{part}_", part, f"%{part}%e%", "%", "_", r"100\%", r"a\_b", "%_%"])
            return X(op, [self.text(depth - 1), X("lit", [], STRING, pattern)], BOOL)
        other = self.text(depth - 1) if rng.random() < 0.2 else X("lit", [], STRING, rng.choice([*WORDS, "key", "1", "prefix 2", "same"]))
        return X(op, [self.text(depth - 1), other], BOOL)

    # Text and times

    def text(self, depth: int) -> X:
        rng = self.rng
        if depth <= 0 or rng.random() < 0.4:
            return self.column("string")
        if rng.random() < 0.3 and (x := self.called(depth, "string")) is not None:
            return x
        op = rng.choice(["str.upper", "str.lower", "str.trim", "str.substring", "str.substring", "str.replace", "str.concat", "choice", "choice", "number"])
        if op == "choice":
            return self.choice(lambda d: X("lit", [], STRING, rng.choice(WORDS)) if d <= 0 and rng.random() < 0.2 else self.text(d), depth)
        if op == "number" and self.has("int", "bool"):
            return X("cast", [self.column("int", "bool")], STRING)
        a = self.text(depth - 1)
        if op == "str.substring":
            extra = [X("lit", [], INT64, rng.randint(-4, 14))]
            if rng.random() < 0.7:
                extra.append(X("lit", [], INT64, rng.randint(0, 14)))
            return X(op, [a, *extra], STRING)
        if op == "str.replace":
            return X(op, [a, X("lit", [], STRING, rng.choice(["a", "", "key", " ", "é"])), X("lit", [], STRING, rng.choice(["", "X", "longer text", "日"]))], STRING)
        if op == "str.concat":
            return X(op, [a, self.text(depth - 1) if rng.random() < 0.5 else X("lit", [], STRING, rng.choice(WORDS))], STRING)
        return X(op if op != "number" else "str.upper", [a], STRING)

    def text_number(self, depth: int) -> X:
        rng = self.rng
        if rng.random() < 0.3:
            return X("try_cast", [self.text(depth - 1)], INT64)
        return X(rng.choice(["str.length", "str.octet_length"]), [self.text(depth - 1)], INT64, None, 10**6)

    def moment_safe(self, x: X) -> bool:
        """Calendars reach year 1 to 9999; zones of Python's and the engine's data agree from 1970 on."""
        if x.bound is None:
            return False
        if kind(x.type) == "date":
            return x.bound < 700_000
        return x.bound < 2_100_000_000 * UNITS[x.type.unit] if x.type.tz in (None, "UTC") else x.bound < 2_000_000_001 * UNITS[x.type.unit]

    def temporal(self, depth: int) -> X:
        rng, x = self.rng, self.column("date", "timestamp")
        if not self.moment_safe(x):
            return x
        op = rng.choice(["dt.year", "dt.month", "dt.day", "dt.hour", "dt.minute", "dt.second", "dt.quarter", "dt.weekday", "dt.dayofyear", "dt.date", "dt.truncate",
                         "add", "dt.epoch"])
        if op == "add":
            return X("add", [x, X("lit", [], INT64, rng.randint(-400, 400))], x.type, None, x.bound + 400) if kind(x.type) == "date" else x
        if op == "dt.date":
            return X(op, [x], pa.date32(), None, 700_000)
        if op == "dt.epoch":
            return X(op, [x], INT64, None, 10**12)
        if op == "dt.truncate":
            units = ["year", "quarter", "month", "week", "day", "hour", "minute", "second"]
            if kind(x.type) == "timestamp" and x.type.tz not in (None, "UTC"):
                units = ["minute", "second"]
            return X(op, [x], x.type, rng.choice(units), x.bound + 366 * 86400 * UNITS[getattr(x.type, "unit", "ns")])
        return X(op, [x], pa.int32(), None, 10_000)

    # Anything

    def value(self, depth: int, comparable: bool = False) -> X | None:
        rng = self.rng
        if depth <= 0 or rng.random() < 0.35:
            kinds = [k for k in self.by_kind if not comparable or k in COMPARABLE]
            return self.column(*kinds) if kinds else None
        makers = [lambda: self.called(depth, *(COMPARABLE if comparable else ())) or self.value(0, comparable)] * 3
        if self.has("int", "float", "decimal"):
            makers += [lambda: self.number(depth)] * 4
        if self.has("string"):
            makers += [lambda: self.text(depth), lambda: self.text(depth), lambda: self.text_number(depth)]
        if self.has("date", "timestamp"):
            makers += [lambda: self.temporal(depth), lambda: self.choice(lambda d: self.column("date", "timestamp"), depth)]
        if self.has("bool"):
            makers += [lambda: X("cast", [self.column("bool")], INT64, None, 1), lambda: self.predicate(depth - 1)]
        return rng.choice(makers)()


def with_args(x: X, args: list[X]) -> X:
    return replace(x, args=args)


def python_literal(x: X) -> str:
    """Source text that builds the literal."""
    v = literal_value(x)
    return repr(v) if not isinstance(v, (pa.Scalar, Decimal, datetime.date)) else f"pa.scalar({v.as_py()!r}, {x.type!r})"
