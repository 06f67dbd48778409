"""The interpreter's end while daemon threads are in the engine: quiet, at once, and without harm."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAD = """
import atexit, sys, threading, time
import pyarrow as pa
import gristmill as gm

numbers = gm.from_pydict({"a": list(range(100_000))})
slow = gm.udf(lambda x: (time.sleep(1e-5), x)[1], "int64")

def endless():
    while True:
        time.sleep(0.001)
        yield pa.record_batch({"a": [1, 2, 3]})

def in_background(work):
    threading.Thread(target=work, daemon=True).start()
    time.sleep(0.5)
"""

QUERIES = """
def again():
    while True:
        numbers.with_columns(b=slow(gm.col("a"))).collect()
in_background(again)
"""
STREAM = """
in_background(lambda: gm.Stream.from_iterable(endless()).write_parquet(sys.argv[1] + "/out.parquet"))
"""
NESTED = """
nested = gm.udf(lambda x: numbers.limit(x).select(gm.col("a").sum()).collect().to_pydict()["a"][0], "int64")
in_background(lambda: numbers.filter(gm.col("a") > 0).with_columns(b=nested(gm.col("a"))).collect())
"""
# Handlers run in the reverse order of their registration: this one after the engine has been left.
AFTERWARDS = """
import atexit
atexit.register(lambda: print(gm.from_pydict({"a": [1, 2]}).select(gm.col("a").sum()).collect().to_pydict()))
"""


@pytest.mark.parametrize("work", [QUERIES, STREAM, NESTED], ids=["queries", "stream", "nested"])
def test_daemon_threads_in_the_engine_do_not_hinder_the_end(work: str, tmp_path: Path) -> None:
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", AFTERWARDS + HEAD + work, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "{'a': [3]}\n")
    assert time.monotonic() - began < 20
    assert not (tmp_path / "out.parquet").exists()
