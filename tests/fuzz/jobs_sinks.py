"""Sinks of random jobs: how the job file says them, how what they hold is read back, and faults that make them fail."""

from __future__ import annotations

import bz2
import contextlib
import csv
import gzip
import io
import json
import os
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass
class Sink:
    """`when`: an SQL condition, or empty for all rows that are left."""

    form: str
    path: Path
    when: str = ""
    rows_per_file: int = 0  # a folder of files
    standard_output: bool = False
    server: Any = None  # of PostgreSQL: servers/postgres.py
    table: str = ""
    service: Any = None  # servers/http_sink.py
    batch_rows: int = 500
    retries: int = 1
    row_test: Any = None  # of a row, for `when`

    @property
    def name(self) -> str:
        return self.path.name

    def kind_yaml(self) -> str:
        if self.service:
            return (f"http: {{url: '{self.service.url}', batch_rows: {self.batch_rows}, retries: {self.retries}, retry_pause: 2ms, "
                    "breaker: {failures: 0}}")
        if self.server:
            return f"postgres: {{connection: '{self.server.address}', table: {self.table}, mode: append}}"
        if self.standard_output:
            return f"stdout: {{format: {self.form}}}"
        cut = f", max_rows_per_file: {self.rows_per_file}" if self.rows_per_file else ""
        return f"{self.form}: {{path: '{self.path}{'/' if self.rows_per_file else ''}'{cut}}}"

    def yaml(self) -> str:
        return (f"when: \"{self.when}\", " if self.when else "") + self.kind_yaml()

    def there(self) -> bool:
        return not self.remote and not self.standard_output and self.path.exists()

    @property
    def remote(self) -> bool:
        """What it holds has no order and cannot be made invisible (http) or is asked of a server."""
        return self.server is not None or self.service is not None

    def create(self, kinds: dict[str, str], refuses: bool) -> None:
        """The table in PostgreSQL. `refuses`: no row fits it."""
        types = {"int": "bigint", "float": "double precision", "bool": "boolean"}
        columns = ", ".join(f'"{name}" {types.get(kind, "text")}' for name, kind in kinds.items())
        self.server.sql(f'drop table if exists {self.table}; create table {self.table} ({columns}{", check (false)" if refuses else ""})')

    def rows_there(self) -> int:
        return int(self.server.sql(f"select count(*) from {self.table}")[0][0])

    def bytes(self) -> dict[str, bytes]:
        """What the files hold, by name."""
        files = sorted(p for p in self.path.rglob("*") if p.is_file()) if self.path.is_dir() else [self.path]
        return {str(p.relative_to(self.path.parent)): p.read_bytes() for p in files}

    def read(self, kinds: dict[str, str], said: bytes) -> list[Row]:
        """The rows in their order; `said`: what the program wrote to its standard output."""
        if self.standard_output:
            return rows_of(self.form, said, kinds)
        if self.service:
            return list(self.service.rows)
        if self.server:
            return [dict(zip(kinds, row)) for row in self.server.sql(f"select * from {self.table} order by ctid")]
        files = sorted(self.path.iterdir()) if self.rows_per_file else [self.path]
        out: list[Row] = []
        for file in files:
            data = file.read_bytes()
            data = gzip.decompress(data) if file.suffix == ".gz" else bz2.decompress(data) if file.suffix == ".bz2" else data
            out += rows_of(self.form, data, kinds)
        return out


def _parsed(text: str, kind: str) -> Any:
    if text == "":
        return None
    if kind == "bool":
        return {"true": True, "false": False}[text]
    return int(text) if kind == "int" else float(text) if kind == "float" else text


def rows_of(form: str, data: bytes, kinds: dict[str, str]) -> list[Row]:
    if form == "csv":
        lines = list(csv.reader(io.StringIO(data.decode(), newline="")))
        if not lines or lines[0] != list(kinds):
            raise AssertionError(f"the header is {lines[:1]}, not {list(kinds)}")
        return [{name: _parsed(cell, kind) for cell, (name, kind) in zip(line, kinds.items(), strict=True)} for line in lines[1:]]
    if form == "ndjson":
        return [json.loads(line) for line in data.decode().splitlines()]
    import pyarrow as pa
    import pyarrow.parquet as pq

    return (pq.read_table(pa.BufferReader(data)) if form == "parquet" else pa.ipc.open_file(pa.BufferReader(data)).read_all()).to_pylist()


def make_sink(rng: random.Random, folder: Path, number: int) -> Sink:
    form = rng.choice(["csv", "csv", "ndjson", "ndjson", "parquet", "ipc"])
    if rng.random() < 0.15:
        return Sink(form, folder / f"out-{number}", rows_per_file=rng.choice([1000, 300]))
    ending = rng.choice(["", "", ".gz", ".bz2"]) if form in ("csv", "ndjson") else ""
    return Sink(form, folder / f"out-{number}.{form}{ending}")


@contextlib.contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[bool]:
    """A disk of its own on `folder`; False where the system does not allow one."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", folder], capture_output=True).returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "-l", folder], capture_output=True)
