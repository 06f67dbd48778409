"""Functions on lists, structs, maps and JSON, behind `.list`, `.struct`, `.map` and `.json`."""

from __future__ import annotations

from typing import Any

from .hints import Namespace
from .expr import Expr, IntoExpr, _call


class ListNamespace(Namespace):
    """Functions on lists; positions start at 0, negative ones count from the end."""

    def __init__(self, expr: Expr) -> None:
        self._expr = expr

    def length(self) -> Expr: return _call("list.length", self._expr)
    def contains(self, value: IntoExpr) -> Expr: return _call("list.contains", self._expr, value)
    def has_null(self) -> Expr: return _call("list.has_null", self._expr)
    def sum(self) -> Expr: return _call("list.sum", self._expr)
    def mean(self) -> Expr: return _call("list.mean", self._expr)
    def min(self) -> Expr: return _call("list.min", self._expr)
    def max(self) -> Expr: return _call("list.max", self._expr)
    def unique(self) -> Expr: return _call("list.unique", self._expr)
    def reverse(self) -> Expr: return _call("list.reverse", self._expr)
    def concat(self, *others: IntoExpr) -> Expr: return _call("list.concat", self._expr, *others)
    def append(self, value: IntoExpr) -> Expr: return _call("list.append", self._expr, value)

    def get(self, index: IntoExpr) -> Expr:
        """The entry at a position; NULL beyond the ends.

        >>> import gristmill as gm
        >>> gm.from_pydict({"l": [[1, 2], []]}).select(gm.col("l").list.get(-1)).collect().to_pydict()
        {'l': [2, None]}
        """
        return _call("list.get", self._expr, index)

    def position(self, value: IntoExpr) -> Expr:
        """Where the first entry equals the value; NULL where none does."""
        return _call("list.position", self._expr, value)

    def slice(self, start: IntoExpr, length: IntoExpr = None) -> Expr:
        """The entries from a position, all or so many."""
        return _call("list.slice", self._expr, start) if length is None else _call("list.slice", self._expr, start, length)

    def sort(self, descending: bool = False) -> Expr:
        """The entries in order; NULLs last."""
        return _call("list.sort", self._expr, descending)

    def join(self, separator: IntoExpr) -> Expr:
        """The entries as one text; NULL entries are passed over."""
        return _call("list.join", self._expr, separator)


class StructNamespace(Namespace):
    """The fields of structs."""

    def __init__(self, expr: Expr) -> None:
        self._expr = expr

    def field(self, name: str) -> Expr:
        """A field by its name.

        >>> import gristmill as gm
        >>> gm.from_pydict({"s": [{"a": 1}, None]}).select(gm.col("s").struct.field("a")).collect().to_pydict()
        {'s': [1, None]}
        """
        return _call("struct.field", self._expr, name)


class MapNamespace(Namespace):
    """Functions on maps."""

    def __init__(self, expr: Expr) -> None:
        self._expr = expr

    def length(self) -> Expr: return _call("list.length", self._expr)
    def get(self, key: IntoExpr) -> Expr: return _call("map.get", self._expr, key)
    def contains_key(self, key: IntoExpr) -> Expr: return _call("map.contains_key", self._expr, key)
    def keys(self) -> Expr: return _call("map.keys", self._expr)
    def values(self) -> Expr: return _call("map.values", self._expr)

    def merge(self, other: IntoExpr) -> Expr:
        """The entries of both maps, the other's values where both have a key."""
        return _call("map.merge", self._expr, other)


class JsonNamespace(Namespace):
    """Functions on text that is JSON; a path looks like `$.a[0]."b c"`. Other text is a DataError."""

    def __init__(self, expr: Expr) -> None:
        self._expr = expr

    def is_valid(self) -> Expr: return _call("json.is_valid", self._expr)
    def type(self, path: str = "$") -> Expr: return _call("json.type", self._expr, path)
    def array_length(self, path: str = "$") -> Expr: return _call("json.array_length", self._expr, path)
    def keys(self, path: str = "$") -> Expr: return _call("json.keys", self._expr, path)
    def raw(self, path: str = "$") -> Expr: return _call("json.raw", self._expr, path)

    def extract(self, path: str, dtype: Any = None) -> Expr:
        """What the path leads to as text (strings without quotes), or as a value of a type.

        >>> import gristmill as gm
        >>> orders = gm.from_pydict({"j": ['{"id": 7, "lines": [{"sku": "x"}]}']})
        >>> orders.select(gm.col("j").json.extract("$.lines[0].sku").alias("sku"), gm.col("j").json.extract("$.id", "int64").alias("id")).collect().to_pylist()
        [{'sku': 'x', 'id': 7}]
        """
        return _call("json.extract", self._expr, path) if dtype is None else _call("json.parse", self._expr, dtype, path)

    def parse(self, dtype: str, path: str = "$") -> Expr:
        """A value of a type such as "struct<a:int64,b:list<string>>"; what does not fit is a DataError."""
        return _call("json.parse", self._expr, dtype, path)

    def try_parse(self, dtype: str, path: str = "$") -> Expr:
        """As parse, but NULL for what does not fit."""
        return _call("json.try_parse", self._expr, dtype, path)

    def text_object(self, *keys: str) -> Expr:
        """The object with its values as text and its keys in order, of the given keys only if there are some.

        >>> import gristmill as gm
        >>> pods = gm.from_pydict({"labels": ['{"tier": "db", "app": "shop"}']})
        >>> pods.select(gm.col("labels").json.text_object("app", "env")).collect().to_pylist()
        [{'labels': '{"app":"shop"}'}]
        """
        return _call("json.text_object", self._expr, *keys)

    def merge_objects(self, *others: IntoExpr) -> Expr:
        """The entries of all objects as text_object, a later one's value where keys are equal."""
        return _call("json.merge_objects", self._expr, *others)

    def to_map(self, path: str = "$") -> Expr:
        """An object as map<string,string>; NULL for what is none."""
        return _call("json.to_map", self._expr, path)
