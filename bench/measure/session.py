"""One engine with the tables of one workload, ready to be run again and again."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from workloads.tables import ipc_file, parquet_file, scaled
from workloads.workload import Table, Workload

from .checksum import Answer
from .engine_process import EngineProcess

_SHORT = 0.05  # seconds: shorter runs are repeated within one measurement and its median counts
_MOST_REPEATS = 25


@dataclass
class Timing:
    """Measurements of one engine in one mode; memory is the process's, tables included."""

    seconds: list[float] = field(default_factory=list)
    peak_mib: float = 0.0
    grown_mib: float = 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


class Session:
    """A context manager: the process ends with it."""

    def __init__(self, engine: str, family: str, workload: Workload, small: bool, threads: int = 2, path: str = "") -> None:
        self.engine = engine
        self.mode = ""
        self.repeat = 1
        self._family = family
        self._workload = workload
        self._small = small
        self._path = path  # of the file that each query begins with; empty: tables
        self._process = EngineProcess(engine, threads)

    def __enter__(self) -> "Session":
        with_tables = self._process.__enter__()
        try:
            with_tables.ask("load", tables=[self._table(alias, t) for alias, t in dict(self._workload.tables).items()])
        except BaseException:
            self._process.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.close()

    def _table(self, alias: str, table: Table) -> dict[str, object]:
        if table.path:
            return {"alias": alias, "path": table.path, "columns": None, "parquet": True}
        table = scaled(table, self._small)
        return {"alias": alias, "path": str(ipc_file(table)), "columns": list(table.columns), "parquet": False}

    @property
    def modes(self) -> list[str]:
        return self._process.modes

    @property
    def idle_mib(self) -> float:
        return self._process.idle_mib

    def start(self, repeat: int | None = None) -> None:
        """Asks for a run; finish() waits for it. Two sessions can so run at the same time."""
        self._process.send("run", family=self._family, workload=self._workload.name, mode=self.mode or self.modes[0], repeat=repeat or self.repeat,
                           path=self._path)

    def finish(self, into: Timing | None = None) -> float:
        reply = self._process.receive()
        seconds = statistics.median(reply["seconds"])
        if into is not None:
            into.seconds.append(seconds)
            into.peak_mib = max(into.peak_mib, reply["peak_mib"])
            into.grown_mib = max(into.grown_mib, reply["peak_mib"] - reply["before_mib"])
        return seconds

    def run(self, into: Timing | None = None, repeat: int | None = None) -> float:
        self.start(repeat)
        return self.finish(into)

    def answer(self, kinds: Sequence[str] | None = None) -> Answer:
        return self._process.ask("answer", family=self._family, workload=self._workload.name, order=self._workload.order, kinds=kinds)

    def bits(self, repeat: int) -> dict[str, list[str]]:
        return self._process.ask("bits", family=self._family, workload=self._workload.name, mode=self.mode or self.modes[0], repeat=repeat)

    def settle(self, seconds: float) -> None:
        """How often a run of so many seconds is repeated within one measurement."""
        self.repeat = max(1, min(_MOST_REPEATS, math.ceil(_SHORT / max(seconds, 1e-6))))
