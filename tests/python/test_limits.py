"""Memory limits, full disks and Ctrl-C: a clear error, nothing left behind, the same bits when it fits."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pyarrow as pa
import pytest

import gristmill as gm
from gristmill import col

ROWS = 400_000


@pytest.fixture(scope="module")
def wide() -> gm.Frame:
    rng = np.random.default_rng(7)
    return gm.from_arrow(pa.table({"k": rng.permutation(ROWS), "v": rng.random(ROWS), "s": pa.array([f"text number {i % 9973}" for i in range(ROWS)])}))


@pytest.mark.parametrize("query", [
    lambda f: f.sort("v"), lambda f: f.sort("s", "v", descending=[True, False]), lambda f: f.group_by("k").agg(col("v").sum(), col("s").first()),
    lambda f: f.join(f.select("k", w="v"), on="k"),
], ids=["sort", "sort by text", "group", "join"])
def test_spilling_changes_nothing(wide: gm.Frame, query, monkeypatch: pytest.MonkeyPatch) -> None:
    free = query(wide).collect(num_workers=2)
    monkeypatch.setenv("GRISTMILL_SPILL_EAGERLY", "1")
    tight = query(wide).collect(num_workers=2, memory_limit="256MB")
    assert tight.get_stats()["spilled_bytes"] > 0
    assert tight.to_arrow().combine_chunks().equals(free.to_arrow().combine_chunks())


def test_a_limit_out_of_reach_is_an_error_not_a_crash(wide: gm.Frame) -> None:
    with pytest.raises(gm.MemoryLimitError, match="memory_limit"):
        wide.sort("v").collect(num_workers=2, memory_limit="1MB")
    assert wide.head(3).collect().num_rows == 3


def test_a_full_disk_while_spilling_is_named(wide: gm.Frame, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRISTMILL_SPILL_EAGERLY", "1")
    monkeypatch.setenv("GRISTMILL_SPILL_FAIL_AFTER", "100000")
    with pytest.raises(gm.IoError, match="disk full while spilling"):
        wide.sort("v").sink_parquet(tmp_path / "out.parquet", num_workers=2)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_stops_a_query() -> None:
    program = textwrap.dedent("""
        import numpy as np, gristmill as gm
        f = gm.from_pydict({"a": np.arange(3_000_000) % 1000}).select((gm.col("a") * 2.0).pow(1.1).ln().exp().alias("y"))
        big = gm.concat([f] * 200).group_by("y").agg(gm.count())
        print("ready", flush=True)
        try:
            big.collect(num_workers=2)
        except KeyboardInterrupt:
            print("stopped", flush=True)
    """)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert out == "stopped\n"


# Few rows that meet many: hours of pairs in one morsel. The pairs of the outer joins never meet their condition, so nothing leaves the join meanwhile.
JOINS = {
    "inequality": "select count(*) from a, b where a.x < b.x and a.y < b.y",
    "cross": "select sum(a.x * b.y) from a, b",
    "left": "select count(*) from a left join b on a.g = b.g and a.x + b.x > 1e9",
    "anti": "select count(*) from a where not exists (select 1 from b where a.g = b.g and a.x + b.x > 1e9)",
}
LONG = """
import time, numpy as np, gristmill as gm
rows = 400_000
a = b = gm.from_pydict({"g": np.zeros(rows, "int64"), "x": np.arange(rows) * 0.5, "y": np.arange(rows)[::-1] * 1.0})
"""


@pytest.mark.parametrize("join", JOINS)
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_and_a_timeout_stop_a_join_within_a_morsel(join: str, workers: int) -> None:
    program = LONG + textwrap.dedent(f"""
        query = gm.sql({JOINS[join]!r})
        begin = time.monotonic()
        try:
            query.collect(num_workers={workers}, timeout=0.5)
        except gm.TimeoutError:
            print(time.monotonic() - begin, flush=True)
        try:
            query.collect(num_workers={workers})
        except KeyboardInterrupt:
            print("stopped", flush=True)
    """)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout and float(process.stdout.readline()) < 10
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=10)
    assert out == "stopped\n"
