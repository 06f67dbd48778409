from typing import Iterator

import kafka_server
import postgres
import pytest

import gristmill as gm


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.PostgresServer]:
    if postgres.programs() is None:
        pytest.fail("no PostgreSQL server is installed: ./run test installs it, or apt-get install postgresql")
    made = postgres.PostgresServer()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def broker() -> Iterator[kafka_server.KafkaServer]:
    reason = kafka_server.missing()
    if reason is not None:
        pytest.skip(reason)
    made = kafka_server.KafkaServer()
    yield made
    made.stop()


@pytest.fixture
def trips() -> gm.Frame:
    return gm.from_pydict({"zone": ["A", "B", None, "A"], "fare": [12.0, 7.5, 3.0, None], "km": [3.0, 2.0, 1.5, 4.0]})
