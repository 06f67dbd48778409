"""Mathematics as methods of expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .expr import Expr, IntoExpr


class MathMethods:
    """What Expr inherits; `_function` makes a call of the named function with the expression first."""

    __slots__ = ()

    def _function(self, name: str, *args: Any) -> "Expr":
        raise NotImplementedError

    def cbrt(self) -> "Expr": return self._function("cbrt")
    def log2(self) -> "Expr": return self._function("log2")
    def log1p(self) -> "Expr": return self._function("log1p")
    def expm1(self) -> "Expr": return self._function("expm1")
    def log(self, base: "IntoExpr") -> "Expr": return self._function("log", base)
    def sin(self) -> "Expr": return self._function("sin")
    def cos(self) -> "Expr": return self._function("cos")
    def tan(self) -> "Expr": return self._function("tan")
    def cot(self) -> "Expr": return self._function("cot")
    def asin(self) -> "Expr": return self._function("asin")
    def acos(self) -> "Expr": return self._function("acos")
    def atan(self) -> "Expr": return self._function("atan")
    def sinh(self) -> "Expr": return self._function("sinh")
    def cosh(self) -> "Expr": return self._function("cosh")
    def tanh(self) -> "Expr": return self._function("tanh")
    def asinh(self) -> "Expr": return self._function("asinh")
    def acosh(self) -> "Expr": return self._function("acosh")
    def atanh(self) -> "Expr": return self._function("atanh")
    def degrees(self) -> "Expr": return self._function("degrees")
    def radians(self) -> "Expr": return self._function("radians")
    def trunc(self, digits: int = 0) -> "Expr": return self._function("trunc", digits)
    def is_infinite(self) -> "Expr": return self._function("is_infinite")
    def gcd(self, other: "IntoExpr") -> "Expr": return self._function("gcd", other)
    def lcm(self, other: "IntoExpr") -> "Expr": return self._function("lcm", other)
    def factorial(self) -> "Expr": return self._function("factorial")
    def bit_not(self) -> "Expr": return self._function("bit_not")
    def shift_left(self, bits: "IntoExpr") -> "Expr": return self._function("shift_left", bits)
    def shift_right(self, bits: "IntoExpr") -> "Expr": return self._function("shift_right", bits)

    def clip(self, low: "IntoExpr" = None, high: "IntoExpr" = None) -> "Expr":
        """At least `low` and at most `high`; a bound that is None or NULL does not bind.

        >>> import gristmill as gm
        >>> gm.from_pydict({"n": [1, 5, 9]}).select(gm.col("n").clip(2, 6)).collect().to_pydict()
        {'n': [2, 5, 6]}
        """
        return self._function("clip", low, high)

    def hash(self, *others: "IntoExpr") -> "Expr":
        """A 64-bit hash of the value (and of others with it), the same in every run; NULL has one too."""
        return self._function("hash", *others)
