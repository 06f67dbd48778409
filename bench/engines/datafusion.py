"""DataFusion: SQL over batches in memory, one partition a thread."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from datafusion import DataFrameWriteOptions, ParquetWriterOptions, RuntimeEnvBuilder, SessionConfig, SessionContext

from .engine import Engine

_BATCH_ROWS = 8192


class DataFusion(Engine):
    name = "datafusion"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._context = self._make(RuntimeEnvBuilder())

    def _make(self, runtime: RuntimeEnvBuilder) -> SessionContext:
        return SessionContext(SessionConfig().with_target_partitions(self.threads), runtime)

    @property
    def context(self) -> SessionContext:
        return self._context

    def load(self, alias: str, table: pa.Table) -> None:
        share = -(-table.num_rows // self.threads) or 1
        parts = [table.slice(i * share, share).to_batches(max_chunksize=_BATCH_ROWS) for i in range(self.threads)]
        self._context.register_record_batches(alias, [p for p in parts if p])

    def scan(self, alias: str, path: str) -> None:
        self._context.register_parquet(alias, path)

    def run(self, query: str, mode: str) -> Any:
        return self._context.sql(query).collect()

    def arrow(self, result: Any) -> pa.Table:
        return pa.Table.from_batches([pa.record_batch(b) for b in result])

    def limit_memory(self, limit: int, folder: str) -> None:
        self._context = self._make(RuntimeEnvBuilder().with_disk_manager_specified(folder).with_fair_spill_pool(limit))

    def write(self, query: str, path: str) -> None:
        options = ParquetWriterOptions(compression="zstd(1)")
        self._context.sql(query).write_parquet_with_options(path, options, DataFrameWriteOptions(single_file_output=True))


ENGINE = DataFusion
