"""One row of a report: this engine against the fastest peer on one workload.

First every engine answers (warming up), and answers are compared: the one most engines give is right, the others are
WRONG and not timed. A quick round of five runs finds the fastest peer and its best mode; then ours and that peer run in
turns, each pair in the other order than the last. The ratio is the median of the pairs' ratios.
"""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from engines import OURS
from workloads.workload import Workload

from .checksum import Answer, difference
from .engine_process import EngineFailed
from .session import Session, Timing

_QUICK = 5
_HOPELESS = 3.0  # a mode this many times slower than the fastest so far is not run again


@dataclass
class Row:
    name: str
    gate: float
    medians: dict[str, float] = field(default_factory=dict)  # quick round, seconds by "engine mode"
    peaks: dict[str, float] = field(default_factory=dict)  # of the same runs, MiB above the idle process
    problems: dict[str, str] = field(default_factory=dict)  # WRONG or FAILED and why, by "engine mode"
    peer: str = ""
    ours_s: float = 0.0
    peer_s: float = 0.0
    ours_mib: float = 0.0
    peer_mib: float = 0.0
    ours_grown_mib: float = 0.0
    peer_grown_mib: float = 0.0
    ratios: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float | None:
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def good(self) -> bool:
        return self.ratio is not None and self.ratio <= self.gate

    @property
    def ours_failed(self) -> bool:
        return any(k.split()[0] == OURS for k in self.problems)


def _wrong(answers: dict[tuple[str, str], Answer], rounded: Sequence[int]) -> dict[tuple[str, str], str]:
    """Who differs from what most engines say, and how. Peers decide ties: ours comes last."""
    order = sorted(answers, key=lambda who: who[0] == OURS)
    best: list[tuple[str, str]] = []
    for candidate in order:
        agreeing = [who for who in order if difference(answers[who], answers[candidate], rounded) is None]
        if len({e for e, _ in agreeing}) > len({e for e, _ in best}):
            best = agreeing
    return {who: difference(answers[who], answers[best[0]], rounded) or "" for who in order if who not in best}


class Measurement:
    """Measures one workload; sessions live as long as it."""

    def __init__(self, family: str, workload: Workload, engines: Sequence[str], pairs: int, small: bool, path: str = "") -> None:
        self._family = family
        self._workload = workload
        self._engines = [e for e in engines if e in workload.queries]
        self._pairs = pairs
        self._small = small
        self._path = path
        self._row = Row(workload.name, workload.gate)
        self._sessions: dict[str, Session] = {}

    def run(self) -> Row:
        with contextlib.ExitStack() as stack:
            starting = {e: Session(e, self._family, self._workload, self._small, path=self._path) for e in self._engines}
            for engine, session in starting.items():
                try:
                    self._sessions[engine] = stack.enter_context(session)
                except EngineFailed as e:
                    self._row.problems[engine] = f"FAILED: {e}"
            right = self._check()
            self._quick(right)
            self._duel()
        return self._row

    def _check(self) -> dict[tuple[str, str], float]:
        """Engine and mode -> seconds of the first run, for those with the right answer."""
        answers: dict[tuple[str, str], Answer] = {}
        warm: dict[tuple[str, str], float] = {}
        kinds = None
        for engine, session in self._sessions.items():
            for mode in session.modes:
                try:
                    session.mode = mode
                    warm[engine, mode] = session.run()
                    answers[engine, mode] = session.answer(kinds)
                    kinds = kinds or answers[engine, mode]["kinds"]
                except EngineFailed as e:
                    self._row.problems[f"{engine} {mode}"] = f"FAILED: {e}"
        for (engine, mode), why in (_wrong(answers, self._workload.rounded) if answers else {}).items():
            self._row.problems[f"{engine} {mode}"] = f"WRONG: {why}"
            del answers[engine, mode]
        return {who: warm[who] for who in answers}

    def _quick(self, warm: dict[tuple[str, str], float]) -> None:
        fastest = min((s for (engine, _), s in warm.items() if engine != OURS), default=0.0)
        for engine, mode in sorted(warm, key=lambda who: warm[who]):
            session, timing = self._sessions[engine], Timing()
            session.mode = mode
            session.settle(warm[engine, mode])
            try:
                for _ in range(_QUICK):
                    seconds = session.run(timing)
                    if engine != OURS and seconds > _HOPELESS * fastest:
                        break
            except EngineFailed as e:
                self._row.problems[f"{engine} {mode}"] = f"FAILED: {e}"
                continue
            self._row.medians[f"{engine} {mode}"] = timing.median
            self._row.peaks[f"{engine} {mode}"] = timing.peak_mib - session.idle_mib
            if engine != OURS:
                fastest = min(fastest, timing.median)

    def _best(self, ours: bool) -> str:
        return min((k for k in self._row.medians if (k.split()[0] == OURS) == ours), key=self._row.medians.__getitem__, default="")

    def _chosen(self, who: str) -> Session:
        engine, mode = who.split()
        session = self._sessions[engine]
        session.mode = mode
        session.settle(self._row.medians[who])
        return session

    def _duel(self) -> None:
        ours, peer = self._best(ours=True), self._best(ours=False)
        self._row.peer = peer
        if not ours or not peer:
            return
        a, b, us, them = self._chosen(ours), self._chosen(peer), Timing(), Timing()
        try:
            for i in range(self._pairs):
                for session, timing in ((a, us), (b, them)) if i % 2 == 0 else ((b, them), (a, us)):
                    session.run(timing)
        except EngineFailed as e:
            self._row.problems[ours] = f"FAILED: {e}"
            return
        self._row.ratios = [x / y for x, y in zip(us.seconds, them.seconds)]
        self._row.ours_s, self._row.peer_s = us.median, them.median
        self._row.ours_mib, self._row.peer_mib = us.peak_mib, them.peak_mib
        self._row.ours_grown_mib, self._row.peer_grown_mib = us.grown_mib, them.grown_mib


def measure(family: str, workload: Workload, engines: Sequence[str], pairs: int, small: bool, retries: int, path: str = "") -> Row:
    """A row that fails its gate is measured twice more, and the middle one counts."""
    rows = [Measurement(family, workload, engines, pairs, small, path).run()]
    while rows[0].ratio is not None and not rows[0].good and len(rows) <= retries:
        rows.append(Measurement(family, workload, engines, pairs, small, path).run())
    measured = sorted((r for r in rows if r.ratio is not None), key=lambda r: r.ratio or 0.0)
    return measured[len(measured) // 2] if measured else rows[0]
