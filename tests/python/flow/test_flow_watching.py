"""Events, timelines, drawings, progress."""

from __future__ import annotations

import asyncio
import queue

import pytest
from flow_functions import failing, square

import gristmill as gm
from gristmill.flow import Cache, Event, Retry


def test_events_tell_what_happens() -> None:
    seen: list[Event] = []
    calls: queue.SimpleQueue[int] = queue.SimpleQueue()

    def flaky(x: int) -> int:
        calls.put(x)
        if calls.qsize() == 1:
            raise OSError("first")
        return x

    flow = gm.Flow([gm.node(flaky, retry=Retry(1, first=0.0), cache=True)], cache=Cache(), on_event=seen.append)
    flow.map({"x": [1]}, "x")
    assert [e.what for e in seen] == ["flow_start", "item_start", "node_start", "retry", "node_start", "node_end", "item_end", "flow_end"]
    seen.clear()
    flow.map({"x": [1]}, "x")
    assert [e.what for e in seen] == ["flow_start", "item_start", "cached", "node_end", "item_end", "flow_end"]
    seen.clear()
    with pytest.raises(KeyError):
        gm.Flow([failing], on_event=seen.append).map({"x": [3]}, "x")
    assert [e.what for e in seen][:3] == ["flow_start", "item_start", "node_start"] and {"node_error", "flow_error"} <= {e.what for e in seen}

    class Log:
        def __init__(self) -> None:
            self.items: list[tuple] = []

        def on_item_end(self, event: Event) -> None:
            self.items.append(event.item)

    log = Log()
    gm.Flow([square]).map({"x": range(3)}, "x", on_event=log)
    assert log.items == [(0,), (1,), (2,)]


def test_timeline_and_drawing() -> None:
    import xml.etree.ElementTree as ET

    async def fetch(url: str) -> str:
        await asyncio.sleep(0.01)
        return url

    flow = gm.Flow([fetch, gm.node(lambda fetch: len(fetch), output_name="<size>"[1:-1])])
    with pytest.raises(gm.PlanError, match="timeline=True"):
        flow.timeline()
    flow.map({"url": ["a", "b", "c"]}, "url", timeline=True)
    spans = [s for s in flow.timeline() if s.node == "fetch"]
    assert len(spans) == 3 and all(s.end - s.start >= 0.009 for s in spans) and {s.item for s in spans} == {(0,), (1,), (2,)}
    for svg in (flow.to_svg(), flow.timeline().to_svg()):
        assert ET.fromstring(svg).tag.endswith("svg") and "fetch" in svg


def test_progress_is_shown_of_runs_that_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    from gristmill import progress

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    async def wait(x: int) -> int:
        await asyncio.sleep(0.02 * x)
        return x

    monkeypatch.setattr(progress, "_QUIET_SECONDS", 0.05)
    monkeypatch.setattr(progress, "_EVERY_SECONDS", 0.02)
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    gm.Flow([wait]).map({"x": range(20)}, "x")
    assert "of 20 items" in screen.getvalue() and screen.getvalue().endswith("\r\x1b[K")
    with gm.Config(progress=False):
        monkeypatch.setattr(sys, "stderr", quiet := Screen())
        gm.Flow([wait]).map({"x": range(8)}, "x")
    assert quiet.getvalue() == ""
