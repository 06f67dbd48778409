"""Lists, structs, maps and JSON against plain Python."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import random
from typing import Any

import pyarrow as pa
import pytest

import gristmill as gm
from function_shapes import choices, each, evaluate, expect, texts
from gristmill import col

VALUES: dict[str, tuple[pa.DataType, list[Any]]] = {
    "int": (pa.int64(), [0, 1, 2, -5, 2**40, None]),
    "small": (pa.uint8(), [0, 1, 200, 255, None]),
    "float": (pa.float64(), [0.0, 1.5, -2.0, 1e300, -1e300, 0.1, None]),
    "text": (pa.string(), ["", "a", "b", "ä", "a long text with more bytes", None]),
    "date": (pa.date32(), [dt.date(2024, 2, 29), dt.date(1969, 12, 31), None]),
    "decimal": (pa.decimal128(9, 2), [decimal.Decimal("1.50"), decimal.Decimal("-7.25"), None]),
}


def lists(rng: random.Random, n: int, values: list[Any]) -> list[list[Any] | None]:
    return [None if rng.random() < 0.1 else [rng.choice(values) for _ in range(rng.choice([0, 1, 2, 3, 9]))] for _ in range(n)]


def data(kind: str, seed: int) -> tuple[pa.Table, dict[str, list]]:
    rng = random.Random(seed)
    n = 100
    type_, values = VALUES[kind]
    c = {"l": lists(rng, n, values), "m": lists(rng, n, values), "v": [rng.choice(values) for _ in range(n)], "k": choices(rng, n, [0, 1, -1, 2, -3, 8, -9, 9])}
    types = {"l": pa.list_(type_), "m": pa.list_(type_), "v": type_, "k": pa.int64()}
    return pa.table({name: pa.array(v, types[name]) for name, v in c.items()}), c


def unique(values: list[Any]) -> list[Any]:
    out: list[Any] = []
    for v in values:
        if v not in out:
            out.append(v)
    return out


def ordered(values: list[Any], descending: bool) -> list[Any]:
    return sorted((v for v in values if v is not None), reverse=descending) + [None] * values.count(None)


def there(values: list[Any]) -> list[Any]:
    return [v for v in values if v is not None]


@pytest.mark.parametrize("seed", [6, 60])
@pytest.mark.parametrize("kind", VALUES)
def test_lists_agree_with_python(kind: str, seed: int) -> None:
    t, c = data(kind, seed)
    l, m, v, k = c["l"], c["m"], c["v"], c["k"]
    x = col("l").list
    cases = [
        (x.length(), each(len, l)),
        (x.get(col("k")), each(lambda a, i: a[i] if -len(a) <= i < len(a) else None, l, k)),
        (x.get(0), each(lambda a: a[0] if a else None, l)),
        (gm.call("sql_list_get", col("l"), 1), each(lambda a: a[0] if a else None, l)),
        (x.contains(col("v")), each(lambda a, b: b in a, l, v)),
        (x.position(col("v")), each(lambda a, b: a.index(b) if b in a else None, l, v)),
        (x.min(), each(lambda a: min(there(a), default=None), l)),
        (x.max(), each(lambda a: max(there(a), default=None), l)),
        (x.slice(col("k"), 2), each(lambda a, i: a[max(len(a) + i, 0) if i < 0 else i:][:2], l, k)),
        (x.slice(col("k")), each(lambda a, i: a[max(len(a) + i, 0) if i < 0 else i:], l, k)),
        (x.sort(), each(lambda a: ordered(a, False), l)),
        (x.sort(descending=True), each(lambda a: ordered(a, True), l)),
        (x.unique(), each(unique, l)),
        (x.reverse(), each(lambda a: a[::-1], l)),
        (x.concat(col("m")), each(lambda a, b: a + b, l, m)),
        (x.concat(col("m"), col("l")), each(lambda a, b: a + b + a, l, m)),
        (x.append(col("v")), [None if a is None else [*a, b] for a, b in zip(l, v)]),
        (gm.pack_list(col("v"), None, col("v")), [[b, None, b] for b in v]),
    ]
    if kind in ("int", "small"):
        cases += [(x.sum(), each(lambda a: sum(there(a)) if there(a) else None, l)), (x.mean(), each(lambda a: sum(there(a)) / len(there(a)) if there(a) else None, l))]
    if kind == "float":
        cases += [(x.sum(), each(lambda a: math.fsum(there(a)) if there(a) else None, l))]
    if kind == "decimal":
        cases += [(x.sum(), each(lambda a: sum(there(a)) if there(a) else None, l))]
    if kind in ("int", "text"):
        cases += [(x.join("-"), each(lambda a: "-".join(str(b) for b in there(a)), l))]
    for expr, expected in cases:
        expect(t, expr, expected, seed)


def test_nan_and_zero_in_lists() -> None:
    t = pa.table({"l": pa.array([[math.nan, 1.0, math.nan, -0.0, 0.0], [math.inf, -math.inf], [None]], pa.list_(pa.float64()))})
    first = evaluate(t, col("l").list.unique())[0]
    assert len(first) == 3 and math.isnan(first[0])
    assert evaluate(t, col("l").list.contains(math.nan)) == [True, False, False]
    assert math.isnan(evaluate(t, col("l").list.max())[0]) and math.isnan(evaluate(t, col("l").list.sum())[1])


def test_structs() -> None:
    rows = [{"a": 1, "b": "x"}, None, {"a": None, "b": "a text that is longer"}, {"a": 4, "b": None}]
    t = pa.table({"s": pa.array(rows, pa.struct([("a", pa.int32()), ("b", pa.string())])), "n": [1, 2, None, 4]})
    assert evaluate(t, col("s").struct.field("a")) == [1, None, None, 4]
    assert evaluate(t, col("s").struct.field("b")) == ["x", None, "a text that is longer", None]
    assert evaluate(t, gm.struct(n=col("n"), t=gm.lit("x"), s=col("s"))) == [{"n": n, "t": "x", "s": s} for n, s in zip([1, 2, None, 4], rows)]
    assert evaluate(t, gm.struct(n=col("n")).struct.field("n")) == [1, 2, None, 4]
    with pytest.raises(gm.PlanError, match='no field "c"'):
        gm.from_arrow(t).select(col("s").struct.field("c")).collect()


@pytest.mark.parametrize("seed", [11, 12])
def test_maps_agree_with_python(seed: int) -> None:
    rng = random.Random(seed)
    keys = ["a", "b", "a key beyond twelve bytes", "ä", ""]
    make = lambda: [None if rng.random() < 0.1 else {k: rng.choice([1, 2, None]) for k in rng.sample(keys, rng.randrange(4))} for _ in range(80)]  # noqa: E731
    m, o, k = make(), make(), choices(rng, 80, keys)
    kind = pa.map_(pa.string(), pa.int64())
    t = pa.table({"m": pa.array([None if v is None else list(v.items()) for v in m], kind), "o": pa.array([None if v is None else list(v.items()) for v in o], kind),
                  "k": pa.array(k, pa.string())})
    x = col("m").map
    for expr, expected in [
        (x.length(), each(len, m)), (x.get(col("k")), each(lambda a, b: a.get(b), m, k)), (x.get("a"), each(lambda a: a.get("a"), m)),
        (x.contains_key(col("k")), each(lambda a, b: b in a, m, k)), (x.keys(), each(lambda a: list(a), m)), (x.values(), each(lambda a: list(a.values()), m)),
        (x.merge(col("o")), each(lambda a, b: list({**a, **b}.items()), m, o)), (gm.pack_map(x.keys(), x.values()), each(lambda a: list(a.items()), m)),
    ]:
        expect(t, expr, expected, seed)


def documents(rng: random.Random, n: int) -> list[str | None]:
    names = [v for v in texts(rng, 30, nulls=0) if v is not None and not any(c in v for c in '"\\.[]')]

    def value(depth: int) -> Any:
        kind = rng.randrange(8 if depth else 6)
        if kind == 6:
            return [value(depth - 1) for _ in range(rng.randrange(4))]
        if kind == 7:
            return {k: value(depth - 1) for k in rng.sample(["a", "b", *names[:3]], rng.randrange(4))}
        return [None, True, rng.randrange(-(2**60), 2**60), rng.uniform(-1e6, 1e6), rng.choice(names), "line\n\"quote\" \\ \t \u0001 😀"][kind]

    return [None if rng.random() < 0.1 else json.dumps({"a": value(3), "b": [value(2), value(1)]}, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, 1])) for _ in range(n)]


def compact(v: Any) -> str:
    if isinstance(v, float):
        return json.dumps(v)
    if isinstance(v, list):
        return "[" + ",".join(compact(x) for x in v) + "]"
    if isinstance(v, dict):
        return "{" + ",".join(json.dumps(k, ensure_ascii=False) + ":" + compact(x) for k, x in v.items()) + "}"
    return json.dumps(v, ensure_ascii=False)


def text_of(v: Any) -> str | None:
    return None if v is None else v if isinstance(v, str) else compact(v)


@pytest.mark.parametrize("seed", [21, 22])
def test_json_agrees_with_python(seed: int) -> None:
    j = documents(random.Random(seed), 120)
    t = pa.table({"j": pa.array(j, pa.string())})
    docs = [None if v is None else json.loads(v) for v in j]
    x = col("j").json
    part = lambda f: each(f, docs)  # noqa: E731
    deep = lambda d: d["a"].get("b") if isinstance(d["a"], dict) else None  # noqa: E731
    kinds = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}
    for expr, expected in [
        (x.extract("$.a"), part(lambda d: text_of(d["a"]))), (x.extract("$.b[0]"), part(lambda d: text_of(d["b"][0]))), (x.extract("$.b[-1]"), part(lambda d: text_of(d["b"][1]))),
        (x.extract("$.a.b"), part(lambda d: text_of(deep(d)))), (x.raw("$.b"), part(lambda d: compact(d["b"]))), (x.type("$.a"), part(lambda d: kinds[type(d["a"])])),
        (x.array_length("$.b"), part(lambda d: 2)), (x.array_length("$.a"), part(lambda d: len(d["a"]) if isinstance(d["a"], list) else None)), (x.keys(), part(lambda d: ["a", "b"])),
        (x.keys("$.a"), part(lambda d: list(d["a"]) if isinstance(d["a"], dict) else None)), (x.is_valid(), part(lambda d: True)),
        (x.to_map(), part(lambda d: [("a", text_of(d["a"])), ("b", text_of(d["b"]))])), (x.extract("$.none.x"), [None] * len(j)),
        (x.try_parse("int64", "$.a"), part(lambda d: d["a"] if type(d["a"]) is int else int(d["a"]) if type(d["a"]) is float and d["a"] == int(d["a"]) else None)),
        (x.try_parse("bool", "$.a"), part(lambda d: d["a"] if isinstance(d["a"], bool) else None)),
        (x.parse("list<string>", "$.b"), part(lambda d: [text_of(v) for v in d["b"]])),
    ]:
        expect(t, expr, expected, seed)


def test_json_becomes_values_of_a_type() -> None:
    rows = ['{"id": 1, "at": "2024-02-29 12:30:00", "day": "2024-02-29", "price": 12.5, "tags": ["x", null], "more": {"k": [1, 2]}, "extra": 0}', "null", None,
            '{"id": null, "tags": [], "price": 3}']
    t = pa.table({"j": rows})
    kind = "struct<id:int8,at:timestamp(us),day:date,price:decimal(8,2),tags:list<string>,more:map<string,list<float64>>>"
    assert evaluate(t, col("j").json.parse(kind)) == [
        {"id": 1, "at": dt.datetime(2024, 2, 29, 12, 30), "day": dt.date(2024, 2, 29), "price": decimal.Decimal("12.50"), "tags": ["x", None], "more": [("k", [1.0, 2.0])]},
        None, None, {"id": None, "at": None, "day": None, "price": decimal.Decimal("3.00"), "tags": [], "more": None}]
    assert evaluate(t, col("j").json.extract("$.price", "float64")) == [12.5, None, None, 3.0]


@pytest.mark.parametrize("text, kind, message", [
    ('{"a": 300}', "struct<a:int8>", 'JSON \\{"a":300\\} is not struct'), ('"x"', "int64", 'JSON "x" is not int64'), ("[1, 2", "list<int64>", 'not JSON: "\\[1, 2"'),
    ("1.5", "int64", "JSON 1.5 is not int64"), ('"2024-02-30"', "date", "is not date"),
])
def test_json_that_does_not_fit(text: str, kind: str, message: str) -> None:
    t = gm.from_pydict({"j": ["1", text], "n": [0, 1]}).filter(col("n") == 1)
    with pytest.raises(gm.DataError, match=message):
        t.select(col("j").json.parse(kind)).collect()
    assert t.select(col("j").json.try_parse(kind)).collect().to_pydict() == {"j": [None]}


@pytest.mark.parametrize("path, message", [("$.a[", "has no \\]"), ("$.a[x]", "has no position"), ("$a", "neither . nor"), ("$..a", "has no key"), ('$."a', "no closing quote")])
def test_bad_paths(path: str, message: str) -> None:
    with pytest.raises(gm.PlanError, match=message):
        gm.from_pydict({"j": ["1"]}).select(col("j").json.extract(path)).collect()


def test_to_json_and_back() -> None:
    rows = [{"a": 1, "b": ["x", None, 'q"\n'], "c": 0.1, "d": True}, None, {"a": None, "b": None, "c": -2.5, "d": False}]
    kind = pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string())), ("c", pa.float64()), ("d", pa.bool_())])
    t = pa.table({"s": pa.array(rows, kind), "m": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int32())), "x": [math.nan, math.inf, 1.0],
                  "t": pa.array([dt.datetime(2024, 2, 29, 1, 2, 3, 500000), None, dt.datetime(1970, 1, 1)], pa.timestamp("us"))})
    made = evaluate(t, col("s").to_json())
    assert [None if v is None else json.loads(v) for v in made] == rows and made[0] == '{"a":1,"b":["x",null,"q\\"\\n"],"c":0.1,"d":true}'
    assert evaluate(t, col("s").to_json().json.parse("struct<a:int64,b:list<string>,c:float64,d:bool>")) == rows
    assert evaluate(t, col("m").to_json()) == ['{"k":1}', "{}", None]
    assert evaluate(t, col("x").to_json()) == ["null", "null", "1"]
    assert evaluate(t, col("t").to_json()) == ['"2024-02-29 01:02:03.5"', None, '"1970-01-01 00:00:00"']


def test_sql_names() -> None:
    t = pa.table({"j": ['{"a": {"b": [10, "x"]}, "k c": 1}', None], "l": [[3, 1, 2], None]})
    got = gm.sql("""select j -> 'a' -> 'b' as raw, j ->> '$.a.b[1]' as x, j -> 'a' -> 'b' ->> 0 as n, j ->> 'k c' as q, json_array_length(j, '$.a.b') as len,
                    json_keys(j) as keys, list_sort(l) as s, list_extract(l, 1) as first, array_length(l) as count, array[1, 2] as lit, list_contains(l, 2) as has,
                    array_to_string(l, ',') as text, list_sum(l) as total from t""", t=t).collect().to_pylist()
    assert got == [{"raw": '[10,"x"]', "x": "x", "n": "10", "q": "1", "len": 2, "keys": ["a", "k c"], "s": [1, 2, 3], "first": 3, "count": 3, "lit": [1, 2], "has": True,
                    "text": "3,1,2", "total": 6},
                   {"raw": None, "x": None, "n": None, "q": None, "len": None, "keys": None, "s": None, "first": None, "count": None, "lit": [1, 2], "has": None, "text": None,
                    "total": None}]


@pytest.mark.parametrize("expr, error, message", [
    (col("l").list.sum(), gm.DataError, "overflow: the sum of"), (gm.pack_map(col("k"), col("l")), gm.DataError, "a key comes twice"),
    (gm.pack_map(col("l"), col("e")), gm.DataError, "more or fewer values"), (col("l").list.contains("x"), gm.PlanError, "list.contains"),
    (col("n").list.length(), gm.PlanError, "list.length takes a list"), (col("l").list.concat(col("k")), gm.PlanError, "lists of one type"),
])
def test_errors(expr: gm.Expr, error: type[Exception], message: str) -> None:
    t = pa.table({"l": [[2**62, 2**62]], "k": [["a", "a"]], "e": [[1]], "n": [1]})
    with pytest.raises(error, match=message):
        gm.from_arrow(t).select(expr.alias("r")).collect()
