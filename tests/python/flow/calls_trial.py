#!/usr/bin/env python3
"""Calls to a local server that fails, stalls and limits its rate; the program is killed in the middle and started again: ./run flows-trial --items 100000.

Each item must have one result or dead letter, the rate must never be exceeded, memory must stay flat, and what was answered is not asked for again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from call_server import PROGRAM, CallServer, waited, wrong  # noqa: E402


def trial(folder: Path, items: int, rate: int, stall_every: int = 1000) -> list[str]:
    """Runs it; what is wrong with what came out."""
    server = CallServer(items, rate, stall_every=stall_every)
    script, out = folder / "calls.py", folder / "out.jsonl"
    script.write_text(PROGRAM)
    command = [sys.executable, str(script), str(server.port), str(items), str(rate), str(folder / "cache"), str(out)]
    try:
        first = subprocess.Popen(command)
        waited(lambda: server.answered >= items // 3 or first.poll() is not None, 60 + 3 * items / rate)
        first.kill()
        first.wait()
        done = server.answered
        if not items // 3 <= done < items:
            return [f"the first program ended with {done} answers"]
        time.sleep(1.1)  # the next program's rate does not know of the first one's last second
        second = subprocess.run(command, capture_output=True, text=True, timeout=120 + 6 * items / rate)
        if second.returncode != 0:
            return [second.stderr]
        found = wrong(server, items, out, second.stdout, done)
        early, late = second.stdout.split()[2:]
        print(f"{items} items, {server.total} calls, at most {server.most_started_in(1.0)} in a second of {rate}, at most {server.most_open} open; "
              f"killed after {done} answers; peak memory {int(early) >> 10} MiB after a tenth, {int(late) >> 10} MiB at the end")
        return found
    finally:
        server.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run flows-trial", description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=2_000, help="calls a second")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = trial(Path(folder), options.items, options.rate)
    for text in found:
        print("WRONG:", text)
    print(f"{'wrong' if found else 'all as it must be'}, {time.monotonic() - began:.0f} s")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
