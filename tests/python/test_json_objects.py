"""Objects of texts beside Python's json: values as PostgreSQL's jsonb prints them, keys in byte order, the last of a repeated one."""

from __future__ import annotations

import json
import random

import pytest

import gristmill as gm
from gristmill import col


def printed(v: object) -> str:
    """As jsonb prints a value inside another one."""
    if isinstance(v, dict):
        return "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {printed(v[k])}" for k in sorted(v, key=lambda k: (len(k.encode()), k.encode()))) + "}"
    if isinstance(v, list):
        return "[" + ", ".join(printed(x) for x in v) + "]"
    return json.dumps(v, ensure_ascii=False)


def text(v: object) -> object:
    return v if v is None or isinstance(v, str) else printed(v)


def canonical(entries: dict[str, object]) -> str:
    return json.dumps({k: entries[k] for k in sorted(entries, key=lambda k: k.encode())}, ensure_ascii=False, separators=(",", ":"))


def random_value(r: random.Random, depth: int = 0) -> object:
    kinds = [lambda: None, lambda: r.choice([True, False]), lambda: r.randint(-10**12, 10**12), lambda: "".join(r.choices('a"\\\n\tä€😀:|', k=r.randint(0, 6)))]
    if depth < 2:
        kinds += [lambda: [random_value(r, depth + 1) for _ in range(r.randint(0, 3))],
                  lambda: {k: random_value(r, depth + 1) for k in r.sample(["a", "bb", "ä", "zz", ""], r.randint(0, 4))}]
    return r.choice(kinds)()


def test_against_python() -> None:
    seed = random.randrange(1 << 30)
    r = random.Random(seed)
    rows = [{k: random_value(r) for k in r.sample(["app", "env", "ä", "", "zone"], r.randint(0, 5))} for _ in range(400)]
    frame = gm.from_pydict({"j": [json.dumps(row, ensure_ascii=r.random() < 0.5, indent=r.choice([None, 1])) for row in rows]})
    out = frame.select(col("j").json.text_object().alias("all"), col("j").json.text_object("app", "ä").alias("some"),
                       col("j").json.merge_objects('{"app": 1}').alias("merged")).collect(num_workers=2, min_parallel_rows=0).to_pylist()
    for row, got in zip(rows, out, strict=True):
        texts = {k: text(v) for k, v in row.items()}
        assert got["all"] == canonical(texts), seed
        assert got["some"] == canonical({k: v for k, v in texts.items() if k in ("app", "ä")}), seed
        assert got["merged"] == canonical({**texts, "app": "1"}), seed


@pytest.mark.parametrize("number, shown", [
    ("1", "1"), ("-0", "0"), ("1e3", "1000"), ("1.50", "1.50"), ("15e-1", "1.5"), ("1E-5", "0.00001"), ("0.0", "0.0"), ("-1.5e1", "-15"),
    ("123456789012345678901234567890", "123456789012345678901234567890"), ("1.0e2", "100"), ("100e-2", "1.00"),
])
def test_numbers_keep_their_digits(number: str, shown: str) -> None:
    assert gm.from_pydict({"j": [f'{{"k": {number}}}']}).select(col("j").json.text_object()).collect().to_pylist() == [{"j": f'{{"k":"{shown}"}}'}]


@pytest.mark.parametrize("bad", ["", "[]", "1", "{", '{"a": 1} x', '{"a" 1}', '{"a": 01}', '{"a": "\\u0000"}', '{"a": "\\ud800"}', '{"a": tru}', "{'a': 1}", '{"a": 1,}'])
def test_what_is_no_object_names_its_row(bad: str) -> None:
    with pytest.raises(gm.DataError, match="not a JSON object of texts") as caught:
        gm.from_pydict({"j": ["{}", bad]}).select(col("j").json.text_object()).collect()
    assert caught.value.row == 1


def test_pairs() -> None:
    rows = {"a:1|b:2": {"a": "1", "b": "2"}, "": {}, "x|a:1:2|:": {"": ""}, "label_app:x|app:y": {"app": "y"}, "k:|k:v": {"k": "v"}}
    out = gm.from_pydict({"t": list(rows)}).select(col("t").str.pairs_to_object("|", ":", "label_")).collect().to_pylist()
    assert [r["t"] for r in out] == [canonical(v) for v in rows.values()]


def test_significant_digits() -> None:
    r = random.Random(7)
    values = [r.uniform(-1, 1) * 10.0 ** r.randint(-300, 300) for _ in range(500)] + [0.0, float("inf"), 0.1 + 0.2, 1e15 / 3]
    out = gm.from_pydict({"x": values}).select(col("x").round_significant(15)).collect().to_pylist()
    assert [row["x"] for row in out] == [float(f"{v:.15g}") for v in values]
