"""Functions of many items at once."""

from __future__ import annotations

import time
from typing import Iterator

import pyarrow as pa
import pytest
from flow_functions import failing

import gristmill as gm


def test_batches_get_arrow_arrays_cut_at_fixed_items() -> None:
    sizes: list[int] = []

    def double(x: pa.Array) -> pa.Array:
        assert isinstance(x, pa.Array)
        sizes.append(len(x))
        return pa.array([v.as_py() * 2 for v in x])

    flow = gm.Flow([gm.node(failing, kind="blocking"), gm.node(double, input_mapping={"x": "failing"}, batch=4)])
    found = flow.map({"x": range(10)}, "x", errors="return", outputs="double")
    assert [r["double"] if isinstance(r, dict) else None for r in found] == [0, 2, 4, None, 8, 10, None, 14, 16, 18]
    assert sorted(sizes) == [2, 3, 3]
    sizes.clear()
    assert [r["double"] for r in flow.stream({"x": iter([0, 1, 2, 4, 5, 7, 8])}, "x", outputs="double")] == [0, 2, 4, 8, 10, 14, 16] and sorted(sizes) == [3, 4]


def test_dual_nodes_have_two_forms_and_one_answer() -> None:
    import pyarrow.compute as pc

    used: list[str] = []

    def one(x: int, by: int) -> int:
        used.append("one")
        return x * by

    def many(x: pa.Array, by: int) -> pa.Array:
        used.append("many")
        return pc.multiply(x, by)

    n = gm.node(one, batch=100, batch_form=many).bind(by=3)
    assert gm.Flow([n]).run({"x": 5}) == {"one": 15} and gm.Flow([n]).map({"x": range(5)}, "x") == [{"one": 3 * x} for x in range(5)]
    assert used == ["one", "many"]


@pytest.mark.parametrize("window", [2, 100])
def test_a_batch_does_not_wait_for_items_behind_a_failure(window: int) -> None:
    def given(n: int) -> Iterator[int]:
        for k in range(n):
            time.sleep(0.005 if k > 1 else 0)  # the failure comes before the next one
            yield k

    def sour(given: int) -> int:
        if given == 1:
            raise KeyError("one")
        return given

    def late(given: int) -> int:
        time.sleep(0.03)
        return given

    def double(late: pa.Array) -> pa.Array:
        return pa.array([2 * v for v in late.to_pylist()])

    nodes = [given, gm.node(sour, kind="blocking"), gm.node(late, kind="blocking"), gm.node(double, batch=4)]
    for _ in range(5):
        with pytest.raises(KeyError, match="one"):
            gm.Flow(nodes).map({"n": [3, 5]}, "n", errors="ordered", window=window)
        with pytest.raises(KeyError, match="one"):
            gm.Flow(nodes[1:]).map({"given": range(9)}, "given", errors="ordered", window=window)
        with pytest.raises(KeyError, match="one"):
            list(gm.Flow(nodes[1:]).stream({"given": given(9)}, "given", errors="ordered", window=window))
