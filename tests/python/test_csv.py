"""CSV in: against Python's csv module on random dialects, at every block border, worker count and batch size; errors word by word."""

from __future__ import annotations

import bz2
import csv
import datetime
import gzip
import io
import os
import random

import pyarrow as pa
import pytest

import gristmill as gm

SEED = int(os.environ.get("GRISTMILL_SEED", random.SystemRandom().randrange(1 << 30)))


@pytest.fixture(autouse=True)
def say_seed():
    print(f"GRISTMILL_SEED={SEED}")


def read(path, **options):
    run = {k: options.pop(k) for k in ("num_workers", "batch_rows", "chunk_rows", "min_parallel_rows", "memory_limit") if k in options}
    return gm.scan_csv(path, **options).collect(**run).to_arrow()


def message(call) -> str:
    with pytest.raises(gm.GristmillError) as e:
        call()
    return str(e.value)


LETTERS = ["a", "bc", " ", "ä€", "😀", "0", "-1.5", "long text that no view can hold inside, ", "\t"]


def random_text(rng: random.Random, dialect: dict) -> str:
    pieces = [*LETTERS, *[dialect["delimiter"], dialect["quotechar"], dialect["quotechar"] * 2, "\n", "\r\n", "#"]]
    return "".join(rng.choice(pieces) for _ in range(rng.choice([0, 1, 1, 2, 3, 9])))


@pytest.mark.parametrize("case", range(60))
def test_random_dialects_give_what_the_csv_module_reads(case, tmp_path):
    rng = random.Random(SEED * 1000 + case)
    dialect = {
        "delimiter": rng.choice([",", ";", "\t", "|"]),
        "quotechar": rng.choice(['"', "'"]),
        "lineterminator": rng.choice(["\n", "\r\n"]),
        "quoting": rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    }
    escape = rng.random() < 0.3
    if escape:
        dialect |= {"escapechar": "\\", "doublequote": False}
    columns = rng.randint(2, 5)
    rows = [[random_text(rng, dialect) for _ in range(columns)] for _ in range(rng.randint(1, 40))]
    text = io.StringIO()
    csv.writer(text, **dialect).writerows([[f"c{i}" for i in range(columns)], *rows])
    raw = text.getvalue()
    if rng.random() < 0.3:
        raw = raw.rstrip("\r\n")
    path = tmp_path / "t.csv"
    path.write_bytes((b"\xef\xbb\xbf" if rng.random() < 0.2 else b"") + raw.encode())
    wanted = list(csv.reader(io.StringIO(raw, newline=""), strict=False, **{k: v for k, v in dialect.items() if k != "lineterminator"}))[1:]
    options = {
        "separator": dialect["delimiter"], "quote_char": dialect["quotechar"], "escape_char": "\\" if escape else None,
        "schema": {f"c{i}": "string" for i in range(columns)}, "missing_utf8_is_empty_string": True,
    }
    for block in (1, 7, 64, rng.randint(2, 300), 1 << 20):
        got = read(path, block_bytes=block, num_workers=rng.choice([1, 2, 3]), min_parallel_rows=1, batch_rows=rng.choice([1, 3, 0]), **options)
        assert [list(r.values()) for r in got.to_pylist()] == wanted, (block, raw)
        assert counted(path, block_bytes=block, num_workers=rng.choice([1, 2, 3]), **options) == len(wanted), (block, raw)


def counted(path, num_workers=2, **options) -> int:
    return gm.scan_csv(path, **options).select(gm.count()).collect(num_workers=num_workers, min_parallel_rows=0)["count"][0].as_py()


@pytest.mark.parametrize("case", range(40))
def test_records_are_counted_as_they_are_read(case, tmp_path):
    """Quotes anywhere, blank lines, line ends of both kinds, heads: whatever the size of the pieces that are counted by themselves."""
    rng = random.Random(SEED * 1000 + case)
    words = ["a", "bb", ",", '"', '""', '","', "\n", "\r\n", "\n\n", "\r", " ", 'x"y', "long enough to pass a border of sixty-four bytes, all by itself......"]
    weights = [5, 5, 5, rng.choice([0, 1, 3]), 1, 1, 4, 1, 1, 1, 1, rng.choice([0, 0, 1]), 1]
    files = []
    for i in range(rng.choice([1, 1, 3])):
        body = "".join(rng.choices(words, weights, k=rng.choice([0, 3, 50, 400])))
        if body.count('"') % 2:
            body += '"'
        files.append(tmp_path / f"{i}.csv")
        files[-1].write_text(rng.choice(["", "\ufeff"]) + "skipped\n" + rng.choice(["a,b\n", '"a\nb",b\r\n', "\n\na,b\n"]) + body, newline="")
    for options in ({}, {"has_header": False}, {"quote_char": None}):
        options |= {"skip_rows": 1, "missing_columns": True, "extra_columns": True, "schema": {"a": "string", "b": "string"}}
        try:
            wanted = gm.scan_csv(files, **options, on_error="null").select("a").collect(num_workers=1).num_rows
        except gm.GristmillError as e:
            for block in (1, 7, 64, 1000, 1 << 20):
                assert message(lambda: counted(files, block_bytes=block, **options)) == str(e), (options, block)
            continue
        for block in (1, 2, 7, 63, 64, 65, rng.randint(2, 500), 1000, 1 << 20):
            assert counted(files, block_bytes=block, num_workers=rng.choice([1, 2, 3]), **options) == wanted, (options, block)


def test_counting_a_record_longer_than_many_pieces(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n" + '3,"' + "x,y\n" * 100_000 + '"\n5,6\n7,8')
    for block in (1000, 70_000, 1 << 20):
        assert counted(path, block_bytes=block) == 4
    path.write_text("a,b\n1,2\n" + '3,"' + "x,y\n" * 100_000)
    for block in (1000, 70_000, 1 << 20):
        text = message(lambda: counted(path, block_bytes=block))
        assert "a quote does not close" in text and "line 3, row 1" in text


def test_counting_a_file_that_changed(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 1000)
    scan = gm.scan_csv(path).select(gm.count())
    path.write_text("a,b\n1,2\n")
    assert "changed" in message(lambda: scan.collect())


def test_every_block_border(tmp_path):
    raw = 'id,name,value\r\n1,"a ""b"", c\r\nd",1.5\r\n2,,-2\r\n\r\n3,"","3e2"\r\n4,äöü €uro and more than twelve,\r\n5,x,0.1'
    path = tmp_path / "t.csv"
    path.write_bytes(raw.encode())
    wanted = {
        "id": [1, 2, 3, 4, 5], "name": ['a "b", c\r\nd', None, "", "äöü €uro and more than twelve", "x"], "value": [1.5, -2.0, 300.0, None, 0.1],
    }
    for block in range(1, len(raw.encode()) + 2):
        assert read(path, block_bytes=block).to_pydict() == wanted, block
    for block in (5, 40, 1000):
        got = gm.scan_csv(path, block_bytes=block).filter(gm.col("id") > 3).select("name", "id").collect(num_workers=2, min_parallel_rows=0)
        assert got.to_pydict() == {"name": wanted["name"][3:], "id": [4, 5]}
        assert gm.scan_csv(path, block_bytes=block).head(2).select("id").collect().to_pydict() == {"id": [1, 2]}
        assert gm.scan_csv(path, block_bytes=block).select(gm.count()).collect().to_pydict() == {"count": [5]}


def test_stray_quotes_are_letters(tmp_path):
    path = tmp_path / "t.csv"
    raw = 'a,b\n5" pipe,1\n"x" y,2\n"p,q"r"s",3\n"" "",4\n'
    path.write_text(raw)
    wanted = [r[0] for r in csv.reader(io.StringIO(raw))][1:]
    for block in range(1, 40):
        assert read(path, block_bytes=block).to_pydict() == {"a": wanted, "b": [1, 2, 3, 4]}
    path.write_text('a,b\n"x,1\ny",2\n')
    assert read(path, quote_char=None).to_pydict() == {"a": ['"x', 'y"'], "b": [1, 2]}


def test_types_are_inferred(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        "i,f,b,d,t,ts,tz,ns,s,big,n\n"
        "1,1.5,true,2024-02-29,12:30:01,2024-02-29 12:30:01.5,2024-02-29T12:30:01Z,2024-01-01T00:00:00.123456789,x,123456789012345678901,\n"
        "-7,1e3,FALSE,1969-12-31,00:00:00.25,2024-02-29T00:00:00,2024-02-29T12:30:01+02:00,2024-01-01T00:00:00,12,1,\n"
    )
    got = read(path)
    assert got.schema == pa.schema({
        "i": pa.int64(), "f": pa.float64(), "b": pa.bool_(), "d": pa.date32(), "t": pa.time64("us"), "ts": pa.timestamp("us"),
        "tz": pa.timestamp("us", "UTC"), "ns": pa.timestamp("ns"), "s": pa.string(), "big": pa.string(), "n": pa.string(),
    })
    assert got["t"].to_pylist() == [datetime.time(12, 30, 1), datetime.time(0, 0, 0, 250000)]
    assert got["tz"].cast(pa.int64()).to_pylist() == [1709209801000000, 1709202601000000]
    assert got["ns"].cast(pa.int64()).to_pylist() == [1704067200123456789, 1704067200000000000]
    assert read(path, try_parse_dates=False)["d"].to_pylist() == ["2024-02-29", "1969-12-31"]
    assert read(path, schema_overrides={"i": "float32", "big": "decimal(38,2)"}).schema.field("big").type == pa.decimal128(38, 2)


def test_numbers_are_what_python_says(tmp_path):
    rng = random.Random(SEED)
    floats = [rng.choice([
        f"{rng.uniform(-1e6, 1e6):.{rng.randint(0, 12)}f}", repr(rng.uniform(-1, 1) * 10.0 ** rng.randint(-300, 300)),
        f"{rng.randint(0, 10**rng.randint(1, 25))}.{rng.randint(0, 10**rng.randint(1, 20))}", f".{rng.randint(0, 999)}", f"{rng.randint(0, 99)}.", "nan", "-inf", "-0",
        "0.000000000000000000000000000000000001", "9007199254740993", "00000000000000000.5", f"+{rng.random()}",
    ]) for _ in range(3000)]
    ints = [rng.choice([str(rng.randint(-10**k, 10**k)), str(-(2**63)), str(2**63 - 1), "-0", "007", " 12 ", "+5"]) for k in range(1, 19) for _ in range(170)][:3000]
    small = [f if not 3e38 < abs(float(f)) < float("inf") else "0" for f in floats]  # beyond float32's range is an error
    path = tmp_path / "t.csv"
    path.write_text("f,g,i\n" + "".join(f"{f},{g},{i}\n" for f, g, i in zip(floats, small, ints)))
    got = read(path, schema={"f": "float64", "g": "float32", "i": "int64"}, block_bytes=4096)
    import numpy as np

    assert got["f"].to_numpy().tobytes() == np.array([float(f) for f in floats]).tobytes()
    assert got["i"].to_pylist() == [int(i) for i in ints]
    import polars as pl

    halves = pl.Series(small).str.strip_prefix("+").cast(pl.Float32).to_numpy()
    assert got["g"].to_numpy().tobytes() == halves.tobytes()


BAD = "id,v\n" + "".join(f"{i},{i}\n" for i in range(30)) + "30,x\n" + "".join(f"{i},{i}\n" for i in range(31, 60)) + "oops,1,2\n60,y\n"


@pytest.mark.parametrize("block", [1, 9, 50, 100, 1 << 20])
@pytest.mark.parametrize("workers", [1, 3])
def test_the_first_bad_row_is_the_error_at_any_setting(tmp_path, block, workers):
    path = tmp_path / "t.csv"
    path.write_text(BAD)
    options = {"infer_rows": 10, "block_bytes": block, "num_workers": workers, "min_parallel_rows": 0}
    for batch in (1, 7, 0):
        assert message(lambda: read(path, batch_rows=batch, **options)) == (
            f'cannot read the value as int64 (file {path}, line 32, row 30, column "v", value "x"); the type was inferred: schema_overrides names another, '
            'a greater infer_rows looks at more rows, null_values names texts that mean null, on_error="null" or "skip" goes on'
        )
    # What is before the error is enough, or the column is not needed.
    scan = gm.scan_csv(path, infer_rows=10, block_bytes=block)
    assert scan.head(30).collect(num_workers=workers, min_parallel_rows=0).num_rows == 30
    assert "expected 2 columns, found 3" in message(lambda: scan.select("id").collect(num_workers=workers, min_parallel_rows=0))
    assert "line 62, row 60" in message(lambda: scan.select("id").collect(num_workers=workers, min_parallel_rows=0))
    null = read(path, on_error="null", **options)
    assert null["v"].to_pylist() == [*range(30), None, *range(31, 60), 1, None] and null["id"].to_pylist()[-2:] == [None, 60]
    skip = read(path, on_error="skip", **options)
    assert skip["id"].to_pylist() == [*range(30), *range(31, 60)]
    lazy = gm.scan_csv(path, on_error="skip", infer_rows=10, block_bytes=block)
    assert lazy.select(gm.count()).collect().to_pydict() == {"count": [59]}
    assert "3 bad rows skipped" in lazy.explain(analyze=True)
    assert lazy.select(gm.col("id").sum()).collect().to_pydict() == {"id": [sum(range(60)) - 30]}


def test_error_messages(tmp_path):
    def of(raw: bytes | str, name="t.csv", **options) -> str:
        (tmp_path / name).write_bytes(raw.encode() if isinstance(raw, str) else raw)
        return message(lambda: read(tmp_path / name, **options)).replace(f"{tmp_path}/", "")

    assert of("a,b\n1,2\n3\n") == (
        'expected 2 columns, found 1 (file t.csv, line 3, row 1); missing_columns=True makes the missing values null, on_error="skip" leaves the row out')
    assert of('a,b\n1,2\n"3,4\n') == (
        "a quote does not close in the record that begins here (file t.csv, line 3, row 1); the file may be cut off; quote_char=None reads quotes as text")
    assert of(b"a,b\n1,2\n3,\xff\xfe\n") == (
        'the text is not valid UTF-8 (file t.csv, line 3, row 1, column "b", value "\\\\xff\\\\xfe"); read the column as binary, or on_error="null" or "skip"')
    assert of("a,b\n1,2\n", schema_overrides={"c": "int64"}).startswith('no column "c" in t.csv')
    assert of("a,b\n1,2\n", schema_overrides={"a": "list<int64>"}) == 'column "a" of type list<int64> cannot be read from CSV; read it as string'
    assert of("a,b\n300,2\n", schema_overrides={"a": "int8"}).startswith('cannot read the value as int8 (file t.csv, line 2, row 0, column "a", value "300")')
    assert of("a,b\n", separator="\n").startswith("separator, quote_char and escape_char cannot be a line end")
    assert of("a,b\n", encoding="latin-1").startswith('encoding "latin-1" is not supported; convert the file to UTF-8')
    assert of("a,b\n".encode("utf-16")).startswith("cannot read t.csv: it is UTF-16; convert it to UTF-8")
    assert of(b"not gzip at all", name="t.csv.gz").startswith("cannot read t.csv.gz: ")
    assert of(gzip.compress(b"a,b\n" + b"".join(b"%d,2\n" % (i * i) for i in range(10000)))[:-300], name="u.csv.gz").startswith("cannot read u.csv.gz: ")
    assert of("").startswith("empty CSV file: t.csv")
    with pytest.raises(ValueError, match="on_error must be"):
        gm.scan_csv("x", on_error="ignore")
    with pytest.raises(ValueError, match="separator must be one byte"):
        gm.scan_csv("x", separator="||")


def test_options(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("made by hand\n# a note\na;b;c\n1;NA;Y\n# 2;3;N\n\n4; -999 ;N\n5;\"NA\";\n")
    got = read(path, separator=";", skip_rows=1, comment_prefix="#", null_values=["NA", "-999"], true_values=["Y"], false_values=["N"], trim=True)
    assert got.to_pydict() == {"a": [1, 4, 5], "b": [None, None, None], "c": [True, False, None]}
    path.write_text("1,x\n2,y\n")
    assert read(path, has_header=False).to_pydict() == {"column_1": [1, 2], "column_2": ["x", "y"]}
    assert read(path, has_header="auto").column_names == ["column_1", "column_2"]
    assert read(path, has_header=False, column_names=["p", "q"]).to_pydict() == {"p": [1, 2], "q": ["x", "y"]}
    assert read(path, has_header=False, schema={"p": "string", "q": "binary"}).to_pydict() == {"p": ["1", "2"], "q": [b"x", b"y"]}
    path.write_text("id,name\n1,x\n")
    assert read(path, has_header="auto").column_names == ["id", "name"]
    path.write_text("a,b\n1,2,3\n4\n5,6\n")
    assert read(path, missing_columns=True, extra_columns=True).to_pydict() == {"a": [1, 4, 5], "b": [2, None, 6]}
    path.write_text("a\n1\n\n3\n")
    assert read(path).to_pydict() == {"a": [1, None, 3]}
    path.write_text("a,b\n  x , 1 \n")
    assert read(path).to_pydict() == {"a": ["  x "], "b": [1]} and read(path, trim=True).to_pydict() == {"a": ["x"], "b": [1]}


def test_several_files(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,a\n2,b\n")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"y,x\nc,3\n") + gzip.compress(b"d,4\n"))
    (tmp_path / "c.csv.bz2").write_bytes(bz2.compress(b"x,y\n5,e"))
    wanted = {"x": [1, 2, 3, 4, 5], "y": ["a", "b", "c", "d", "e"]}
    for block in (1, 4, 100):
        assert read(tmp_path / "*.csv*", block_bytes=block).to_pydict() == wanted
        assert read(tmp_path, block_bytes=block).to_pydict() == wanted
    frame = gm.scan_csv([tmp_path / "a.csv", tmp_path / "b.csv.gz"])
    assert gm.deserialize(frame.serialize()).collect().to_pydict() == {"x": [1, 2, 3, 4], "y": ["a", "b", "c", "d"]}
    assert gm.sql(f"select sum(x) as s from '{tmp_path}/b.csv.gz'").collect().to_pydict() == {"s": [7]}
    (tmp_path / "d.csv").write_text("x,z\n1,a\n")
    assert "mixed schemas" in message(lambda: read(tmp_path / "*.csv"))
    assert read(tmp_path / "*.csv", missing_columns=True, extra_columns=True).to_pydict() == {"x": [1, 2, 1], "y": ["a", "b", None]}


@pytest.mark.parametrize("codec, ending", [("gzip", "gz"), ("zstd", "zst"), ("lz4", "lz4"), ("bz2", "bz2"), ("brotli", "br")])
def test_codecs(tmp_path, codec, ending):
    raw = b"a,b\n" + b"".join(b"%d,text %d\n" % (i, i * i) for i in range(20000))
    path = tmp_path / f"t.csv.{ending}"
    with pa.output_stream(str(path), compression=codec) as out:
        out.write(raw)
    plain = tmp_path / "t.csv"
    plain.write_bytes(raw)
    assert read(path, block_bytes=5000).equals(read(plain))
    named = tmp_path / "data.txt"
    named.write_bytes(path.read_bytes())
    assert read(named, compression=codec).num_rows == 20000


def test_memory_is_flat_in_the_size_of_the_file(tmp_path):
    path = tmp_path / "t.csv"
    line = b",".join(b"%d" % (i * 12345) for i in range(20)) + b",some text that is long enough to lie outside\n"
    with path.open("wb") as f:
        f.write(b",".join(b"c%d" % i for i in range(21)) + b"\n")
        for _ in range(200):
            f.write(line * 1000)
    got = gm.scan_csv(path).filter(gm.col("c20") == "x").collect(num_workers=2, memory_limit=24 << 20)
    assert got.num_rows == 0
    sums = gm.scan_csv(path).select(gm.col("c3").sum(), gm.count()).collect(num_workers=2, memory_limit=24 << 20).to_pydict()
    assert sums == {"c3": [3 * 12345 * 200000], "count": [200000]}
