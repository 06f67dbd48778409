"""One module an engine; each runs in a worker process of its own (worker.py)."""

from __future__ import annotations

import importlib

from .engine import Engine

OURS = "gristmill"
PEERS = ("duckdb", "polars", "datafusion", "pyarrow", "pandas")
ALL = (OURS, *PEERS)


def make(name: str, threads: int) -> Engine:
    return importlib.import_module(f"engines.{name}").ENGINE(threads)
