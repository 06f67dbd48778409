"""Peers of the flows family in an environment of their own, as they bring many packages: made once in .cache, pinned in requirements.txt beside this.

A peer that does not install or start is left out, and the report says so. Times are the median of five warm runs in the peer's process, which
idles while others are measured.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ENVIRONMENT = HERE.parents[1] / ".cache" / "flow-peers"
PINS = HERE / "requirements.txt"
SECONDS = 180  # that a peer has for a workload


def pins() -> dict[str, str]:
    """Package and its pinned requirement, by peer."""
    lines = [line.split("#")[0].strip() for line in PINS.read_text().splitlines()]
    named = {"sf-hamilton": "hamilton"}
    return {named.get(line.split("==")[0].split("[")[0], line.split("==")[0].split("[")[0]): line for line in lines if line}


def install() -> dict[str, str]:
    """Makes the environment; why a peer is not in it, by peer."""
    stamp = ENVIRONMENT / "installed.json"
    wanted = PINS.read_text()
    if stamp.exists() and (known := json.loads(stamp.read_text()))["pins"] == wanted:
        return dict(known["missing"])
    missing: dict[str, str] = {}
    subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
    for peer, pin in pins().items():
        run = subprocess.run([str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", pin], capture_output=True, text=True)
        if run.returncode != 0:
            missing[peer] = (run.stderr.strip().splitlines() or ["pip failed"])[-1]
    stamp.write_text(json.dumps({"pins": wanted, "missing": missing}))
    return missing


class Peer:
    """One peer's process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process = subprocess.Popen([str(ENVIRONMENT / "bin" / "python"), str(HERE / "worker.py"), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
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
    return [Peer(name) for name in pins() if name not in missing]
