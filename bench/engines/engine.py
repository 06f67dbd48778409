"""What the worker asks of an engine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pyarrow as pa


class Engine:
    """Tables come in once and stay; run() is what is timed, from the call to the complete result in the engine's own columnar form."""

    name = ""
    modes: tuple[str, ...] = ("default",)

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.tables = SimpleNamespace()

    def load(self, alias: str, table: pa.Table) -> None:
        """A table in memory, in the form the engine likes best."""
        raise NotImplementedError

    def scan(self, alias: str, path: str) -> None:
        """A Parquet file, read by every query."""
        raise NotImplementedError(f"{self.name} does not scan files here")

    def before(self, mode: str) -> None:
        """Untimed clean-up of what the last run left."""

    def run(self, query: Any, mode: str) -> Any:
        raise NotImplementedError

    def arrow(self, result: Any) -> pa.Table:
        """The result as Arrow, untimed."""
        raise NotImplementedError

    def limit_memory(self, limit: int, folder: str) -> None:
        """Bytes for the queries that follow; beyond them the engine may spill into the folder."""
        raise NotImplementedError(f"{self.name} has no memory limit here")

    def write(self, query: Any, path: str) -> None:
        """Runs the query into a Parquet file; back when it is closed."""
        raise NotImplementedError(f"{self.name} does not write files here")
