"""NDJSON in: against Python's json module on random nested data, at every block border, worker count and batch size."""

from __future__ import annotations

import gzip
import json
import os
import random

import pyarrow as pa
import pytest

import gristmill as gm

SEED = int(os.environ.get("GRISTMILL_SEED", random.SystemRandom().randrange(1 << 30)))


def read(path, **options):
    run = {k: options.pop(k) for k in ("num_workers", "batch_rows", "chunk_rows", "min_parallel_rows", "memory_limit") if k in options}
    return gm.scan_ndjson(path, **options).collect(**run).to_arrow()


def message(call) -> str:
    with pytest.raises(gm.GristmillError) as e:
        call()
    return str(e.value)


TEXTS = ["", "a", 'say "hi"', "back\\slash", "ä€😀", "line\nbreak\ttab", "a text that is too long for a view to hold", "\u2028", "/", "\x7f"]


def value(rng: random.Random, kind: str, depth: int = 0):
    if rng.random() < 0.15:
        return None
    match kind:
        case "int":
            return rng.choice([0, -1, rng.randint(-(2**63), 2**63 - 1), rng.randint(-100, 100)])
        case "float":
            return rng.choice([0.5, -1e300, 1e-300, rng.uniform(-1e6, 1e6), 3])
        case "bool":
            return rng.random() < 0.5
        case "text":
            return "".join(rng.choice(TEXTS) for _ in range(rng.randint(0, 3)))
        case "list":
            return [value(rng, "int") for _ in range(rng.randint(0, 4))]
        case "struct":
            return {"x": value(rng, "float"), "y": value(rng, "text"), "z": value(rng, "lists")}
        case _:
            return [value(rng, "list") for _ in range(rng.randint(0, 3))]


KINDS = {"i": "int", "f": "float", "b": "bool", "s": "text", "l": "list", "st": "struct", "ll": "lists"}
SCHEMA = {
    "i": "int64", "f": "float64", "b": "bool", "s": "string", "l": "list<int64>", "st": "struct<x:float64,y:string,z:list<list<int64>>>", "ll": "list<list<int64>>",
}


def as_read(row: dict) -> dict:
    out = {k: row.get(k) for k in KINDS}
    if out["st"] is not None:
        out["st"] = {k: out["st"].get(k) for k in "xyz"}
    return out


@pytest.mark.parametrize("case", range(25))
def test_random_rows_come_back(case, tmp_path):
    print(f"GRISTMILL_SEED={SEED}")
    rng = random.Random(SEED * 1000 + case)
    rows = []
    for _ in range(rng.randint(1, 60)):
        row = {k: value(rng, kind) for k, kind in KINDS.items() if rng.random() < 0.9}
        if rng.random() < 0.3:
            row["extra"] = value(rng, rng.choice(list(KINDS.values())))
        items = list(row.items())
        if rng.random() < 0.3:
            rng.shuffle(items)
        rows.append(dict(items))
    lines = [json.dumps(r, ensure_ascii=rng.random() < 0.5, separators=rng.choice([(",", ":"), (" , ", " : "), (", ", ": ")])) for r in rows]
    raw = rng.choice(["\n", "\r\n", "\n\n"]).join(lines) + rng.choice(["", "\n"])
    path = tmp_path / "t.ndjson"
    path.write_bytes(raw.encode())
    wanted = [as_read(r) for r in rows]
    for block in (1, 50, rng.randint(2, 1000), 1 << 20):
        got = read(path, schema=SCHEMA, block_bytes=block, num_workers=rng.choice([1, 2, 3]), min_parallel_rows=1, batch_rows=rng.choice([1, 3, 0]))
        assert got.to_pylist() == wanted, block
        some = gm.scan_ndjson(path, schema=SCHEMA, block_bytes=block).select("s", "i").filter(gm.col("i") > 0).collect(num_workers=2, min_parallel_rows=0)
        assert some.to_pylist() == [{"s": r["s"], "i": r["i"]} for r in wanted if (r["i"] or 0) > 0]
        assert gm.scan_ndjson(path, schema=SCHEMA, block_bytes=block).select(gm.count()).collect().to_pydict() == {"count": [len(rows)]}


def test_schema_is_inferred(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(
        '{"i":1,"f":1,"b":true,"s":"x","mixed":1,"l":[1,2.5],"e":[],"o":{"a":{"b":1}},"n":null,"d":"2024-02-29","t":"2024-02-29T01:02:03Z","big":123456789012345678901}\n'
        '{"i":-7,"f":1.5,"o":{"c":"y"},"mixed":{"k":[1, 2]},"later":3,"d":"2024-03-01","t":"2024-02-29T01:02:03.5+01:00"}\n'
    )
    got = read(path, try_parse_dates=True)
    assert got.schema == pa.schema({
        "i": pa.int64(), "f": pa.float64(), "b": pa.bool_(), "s": pa.string(), "mixed": pa.string(), "l": pa.list_(pa.float64()), "e": pa.list_(pa.string()),
        "o": pa.struct({"a": pa.struct({"b": pa.int64()}), "c": pa.string()}), "n": pa.string(), "d": pa.date32(), "t": pa.timestamp("us", "UTC"),
        "big": pa.float64(), "later": pa.int64(),
    })
    assert got["mixed"].to_pylist() == ["1", '{"k":[1, 2]}'] and got["o"].to_pylist() == [{"a": {"b": 1}, "c": None}, {"a": None, "c": "y"}]
    assert read(path, schema_overrides={"i": "decimal(10,2)", "absent": "int8"}).column_names[-1] == "absent"
    assert gm.sql(f"select sum(i) as s from '{path}'").collect().to_pydict() == {"s": [-6]}
    frame = gm.scan_ndjson(path)
    assert gm.deserialize(frame.serialize()).collect().to_pylist() == frame.collect().to_pylist()


BAD = [
    ('{"a":1,"b":{"c":[1,"x"]}}', 'cannot read the value as int64', '"b.c[1]", value "\\"x\\""'),
    ('{"a":1.5}', "cannot read the value as int64", 'column "a", value "1.5"'),
    ('{"a":[1]}', "cannot read the value as int64", 'column "a", value "[1]"'),
    ('{"a":1', "the line is not a JSON object, from here on", "line 3, row 2"),
    ('{"a":01}', "the line is not a JSON object, from here on", 'value "1}"'),
    ('{"a":1}}', "the line is not a JSON object, from here on", 'value "}"'),
    ('[1]', "the line is not a JSON object, from here on", 'value "[1]"'),
    ('{"a":1,}', "the line is not a JSON object, from here on", 'value "}"'),
    ('{"a":1,"a":2}', "a field comes twice", 'column "a"'),
    ('{"z":tru}', "the line is not a JSON object, from here on", "line 3"),
    ('{"a":nul}', "the line is not a JSON object, from here on", "line 3"),
    ('{"s":"\\q"}', "the line is not a JSON object, from here on", "line 3"),
]


@pytest.mark.parametrize("line, what, where", BAD)
def test_bad_lines(tmp_path, line, what, where):
    path = tmp_path / "t.ndjson"
    good = [{"a": i, "b": {"c": [i]}, "s": "t"} for i in range(6)]
    texts = [json.dumps(r) for r in good]
    texts[2] = line
    path.write_text("\n".join(texts) + "\n" + line + "\n")
    schema = {"a": "int64", "b": "struct<c:list<int64>>", "s": "string"}
    for block in (1, 30, 1 << 20):
        for workers, batch in ((1, 0), (3, 1), (2, 2)):
            run = {"schema": schema, "block_bytes": block, "num_workers": workers, "batch_rows": batch, "min_parallel_rows": 0}
            said = message(lambda: read(path, **run))
            assert said.startswith(what) and f"(file {path}, line 3, row 2" in said and where in said, said
            assert read(path, on_error="skip", **run).to_pylist() == good[:2] + good[3:]
            null = read(path, on_error="null", **run).to_pylist()
            assert len(null) == 7 and null[3:6] == good[3:] and null[2]["s"] in (None, "t")
        lazy = gm.scan_ndjson(path, schema=schema, on_error="skip", block_bytes=block)
        assert lazy.select(gm.count()).collect().to_pydict() == {"count": [5]}
        assert gm.scan_ndjson(path, schema=schema, block_bytes=block).head(2).collect(num_workers=2, min_parallel_rows=0).to_pylist() == good[:2]


def test_policies_and_files(tmp_path):
    (tmp_path / "a.ndjson").write_text('{"a":1,"x":2}\n')
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress(b'{"a":2,"y":{"deep":[1,{"z":null}]}}\n\n{"y":3}'))
    assert read(tmp_path / "*").to_pydict() == {"a": [1, 2, None], "x": [2, None, None]}
    said = message(lambda: read(tmp_path / "*", extra_columns=False))
    assert said.startswith("a field that the schema has not") and 'column "y"' in said and "b.ndjson.gz, line 1, row 0" in said
    (tmp_path / "c.ndjson").write_bytes(b'{"a":"\xff"}\n')
    assert message(lambda: read(tmp_path / "c.ndjson", schema={"a": "string"})).startswith("the text is not valid UTF-8")
    assert message(lambda: read(tmp_path / "c.ndjson", schema={"a": "map<string,int64>"})).startswith('column "a" of type map<string,int64> cannot be read from JSON')
    (tmp_path / "deep.ndjson").write_text('{"a":' + "[" * 5000 + "]" * 5000 + "}\n")
    assert message(lambda: read(tmp_path / "deep.ndjson", schema={"b": "int64"})).startswith("the line is not a JSON object")
    (tmp_path / "e.ndjson").write_text("")
    assert message(lambda: read(tmp_path / "e.ndjson")).startswith("no JSON object with a field in")


def test_memory_is_flat_in_the_size_of_the_file(tmp_path):
    path = tmp_path / "t.ndjson"
    line = json.dumps({f"k{i}": i * 1000 for i in range(15)} | {"text": "long enough to lie outside of the view", "list": [1, 2, 3]}) + "\n"
    with path.open("w") as f:
        for _ in range(100):
            f.write(line * 1000)
    got = gm.scan_ndjson(path).filter(gm.col("text") == "x").collect(num_workers=2, memory_limit=32 << 20)
    assert got.num_rows == 0
    assert gm.scan_ndjson(path).select(gm.col("k3").sum()).collect(num_workers=2, memory_limit=24 << 20).to_pydict() == {"k3": [3000 * 100000]}
