"""Regular expressions against Python's re (patterns that match at least one character) and DuckDB (RE2 as well)."""

from __future__ import annotations

import random
import re

import duckdb
import pyarrow as pa
import pytest

import gristmill as gm
from function_shapes import each, evaluate, expect, texts
from gristmill import col

PATTERNS = ["a", "[ab]+", "(a)(b?)", "ä|ß", "^a", "a$", "[^a-z ]+", "(?i)B", "😀+", "(.)a", ",", "\\.", "x{3,5}", "(漢|z)(.)", "St(r)aße"]


def column(seed: int) -> tuple[pa.Table, list]:
    s = texts(random.Random(seed), 200, 16)
    return pa.table({"s": pa.array(s, pa.string())}), s


@pytest.mark.parametrize("seed", [3, 99])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_agrees_with_python(pattern: str, seed: int) -> None:
    t, s = column(seed)
    x = col("s").str
    p = re.compile(pattern, re.DOTALL)
    cases = [
        (x.regex_contains(pattern), each(lambda v: p.search(v) is not None, s)),
        (x.regex_full_match(pattern), each(lambda v: p.fullmatch(v) is not None, s)),
        (x.regex_replace(pattern, "<\\0>"), each(lambda v: p.sub(lambda m: f"<{m[0]}>", v), s)),
        (x.regex_replace_first(pattern, "#"), each(lambda v: p.sub("#", v, count=1), s)),
        (x.regex_extract(pattern), each(lambda v: m[0] if (m := p.search(v)) else None, s)),
        (x.regex_extract_all(pattern), each(lambda v: [m[0] for m in p.finditer(v)], s)),
        (x.regex_find(pattern), each(lambda v: m.start() if (m := p.search(v)) else None, s)),
        (x.regex_count(pattern), each(lambda v: sum(1 for _ in p.finditer(v)), s)),
    ]
    if p.groups == 0:
        cases.append((x.regex_split(pattern), each(lambda v: p.split(v), s)))
    for g in range(1, p.groups + 1):
        cases.append((x.regex_extract(pattern, g), each(lambda v: (m[g] or "") if (m := p.search(v)) else None, s)))
        cases.append((x.regex_extract_all(pattern, g), each(lambda v: [m[g] or "" for m in p.finditer(v)], s)))
    for expr, expected in cases:
        expect(t, expr, expected, seed)


@pytest.mark.parametrize("pattern", PATTERNS + ["", "a*", "x*$", "^", "$", "^$", "b*|,", "(a*)(b)*"])
def test_agrees_with_duckdb(pattern: str) -> None:
    seed = 17
    t, _ = column(seed)
    for sql in [f"regexp_replace(s, '{pattern}', '<\\0>', 'g')", f"regexp_replace(s, '{pattern}', '<\\0>')", f"regexp_matches(s, '{pattern}')",
                f"regexp_full_match(s, '{pattern}')", f"coalesce(regexp_extract(s, '{pattern}'), '')", f"regexp_replace(s, '{pattern}', '-', 'gi')"]:
        ours = gm.sql(f"select {sql} as x from t", t=t).collect().to_arrow().column("x").to_pylist()
        theirs = duckdb.sql(f"select {sql} as x from t").arrow().read_all().column("x").to_pylist()
        wrong = [(t["s"][i].as_py(), a, b) for i, (a, b) in enumerate(zip(ours, theirs)) if a != b]
        assert not wrong, f"seed {seed}: {sql}: {wrong[:4]}"


def test_operators_of_sql() -> None:
    t = pa.table({"s": ["Abc", "xyz", None, ""]})
    got = gm.sql("select s ~ '^a' as a, s ~* '^a' as b, s !~ 'x' as c, s !~* 'B' as d, regexp_count(s, '[a-z]') as n from t", t=t).collect().to_pylist()
    assert got == [{"a": False, "b": True, "c": True, "d": False, "n": 2}, {"a": False, "b": False, "c": False, "d": True, "n": 3},
                   {"a": None, "b": None, "c": None, "d": None, "n": None}, {"a": False, "b": False, "c": True, "d": True, "n": 0}]


def test_bad_patterns_are_plan_errors() -> None:
    t = gm.from_pydict({"s": ["a"]})
    for expr, message in [(col("s").str.regex_contains("a("), 'bad regular expression "a\\(": .*missing \\)'), (col("s").str.regex_replace("a", "\\3"), "bad regular expression"),
                          (col("s").str.regex_extract("a", 1), "bad regular expression"), (col("s").str.regex_extract("a", 12), "group number from 0 to 9"),
                          (gm.call("str.regex_contains", col("s"), col("s")), "takes a constant pattern")]:
        with pytest.raises(gm.PlanError, match=message):
            t.select(expr).collect()


def test_a_null_pattern_gives_null() -> None:
    assert evaluate(pa.table({"s": ["a", None]}), gm.call("str.regex_count", col("s"), None)) == [None, None]
