"""gm.Job: jobs from dicts and files, functions of records and of batches, their failures, settings that change nothing."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import gristmill as gm

COLUMNS = {"id": "int64", "text": "string", "value": "float64"}


def source(folder: Path, n: int, seed: int = 5) -> tuple[dict, list[dict]]:
    print("seed", seed)
    rng = random.Random(seed)
    rows = [{"id": i, "text": rng.choice(["a", "bb", "ccc"]), "value": rng.choice([0.5, 2.0, -1.0])} for i in range(n)]
    with (folder / "in.ndjson").open("w") as f:
        f.writelines(json.dumps(r) + "\n" for r in rows)
    return {"ndjson": {"path": folder / "in.ndjson", "schema": COLUMNS}}, rows


def written(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_records_and_batches_at_any_setting(tmp_path: Path) -> None:
    given, rows = source(tmp_path, 3000)

    def longer(row: dict[str, Any]) -> dict[str, Any] | None:
        if row["id"] % 11 == 0:
            raise ValueError(f"eleven {row['id']}")
        return {**row, "length": len(row["text"])} if row["value"] > 0 else None

    def doubled(batch: pa.RecordBatch) -> pa.RecordBatch:
        if pc.any(pc.equal(batch["id"], 1234)).as_py():
            raise RuntimeError("never 1234")
        return batch.set_column(2, "value", pc.multiply(batch["value"], 2.0))

    job = {"source": given, "transforms": [gm.each_batch(doubled), gm.each_record(longer, gives={**COLUMNS, "length": "int64"})],
           "sink": {"ndjson": {"path": tmp_path / "out.ndjson"}}, "on_error": {"policy": "dead_letter", "path": tmp_path / "rejected.ndjson"}}
    bad = [r["id"] for r in rows if r["id"] % 11 == 0 or r["id"] == 1234]
    expected = [{**r, "value": 2 * r["value"], "length": len(r["text"])} for r in rows if r["id"] not in bad and r["value"] > 0]
    for workers in (1, 2, 8):
        for batch_rows in (0, 13):
            result = gm.Job(job).run(workers=workers, batch_rows=batch_rows)
            assert written(tmp_path / "out.ndjson") == expected
            letters = written(tmp_path / "rejected.ndjson")
            assert [e["record"]["id"] for e in letters] == bad
            assert letters[1]["error"] == "ValueError: eleven 11"
            assert result.read == result.written + result.filtered + result.bad and result.bad == len(bad)


def test_a_failing_function_raises_its_own_exception(tmp_path: Path) -> None:
    given, _ = source(tmp_path, 100)

    class Odd(Exception):
        pass

    def refuses(row: dict[str, Any]) -> dict[str, Any]:
        if row["id"] == 7:
            raise Odd("seven")
        return row

    job = gm.Job({"source": given, "transforms": [refuses], "sink": {"ndjson": {"path": tmp_path / "out.ndjson"}}})
    with pytest.raises(Odd, match="seven"):
        job.run()
    assert not (tmp_path / "out.ndjson").exists()


def test_values_that_do_not_fit_and_wrong_results(tmp_path: Path) -> None:
    given, _ = source(tmp_path, 10)
    sink = {"ndjson": {"path": tmp_path / "out.ndjson"}}
    wrong = gm.Job({"source": given, "transforms": [lambda r: {**r, "id": "x" if r["id"] == 3 else r["id"]}], "sink": sink, "on_error": {"policy": "skip"}})
    assert wrong.run().bad == 1
    assert gm.Job({"source": given, "transforms": [lambda r: 5], "sink": sink, "on_error": {"policy": "skip"}}).run().bad == 10
    with pytest.raises(gm.PlanError, match="gave back"):
        gm.Job({"source": given, "transforms": [gm.each_batch(lambda b: b.slice(1))], "sink": sink}).run()
    with pytest.raises(gm.PlanError, match="nope"):
        gm.Job({"source": given, "transforms": [{"function": "nope"}], "sink": sink}).run()


def test_files_texts_and_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source(tmp_path, 20)
    monkeypatch.chdir(tmp_path)
    text = "source: {ndjson: {path: in.ndjson}}\ntransforms: [{function: keep}, {compute: {n: id + 1}}]\nsink: {parquet: {path: out.parquet}}\n"
    (tmp_path / "job.yaml").write_text(text)
    for job in (gm.Job("job.yaml", functions={"keep": lambda r: r if r["id"] > 4 else None}), gm.Job.from_yaml(text, {"keep": lambda r: r if r["id"] > 4 else None})):
        assert list(job.check().values())[-1].names == ["id", "text", "value", "n"]
        assert job.run().written == 15
    with pytest.raises(gm.PlanError, match="did you mean"):
        gm.Job({"sourc": {}, "sink": {}}).run()
    assert "transforms" in gm.Job.schema()["properties"]
