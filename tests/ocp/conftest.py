"""What the cost job's tests share: the program, the golden cases, a PostgreSQL server of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from postgres import PostgresServer  # noqa: E402


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A server that ends with the tests."""
    made = PostgresServer()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def postgres(server: PostgresServer) -> str:
    """Its connection."""
    return server.address
