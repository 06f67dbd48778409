"""The golden file: run with checkpoints on two workers, stopped, resumed on three, each stream gives the file's lines, each once, in order."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import golden_stream
import pyarrow as pa
import pytest
from golden_stream import expected, golden, streams, text_of


def lines(name: str, batches: list[pa.RecordBatch]) -> list[str]:
    return text_of(name, [row for batch in batches for row in batch.to_pylist()])


def test_the_golden_file_is_what_plain_python_makes_of_the_rows() -> None:
    want = {name: text_of(name, found) for name, found in expected().items()}
    assert golden() == want and all(len(found) > 40 for found in want.values())


@pytest.mark.parametrize("name", list(golden()))
def test_one_run_gives_the_golden_file(name: str) -> None:
    for workers in (1, 2, 3, 8):
        assert lines(name, list(streams(lambda b: b)[name].parallel(workers, threshold=0))) == golden()[name]


@pytest.mark.parametrize("name", list(golden()))
def test_stopped_on_two_workers_and_resumed_on_three_it_gives_the_golden_file(tmp_path: Path, name: str) -> None:
    running: list[Any] = []
    passed: set[str] = set()  # which of the inputs have given a third of their rows

    def stop_in_the_middle(batch: pa.RecordBatch) -> pa.RecordBatch:
        if batch.num_rows and batch.column(0)[0].as_py() >= golden_stream.ROWS // 3:
            passed.add(batch.schema.names[0])
        if len(passed) == (2 if name == "joined" else 1):
            running[0].stop()
            time.sleep(0.02)  # an epoch may be on its way, behind which the last barrier comes
        return golden_stream.slow(batch)

    begun = streams(stop_in_the_middle)[name].checkpoint(tmp_path, interval_seconds=0.005).parallel(2, threshold=0)
    running.append(begun)
    first = list(begun)
    stats: dict[str, Any] = begun.get_stats()
    resumed = streams(golden_stream.slow)[name].checkpoint(tmp_path, interval_seconds=0.005).parallel(3, threshold=0)
    second = list(resumed)
    assert lines(name, first) + lines(name, second) == golden()[name]
    assert first and second, "it was to be stopped in the middle"
    assert stats["checkpoint"]["epoch"] >= 1 and resumed.get_stats()["checkpoint"]["epoch"] > stats["checkpoint"]["epoch"]
    # The stream has ended: another run on any number of workers has nothing to add.
    assert list(streams(golden_stream.slow)[name].checkpoint(tmp_path).parallel(1)) == []
