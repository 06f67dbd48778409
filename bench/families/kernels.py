"""kernels: builds bench/kernels and runs it; times per row, at every SIMD level of this machine."""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from measure import report

HELP = "column kernels in Google Benchmark"
_ROOT = Path(__file__).resolve().parents[2]
_BUILD = _ROOT / "build" / "bench"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--filter", default=".*", help="regular expression of kernel names")
    parser.add_argument("--repetitions", type=int, default=5, help="the median of so many (at least 2) is reported")
    parser.add_argument("--min-time", type=float, default=0.1, help="seconds of each repetition")


def _has_google_benchmark() -> bool:
    return any(Path(folder, "benchmark", "benchmark.h").exists() for folder in ("/usr/include", "/usr/local/include"))


def _build() -> Path:
    subprocess.run(["cmake", "-S", _ROOT, "-B", _BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DGRISTMILL_BENCH=ON", "-DGRISTMILL_TESTS=OFF",
                    "-DGRISTMILL_PYTHON_MODULE=OFF"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", _BUILD, "kernels_bench"], check=True, stdout=subprocess.DEVNULL)
    return _BUILD / "bin" / "kernels_bench"


def _measure(program: Path, options: argparse.Namespace) -> list[dict]:
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([program, f"--benchmark_filter={options.filter}", f"--benchmark_repetitions={max(options.repetitions, 2)}", "--benchmark_out_format=json",
                        f"--benchmark_min_time={options.min_time}", "--benchmark_report_aggregates_only=true", f"--benchmark_out={out.name}"],
                       check=True, stdout=subprocess.DEVNULL)
        return [b for b in json.loads(Path(out.name).read_text())["benchmarks"] if b.get("aggregate_name") == "median"]


def run(options: argparse.Namespace) -> int:
    if not _has_google_benchmark():
        print("Google Benchmark is not installed (libbenchmark-dev); nothing to run")
        return 0
    medians = _measure(_build(), options)
    rows = [[b["run_name"], f"{1e9 / b['items_per_second']:.3f}"] for b in medians]
    report.save("kernels", f"# kernels\n\n{report.markdown_table(('kernel', 'ns per row (small_batch: per batch)'), rows)}\n", {"rows": medians})
    return 0
