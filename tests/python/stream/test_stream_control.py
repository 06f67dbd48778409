"""A run into a sink is looked at and stopped from another thread, and ends at Ctrl-C also where nobody answers it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Literal

import pytest
from kafka_server import KafkaServer
from postgres import PostgresServer
from topics import produce, read_topic

import gristmill as gm

ROWS = 5000


def fill(broker: KafkaServer, name: str, rows: range = range(ROWS)) -> None:
    produce(broker, name, [{"partition": i % 2, "value": json.dumps({"id": i}).encode()} for i in rows])


def until(reached: Callable[[], bool], run: threading.Thread) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline and run.is_alive()
        time.sleep(0.02)


@pytest.mark.parametrize("kind", ["postgres", "files", "kafka"])
def test_a_run_into_a_sink_tells_how_it_goes_and_is_stopped_from_another_thread(broker: KafkaServer, server: PostgresServer, tmp_path: Path, kind: str) -> None:
    name = f"watched_{kind}"
    topic = broker.create(name, 2)
    target = broker.create(f"{name}_out", 1) if kind == "kafka" else ""
    fill(broker, topic)
    s = gm.Stream.from_kafka(topic, broker.servers, schema={"id": "int64"}).named(name).checkpoint(tmp_path / "state", interval_seconds=0.2)
    wrong: list[BaseException] = []

    def write() -> None:
        try:
            if kind == "postgres":
                s.write_postgres(server.uri, name, mode="create")
            elif kind == "files":
                s.write_parquet(tmp_path / "out")
            else:
                s.write_kafka(target, broker.servers)
        except BaseException as e:  # noqa: BLE001 - looked at below
            wrong.append(e)

    def written() -> list[int]:
        if kind == "postgres":
            return [row[0] for row in server.sql(f"select id from {name}")]
        if kind == "files":
            return [row["id"] for row in gm.read_parquet(tmp_path / "out").to_pylist()]
        return [json.loads(m["value"])["id"] for m in read_topic(broker, target, expect=ROWS)]

    assert s.get_stats() == {}
    for run in range(2):  # the second goes on where the first was stopped
        if run:
            fill(broker, topic, range(ROWS, ROWS + 10))
        thread = threading.Thread(target=write)
        thread.start()
        rows = ROWS if run == 0 else 10

        def there(rows: int = rows) -> bool:
            stats: dict[str, Any] = s.get_stats()
            return stats.get("rows", 0) == rows and stats["checkpoint"]["pending"] == 0

        until(there, thread)
        assert all(of["lag"] == 0 for of in s.get_stats()["sources"].values())
        s.stop()
        thread.join(30)
        assert not thread.is_alive() and wrong == []
        assert s.get_stats()["rows"] == rows and s.get_stats()["checkpoint"]["epoch"] >= 1
        assert sorted(written()) == list(range(ROWS + 10 * run))


def test_a_stream_that_goes_on_behind_a_finished_checkpoint_says_that_nothing_is_done(broker: KafkaServer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    topic = broker.create("finished", 2)
    fill(broker, topic)

    def run(until: Literal["end"] | None) -> None:
        s = gm.Stream.from_kafka(topic, broker.servers, schema={"id": "int64"}, until=until)
        s.named("finished").checkpoint(tmp_path / "state").write_parquet(tmp_path / "out")

    run("end")
    run("end")
    assert gm.read_parquet(tmp_path / "out").num_rows == ROWS and caplog.text == ""
    run(None)
    assert "nothing is done" in caplog.text and str(tmp_path / "state") in caplog.text


UNANSWERED = """
import sys, gristmill as gm
s = gm.Stream.from_kafka("orders", "localhost:1", schema={"id": "int64"})
print("begun", flush=True)
if sys.argv[1] == "iterated":
    for _ in s: pass
elif sys.argv[1] == "written":
    s.named("a").checkpoint(sys.argv[2]).write_parquet(sys.argv[2] + "/out")
else:
    gm.Stream.from_kafka("orders", "localhost:1")
"""


@pytest.mark.parametrize("kind", ["iterated", "written", "guessed"])
def test_ctrl_c_ends_a_stream_whose_broker_does_not_answer(tmp_path: Path, kind: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", UNANSWERED, kind, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "begun\n"
    time.sleep(1)
    child.send_signal(signal.SIGINT)
    try:
        _, error = child.communicate(timeout=10)
    finally:
        child.kill()
    assert "KeyboardInterrupt" in error
