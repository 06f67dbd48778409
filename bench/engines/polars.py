"""Polars: lazy queries, by the in-memory engine or the streaming one."""

from __future__ import annotations

from typing import Any, Callable

import polars as pl
import pyarrow as pa

from .engine import Engine


class Polars(Engine):
    name = "polars"
    modes = ("memory", "streaming")

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        if pl.thread_pool_size() != threads:
            raise RuntimeError(f"polars has {pl.thread_pool_size()} threads, not {threads}; POLARS_MAX_THREADS must be set before the import")

    def load(self, alias: str, table: pa.Table) -> None:
        setattr(self.tables, alias, pl.from_arrow(table, rechunk=True).lazy())

    def scan(self, alias: str, path: str) -> None:
        setattr(self.tables, alias, pl.scan_parquet(path))

    def run(self, query: Callable[[Any], pl.LazyFrame], mode: str) -> pl.DataFrame:
        return query(self.tables).collect(engine="streaming" if mode == "streaming" else "in-memory")

    def arrow(self, result: pl.DataFrame) -> pa.Table:
        return result.to_arrow()

    def write(self, query: Callable[[Any], pl.LazyFrame], path: str) -> None:
        query(self.tables).sink_parquet(path, compression="zstd", compression_level=1)


ENGINE = Polars
