"""DuckDB: native tables in memory; the result as Arrow or as a native table."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa

from .engine import Engine


class DuckDB(Engine):
    name = "duckdb"
    modes = ("arrow", "table")

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._db = duckdb.connect()
        self._db.execute(f"set threads = {threads}")

    def load(self, alias: str, table: pa.Table) -> None:
        self._db.register("incoming", table)
        self._db.execute(f"create table {alias} as select * from incoming")
        self._db.unregister("incoming")

    def scan(self, alias: str, path: str) -> None:
        self._db.execute(f"create view {alias} as select * from read_parquet('{path}')")

    def before(self, mode: str) -> None:
        self._db.execute("drop table if exists result")

    def run(self, query: str, mode: str) -> Any:
        if mode == "arrow":
            return self._db.execute(query).to_arrow_table()
        self._db.execute(f"create temp table result as {query}")
        return None

    def arrow(self, result: Any) -> pa.Table:
        return result if result is not None else self._db.execute("from result").to_arrow_table()

    def execute(self, statement: str) -> None:
        self._db.execute(statement)

    def limit_memory(self, limit: int, folder: str) -> None:
        self._db.execute(f"set memory_limit = '{limit}B'")
        self._db.execute(f"set temp_directory = '{folder}'")

    def write(self, query: str, path: str) -> None:
        self._db.execute(f"copy ({query}) to '{path}' (format parquet, compression zstd, compression_level 1)")


ENGINE = DuckDB
