"""Reads text cases and gives their data in many shapes; see README.md."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

TYPES = {"bool": pa.bool_(), "int8": pa.int8(), "int16": pa.int16(), "int32": pa.int32(), "int64": pa.int64(), "uint8": pa.uint8(), "uint16": pa.uint16(),
         "uint32": pa.uint32(), "uint64": pa.uint64(), "float32": pa.float32(), "float64": pa.float64(), "string": pa.string(), "binary": pa.binary(),
         "date": pa.date32(), "timestamp": pa.timestamp("us")}


@dataclass
class Case:
    path: Path
    line: int
    sql: str
    tables: dict[str, pa.Table]
    expected: list[str] = field(default_factory=list)
    error: str | None = None
    sorted: bool = False

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}:{self.line}"


def parse_type(text: str) -> pa.DataType:
    if match := re.fullmatch(r"decimal\((\d+),(\d+)\)", text):
        return pa.decimal128(int(match[1]), int(match[2]))
    if match := re.fullmatch(r"list<(.+)>", text):
        return pa.list_(parse_type(match[1]))
    return TYPES[text]


def split_fields(line: str) -> list[str]:
    return [f for f in re.split(r"\s{2,}|\t", line.strip()) if f]


def parse_value(text: str, dtype: pa.DataType):
    if text == "null":
        return None
    if text.startswith('"') and text.endswith('"') and len(text) >= 2:
        text = text[1:-1]
    if pa.types.is_boolean(dtype):
        return text == "true"
    if pa.types.is_integer(dtype):
        return int(text)
    if pa.types.is_floating(dtype):
        return float(text)
    if pa.types.is_decimal(dtype):
        return Decimal(text)
    if pa.types.is_list(dtype):
        return [parse_value(v.strip(), dtype.value_type) for v in text[1:-1].split(",")] if text != "[]" else []
    if pa.types.is_binary(dtype):
        return text.encode()
    if pa.types.is_string(dtype):
        return text
    return pa.scalar(text).cast(dtype).as_py()


def parse_table(header: str, rows: list[str]) -> tuple[str, pa.Table]:
    name, *columns = split_fields(header)
    fields = []
    for column in columns:
        column_name, type_text = column.split(":", 1)
        fields.append(pa.field(column_name, parse_type(type_text)))
    values: list[list] = [[] for _ in fields]
    for row in rows:
        cells = split_fields(row)
        assert len(cells) == len(fields), f"{name}: {len(fields)} columns, {len(cells)} values in {row!r}"
        for i, cell in enumerate(cells):
            values[i].append(parse_value(cell, fields[i].type))
    return name, pa.table([pa.array(v, f.type) for v, f in zip(values, fields)], schema=pa.schema(fields))


def read_cases(path: Path) -> list[Case]:
    tables: dict[str, pa.Table] = {}
    cases: list[Case] = []
    lines = path.read_text().splitlines()
    i = 0
    while i < len(lines):
        line = lines[i].rstrip()
        if not line or line.startswith("#"):
            i += 1
            continue
        start = i
        block = []
        while i < len(lines) and lines[i].strip():
            block.append(lines[i].rstrip())
            i += 1
        if line.startswith("data "):
            name, table = parse_table(line[5:], [b for b in block[1:] if not b.startswith("#")])
            tables[name] = table
        elif line.startswith("query"):
            cut = block.index("----")
            cases.append(Case(path, start + 1, "\n".join(block[1:cut]), dict(tables), [canonical(b) for b in block[cut + 1:]], sorted="sorted" in line))
        elif line.startswith("error"):
            cases.append(Case(path, start + 1, "\n".join(block[1:]), dict(tables), error=line[5:].strip()))
        else:
            raise ValueError(f"{path}:{start + 1}: a block starts with data, query or error, not {line!r}")
    return cases


def canonical(row: str) -> str:
    return "  ".join(split_fields(row))


def show(value) -> str:
    if value is None:
        return "null"
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, float):
        if value != value:
            return "nan"
        return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, str):
        return f'"{value}"' if value == "" or value == "null" or "  " in value or value != value.strip() else value
    if isinstance(value, list):
        return "[" + ",".join(show(v) for v in value) + "]"
    return str(value)


def rows_of(table: pa.Table) -> list[str]:
    columns = [c.to_pylist() for c in table.columns]
    return ["  ".join(show(v) for v in row) for row in zip(*columns)]


def shape(table: pa.Table, config: dict) -> pa.Table:
    """The same rows in another layout."""
    if config.get("dictionary"):
        columns = [c.dictionary_encode() if pa.types.is_string(c.type) else c for c in table.columns]
        table = pa.table(columns, names=table.column_names)
    if config.get("slice") and table.num_rows > 0:
        table = pa.concat_tables([table.slice(table.num_rows - 1), table]).combine_chunks().slice(1)
    if chunk := config.get("chunk"):
        parts = [table.slice(i, chunk) for i in range(0, table.num_rows, chunk)]
        table = pa.concat_tables(parts) if parts else table
    return table
