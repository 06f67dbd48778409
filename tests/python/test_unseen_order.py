"""Inner joins that build their smaller left side, where nobody sees the order of their rows: they are not put back in order, and the
answers stay the same to the bit."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from spilling import eagerly

import gristmill as gm

KEYS, ROWS, WIDE = 300, 20_000, 100_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`big` joins `small` on k; of `few`'s rows, of which a third is guessed to pass a < b, a hundred do."""
    path, rng = tmp_path_factory.mktemp("unseen"), random.Random(5)
    small = {"k": [rng.randrange(1000) for _ in range(KEYS)], "a": [rng.uniform(-1e9, 1e9) for _ in range(KEYS)]}
    big = {"k": [rng.randrange(1000) for _ in range(ROWS)], "g": [rng.randrange(5_000) for _ in range(ROWS)],
           "v": [rng.uniform(-1e9, 1e9) for _ in range(ROWS)], "text": [str(i % 77) for i in range(ROWS)]}
    few = {"g": list(range(WIDE)), "a": [1] * WIDE, "b": [2 if i % 1_000 == 77 else 0 for i in range(WIDE)]}
    for name, columns in {"small": small, "big": big, "few": few}.items():
        pq.write_table(pa.table(columns), path / f"{name}.parquet", row_group_size=3_000)
    spoilt = dict(big, text=[str(k) for k in big["k"]])
    spoilt["text"][12_345], spoilt["g"][12_345] = "no number", 4_321
    spoilt["text"][15_000], spoilt["g"][15_000] = "nor this", 4_321
    pq.write_table(pa.table(spoilt), path / "spoilt.parquet", row_group_size=3_000)
    return path


def query(folder: Path, text: str) -> gm.Frame:
    return gm.sql(text, **{f.stem: gm.scan_parquet(str(f)) for f in folder.glob("*.parquet")})


def answer(frame: gm.Frame) -> pa.Table:
    """The same bytes whatever the workers, the cuts and the memory."""
    tables = []
    for spilling in (False, True):
        for workers, rows in ((1, 0), (2, 3_001), (8, 500)):
            with eagerly(spilling):
                tables.append(frame.collect(gm.ParallelOptions(num_workers=workers, chunk_rows=rows, min_parallel_rows=0)).to_arrow())
    parts = [b"".join(bytes(b) for c in t.combine_chunks().columns for a in c.chunks for b in a.buffers() if b is not None) for t in tables]
    assert all(t.equals(tables[0]) for t in tables) and len(set(parts)) == 1
    return tables[0]


def joined(folder: Path) -> list[tuple[int, int, float, float]]:
    """k, g, v and a of the pairs, left rows first."""
    small, big = (pq.read_table(folder / f"{t}.parquet").to_pylist() for t in ("small", "big"))
    rows: dict[int, list[dict]] = {}
    for r in big:
        rows.setdefault(r["k"], []).append(r)
    return [(s["k"], r["g"], r["v"], s["a"]) for s in small for r in rows.get(s["k"], [])]


def joining(frame: gm.Frame) -> str:
    return next(line for line in frame.explain().splitlines() if "join inner on k" in line)


def is_sorted_again(frame: gm.Frame) -> bool:
    """Whether the join's rows go through a sort by its key."""
    return re.search(r"^\s+\. sort k: rows", frame.explain(analyze=True), re.MULTILINE) is not None


SEEN = ["select k, g, v, a from small join big using (k)",
        "select first(g) as g, last(v) as v from small join big using (k)",
        "select g, sum(a) as a from small join big using (k) group by g"]
UNSEEN = ["select sum(v) as v, sum(a) as a, count(*) as n from small join big using (k)",
          "select g, sum(a) as a, min(v) as v from small join big using (k) group by g order by g",
          "select g from few where g in (select g from small join big using (k))"]


@pytest.mark.parametrize("text", SEEN)
def test_rows_whose_order_is_seen_are_put_back_in_it(text: str, folder: Path) -> None:
    frame = query(folder, text)
    line = joining(frame)
    assert "build left" in line and "in any order" not in line
    assert is_sorted_again(frame)


@pytest.mark.parametrize("text", UNSEEN)
def test_rows_whose_order_nobody_sees_are_not_sorted(text: str, folder: Path) -> None:
    frame = query(folder, text)
    assert "build left in any order" in joining(frame)
    assert not is_sorted_again(frame)


@pytest.mark.parametrize("text", SEEN + UNSEEN)
def test_the_answer_has_the_same_bytes_at_any_number_of_workers(text: str, folder: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    table = answer(query(folder, text))
    if "first(" in text:
        pairs = joined(folder)
        assert table.to_pylist() == [{"g": pairs[0][1], "v": pairs[-1][2]}]
    elif text == SEEN[0]:
        assert [tuple(r.values()) for r in table.to_pylist()] == joined(folder)
    else:
        for name in ("small", "big", "few"):
            text = re.sub(rf"\b(from|join) {name}\b", rf"\1 '{folder / name}.parquet'", text)
        theirs = sorted(duckdb.sql(text).fetchall())
        assert sorted(tuple(r.values()) for r in table.to_pylist()) == [tuple(pytest.approx(v, rel=1e-9) for v in r) for r in theirs]


def scanned(frame: gm.Frame, name: str) -> tuple[int, int]:
    found = re.search(rf"\. scan \S*/{name}\.parquet: rows ([\d,]+) in, ([\d,]+) out", frame.explain(analyze=True))
    assert found
    return int(found[1].replace(",", "")), int(found[2].replace(",", ""))


def test_a_filter_of_a_join_above_goes_on_to_the_side_that_is_not_built(folder: Path) -> None:
    """Of the big table's rows those leave the scan that both joins may match."""
    above = "where g in (select g from few where a < b)"
    frame = query(folder, f"select sum(v) as v from small join big using (k) {above}")
    plan = frame.explain()
    assert plan.index("join semi") < plan.index("join inner") and "build left in any order" in plan
    _, alone = scanned(query(folder, "select sum(v) as v from small join big using (k)"), "big")
    _, both = scanned(frame, "big")
    assert both < alone / 20
    few = {g for g in range(WIDE) if g % 1_000 == 77}
    assert answer(frame).to_pydict()["v"] == pytest.approx([sum(v for _, g, v, _ in joined(folder) if g in few)])


def test_a_filter_of_a_join_above_hides_no_row_that_fails_as_a_key(folder: Path) -> None:
    """Rows with a bad key have a g that the join above does not know: they fail all the same, the first of them."""
    frame = query(folder, "select sum(v) as v from small join spoilt on small.k = cast(spoilt.text as bigint) "
                          "where g in (select g from few where a < b)")
    plan = frame.explain()
    assert plan.index("join semi") < plan.index("join inner") and "build left in any order" in plan
    for workers in (1, 2, 8):
        with pytest.raises(gm.DataError, match="no number"):
            frame.collect(gm.ParallelOptions(num_workers=workers, chunk_rows=500, min_parallel_rows=0))
