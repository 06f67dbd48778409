"""Peers that bring many packages, in an environment of their own: made once in .cache, pinned in a requirements.txt, installed one by one.

A peer that does not install is left out, and the report says why.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache"


@dataclass(frozen=True)
class Environment:
    """`named`: what a peer is called where it is not called as its package."""

    folder: Path
    requirements: Path
    named: dict[str, str]

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    def pins(self) -> dict[str, str]:
        """The pinned requirement by peer."""
        lines = [line.split("#")[0].strip() for line in self.requirements.read_text().splitlines()]
        packages = {line.split("==")[0].split("[")[0]: line for line in lines if line}
        return {self.named.get(package, package): line for package, line in packages.items()}

    def install(self) -> dict[str, str]:
        """Makes the environment; why a peer is not in it, by peer."""
        stamp = self.folder / "installed.json"
        wanted = self.requirements.read_text()
        if stamp.exists() and (known := json.loads(stamp.read_text()))["pins"] == wanted:
            return dict(known["missing"])
        missing: dict[str, str] = {}
        subprocess.run([sys.executable, "-m", "venv", str(self.folder)], check=True)
        for peer, pin in self.pins().items():
            run = subprocess.run([self.python, "-m", "pip", "install", "-q", "--disable-pip-version-check", pin], capture_output=True, text=True)
            if run.returncode != 0:
                missing[peer] = (run.stderr.strip().splitlines() or ["pip failed"])[-1]
        stamp.write_text(json.dumps({"pins": wanted, "missing": missing}))
        return missing
