"""The loop of one engine's process: a JSON request a line on stdin, a JSON reply a line on stdout.

    load   {tables: [{alias, path, columns, parquet}]}      tables in, untimed
    run    {family, workload, mode, repeat, path}       ->  {seconds: [...], peak_mib, before_mib}
    answer {family, workload, order, kinds}             ->  the checksum of the last result, which is then dropped
    bits   {family, workload, mode, repeat}             ->  {values: [...], orders: [...]}: digests of each repeat's bits
    limit  {bytes, folder}                                  memory of the queries that follow
    write  {family, workload, mode, path}               ->  like run, for a query into a file
    about  {}                                           ->  {modes, idle_mib}

A failure is {"error": text}; the process lives on.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from engines import make
from engines.engine import Engine
from measure import memory
from measure.bits import digests
from measure.checksum import answer_of
from workloads.workload import Workload


def read_table(path: str, columns: list[str] | None) -> pa.Table:
    """A private copy in memory, in batches as they lie in the file."""
    with pa.OSFile(path) as file:
        table = pa.ipc.open_file(file).read_all()
    return table.select(columns) if columns else table


def read_written(path: str) -> pa.Table:
    """The rows of a file that a query wrote."""
    return pa_csv.read_csv(path) if path.endswith(".csv") else pq.read_table(path)


class Worker:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._result: Any = None
        self._mode = ""

    def _workload(self, r: dict[str, Any]) -> Workload:
        return importlib.import_module(f"workloads.{r['family']}").WORKLOADS[r["workload"]]

    def _forget(self, mode: str) -> None:
        if isinstance(self._result, str):
            Path(self._result).unlink(missing_ok=True)
        self._result = None
        self._engine.before(mode)

    def _timed(self, work: Callable[[], Any], repeat: int, mode: str) -> dict[str, Any]:
        """The last result stays; garbage of Python's own making is collected outside."""
        seconds = []
        self._forget(mode)
        gc.collect()
        gc.disable()
        before = memory.resident_mib()
        memory.reset_peak()
        for _ in range(repeat):
            self._forget(mode)
            start = time.perf_counter()
            self._result = work()
            seconds.append(time.perf_counter() - start)
        peak = memory.peak_mib()
        gc.enable()
        return {"seconds": seconds, "peak_mib": peak, "before_mib": before}

    def about(self, r: dict[str, Any]) -> dict[str, Any]:
        return {"modes": list(self._engine.modes), "idle_mib": memory.resident_mib()}

    def load(self, r: dict[str, Any]) -> dict[str, Any]:
        for t in r["tables"]:
            if t["parquet"]:
                self._engine.scan(t["alias"], t["path"])
            else:
                self._engine.load(t["alias"], read_table(t["path"], t["columns"]))
        gc.collect()
        return {}

    def run(self, r: dict[str, Any]) -> dict[str, Any]:
        query = self._workload(r).queries[self._engine.name]
        self._mode = r["mode"]
        if path := r.get("path"):
            return self._timed(lambda: query(self._engine, path, r["mode"]), r["repeat"], r["mode"])
        return self._timed(lambda: self._engine.run(query, r["mode"]), r["repeat"], r["mode"])

    def answer(self, r: dict[str, Any]) -> dict[str, Any]:
        result = read_written(self._result) if isinstance(self._result, str) else self._engine.arrow(self._result)
        answer = answer_of(result, r["order"], r["kinds"])
        self._forget(self._mode)
        return answer

    def bits(self, r: dict[str, Any]) -> dict[str, Any]:
        workload = self._workload(r)
        values, orders = [], []
        for _ in range(r["repeat"]):
            self._forget(r["mode"])
            result = self._engine.run(workload.queries[self._engine.name], r["mode"])
            value, order = digests(self._engine.arrow(result), workload.keys)
            values.append(value)
            orders.append(order)
        return {"values": values, "orders": orders}

    def limit(self, r: dict[str, Any]) -> dict[str, Any]:
        self._engine.limit_memory(r["bytes"], r["folder"])
        return {}

    def write(self, r: dict[str, Any]) -> dict[str, Any]:
        query = self._workload(r).queries[self._engine.name]
        return self._timed(lambda: self._engine.write(query, r["path"]), 1, r["mode"])

    def serve(self, requests: Any, replies: Any) -> None:
        for line in requests:
            request = json.loads(line)
            try:
                reply = getattr(self, request["do"])(request)
            except Exception as e:  # noqa: BLE001 - reported to the parent
                self._result = None
                reply = {"error": f"{type(e).__name__}: {e}"[:500]}
            print(json.dumps(reply), file=replies, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("engine")
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not mix with the replies
    Worker(make(options.engine, options.threads)).serve(sys.stdin, replies)


if __name__ == "__main__":
    main()
