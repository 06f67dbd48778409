"""Functions on text against plain Python and DuckDB."""

from __future__ import annotations

import base64
import random

import duckdb
import pyarrow as pa
import pytest

import gristmill as gm
from function_shapes import choices, each, evaluate, expect, texts
from gristmill import col

SEEDS = [1, 20240229]


def data(seed: int) -> tuple[pa.Table, dict[str, list]]:
    rng = random.Random(seed)
    n = 150
    columns = {"s": texts(rng, n), "p": choices(rng, n, [",", "a", "ab", "ä", "", "aa", "漢", "zz", " "]), "n": choices(rng, n, [-60, -3, -2, -1, 0, 1, 2, 3, 7, 60]),
               "f": choices(rng, n, ["", "x", "äö", "12"])}
    types = {"s": pa.string(), "p": pa.string(), "n": pa.int64(), "f": pa.string()}
    return pa.table({k: pa.array(v, types[k]) for k, v in columns.items()}), columns


def padded(s: str, n: int, f: str, start: bool, cut: bool) -> str:
    if len(s) >= n or not f:
        return s[: max(n, 0)] if cut else s
    fill = (f * n)[: n - len(s)]
    return fill + s if start else s + fill


def field(s: str, sep: str, n: int) -> str:
    parts = s.split(sep) if sep else [s]
    return parts[n] if -len(parts) <= n < len(parts) else ""


def side(s: str, n: int, left: bool) -> str:
    if left:
        return s[:n] if n >= 0 else s[: max(len(s) + n, 0)]
    return (s[max(len(s) - n, 0):]) if n >= 0 else s[-n:]


def distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


@pytest.mark.parametrize("seed", SEEDS)
def test_text_functions_agree_with_python(seed: int) -> None:
    t, c = data(seed)
    s, p, n, f = c["s"], c["p"], c["n"], c["f"]
    x = col("s").str
    ps, pn, pf = col("p"), col("n"), col("f")
    cases = [
        (x.pad_start(pn, pf), each(lambda s, n, f: padded(s, n, f, True, False), s, n, f)),
        (x.pad_end(pn, pf), each(lambda s, n, f: padded(s, n, f, False, False), s, n, f)),
        (x.pad_start(9), each(lambda s: s.rjust(9), s)),
        (gm.call("sql_lpad", col("s"), pn, pf), each(lambda s, n, f: padded(s, n, f, True, True), s, n, f)),
        (gm.call("sql_rpad", col("s"), pn, pf), each(lambda s, n, f: padded(s, n, f, False, True), s, n, f)),
        (x.zfill(pn), each(lambda s, n: s.zfill(n), s, n)),
        (x.repeat(pn), each(lambda s, n: s * n, s, n)),
        (x.reverse(), each(lambda s: s[::-1], s)),
        (x.code_point(), each(lambda s: ord(s[0]) if s else 0, s)),
        (x.left(pn), each(lambda s, n: side(s, n, True), s, n)),
        (x.right(pn), each(lambda s, n: side(s, n, False), s, n)),
        (x.strip_prefix(ps), each(lambda s, p: s.removeprefix(p), s, p)),
        (x.strip_suffix(ps), each(lambda s, p: s.removesuffix(p), s, p)),
        (x.count(ps), each(lambda s, p: s.count(p) if p else 0, s, p)),
        (x.find(ps), each(lambda s, p: s.find(p) if p in s else None, s, p)),
        (gm.call("sql_position", col("s"), ps), each(lambda s, p: s.find(p) + 1, s, p)),
        (x.split(ps), each(lambda s, p: s.split(p) if p else list(s), s, p)),
        (x.split(","), each(lambda s: s.split(","), s)),
        (x.split_part(ps, pn), each(field, s, p, n)),
        (x.split_part(",", 1), each(lambda s: field(s, ",", 1), s)),
        (x.translate("aä😀", "b€"), each(lambda s: s.translate(str.maketrans("aä", "b€", "😀")), s)),
        (x.levenshtein(ps), each(distance, s, p)),
        (x.encode("hex"), each(lambda s: s.encode().hex(), s)),
        (x.encode("base64"), each(lambda s: base64.b64encode(s.encode()).decode(), s)),
        (x.encode("base64").str.decode("base64"), each(lambda s: s.encode(), s)),
        (x.encode("hex").str.upper().str.decode("hex").cast("string"), s),
        (gm.concat_ws(ps, col("s"), pn, pf), [None if b is None else b.join(str(v) for v in (a, k, d) if v is not None) for a, b, k, d in zip(s, p, n, f)]),
        (gm.chr(col("n").abs() + 8364), each(lambda n: chr(abs(n) + 8364), n)),
    ]
    for expr, expected in cases:
        expect(t, expr, expected, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_sql_names_agree_with_duckdb(seed: int) -> None:
    t, _ = data(seed)  # noqa: F841 - both engines find it by its name
    for sql in ["reverse(s)", "repeat(s, 2)", "lpad(s, 5, '*')", "rpad(s, 5, '*')", "strpos(s, p)", "position(p in s)", "split_part(s, ',', 2)",
                "left(s, n)", "right(s, n)", "translate(s, 'ab', 'x')", "string_split(s, ',')", "concat_ws('-', s, p)", "chr(8364)", "hex(s)",
                "ascii(s)", "instr(s, p)", "starts_with(s, p)", "bit_length(s)", "strlen(s)", "unicode(s)", "trim(s)", "ltrim(s)", "rtrim(s)",
                "concat(s, p)", "s || p", "contains(s, p)", "prefix(s, p)", "suffix(s, p)"]:
        ours = gm.sql(f"select {sql} as x from t", t=t).collect().to_arrow().column("x").to_pylist()
        theirs = duckdb.sql(f"select {sql} as x from t").arrow().read_all().column("x").to_pylist()
        if sql in ("unicode(s)", "ascii(s)"):
            theirs = [0 if v == -1 else v for v in theirs]
        wrong = [(i, a, b) for i, (a, b) in enumerate(zip(ours, theirs)) if a != b]
        assert not wrong, f"seed {seed}: {sql}: {wrong[:4]}"


def test_title_case() -> None:
    t = pa.table({"s": ["hello wORLD", "o'neil-smith x2y", "über ÄPFEL—éclair", "", None, "123abc"]})
    assert evaluate(t, col("s").str.title()) == ["Hello World", "O'Neil-Smith X2y", "Über Äpfel—Éclair", "", None, "123abc"]


def test_bad_arguments_are_named() -> None:
    t = gm.from_pydict({"s": ["6g", "61"], "n": [0, 1]})
    with pytest.raises(gm.DataError, match='not hex: "6g"'):
        t.select(col("s").str.decode("hex")).collect()
    with pytest.raises(gm.PlanError, match="'hex' or 'base64', got 'gz'"):
        t.select(col("s").str.decode("gz")).collect()
    with pytest.raises(gm.DataError, match="no such character"):
        t.select(gm.chr(col("n"))).collect()
    with pytest.raises(gm.DataError, match="more than 2 GiB"):
        t.select(col("s").str.repeat(2**40)).collect()
    with pytest.raises(gm.DataError, match="more than 2 GiB"):
        t.select(col("s").str.pad_start(2**40)).collect()
    with pytest.raises(gm.DataError, match="fields from 1, got 0"):
        t.select(gm.call("sql_split_part", col("s"), ",", col("n"))).collect()
    for bad in ["aGk", "aG=k", "a===", "aGl=", "äääa"]:
        with pytest.raises(gm.DataError, match="not base64"):
            gm.from_pydict({"s": [bad]}).select(col("s").str.decode("base64")).collect()
    assert gm.from_pydict({"s": ["6g", "61"], "n": [0, 1]}).filter(col("n") > 0).select(gm.chr(col("n") + 64)).collect().to_pylist() == [{"n": "A"}]
