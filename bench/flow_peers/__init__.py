"""Peers of the flows family, each in a process of its own, in an environment of their own (measure/environment.py).

A peer that does not start is left out, and the report says so. Times are the median of five warm runs in the peer's process, which idles while
others are measured.
"""

from __future__ import annotations

import json
import select
import subprocess
from pathlib import Path
from typing import Any

from measure.environment import CACHE, Environment

HERE = Path(__file__).resolve().parent
ENVIRONMENT = Environment(CACHE / "flow-peers", HERE / "requirements.txt", {"sf-hamilton": "hamilton"})
SECONDS = 180  # that a peer has for a workload


class Peer:
    """One peer's process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process = subprocess.Popen([ENVIRONMENT.python, str(HERE / "worker.py"), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)

    def seconds(self, workload: str) -> tuple[float | None, str]:
        """Its time, or why it has none."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(workload + "\n")
            self.process.stdin.flush()
            if not select.select([self.process.stdout], [], [], SECONDS)[0]:
                self.close()
                return None, f"no answer in {SECONDS} s"
            answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        except (OSError, ValueError):
            return None, "its process ended"
        return answer.get("seconds"), answer.get("why", "")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def started(missing: dict[str, str]) -> list[Peer]:
    return [Peer(name) for name in ENVIRONMENT.pins() if name not in missing]
