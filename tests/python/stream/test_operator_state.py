"""State of users' operators in checkpoints: stopped and resumed, an operator goes on with what it knew."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import gristmill as gm

ROWS = 40_000


class Running(gm.StreamOperator):
    """The sum of all rows so far."""

    def __init__(self) -> None:
        self.total = 0

    def is_stateful(self) -> bool:
        return True

    def process_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        time.sleep(0.001)
        sums = list(itertools.accumulate(batch.column("n").to_pylist(), initial=self.total))[1:]
        if sums:
            self.total = sums[-1]
        return batch.append_column("sum", pa.array(sums, pa.int64()))


class Told(Running):
    """Its state in its own words, and something that cannot be pickled."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def save_state(self) -> bytes:
        return str(self.total).encode()

    def load_state(self, state: bytes) -> None:
        self.total = int(state)


def source() -> gm.Stream:
    return gm.Stream.replay(pa.table({"n": pa.array(range(ROWS), pa.int64())}), 500)


def stopped(stream: gm.Stream, after: int) -> list[dict[str, Any]]:
    got: list[dict[str, Any]] = []
    for number, batch in enumerate(stream):
        got += batch.to_pylist()
        if number == after:
            stream.stop()
    return got


@pytest.mark.parametrize("operator", [Running, Told, lambda: gm.MorselDriven(Running(), 64)])
def test_an_operator_goes_on_with_what_it_knew(tmp_path: Path, operator: Any) -> None:
    got: list[dict[str, Any]] = []
    runs = 0
    for workers in (2, 3, 1, 8):
        made = source().filter(gm.col("n") % 3 != 1).apply(operator()).parallel(workers, threshold=0).checkpoint(tmp_path, 0.01)
        got += stopped(made, 5) if workers != 8 else stopped(made, -1)
        runs += 1
    kept = [n for n in range(ROWS) if n % 3 != 1]
    assert [r["n"] for r in got] == kept
    assert [r["sum"] for r in got] == list(itertools.accumulate(kept))


def test_state_before_and_behind_other_operators_with_state(tmp_path: Path) -> None:
    got: list[dict[str, Any]] = []
    for workers in (2, 3, 1):
        first = source().apply(Running()).distinct("n").rename({"sum": "first"})
        made = first.apply(Running()).parallel(workers, threshold=0).checkpoint(tmp_path, 0.01)
        got += stopped(made, 4) if workers != 1 else stopped(made, -1)
    sums = list(itertools.accumulate(range(ROWS)))
    assert [(r["n"], r["first"], r["sum"]) for r in got] == list(zip(range(ROWS), sums, sums))


def test_what_cannot_be_saved_is_said_before_the_run(tmp_path: Path) -> None:
    class Locked(Running):
        def __init__(self) -> None:
            super().__init__()
            self.lock = threading.Lock()

    class Wrong(Running):
        def save_state(self) -> Any:
            return "text"

    assert source().apply(Locked()).take(3).num_rows == 3  # without a checkpoint nothing has to be saved
    for operator, error in ((Locked(), "Locked.*cannot be saved.*pickle.*save_state"), (Wrong(), "gave str instead of bytes")):
        with pytest.raises(TypeError, match=error):
            list(source().apply(operator).checkpoint(tmp_path / "c"))


def test_another_operator_does_not_get_the_state(tmp_path: Path) -> None:
    stopped(source().apply(Running()).checkpoint(tmp_path, 0.01), 3)
    with pytest.raises(gm.PlanError, match="Running.*Told|Told.*Running"):
        list(source().apply(Told()).checkpoint(tmp_path, 0.01))
    with pytest.raises(gm.PlanError, match="operator-1"):
        list(source().checkpoint(tmp_path, 0.01))
