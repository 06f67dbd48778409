"""Every text case under every configuration: the expected rows, and the same bytes each time."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pytest

import gristmill as gm
from corpus import Case, read_cases, rows_of, shape

HERE = Path(__file__).parent
CONFIGS = {p.stem: json.loads(p.read_text()) for p in sorted((HERE.parent / "configs").glob("*.json"))}
CASES = [case for path in sorted(HERE.rglob("*.test")) for case in read_cases(path)]


def run(case: Case, config: dict) -> pa.Table:
    frames = {name: gm.from_arrow(shape(table, config)) for name, table in case.tables.items()}
    return gm.sql(case.sql, **frames).collect(gm.ParallelOptions(**config["options"])).to_arrow()


def plain_bytes(table: pa.Table) -> bytes:
    """One chunk, dictionaries decoded: what remains is the answer."""
    columns = [c.cast(c.type.value_type) if pa.types.is_dictionary(c.type) else c for c in table.columns]
    table = pa.table(columns, names=[str(i) for i in range(len(columns))]).combine_chunks()
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_case(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = None
    for name, config in sorted(CONFIGS.items(), key=lambda item: item[0] != "reference"):
        with monkeypatch.context() as patch:
            for key, value in config.get("environment", {}).items():
                patch.setenv(key, value)
            if case.error is not None:
                with pytest.raises(gm.GristmillError) as caught:
                    run(case, config)
                assert case.error in str(caught.value), name
                continue
            table = run(case, config)
        rows = rows_of(table)
        if case.sorted:
            rows.sort()
        assert rows == (sorted(case.expected) if case.sorted else case.expected), name
        data = plain_bytes(table)
        reference = reference or data
        assert data == reference, f"{name}: other bytes than the reference"


def test_the_corpus_is_there() -> None:
    assert len(CASES) >= 100
    assert "reference" in CONFIGS and len(CONFIGS) >= 6
