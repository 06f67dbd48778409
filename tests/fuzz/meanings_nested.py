"""Functions of lists, maps, structs and JSON."""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa

from meaning import BOOL, FLOAT64, INT64, STRING, TEXTS, OneOf, Within, first_type, meaning
from values import order_key


def there(values: list) -> list:
    return [v for v in values if v is not None]


def key(v: Any) -> Any:
    return ("nan",) if isinstance(v, float) and v != v else v


def unique(values: list) -> list:
    seen: dict = {}
    for v in values:
        seen.setdefault(key(v), v)
    return list(seen.values())


def entry(l: list, i: int) -> Any:
    return l[i] if -len(l) <= i < len(l) else None


entry_type = lambda types: types[0].value_type  # noqa: E731
meaning("list.length", ("list",), INT64, len)
meaning("list.get", ("list", Within(-4, 5)), entry_type, entry)
meaning("sql_list_get", ("list", Within(-4, 5)), entry_type, lambda l, i: None if i == 0 else entry(l, i - 1 if i > 0 else i))
meaning("list.contains", ("list", "entry"), BOOL, lambda l, v: v in l)
meaning("list.has_null", ("list",), BOOL, lambda l: None in l)
meaning("list.position", ("list", "entry"), INT64, lambda l, v: l.index(v) if v in l else None)
meaning("list.min", ("list",), entry_type, lambda l: min(there(l), default=None, key=order_key))
meaning("list.max", ("list",), entry_type, lambda l: max(there(l), default=None, key=order_key))
meaning("list.sum", ("small list",), INT64, lambda l: sum(there(l)) if there(l) else None)
meaning("list.mean", ("small list",), FLOAT64, lambda l: sum(there(l)) / len(there(l)) if there(l) else None)
meaning("list.join", ("list of texts", OneOf(("-", "", ", "))), STRING, lambda l, s: s.join(there(l)))
meaning("list.slice", ("list", Within(-4, 5), OneOf((0, 1, 2))), first_type, lambda l, i, n: l[max(len(l) + i, 0) if i < 0 else i:][:n])
meaning("list.resize", ("list", Within(0, 5)), first_type, lambda l, n: (l + [None] * n)[:n])
meaning("list.sort", ("list",), first_type, lambda l: sorted(there(l), key=order_key) + [None] * l.count(None))
meaning("list.unique", ("list",), first_type, unique)
meaning("list.reverse", ("list",), first_type, lambda l: l[::-1])
meaning("list.concat", ("list", "list like the first"), first_type, lambda a, b: a + b)
meaning("list.append", ("list", "entry"), first_type, lambda l, v: None if l is None else [*l, v], nulls=True)
meaning("list.pack", (Within(-50, 49), Within(0, 9)), pa.list_(INT64), lambda *v: list(v), nulls=True)
meaning("list.range", (Within(-3, 3), Within(0, 9), OneOf((1, 2, -1))), pa.list_(INT64), lambda a, b, step: list(range(a, b + (1 if step > 0 else -1), step)))

TEXT_MAP, PAIR = pa.map_(STRING, INT64), pa.struct([("a", INT64), ("b", STRING)])
meaning("struct.pack", (OneOf(("a",)), Within(-50, 49), OneOf(("b",)), "text"), PAIR, lambda _, a, __, b: (a, b), nulls=True)
meaning("struct.field", ("struct", OneOf(("b",))), STRING, lambda s, name: s[1])
meaning("map.pack", ("two keys", "two values"), TEXT_MAP, lambda keys, values: list(zip(keys, values)))
meaning("map.get", ("map", OneOf(("x", "y", "none"))), INT64, lambda m, k: dict(m).get(k))
meaning("map.contains_key", ("map", OneOf(("x", "none"))), BOOL, lambda m, k: k in dict(m))
meaning("map.keys", ("map",), TEXTS, lambda m: [k for k, _ in m])
meaning("map.values", ("map",), pa.list_(INT64), lambda m: [v for _, v in m])
meaning("map.merge", ("map", "map"), TEXT_MAP, lambda a, b: list({**dict(a), **dict(b)}.items()))


# JSON ----------------------------------------------------------------------------------------------------------------

OBJECTS = ('{"a": 1, "b": ["x", null, 2.5], "n": 7}', '{"b":{"k":"v w","n":null},"a":"text \\u00e9\\n","n":-3}', '{"n": 12345678901, "a": null}', '{"a": true, "n": null, "": []}')
DOCUMENTS = (*OBJECTS, "[1, 2, [3]]", '"text"', "null", "12", "[]")
PAIRS = ("a:1|b:2", "x|a:1:2|:", "k:|k:v", "", "é:ü|a b:c")
PATH = OneOf(("$.a", "$.b", "$.b[0]", "$.b[-1]", "$.b.k", "$.n", "$[0]", "$.none.x"))
ABSENT = object()


def compact(v: Any, comma: str = ",", colon: str = ":") -> str:
    return json.dumps(v, ensure_ascii=False, separators=(comma, colon))


def text_of(v: Any) -> str | None:
    return None if v is None or v is ABSENT else v if isinstance(v, str) else compact(v)


def led_to(j: str, path: str) -> Any:
    v = json.loads(j)
    for name, place in re.findall(r"\.(\w+)|\[(-?\d+)\]", path):
        if name:
            v = v.get(name, ABSENT) if isinstance(v, dict) else ABSENT
        else:
            v = v[int(place)] if isinstance(v, list) and -len(v) <= int(place) < len(v) else ABSENT
        if v is ABSENT:
            return v
    return v


def is_json(s: str) -> bool:
    try:
        json.loads(s, parse_constant=lambda name: 1 / 0)
    except (ValueError, ZeroDivisionError):
        return False
    return True


def printed(v: Any) -> str:
    """As PostgreSQL's jsonb prints a value inside another one."""
    if isinstance(v, dict):
        return "{" + ", ".join(f"{compact(k)}: {printed(v[k])}" for k in sorted(v, key=lambda k: (len(k.encode()), k.encode()))) + "}"
    return "[" + ", ".join(map(printed, v)) + "]" if isinstance(v, list) else compact(v)


def texts(entries: dict[str, Any]) -> str:
    shown = {k: v if v is None or isinstance(v, str) else printed(v) for k, v in entries.items()}
    return compact({k: shown[k] for k in sorted(shown, key=str.encode)})


def pairs(s: str, between: str, inside: str) -> str:
    found = [p.split(inside) for p in s.split(between)]
    return texts({p[0]: p[1] for p in found if len(p) == 2})


def number_at(j: str, kind_: str, path: str) -> int | None:
    v = led_to(j, path)
    return v if type(v) is int else None


KINDS = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}
meaning("json.is_valid", ("text",), BOOL, is_json)
meaning("json.extract", ("json", PATH), STRING, lambda j, p: text_of(led_to(j, p)))
meaning("json.raw", ("json", PATH), STRING, lambda j, p: None if (v := led_to(j, p)) is ABSENT else compact(v))
meaning("json.type", ("json", PATH), STRING, lambda j, p: None if (v := led_to(j, p)) is ABSENT else KINDS[type(v)])
meaning("json.array_length", ("json", PATH), INT64, lambda j, p: len(v) if isinstance(v := led_to(j, p), list) else None)
meaning("json.keys", ("json",), TEXTS, lambda j: list(v) if isinstance(v := json.loads(j), dict) else None)
meaning("json.parse", ("json object", OneOf(("int64",)), OneOf(("$.n", "$.none"))), INT64, number_at)
meaning("json.try_parse", ("json object", OneOf(("int64",)), OneOf(("$.n", "$.b"))), INT64, number_at)
meaning("json.to_map", ("json",), pa.map_(STRING, STRING), lambda j: [(k, text_of(x)) for k, x in v.items()] if isinstance(v := json.loads(j), dict) else None)
meaning("json.text_object", ("json object",), STRING, lambda j: texts(json.loads(j)))
meaning("json.merge_objects", ("json object", "json object"), STRING, lambda a, b: texts({**json.loads(a), **json.loads(b)}))
meaning("str.pairs_to_object", ("pairs", OneOf(("|",)), OneOf((":",))), STRING, pairs)
meaning("to_json", ("list of numbers or texts",), STRING, compact)
