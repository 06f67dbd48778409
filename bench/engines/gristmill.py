"""This engine, at its defaults: exact float sums, ordered results."""

from __future__ import annotations

from typing import Any, Callable

import gristmill as gm
import pyarrow as pa

from .engine import Engine


class Gristmill(Engine):
    name = "gristmill"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._memory_limit = 0

    def load(self, alias: str, table: pa.Table) -> None:
        setattr(self.tables, alias, gm.from_arrow(table).collect().lazy())  # text as views, the engine's own form

    def scan(self, alias: str, path: str) -> None:
        setattr(self.tables, alias, gm.scan_parquet(path))

    def run(self, query: Callable[[Any], gm.Frame | gm.Stream], mode: str) -> gm.Table:
        made = query(self.tables)
        if isinstance(made, gm.Stream):
            return made.parallel(self.threads).collect()
        return made.collect(num_workers=self.threads)

    def arrow(self, result: gm.Table) -> pa.Table:
        table = result.to_arrow()
        plain = pa.schema([f.with_type(pa.string()) if f.type == pa.string_view() else f for f in table.schema])
        return table if plain == table.schema else table.cast(plain)

    def limit_memory(self, limit: int, folder: str) -> None:
        self._memory_limit = limit

    def write(self, query: Callable[[Any], gm.Frame], path: str) -> None:
        query(self.tables).sink_parquet(path, num_workers=self.threads, memory_limit=self._memory_limit)


ENGINE = Gristmill
