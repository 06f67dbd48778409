"""Nothing is left behind: threads, processes, descriptors, memory files, tasks."""

from __future__ import annotations

import asyncio
import gc
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

import gristmill as gm
from gristmill import flow as flows

ROOT = Path(__file__).parents[3]


def counts() -> dict[str, Any]:
    gc.collect()
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(os.getpid())], capture_output=True, text=True).stdout.split()
    alive = [c for c in children if Path(f"/proc/{c}/cmdline").exists() and "worker.py" in Path(f"/proc/{c}/cmdline").read_text()]
    return {"threads": sorted(t.name for t in threading.enumerate() if t.name.startswith("gristmill-flow")), "fds": len(os.listdir("/proc/self/fd")),
            "processes": len(alive), "memory": sorted(p.name for p in Path("/dev/shm").iterdir() if not p.name.startswith("PostgreSQL")) if Path("/dev/shm").exists() else []}


def settled() -> dict[str, Any]:
    flows.shutdown()
    for _ in range(50):
        found = counts()
        if not found["threads"] and not found["processes"]:
            return found
        time.sleep(0.05)
    return found


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
    end = settled()
    assert set(end["threads"]) <= set(before["threads"]) and end["processes"] == 0 and end["fds"] <= before["fds"] + 1 and end["memory"] == before["memory"]


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
    assert after["fds"] <= warm["fds"] + 4 and after["memory"] == warm["memory"]
    assert after["processes"] <= max(2, len(os.sched_getaffinity(0)))
    end = settled()
    assert end["processes"] == 0 and end["fds"] <= before["fds"] + 1 and end["memory"] == before["memory"]


def test_runs_that_fail() -> None:
    before = settled()
    flow = everything()
    for k in range(6):
        with pytest.raises(ValueError, match="99"):
            flow.map({"x": [1, 2, 99, 3]}, "x")
        stream = flow.stream({"x": iter(range(90))}, "x")
        next(stream)
        stream.close()
        with pytest.raises(ValueError, match="99"):
            list(flow.stream({"x": [1, 99]}, "x"))
    end = settled()
    assert set(end["threads"]) <= set(before["threads"]) and end["processes"] == 0 and end["fds"] <= before["fds"] + 1 and end["memory"] == before["memory"]


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
