"""CSV and NDJSON out: what is written reads back, by us and by others; the bytes do not depend on settings."""

from __future__ import annotations

import datetime
import decimal
import gzip
import json
import os
import random

import polars as pl
import pyarrow as pa
import pytest

import gristmill as gm

SEED = int(os.environ.get("GRISTMILL_SEED", random.SystemRandom().randrange(1 << 30)))
TEXTS = ["", "a", "x,y", 'say "hi"', "two\nlines", "cr\r", " blank ", "ä€😀 and then some more text that is long", "null", "\t"]


def table(rng: random.Random, rows: int) -> pa.Table:
    def column(make, kind):
        return pa.array([None if rng.random() < 0.15 else make() for _ in range(rows)], kind)

    return pa.table({
        "i": column(lambda: rng.choice([0, -1, rng.randint(-(2**63), 2**63 - 1)]), pa.int64()),
        "f": column(lambda: rng.choice([0.0, -0.5, 1e300, 5e-324, rng.uniform(-1e6, 1e6), 100000.0, 1e22]), pa.float64()),
        "g": column(lambda: rng.choice([0.1, 3.0, rng.uniform(-1, 1)]), pa.float32()),
        "b": column(lambda: rng.random() < 0.5, pa.bool_()),
        "s": column(lambda: rng.choice(TEXTS), pa.string()),
        "d": column(lambda: datetime.date(1, 1, 1) + datetime.timedelta(days=rng.randint(0, 3_000_000)), pa.date32()),
        "t": column(lambda: datetime.datetime(1950, 1, 1) + datetime.timedelta(microseconds=rng.randint(0, 10**16)), pa.timestamp("us")),
        "z": column(lambda: datetime.datetime(1950, 1, 1) + datetime.timedelta(seconds=rng.randint(0, 10**10)), pa.timestamp("us", "UTC")),
        "c": column(lambda: datetime.time(rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59), rng.choice([0, 120000])), pa.time64("us")),
        "n": column(lambda: decimal.Decimal(rng.randint(-10**9, 10**9)).scaleb(-2), pa.decimal128(12, 2)),
    })


TYPES = {"i": "int64", "f": "float64", "g": "float32", "b": "bool", "s": "string", "d": "date", "t": "timestamp(us)", "z": "timestamp(us,UTC)", "c": "time", "n": "decimal(12,2)"}


@pytest.mark.parametrize("case", range(8))
def test_csv_reads_back_the_same_at_any_setting(case, tmp_path):
    print(f"GRISTMILL_SEED={SEED}")
    rng = random.Random(SEED * 100 + case)
    data = table(rng, rng.choice([0, 1, 50, 3000]))
    style = {"separator": rng.choice([",", ";", "\t"]), "quote_style": rng.choice(["necessary", "always", "non_numeric"]), "line_terminator": rng.choice(["\n", "\r\n"])}
    if style["quote_style"] != "necessary":
        style["null_value"] = "NULL"  # else an empty text and null look alike
    wanted = None
    for workers, batch, ending in [(1, 0, ""), (2, 1000, ""), (3, 7, ""), (2, 0, ".gz"), (3, 100, ".zst"), (1, 0, ".lz4"), (2, 64, ".bz2"), (2, 100, ".sz")]:
        path = tmp_path / f"t{workers}.csv{ending}"
        rows = gm.from_arrow(data).sink_csv(path, num_workers=workers, batch_rows=batch, min_parallel_rows=0, **style)
        assert rows == data.num_rows
        back = gm.scan_csv(path, separator=style["separator"], schema=TYPES, null_values=["NULL"] if "null_value" in style else None).collect().to_arrow()
        assert back.to_pylist() == data.to_pylist()
        if ending == "":
            wanted = wanted or path.read_bytes()
            assert path.read_bytes() == wanted
    assert gzip.decompress((tmp_path / "t2.csv.gz").read_bytes()) == wanted
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix == ".tmp") == []
    if data.num_rows and style["quote_style"] == "necessary":
        theirs = pl.read_csv(tmp_path / "t1.csv", separator=style["separator"], schema_overrides={"f": pl.Float64, "i": pl.Int64}, columns=["i", "f"])
        assert theirs["f"].to_list() == data["f"].to_pylist() and theirs["i"].to_list() == data["i"].to_pylist()


def test_csv_text_is_this(tmp_path):
    path = tmp_path / "t.csv"
    data = pa.table({
        "a,b": [1.0, 0.1, None, 1e20, float("nan"), float("-inf")], "s": ["x", "", None, 'q"', "a,b", "l\n"], "d": [datetime.date(2024, 2, 29)] * 6,
        "t": pa.array([1709209801500000] * 6, pa.timestamp("us", "UTC")),
    })
    gm.from_arrow(data).sink_csv(path)
    moment = "2024-02-29,2024-02-29 12:30:01.5Z\n"
    assert path.read_text() == (
        '"a,b",s,d,t\n' + f"1.0,x,{moment}" + f'0.1,"",{moment}' + f",,{moment}" + f'1e+20,"q""",{moment}' + f'NaN,"a,b",{moment}' + f'-inf,"l\n",{moment}')
    gm.from_arrow(data).select("a,b", "d", "t").head(2).sink_csv(path, include_header=False, separator=";", float_precision=2, date_format="%d.%m.%Y",
                                                                 datetime_format="%H:%M")
    assert path.read_text() == "1.00;29.02.2024;12:30\n0.10;29.02.2024;12:30\n"
    with pytest.raises(gm.DataError, match='a text that needs quotes, with quote_style="never"'):
        gm.from_arrow(data).sink_csv(path, quote_style="never")
    with pytest.raises(gm.PlanError, match="cannot be written as CSV"):
        gm.from_arrow(pa.table({"l": [[1]]})).sink_csv(path)
    with pytest.raises(gm.PlanError, match="with brotli"):
        gm.from_arrow(data).sink_csv(tmp_path / "t.csv.br")
    with pytest.raises(ValueError, match="quote_style must be"):
        gm.from_arrow(data).sink_csv(path, quote_style="some")


@pytest.mark.parametrize("case", range(6))
def test_ndjson_reads_back_the_same_at_any_setting(case, tmp_path):
    rng = random.Random(SEED * 100 + case)
    rows = rng.choice([1, 40, 2000])
    data = table(rng, rows)
    nested = pa.array([None if rng.random() < 0.2 else [None if rng.random() < 0.2 else {"x": rng.randint(0, 9), "y": rng.choice([*TEXTS, None])}
                                                         for _ in range(rng.randint(0, 3))] for _ in range(rows)],
                      pa.list_(pa.struct({"x": pa.int64(), "y": pa.string()})))
    data = data.append_column("l", nested)
    wanted = None
    for workers, batch, ending in [(1, 0, ""), (3, 7, ""), (2, 100, ".gz"), (2, 0, ".zst")]:
        path = tmp_path / f"t{workers}.ndjson{ending}"
        assert gm.from_arrow(data).sink_ndjson(path, num_workers=workers, batch_rows=batch, min_parallel_rows=0) == rows
        back = gm.scan_ndjson(path, schema=TYPES | {"l": "list<struct<x:int64,y:string>>"}).collect().to_arrow()
        assert back.to_pylist() == data.to_pylist()
        if ending == "":
            wanted = wanted or path.read_bytes()
            assert path.read_bytes() == wanted
    lines = [json.loads(line) for line in wanted.splitlines()]
    assert [r["s"] for r in lines] == data["s"].to_pylist() and [r["l"] for r in lines] == data["l"].to_pylist()
    assert [r["f"] for r in lines] == data["f"].to_pylist()


def test_ndjson_text_is_this(tmp_path):
    path = tmp_path / "t.ndjson"
    data = pa.table({"a": [1.5, float("nan"), None], "t": pa.array([0, None, 1], pa.timestamp("s", "UTC")), "m": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int8()))})
    gm.from_arrow(data).sink_ndjson(path)
    assert path.read_text() == (
        '{"a":1.5,"t":"1970-01-01T00:00:00Z","m":{"k":1}}\n{"a":null,"t":null,"m":{}}\n{"a":null,"t":"1970-01-01T00:00:01Z","m":null}\n')
    gm.from_arrow(data).sink_ndjson(path, omit_nulls=True)
    assert path.read_text().splitlines()[2] == '{"t":"1970-01-01T00:00:01Z"}'


def test_a_failed_run_leaves_nothing(tmp_path):
    data = gm.from_pydict({"a": ["1", "2", "x"]})
    with pytest.raises(gm.DataError):
        data.select(gm.col("a").cast("int64")).sink_csv(tmp_path / "t.csv")
    assert list(tmp_path.iterdir()) == []
