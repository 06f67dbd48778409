"""kernels: builds bench/kernels and runs it; times per row, at every SIMD level of this machine."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

from measure import report

HELP = "column kernels in Google Benchmark"
_ROOT = Path(__file__).resolve().parents[2]
_BUILD = _ROOT / "build" / "release"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--filter", default=".*", help="regular expression of kernel names")
    parser.add_argument("--repetitions", type=int, default=5, help="the median of so many (at least 2) is reported")
    parser.add_argument("--min-time", type=float, default=0.1, help="seconds of each repetition")


def has_google_benchmark() -> bool:
    return any(Path(folder, "benchmark", "benchmark.h").exists() for folder in ("/usr/include", "/usr/local/include"))


def build() -> Path:
    subprocess.run(["ninja", "-C", _BUILD, "kernels_bench"], check=True, stdout=subprocess.DEVNULL)
    return _BUILD / "bin" / "kernels_bench"


def measure(names: str, repetitions: int, min_time: float, variables: dict[str, str] | None = None) -> dict[str, list[float]]:
    """Nanoseconds an item by kernel, of each repetition; repetitions of all kernels are mixed."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([build(), f"--benchmark_filter={names}", f"--benchmark_repetitions={max(repetitions, 2)}", "--benchmark_out_format=json",
                        f"--benchmark_min_time={min_time}", "--benchmark_enable_random_interleaving=true", f"--benchmark_out={out.name}"],
                       check=True, stdout=subprocess.DEVNULL, env=os.environ | (variables or {}))
        found: dict[str, list[float]] = {}
        for b in json.loads(Path(out.name).read_text())["benchmarks"]:
            if b.get("run_type") == "iteration":
                found.setdefault(b["run_name"].removesuffix("/real_time"), []).append(1e9 / b["items_per_second"])
        return found


def run(options: argparse.Namespace) -> int:
    if not has_google_benchmark():
        print("Google Benchmark is not installed (libbenchmark-dev); nothing to run")
        return 0
    found = measure(options.filter, options.repetitions, options.min_time)
    rows = [[name, f"{statistics.median(ns):.3f}"] for name, ns in found.items()]
    report.save("kernels", f"# kernels\n\n{report.markdown_table(('kernel', 'ns per row (small_batch, eligible: per batch)'), rows)}\n", {"rows": found})
    return 0
