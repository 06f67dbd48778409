"""The cache: keys, content, damage."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Any

import pytest

import gristmill as gm
from gristmill.flow import Cache


def test_keys_have_types_and_none_is_a_value(tmp_path: Path) -> None:
    for cache in (Cache(), Cache(tmp_path / "c")):
        calls: queue.SimpleQueue[Any] = queue.SimpleQueue()  # a list would be content of the function, and change it
        flow = gm.Flow([gm.node(lambda x: calls.put(x), output_name="y", cache=True)], cache=cache)
        for _ in range(2):
            assert flow.map({"x": [1, "1", 1.0, True, None, (1,), [1], b"1"]}, "x") == [{"y": None}] * 8
        assert calls.qsize() == 8 and (cache.hits, cache.misses) == (8, 8)


def test_the_functions_content_is_part_of_the_key(tmp_path: Path) -> None:
    def make(k: int, factor: int) -> Any:
        def f(x: int) -> int:
            return x * factor + k
        return gm.node(f, cache=True)

    cache = Cache(tmp_path)
    assert [gm.Flow([make(k, m)], cache=cache).run({"x": 5})["f"] for k, m in ((1, 2), (2, 2), (1, 3), (1, 2))] == [11, 12, 16, 11]
    assert (cache.hits, cache.misses) == (1, 3)


def test_the_cache_on_disk_survives_damage_and_many_threads(tmp_path: Path) -> None:
    calls: queue.SimpleQueue[int] = queue.SimpleQueue()
    flow = gm.Flow([gm.node(lambda x: calls.put(x) or [x], output_name="y", cache=True, kind="blocking")], cache=tmp_path)
    threads = [threading.Thread(target=lambda: flow.map({"x": range(50)}, "x")) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    entries = sorted(tmp_path.glob("??/*.entry"))
    assert len(entries) == 50 and not list(tmp_path.glob("??/*.part"))
    entries[0].write_bytes(entries[0].read_bytes()[:-3])
    before = calls.qsize()
    assert flow.map({"x": range(50)}, "x") == [{"y": [x]} for x in range(50)] and calls.qsize() == before + 1


def test_a_cache_that_is_off_costs_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from gristmill.flow import guarded, state

    def never(*_: Any) -> Any:
        raise AssertionError("a key was made")

    monkeypatch.setattr(guarded, "key_of", never)
    monkeypatch.setattr(state, "fingerprint", never)
    nodes = [gm.node(lambda x: x + 1, output_name="y", retry=1), gm.node(lambda y: y * 2, output_name="z", cache=False, retry=1)]
    cache = Cache(tmp_path)
    assert gm.Flow(nodes, cache=cache).map({"x": [1, 2]}, "x", outputs="z") == [{"z": 4}, {"z": 6}]
    assert (cache.hits, cache.misses) == (0, 0) and not list(tmp_path.iterdir())
    with pytest.raises(AssertionError, match="a key was made"):
        gm.Flow([gm.node(lambda x: x, output_name="y", cache=True)], cache=cache).run({"x": 1})
