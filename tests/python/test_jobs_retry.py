"""What a dead letter must carry so that it comes back as the record it was: whose columns, which floats, all digits, its place."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from test_jobs import COMMAND, check_balance, ndjson, run, run_job, write_job

LAUNCH = Path(__file__).parents[2] / "bench/measure/launch.py"
DEAD = {"policy": "dead_letter", "path": "rejected.ndjson"}


def retry(folder: Path) -> str:
    done = run("retry", "rejected.ndjson", cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stderr


def mend(folder: Path, *replacements: tuple[str, str]) -> None:
    path = folder / "rejected.ndjson"
    text = path.read_text()
    for old, new in replacements:
        assert old in text, (old, text)
        text = text.replace(old, new)
    path.write_text(text)


def outputs(folder: Path, pattern: str = "out*.ndjson") -> list[dict]:
    return [row for path in sorted(folder.glob(pattern)) for row in ndjson(path)]


def test_text_of_files_with_columns_in_another_order(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_text("id,low,high\n1,10,20\nx2,11,21\n")
    (tmp_path / "in/b.csv").write_text("high,id,low\n22,3,12\n23,x4,13\n")
    (tmp_path / "in/c.csv").write_text("low,high,id\n14,24,x5\n15,25,6\n16,26,x7\n")
    types = {"id": "int64", "low": "int64", "high": "int64"}
    job = {"source": {"csv": {"path": "in/*.csv", "types": types}}, "sink": {"ndjson": {"path": "out.ndjson"}}, "on_error": DEAD}
    check_balance(run_job(tmp_path, job))
    letters = ndjson(tmp_path / "rejected.ndjson")
    assert [e["columns"] for e in letters] == [["id", "low", "high"], ["high", "id", "low"], ["low", "high", "id"], ["low", "high", "id"]]
    mend(tmp_path, ("x2", "2"), ("x4", "4"), ("x7", "7"))
    assert "4 records fed back, 1 left" in retry(tmp_path)
    rows = outputs(tmp_path)
    assert sorted(rows, key=lambda r: r["id"]) == [{"id": i, "low": low, "high": low + 10} for i, low in ((1, 10), (2, 11), (3, 12), (4, 13), (6, 15), (7, 16))]
    assert all(list(r) == ["id", "low", "high"] for r in rows)  # as every other row of the sink
    # What is left is what it was: its text, its columns, its place in the source.
    assert ndjson(tmp_path / "rejected.ndjson") == [letters[2]]
    mend(tmp_path, ("x5", "5"))
    assert "1 records fed back, 0 left" in retry(tmp_path)
    assert {"id": 5, "low": 14, "high": 24} in outputs(tmp_path)


def test_random_orders_headers_and_dialects_against_what_was_written(tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = random.Random(seed)
    for turn in range(6):
        folder = tmp_path / str(turn)
        (folder / "in").mkdir(parents=True)
        separator, extra, missing = rng.choice([",", ";", "|"]), rng.random() < 0.5, rng.random() < 0.5
        names = ["id", "a" + separator + "b", 'quo"te', "plain", "d"]
        expected, number = {}, 0

        def quoted(text: str) -> str:
            return '"' + text.replace('"', '""') + '"' if separator in text or '"' in text or "\n" in text else text

        for f in range(4):
            mine = rng.sample(names, len(names)) if f else list(names)
            if f and missing:
                mine.remove(rng.choice(names[1:]))
            if f and extra:
                mine.insert(rng.randrange(len(mine) + 1), "unknown")
            lines = [separator.join(map(quoted, mine))]
            for _ in range(rng.randrange(1, 12)):
                number += 1
                row = {n: rng.choice(["x", "y" + separator, 'z"', "two\nlines", "w"]) for n in mine}
                row["id"] = str(number) if rng.random() < 0.5 else f"bad{number}"
                expected[number] = {n: row.get(n) for n in names[1:]}
                lines.append(separator.join(quoted(row[n]) for n in mine))
            (folder / f"in/{f}.csv").write_text("\n".join(lines) + "\n")
        source = {"path": "in/*.csv", "separator": separator, "types": {n: "int64" if n == "id" else "string" for n in names}, "extra_columns": extra, "missing_columns": missing}
        job = {"source": {"csv": source}, "sink": {"ndjson": {"path": "out.ndjson"}}, "on_error": DEAD, "parallel": {"workers": rng.choice([1, 3])}}
        bad = run_job(folder, job)["steps"][0]["rejected"]
        if bad:
            letters = folder / "rejected.ndjson"
            letters.write_text(letters.read_text().replace("bad", ""))
            assert f"{bad} records fed back, 0 left" in retry(folder)
        rows = outputs(folder)
        assert {r["id"]: {n: r[n] for n in names[1:]} for r in rows} == expected
        assert len(rows) == number and all(list(r) == names for r in rows)


def test_a_schema_goes_by_position_and_so_do_its_letters(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("b,a\n1,2\nx,3\n")
    job = {"source": {"csv": {"path": "a.csv", "schema": {"a": "int64", "b": "int64"}}}, "sink": {"ndjson": {"path": "out.ndjson"}}, "on_error": DEAD}
    run_job(tmp_path, job)
    assert "columns" not in ndjson(tmp_path / "rejected.ndjson")[0]
    mend(tmp_path, ('"x,3"', '"5,3"'))
    retry(tmp_path)
    assert outputs(tmp_path) == [{"a": 1, "b": 2}, {"a": 5, "b": 3}]


def test_without_a_header_and_with_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1;one\nx;two\n")
    source = {"path": "a.csv", "header": False, "separator": ";", "columns": ["id", "name"], "types": {"id": "int64"}}
    run_job(tmp_path, {"source": {"csv": source}, "sink": {"ndjson": {"path": "out.ndjson"}}, "on_error": DEAD})
    mend(tmp_path, ("x;two", "2;two"))
    retry(tmp_path)
    assert outputs(tmp_path) == [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}]


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_columns_that_came_from_folders(tmp_path: Path, form: str) -> None:
    for year, zone, first in ((2023, "N o", 1), (2024, "S", 11)):
        folder = tmp_path / f"in/year={year}/zone={zone.replace(' ', '%20')}"
        folder.mkdir(parents=True)
        order = ["id", "v"] if year == 2023 else ["v", "id"]
        rows = [{"id": first, "v": 1}, {"id": first + 1, "v": "oops"}, {"id": first + 2, "v": 0}]
        text = "".join(json.dumps({n: r[n] for n in order}) + "\n" for r in rows)
        if form == "csv":
            text = "".join(",".join(str(c) for c in line) + "\n" for line in [order, *([r[n] for n in order] for r in rows)])
        (folder / f"part.{form}").write_text(text)
    source = {form: {"path": "in/", "types": {"id": "int64", "v": "int64"}}}
    job = {"source": source, "transforms": [{"compute": {"share": "100 / v"}}], "sink": {"ndjson": {"path": "out.ndjson"}}, "on_error": DEAD}
    report = run_job(tmp_path, job)
    assert report["steps"][0]["rejected"] == 2 and report["steps"][1]["rejected"] == 2
    mend(tmp_path, ('"v":0', '"v":4'), *([('\\"oops\\"', "2")] if form == "ndjson" else [("oops", "2")]))
    assert "4 records fed back, 0 left" in retry(tmp_path)
    rows = outputs(tmp_path)
    assert sorted((r["year"], r["zone"], r["id"], r["share"]) for r in rows) == [
        (2023, "N o", 1, 100.0), (2023, "N o", 2, 50.0), (2023, "N o", 3, 25.0), (2024, "S", 11, 100.0), (2024, "S", 12, 50.0), (2024, "S", 13, 25.0)]
    assert all(list(r) == ["id", "v", "year", "zone", "share"] for r in rows)


def test_floats_that_json_has_not_come_back_as_floats(tmp_path: Path) -> None:
    floats = [math.nan, math.inf, -math.inf, 0.1, -0.0, 5e-324]
    table = pa.table({
        "id": list(range(6)), "v": floats, "f": pa.array(floats, pa.float32()), "l": [[f, None, 1.5] for f in floats], "s": [{"x": f, "y": "NaN"} for f in floats],
        "name": ["NaN", "Infinity", "a", "b", "c", "d"], "divisor": [0] * 6})
    pq.write_table(table, tmp_path / "a.parquet")
    job = {"source": {"parquet": {"path": "a.parquet"}}, "transforms": [{"compute": {"share": "id / divisor"}}], "sink": {"parquet": {"path": "out.parquet"}}, "on_error": DEAD}
    assert run_job(tmp_path, job)["steps"][1]["rejected"] == 6
    records = [e["record"] for e in ndjson(tmp_path / "rejected.ndjson")]
    assert [r["v"] for r in records[:3]] == ["NaN", "Infinity", "-Infinity"] and records[1]["l"] == ["Infinity", None, 1.5] and records[2]["s"] == {"x": "-Infinity", "y": "NaN"}
    mend(tmp_path, ('"divisor":0', '"divisor":1'))
    assert "6 records fed back, 0 left" in retry(tmp_path)
    back = pq.read_table(tmp_path / "out.retried-1.parquet").drop_columns(["share", "divisor"])
    assert repr(back.to_pylist()) == repr(table.drop_columns(["divisor"]).to_pylist())  # repr: NaN is not itself


def test_a_float_column_of_ndjson_knows_these_names_and_no_others(tmp_path: Path) -> None:
    lines = ['{"v":"NaN"}', '{"v":"Infinity"}', '{"v":"-Infinity"}', '{"v":"nan"}', '{"v":"1.5"}', '{"v":2.5}']
    (tmp_path / "a.ndjson").write_text("\n".join(lines) + "\n")
    source = {"ndjson": {"path": "a.ndjson", "schema": {"v": "float64"}}}
    assert run_job(tmp_path, {"source": source, "sink": {"csv": {"path": "out.csv"}}, "on_error": DEAD})["steps"][0]["rejected"] == 2
    assert (tmp_path / "out.csv").read_text() == "v\nNaN\ninf\n-inf\n2.5\n"


def test_all_digits_come_back(tmp_path: Path) -> None:
    value = Decimal("12345678901234567890123456789012345.678")
    pq.write_table(pa.table({"id": [2**63 - 1], "d": pa.array([value], pa.decimal128(38, 3)), "zero": [0]}), tmp_path / "a.parquet")
    job = {"source": {"parquet": {"path": "a.parquet"}}, "transforms": [{"compute": {"share": "1 / zero"}}], "sink": {"parquet": {"path": "out.parquet"}}, "on_error": DEAD}
    run_job(tmp_path, job)
    mend(tmp_path, ('"zero":0', '"zero":1'))
    retry(tmp_path)
    row = pq.read_table(tmp_path / "out.retried-1.parquet").to_pylist()[0]
    assert (row["id"], row["d"]) == (2**63 - 1, value)


def test_what_is_rejected_again_stands_where_it_stood(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,v\n1,1\n2,x\n3,0\n4,y\n5,0\n")
    job = {"source": {"csv": {"path": "a.csv", "types": {"id": "int64", "v": "int64"}}}, "transforms": [{"compute": {"share": "1 / v"}}], "sink": {"ndjson": {"path": "out.ndjson"}}, "on_error": DEAD}
    run_job(tmp_path, job)
    before = {(e["row"], e["step"]): e for e in ndjson(tmp_path / "rejected.ndjson")}
    assert "4 records fed back, 4 left" in retry(tmp_path)
    again = {(e["row"], e["step"]): e for e in ndjson(tmp_path / "rejected.ndjson")}
    assert again == before
    # A text that somebody made two records of still counts as what it is.
    mend(tmp_path, ('"2,x"', '"2,1\\n6,1"'))
    retry(tmp_path)
    assert sorted(r["id"] for r in outputs(tmp_path)) == [1, 2, 6]


def test_the_columns_of_the_standard_input_are_gone(tmp_path: Path) -> None:
    write_job(tmp_path, {"source": {"stdin": {"format": "csv", "types": {"id": "int64"}}}, "sink": {"ndjson": {"path": "out.ndjson"}}, "on_error": DEAD})
    assert run("run", "job.yaml", cwd=tmp_path, input="id,v\n1,a\nx,b\n").returncode == 0
    done = run("retry", "rejected.ndjson", cwd=tmp_path)
    assert done.returncode != 0 and "schema: {name: type" in done.stderr, done.stderr
    assert (tmp_path / "rejected.ndjson").exists()


def peak_of_retry(folder: Path, records: int) -> int:
    """Bytes that the command took at most to feed so many records back, all of which are rejected again."""
    folder.mkdir()
    job = {"source": {"csv": {"path": "in.csv", "schema": {"id": "int64", "v": "int64", "t": "string"}}}, "transforms": [{"compute": {"share": "1 / v"}}],
           "sink": {"csv": {"path": "out.csv"}}, "on_error": DEAD, "parallel": {"workers": 2}}
    text = "t" * 150
    (folder / "in.csv").write_text("id,v,t\n" + "".join(f"{i},{0 if i % 2 else 'x'},{text}\n" for i in range(records)))
    run_job(folder, job)
    # The kernel counts the memory of whoever starts a program as the program's: a process of a few MiB starts this one, not the tests'.
    process = subprocess.run([sys.executable, "-S", str(LAUNCH), "took.json", str(COMMAND), "retry", "rejected.ndjson"], cwd=folder, capture_output=True, text=True)
    took = json.loads((folder / "took.json").read_text())
    assert took["code"] == 0 and f"{records} records fed back, {records} left" in process.stderr, process.stderr
    letters = (folder / "rejected.ndjson").read_bytes()
    assert letters.count(b"\n") == records and not (folder / "rejected.ndjson.retrying").exists()
    return int(took["peak_mib"] * (1 << 20))


def test_a_large_file_of_letters_is_not_held_in_memory(tmp_path: Path) -> None:
    few, many = 20_000, 200_000
    small, large = peak_of_retry(tmp_path / "few", few), peak_of_retry(tmp_path / "many", many)
    size = (tmp_path / "many/rejected.ndjson").stat().st_size
    assert size > 50 << 20
    assert large - small < size // 2, (small, large, size)


def test_retry_with_records_of_every_way_at_once(tmp_path: Path) -> None:
    """Texts the source could not read, records a step refused, rows a service refused: one file, each by its own way back."""
    from test_job_remote import service

    taken: list[dict] = []
    mended = [False]

    def answer(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        rows = [json.loads(line) for line in body.splitlines()]
        if not mended[0] and any(r["id"] % 5 == 0 for r in rows):
            return 422, b"no fives", {}
        taken.extend(rows)
        return 200, b"", {}

    n = 300
    (tmp_path / "in.csv").write_text("id,v\n" + "".join(f"{i},{'x' if i % 7 == 0 else i % 3}\n" for i in range(1, n)))
    with service(answer) as port:
        job = {"source": {"csv": {"path": "in.csv", "schema": {"id": "int64", "v": "int64"}}}, "transforms": [{"compute": {"share": "6 / v"}}],
               "sink": {"http": {"url": f"http://127.0.0.1:{port}/in", "batch_rows": 1, "retries": 0}}, "on_error": DEAD}
        check_balance(run_job(tmp_path, job))
        letters = ndjson(tmp_path / "rejected.ndjson")
        kinds = [sum(1 for e in letters if "text" in e), sum(1 for e in letters if "record" in e and "at" not in e), sum(1 for e in letters if "at" in e)]
        assert all(k > 20 for k in kinds) and len(letters) + len(taken) == n - 1
        before = len(letters)
        told = retry(tmp_path)  # nothing was mended: each comes back as it was
        assert f"{before} records fed back, {before} left" in told
        key = lambda e: (e.get("at", ""), e.get("row", -1), str(e.get("record")), e.get("text", ""))  # noqa: E731
        plain = lambda es: sorted(({**e, "error": ""} if "at" in e else e for e in es), key=key)  # noqa: E731  (a post's error counts the rows of its run)
        assert plain(ndjson(tmp_path / "rejected.ndjson")) == plain(letters)
        mended[0] = True
        mend(tmp_path, (',x"', ',2"'), ('"v":0', '"v":3'))
        assert f"{before} records fed back, 0 left" in retry(tmp_path)
    assert sorted(r["id"] for r in taken) == list(range(1, n))
    assert not (tmp_path / "rejected.ndjson").exists()
