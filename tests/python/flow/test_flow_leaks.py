"""Nothing is left behind: threads, processes, descriptors, memory files, tasks."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from flow_functions import crash

import gristmill as gm
from gristmill import flow as flows
from gristmill.flow import Retry

ROOT = Path(__file__).parents[3]


def counts() -> dict[str, Any]:
    gc.collect()
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(os.getpid())], capture_output=True, text=True).stdout.split()
    alive = [c for c in children if Path(f"/proc/{c}/cmdline").exists() and "worker.py" in Path(f"/proc/{c}/cmdline").read_text()]
    return {"threads": sorted(t.name for t in threading.enumerate() if t.name.startswith("gristmill-flow")), "tasks": len(os.listdir("/proc/self/task")),
            "fds": len(os.listdir("/proc/self/fd")), "processes": len(alive), "mapped": Path("/proc/self/maps").read_text().count("memfd:gristmill-flow"),
            "memory": sorted(p.name for p in Path("/dev/shm").iterdir() if not p.name.startswith("PostgreSQL")) if Path("/dev/shm").exists() else []}


def settled() -> dict[str, Any]:
    flows.shutdown()
    for _ in range(50):
        found = counts()
        if not found["threads"] and not found["processes"]:
            return found
        time.sleep(0.05)
    return found


def assert_nothing_is_left(before: dict[str, Any]) -> None:
    """Whatever the system counts is as it was, once the pools are ended."""
    end = settled()
    assert set(end["threads"]) <= set(before["threads"]) and end["processes"] == 0 and end["memory"] == before["memory"], (before, end)
    assert end["tasks"] <= before["tasks"] and end["mapped"] <= before["mapped"] and end["fds"] <= before["fds"] + 1, (before, end)  # the first run imports


async def wait(x: int) -> int:
    await asyncio.sleep(0)
    return x


def block(x: int) -> int:
    time.sleep(0.0001)
    return x


def compute(x: int) -> int:
    if x == 99:
        raise ValueError("99")
    return x


def several(x: int) -> Iterator[int]:
    yield x
    yield x + 1


def everything() -> gm.Flow:
    return gm.Flow([gm.node(wait), gm.node(block, kind="blocking"), gm.node(compute, kind="cpu"), gm.node(several),
                    gm.node(lambda wait, block, compute, several: wait + block + compute + several, output_name="s")])


def test_a_thousand_runs() -> None:
    before = settled()
    flow = everything()
    for k in range(1000):
        assert [r["s"] for r in flow.map({"x": [k % 50, 1]}, "x", outputs="s")] == [4 * (k % 50), 4 * (k % 50) + 1, 4, 5]
        if k == 20:
            warm = counts()
    after = counts()
    assert len(after["threads"]) <= len(warm["threads"]) + 4 and after["fds"] <= warm["fds"] + 8 and after["processes"] == warm["processes"]
    assert after["mapped"] <= warm["mapped"]
    assert_nothing_is_left(before)


def test_large_values_through_shared_memory() -> None:
    import numpy as np

    def negative(values: Any) -> Any:
        if len(values) == 13:
            raise ValueError("13")
        return -values

    before = settled()
    flow = gm.Flow([gm.node(negative, kind="cpu")])
    for k in range(150):
        values = np.arange(20_000 + k)  # 160 kB both ways
        found = flow.map({"values": [values, values + 1]}, "values")
        assert np.array_equal(found[1]["negative"], -1 - values)
        if k % 10 == 0:
            with pytest.raises(ValueError, match="13"):
                flow.map({"values": [values, np.arange(13), values]}, "values")
        if k == 20:
            warm = counts()
        del found, values
    after = counts()
    assert after["fds"] <= warm["fds"] + 4 and after["memory"] == warm["memory"] and after["mapped"] <= warm["mapped"] + 4
    assert after["processes"] <= max(2, len(os.sched_getaffinity(0)))
    assert_nothing_is_left(before)


def test_runs_that_fail() -> None:
    async def late(x: int) -> int:
        await asyncio.sleep(30 if x == 99 else 0)
        return x

    before = settled()
    flow, slow = everything(), gm.Flow([gm.node(late, timeout=0.01, retry=Retry(1, first=0.001))])

    async def cancelled() -> None:
        task = asyncio.create_task(flow.amap({"x": range(50)}, "x"))
        await asyncio.sleep(0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    for k in range(60):
        with pytest.raises(ValueError, match="99"):
            flow.map({"x": [1, 2, 99, 3]}, "x")
        stream = flow.stream({"x": iter(range(90))}, "x")
        next(stream)
        stream.close()
        with pytest.raises(ValueError, match="99"):
            list(flow.stream({"x": [1, 99]}, "x"))
        with pytest.raises(flows.CallTimeout):
            slow.map({"x": [1, 99]}, "x")
        if k % 10 == 0:
            asyncio.run(cancelled())
            crashed = gm.Flow([gm.node(crash, kind="cpu")]).map({"x": [2, 3]}, "x", errors="return")
            assert isinstance(crashed[1].error, flows.WorkerCrashed)
        if k == 20:
            warm = counts()
    after = counts()
    assert len(after["threads"]) <= len(warm["threads"]) + 60 and after["fds"] <= warm["fds"] + 8 and after["mapped"] <= warm["mapped"]
    assert after["processes"] <= max(2, len(os.sched_getaffinity(0)))
    assert_nothing_is_left(before)


def test_streams_that_are_dropped_end_their_runs() -> None:
    settled()
    ended = threading.Event()

    async def slow(x: int) -> int:
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()
        return x

    async def quick_first(x: int) -> int:
        return x if x == 0 else await slow(x)

    stream = gm.Flow([quick_first]).stream({"x": range(5)}, "x")
    assert next(stream) == {"quick_first": 0}
    del stream
    gc.collect()
    assert ended.wait(5)


def program(body: str) -> str:
    return "import asyncio, os, sys, time, threading\nimport gristmill as gm\n" + textwrap.dedent(body)


def start(body: str, tmp_path: Path) -> "subprocess.Popen[str]":
    script = tmp_path / "script.py"
    script.write_text(program(body))
    # SIGINT is ignored in background jobs of shells without job control, and that is inherited
    return subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler), start_new_session=True)


def group_members(pgid: int) -> list[str]:
    out = subprocess.run(["ps", "-eo", "pid=,pgid=,stat=,args="], capture_output=True, text=True).stdout
    return [line for line in out.splitlines() if line.split()[1] == str(pgid) and "Z" not in line.split()[2]]


@pytest.mark.parametrize("kind", ["async", "blocking", "cpu", "inline", "rows", "stream", "loop"])
def test_ctrl_c_ends_a_run_of_any_kind(kind: str, tmp_path: Path) -> None:
    body = """
    async def wait(x):
        try:
            await asyncio.sleep(60)
        finally:
            print("cleaned", flush=True)
    def block(x):
        time.sleep(60)
    def burn(x):
        while True:
            x += 1
    fn = {"async": gm.node(wait), "blocking": gm.node(block, kind="blocking"), "cpu": gm.node(burn, kind="cpu"), "inline": gm.node(burn, kind="inline"),
          "rows": gm.node(block), "stream": gm.node(wait), "loop": gm.node(wait)}[KIND]
    flow = gm.Flow([fn])
    print("started", flush=True)
    try:
        if KIND == "stream":
            for row in flow.stream({"x": iter(range(9))}, "x"):
                pass
        elif KIND == "loop":
            asyncio.run(flow.amap({"x": [1, 2]}, "x"))
        else:
            flow.map({"x": [1, 2]}, "x")
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    """.replace("KIND", repr(kind))
    memory = counts()["memory"]
    p = start(body, tmp_path)
    assert p.stdout is not None and p.stdout.readline() == "started\n"
    time.sleep(1.0)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=20)
    assert p.returncode == 0, err
    assert out.splitlines()[-1] == "interrupted" and ("cleaned" in out) == (kind in ("async", "stream", "loop")) and err == ""
    for _ in range(40):
        left = group_members(p.pid)
        if not left:
            break
        time.sleep(0.1)
    assert left == [] and counts()["memory"] == memory


COUNTING = """
import gc, json, signal
def counts():
    gc.collect()
    def parent(pid):
        try:
            return int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
        except OSError:
            return 0
    return {"threads": len(os.listdir("/proc/self/task")), "fds": len(os.listdir("/proc/self/fd")),
            "processes": sum(parent(p) == os.getpid() for p in os.listdir("/proc") if p.isdigit()),
            "mapped": open("/proc/self/maps").read().count("memfd:gristmill-flow")}
"""


@pytest.mark.parametrize("kind", ["async", "blocking", "cpu", "inline", "stream", "loop"])
def test_a_program_that_goes_on_after_ctrl_c_has_nothing_left_over(kind: str, tmp_path: Path) -> None:
    body = """
    async def wait(x):
        await asyncio.sleep(60 if x else 0)
        return x
    def block(x):
        time.sleep(0.5 if x else 0)
        return x
    def burn(x):
        while x:
            x += 1
        return x
    fn = {"async": wait, "blocking": gm.node(block, kind="blocking"), "cpu": gm.node(burn, kind="cpu"), "inline": gm.node(burn, kind="inline"),
          "stream": wait, "loop": wait}[KIND]
    flow = gm.Flow([gm.node(fn, output_name="y") if callable(fn) and not isinstance(fn, gm.flow.Node) else fn])
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    first = counts()
    for k in range(12):
        assert len(flow.map({"x": [0, 0]}, "x")) == 2  # it is as good as new
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        try:
            if KIND == "stream":
                for row in flow.stream({"x": iter(range(9))}, "x"):
                    pass
            elif KIND == "loop":
                asyncio.run(flow.amap({"x": [1, 2]}, "x"))
            else:
                flow.map({"x": [1, 2, 3]}, "x")
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("not interrupted")
        if k == 3:
            time.sleep(0.7)
            warm = counts()
    time.sleep(0.7)
    last = counts()
    gm.flow.shutdown()
    time.sleep(0.2)
    print(json.dumps([first, warm, last, counts()]))
    """.replace("KIND", repr(kind))
    p = start(COUNTING + textwrap.dedent(body), tmp_path)
    out, err = p.communicate(timeout=90)
    assert p.returncode == 0 and err == "", err
    first, warm, last, end = json.loads(out)
    assert last["threads"] <= warm["threads"] + 4 and last["fds"] <= warm["fds"] + 6 and last["mapped"] <= warm["mapped"]
    assert last["processes"] <= max(2, len(os.sched_getaffinity(0)))
    assert end["threads"] <= first["threads"] and end["processes"] == 0 and end["mapped"] == 0 and end["fds"] <= first["fds"] + 1


ENDINGS = {
    "an exception nobody catches": ("flow.map({'x': range(20)}, 'x', errors='ordered')\n", 1, "ValueError: 7"),
    "exit in the middle of a stream": ("for row in flow.stream({'x': range(7)}, 'x'):\n    sys.exit(3)\n", 3, ""),
    "exit in a function": ("gm.Flow([gm.node(lambda x: sys.exit(4), output_name='y', kind='blocking')]).map({'x': [1, 2]}, 'x')\n", 4, ""),
    "threads that still wait": ("try:\n    gm.Flow([gm.node(sleep, kind='blocking')]).map({'x': range(9)}, 'x')\nexcept ValueError:\n    print('sleeping on')\n", 0, ""),
    "a loop that is left": ("async def main():\n    async for row in flow.astream({'x': range(7)}, 'x'):\n        return\nasyncio.run(main())\n", 0, ""),
    "a run on a thread of no account": ("threading.Thread(target=flow.map, args=({'x': range(7)}, 'x'), daemon=True).start()\ntime.sleep(0.3)\n", 0, ""),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_end_of_the_interpreter_however_it_comes(ending: str, tmp_path: Path) -> None:
    body = """
    async def wait(x):
        await asyncio.sleep(0.01 * x)
        return x
    def burn(x):
        if x == 7:
            raise ValueError(x)
        return sum(range(x * 10_000))
    def block(x):
        time.sleep(0.01)
        return x
    def sleep(x):
        if x == 0:
            time.sleep(0.2)
            raise ValueError(x)
        time.sleep(60)
    flow = gm.Flow([gm.node(wait), gm.node(burn, kind="cpu"), gm.node(block)])
    """
    code, status, told = ENDINGS[ending]
    began = time.monotonic()
    p = start(textwrap.dedent(body) + code, tmp_path)
    out, err = p.communicate(timeout=60)
    assert p.returncode == status and told in err and (told or err == ""), err
    assert "Exception ignored" not in err
    assert time.monotonic() - began < 20
    for _ in range(40):
        left = group_members(p.pid)
        if not left:
            break
        time.sleep(0.1)
    assert left == []


def test_the_end_of_the_interpreter(tmp_path: Path) -> None:
    body = """
    async def wait(x):
        await asyncio.sleep(0.01)
        return x
    def burn(x):
        return sum(range(x))
    def block(x):
        time.sleep(0.01)
        return x
    def large(x):
        if x == 13:
            raise ValueError(x)
        return np.full(200_000, x)
    flow = gm.Flow([gm.node(wait), gm.node(burn, kind="cpu"), gm.node(block)])
    print(len(flow.map({"x": range(20)}, "x")))
    kept = gm.Flow([gm.node(large, kind="cpu")]).map({"x": range(20)}, "x", errors="skip")  # in shared memory
    stream = flow.stream({"x": range(1000)}, "x")
    print(next(stream)["wait"])
    """
    memory = counts()["memory"]
    began = time.monotonic()
    p = start("import numpy as np\n" + textwrap.dedent(body), tmp_path)
    out, err = p.communicate(timeout=60)
    assert (p.returncode, out, err) == (0, "20\n0\n", "") and time.monotonic() - began < 30
    time.sleep(0.5)
    assert group_members(p.pid) == [] and counts()["memory"] == memory


def test_processes_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    body = """
    def burn(x):
        while True:
            x += 1
    threading.Timer(1.5, lambda: os.kill(os.getpid(), 9)).start()
    gm.Flow([gm.node(burn, kind="cpu")]).map({"x": [1, 2]}, "x")
    """
    p = start(body, tmp_path)
    p.communicate(timeout=30)
    assert p.returncode == -9
    for _ in range(60):
        left = group_members(p.pid)
        if not left:
            break
        time.sleep(0.1)
    assert left == []


def test_a_fork_makes_pools_of_its_own(tmp_path: Path) -> None:
    body = """
    async def wait(x):
        await asyncio.sleep(0)
        return x
    flow = gm.Flow([gm.node(wait), gm.node(lambda x: x, output_name="y", kind="blocking")])
    flow.map({"x": range(10)}, "x")
    pid = os.fork()
    if pid == 0:
        os._exit(0 if len(flow.map({"x": range(10)}, "x")) == 10 else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """
    p = start(body, tmp_path)
    out, err = p.communicate(timeout=30)
    assert (out, p.returncode) == ("0\n", 0), err


def test_flows_are_loaded_only_when_asked_for() -> None:
    code = "import sys, gristmill; assert 'gristmill.flow' not in sys.modules; gristmill.Flow; assert 'gristmill.flow' in sys.modules"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr


def test_a_run_on_the_callers_thread_leaves_nothing_to_the_collector() -> None:
    """What a run holds, its inputs and results too, goes with it."""
    def twice(x: int) -> int:
        return x * 2

    flow = gm.Flow([gm.node(twice, kind="inline")])
    flow.map({"x": range(10)}, "x")
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            flow.map({"x": range(10)}, "x")
        assert gc.collect() == 0
    finally:
        gc.enable()
