"""pyarrow: compute functions and Acero."""

from __future__ import annotations

from typing import Any, Callable

import pyarrow as pa

from .engine import Engine


class PyArrow(Engine):
    name = "pyarrow"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        pa.set_cpu_count(threads)
        pa.set_io_thread_count(threads)

    def load(self, alias: str, table: pa.Table) -> None:
        setattr(self.tables, alias, table)

    def run(self, query: Callable[[Any], pa.Table], mode: str) -> pa.Table:
        return query(self.tables)

    def arrow(self, result: pa.Table) -> pa.Table:
        return result


ENGINE = PyArrow
