"""Events, timelines, drawings, progress."""

from __future__ import annotations

import asyncio
import io
import itertools
import queue
import re
import sys
import threading

import pytest
from flow_functions import failing, square

import gristmill as gm
from gristmill import progress
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


def test_events_of_items_within_items() -> None:
    seen: list[str] = []
    inner = gm.Flow([square], name="inner")
    flow = gm.Flow([gm.node(lambda x: [x, failing_at_3(x)], output_name="all", kind="inline"), inner.as_node({"x": "all"}, map_over="x")])
    flow.map({"x": [2]}, "x", outputs="square", on_event=lambda e: seen.append(str(e)))
    whats = [line.split()[0] for line in seen if ".1." not in line]
    assert whats == ["flow_start", "item_start", "node_start", "node_end", "map_start", "map_end", "item_end", "flow_end"]
    assert [line.split()[0] for line in seen if line.split()[1:2] == ["item=0.1.1"]] == ["item_start", "node_start", "node_end", "item_end"]
    for kind in ("skip", "ordered"):
        seen.clear()
        try:
            flow.map({"x": [3]}, "x", errors=kind, on_event=lambda e: seen.append(str(e)))
        except ValueError:
            assert seen[-1] == "flow_error error=ValueError: three"
        assert "item_error item=0 error=ValueError: three" in seen


def failing_at_3(x: int) -> int:
    if x == 3:
        raise ValueError("three")
    return x


def test_events_of_streams() -> None:
    seen: list[str] = []
    flow = gm.Flow([gm.node(failing_at_3, output_name="y")], on_event=lambda e: seen.append(str(e)))

    def ends() -> list[str]:
        found = [line for line in seen if line.startswith("flow_")]
        seen.clear()
        return found

    assert len(list(flow.stream({"x": range(3)}, "x"))) == 3 and ends() == ["flow_start", "flow_end"]
    stream = flow.stream({"x": range(9)}, "x", errors="skip")
    assert next(stream) == {"y": 0}
    stream.close()
    assert ends() == ["flow_start", "flow_end"]
    for row in flow.stream({"x": range(3)}, "x"):  # left, and nobody has it any more
        break
    assert row == {"y": 0} and ends() == ["flow_start", "flow_end"]
    with pytest.raises(ValueError, match="three"):
        list(flow.stream({"x": range(5)}, "x", errors="ordered"))
    assert ends() == ["flow_start", "flow_error error=ValueError: three"]

    async def collect(count: int) -> list:
        rows = []
        async for row in flow.astream({"x": range(5)}, "x", errors="ordered"):
            rows.append(row)
            if len(rows) == count:
                break
        return rows

    assert len(asyncio.run(collect(2))) == 2 and ends() == ["flow_start", "flow_end"]
    with pytest.raises(ValueError, match="three"):
        asyncio.run(collect(9))
    assert ends() == ["flow_start", "flow_error error=ValueError: three"]


@pytest.mark.parametrize("what", ["flow_start", "item_start", "node_end", "item_end", "flow_end"])
def test_a_listener_that_fails_ends_the_run(what: str) -> None:
    def listen(event: Event) -> None:
        if event.what == what:
            raise OSError("the log is full")

    flow = gm.Flow([square], on_event=listen)
    with pytest.raises(OSError, match="the log is full"):
        flow.map({"x": range(3)}, "x")
    with pytest.raises(OSError, match="the log is full"):
        flow.run({"x": 3})
    with pytest.raises(OSError, match="the log is full"):
        list(flow.stream({"x": range(3)}, "x"))
    with pytest.raises(OSError, match="the log is full"):
        asyncio.run(flow.amap({"x": range(3)}, "x"))


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


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


async def wait(x: int) -> int:
    await asyncio.sleep(0.02 * x)
    return x


def impatient_progress(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Progress that is shown soon and often, and the terminal it is shown on."""
    monkeypatch.setattr(progress, "_QUIET_SECONDS", 0.05)
    monkeypatch.setattr(progress, "_EVERY_SECONDS", 0.02)
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


def test_progress_is_shown_of_runs_that_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = impatient_progress(monkeypatch)
    gm.Flow([wait]).map({"x": range(20)}, "x")
    assert "of 20 items" in screen.getvalue() and screen.getvalue().endswith("\r\x1b[K")
    with gm.Config(progress=False):
        monkeypatch.setattr(sys, "stderr", quiet := Screen())
        gm.Flow([wait]).map({"x": range(8)}, "x")
    assert quiet.getvalue() == ""
    asyncio.run(gm.Flow([wait]).amap({"x": range(8)}, "x"))
    assert quiet.getvalue() == ""  # a loop is often a server's
    with gm.Config(progress=True):
        monkeypatch.setattr(sys, "stderr", screen := Screen())
        asyncio.run(gm.Flow([wait]).amap({"x": range(8)}, "x"))
    assert "of 8 items" in screen.getvalue() and screen.getvalue().endswith("\r\x1b[K")


def test_one_line_at_a_time_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = impatient_progress(monkeypatch)
    flow = gm.Flow([wait])
    threads = [threading.Thread(target=flow.map, args=({"x": range(10 + k)}, "x")) for k in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    totals = re.findall(r"of (\d+) items", screen.getvalue())
    assert totals and len([total for total, _ in itertools.groupby(totals)]) == len(set(totals))  # the second line comes when the first is gone
