"""Records for random jobs: rows as plain Python values, written to files of every format, some of them broken on purpose."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Value = Any
# Kinds of columns: what steps may do with them. All but the first two kinds of text are plain.
KINDS = {"id": "int", "name": "text", "value": "float", "moment": "rfc3339", "category": "text", "flag": "bool", "amount": "digits", "n": "int"}
TYPES = {"int": "int64", "float": "float64", "bool": "bool", "text": "string", "rfc3339": "string", "digits": "string"}
NAMES = ["ann", "Bob", "Çelik", "o'neil", "comma, inc", 'say "hi"', "tab\there", "東京", "x" * 40, "null", "-1", "two\nlines"]
CATEGORIES = ["a", "b", "c", "d d", "é"]
BAD_MOMENTS = ["yesterday", "2024-13-01T00:00:00Z", "2024-02-30T10:00:00Z", "10:30"]
BAD_AMOUNTS = ["n/a", "12x", "--3", "1e"]


@dataclass
class Record:
    """One record of a source. `broken`: how its text is spoilt, so that no reader can take it."""

    row: dict[str, Value]
    broken: str = ""


@dataclass
class Source:
    """The files of a source, and what is in them."""

    form: str
    records: list[Record]
    files: list[Path] = field(default_factory=list)
    path: str = ""
    standard_input: bytes | None = None

    def yaml(self) -> str:
        schema = "{" + ", ".join(f"{name}: {TYPES[kind]}" for name, kind in KINDS.items()) + "}"
        if self.standard_input is not None:
            return f"stdin: {{format: {self.form}, schema: {schema}}}"
        if self.form in ("csv", "ndjson"):
            return f"{self.form}: {{path: '{self.path}', schema: {schema}}}"
        return f"{self.form}: {{path: '{self.path}'}}"


def _moment(rng: random.Random) -> str:
    day, second = rng.randrange(1, 29), rng.randrange(60)
    return f"20{rng.randrange(10, 40)}-{rng.randrange(1, 13):02d}-{day:02d}T{rng.randrange(24):02d}:{rng.randrange(60):02d}:{second:02d}Z"


def _row(rng: random.Random, number: int, spoilt: float) -> dict[str, Value]:
    row: dict[str, Value] = {
        "id": number, "name": rng.choice(NAMES), "value": round(rng.uniform(-500, 500), 2), "moment": _moment(rng), "category": rng.choice(CATEGORIES),
        "flag": rng.random() < 0.5, "amount": str(rng.randrange(-10**6, 10**6)), "n": rng.randrange(-20, 21),
    }
    for name in ("name", "value", "moment", "category", "flag", "amount", "n"):
        if rng.random() < 0.04:
            row[name] = None
    if rng.random() < spoilt:
        row["moment"] = rng.choice(BAD_MOMENTS)
    if rng.random() < spoilt:
        row["amount"] = rng.choice(BAD_AMOUNTS)
    return row


def make_records(rng: random.Random, form: str) -> list[Record]:
    """`form` says what can be broken: only text can."""
    rows = rng.choice([0, 1, 2, 7, 40, 200, 200, 1000, 3000])
    spoilt = rng.choice([0, 0, 0.002, 0.02, 0.3])
    breaking = rng.choice([0, 0, 0.01, 0.1]) if form in ("csv", "ndjson") else 0
    kinds = ["type", "more", "fewer"] if form == "csv" else ["type", "syntax"]
    return [Record(_row(rng, i, spoilt), rng.choice(kinds) if rng.random() < breaking else "") for i in range(rows)]


def _csv_text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _csv_line(record: Record) -> list[str]:
    cells = [_csv_text(v) for v in record.row.values()]
    if record.broken == "type":
        cells[-1] = "twelve"
    if record.broken == "more":
        cells.append("surplus")
    if record.broken == "fewer":
        cells = cells[:3]
    return cells


def _csv(records: list[Record]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(KINDS)
    writer.writerows(_csv_line(r) for r in records)
    return out.getvalue().encode()


def _ndjson(records: list[Record]) -> bytes:
    lines = []
    for r in records:
        text = json.dumps(r.row | ({"n": "twelve"} if r.broken == "type" else {}), ensure_ascii=False)
        lines.append(text[:-1] + "\n" if r.broken == "syntax" else text + "\n")
    return "".join(lines).encode()


def arrow_table(rows: list[dict[str, Value]]) -> Any:
    import pyarrow as pa

    types = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, types.get(kind, pa.string())) for name, kind in KINDS.items()]))


def write_source(rng: random.Random, folder: Path, form: str, records: list[Record], by_stdin: bool) -> Source:
    """One to three files that are read in the order of their names."""
    source = Source(form, records)
    if by_stdin:
        source.standard_input = _csv(records) if form == "csv" else _ndjson(records)
        return source
    cuts = sorted(rng.randrange(len(records) + 1) for _ in range(rng.randrange(3)))
    pieces = [records[a:b] for a, b in zip([0, *cuts], [*cuts, len(records)])]
    ending = rng.choice(["", "", ".gz", ".bz2"]) if form in ("csv", "ndjson") else ""
    for i, piece in enumerate(pieces):
        path = folder / f"in-{i}.{form}{ending}"
        if form in ("csv", "ndjson"):
            data = _csv(piece) if form == "csv" else _ndjson(piece)
            path.write_bytes(gzip.compress(data, 1) if ending == ".gz" else bz2.compress(data, 1) if ending == ".bz2" else data)
        else:
            _write_arrow(path, form, [r.row for r in piece])
        source.files.append(path)
    source.path = str(folder / f"in-*.{form}{ending}")
    return source


def _write_arrow(path: Path, form: str, rows: list[dict[str, Value]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = arrow_table(rows)
    if form == "parquet":
        pq.write_table(table, path, row_group_size=max(1, len(rows) // 3))
        return
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=max(1, len(rows) // 3))
