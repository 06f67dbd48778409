"""What the cost job's tests share: the program, the golden cases, a PostgreSQL server of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from postgres import PostgresServer  # noqa: E402


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The connection of a server that ends with the tests."""
    server = PostgresServer()
    yield server.address
    server.stop()
