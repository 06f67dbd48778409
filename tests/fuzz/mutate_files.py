#!/usr/bin/env python3
"""Damaged files: each is read in a process of its own and must give an error or a result, never a crash, a hang or a stray exception.

    ./run fuzz-files --count 20000        until so many files were read
    ./run fuzz-files --seed 7 --case 12   one file again; it stays in the folder that is printed
    ./run fuzz-files --count 20000 --program build/asan/bin/read_files   by a sanitizer's build (./run build --preset asan read_files), a child for each

Memory is bounded: 2 GiB of data, or resident in a sanitizer's build. A crash whose innermost frames are Arrow's is listed apart and fails nothing.

Seeds are small CSV, NDJSON, IPC and Parquet files written by the engine and by pyarrow; bits are flipped, bytes cut off, pieces spliced, numbers
that may be lengths replaced.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SECONDS = 10
MEMORY_MIB = 2048
CRASHED = 99  # what sanitizers end with
PER_PROCESS = 40  # files a child reads before the next child is started; a crash is found by the file it had begun

READER = """
import sys, pathlib
import gristmill as gm
for line in sys.stdin:
    path = line.rstrip("\\n")
    print("begin", path, flush=True)
    scan = {".csv": gm.scan_csv, ".ndjson": gm.scan_ndjson, ".arrow": gm.scan_ipc, ".parquet": gm.scan_parquet}[pathlib.Path(path).suffixes[0]]
    for workers in (1, 2):
        try:
            frame = scan(path)
            frame.collect(num_workers=workers, min_parallel_rows=0, memory_limit=256 << 20)
            frame.select(gm.count()).collect(num_workers=workers)
        except gm.GristmillError as e:
            str(e)
    print("done", path, flush=True)
"""


def write_seeds(folder: Path) -> list[Path]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    import gristmill as gm

    data = pa.table({
        "id": pa.array(range(300), pa.int64()), "name": [None if i % 7 == 0 else f"name {i} with, \"some\" text" for i in range(300)],
        "value": [i / 7 for i in range(300)], "flag": [i % 3 == 0 for i in range(300)], "list": [[i] * (i % 4) for i in range(300)],
    })
    flat = gm.from_arrow(data.drop_columns(["list"]))
    flat.sink_csv(folder / "a.csv")
    flat.sink_csv(folder / "b.csv.gz")
    flat.sink_csv(folder / "c.csv.zst", quote_style="always")
    gm.from_arrow(data).sink_ndjson(folder / "a.ndjson")
    gm.from_arrow(data).sink_ndjson(folder / "b.ndjson.gz")
    gm.from_arrow(data).sink_ipc(folder / "a.arrow")
    gm.from_arrow(data).sink_parquet(folder / "a.parquet")
    pq.write_table(data, folder / "b.parquet", compression="snappy", row_group_size=100, data_page_version="2.0")
    with pa.OSFile(str(folder / "b.arrow"), "wb") as f, pa.ipc.new_stream(f, data.schema) as out:
        out.write_table(data, 100)
    return sorted(folder.iterdir())


def mutate(rng: random.Random, raw: bytes, other: bytes) -> bytes:
    out = bytearray(raw)
    for _ in range(rng.choice([1, 1, 2, 5])):
        at = rng.randrange(len(out)) if out else 0
        match rng.randrange(7):
            case 0 if out:
                out[at] ^= 1 << rng.randrange(8)
            case 1:
                del out[at:]
            case 2:
                out[at:at] = other[rng.randrange(len(other)):][: rng.randrange(1, 200)]
            case 3:
                del out[at:at + rng.randrange(1, 100)]
            case 4 if len(out) > 8:
                at = rng.randrange(len(out) - 8)
                number = rng.choice([0, 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1, rng.randrange(2**20)])
                width = rng.choice([4, 8])
                out[at:at + width] = struct.pack("<Q", number)[:width]
            case 5 if out:
                out[at] = rng.choice(b'",\n\r\\{}[]:\x00\xff0-eE.')
            case _:
                out += other[: rng.randrange(100)]
    return bytes(out)


def make_case(folder: Path, seeds: list[Path], seed: int, case: int) -> Path:
    rng = random.Random(seed * 1_000_003 + case)
    source, other = rng.choice(seeds), rng.choice(seeds)
    path = folder / f"case{case}{''.join(source.suffixes)}"
    path.write_bytes(mutate(rng, source.read_bytes(), other.read_bytes()))
    return path


def bounded() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_MIB << 20, MEMORY_MIB << 20))


def environment() -> dict[str, str]:
    limits = {"ASAN_OPTIONS": f"exitcode={CRASHED}:allocator_may_return_null=1", "UBSAN_OPTIONS": f"halt_on_error=1:exitcode={CRASHED}"}
    return os.environ | limits | {"ARROW_DEFAULT_MEMORY_POOL": "system", "PYTHONDEVMODE": "0"}


def read_by_package(paths: list[Path]) -> list[str]:
    """Empty when every file gave a result or an error of ours; else what happened."""
    try:
        child = subprocess.run([sys.executable, "-X", "faulthandler", "-c", READER], input="".join(f"{p}\n" for p in paths), capture_output=True, text=True,
                               timeout=SECONDS * len(paths), env=os.environ | {"PYTHONDEVMODE": "0"}, preexec_fn=bounded)
    except subprocess.TimeoutExpired as e:
        return [f"no answer within {SECONDS * len(paths)} s: {(e.stdout or b'').decode().splitlines()[-1:]}"]
    if child.returncode == 0:
        return []
    begun = [line.split(" ", 1)[1] for line in child.stdout.splitlines() if line.startswith("begin")]
    return [f"{begun[-1] if begun else 'nothing read'}: exit {child.returncode}\n{child.stderr[-3000:]}"]


def read_by_program(program: str, paths: list[Path]) -> list[str]:
    """The same by read_files.cc, which bounds time and memory itself."""
    child = subprocess.run([program], input="".join(f"{p}\n" for p in paths), stdout=subprocess.PIPE, text=True, env=environment())
    verdicts = dict(line.split("\t") for line in child.stdout.splitlines())
    problems = []
    for path in paths:
        said = Path(f"{path}.err")
        if verdicts.get(str(path)) != "fine":
            problems.append(f"{path}: {verdicts.get(str(path), 'not read')}\n{said.read_text(errors='replace')[-6000:] if said.exists() else ''}")
        said.unlink(missing_ok=True)
    return problems


def crashed_in_arrow(problem: str) -> bool:
    """Whether the innermost frame that is no C library's nor the sanitizer's lies in Arrow's libraries."""
    for frame in re.findall(r"^\s*#\d+ 0x\S+ (.*)$", problem, re.MULTILINE):
        if not re.search(r"lib(c|asan|ubsan|stdc\+\+|pthread|m)\.so|__interceptor|__asan|sanitizer", frame):
            return bool(re.search(r"lib(arrow|parquet)[a-z_]*\.so", frame))
    return False


def run(count: int, seed: int, first: int = 0, keep: bool = False, program: str = "", jobs: int = 1) -> list[str]:
    folder = Path(tempfile.mkdtemp(prefix="gristmill-files-"))
    (folder / "seeds").mkdir()
    (folder / "cases").mkdir()
    seeds = write_seeds(folder / "seeds")
    size = PER_PROCESS

    def batch(begin: int) -> list[str]:
        cases = range(begin, min(begin + size, first + count))
        paths = [make_case(folder / "cases", seeds, seed, case) for case in cases]
        problems = read_by_program(program, paths) if program else read_by_package(paths)
        for p in paths:
            if not problems and not keep:
                p.unlink()
        return [f"seed {seed}, cases {cases.start} to {cases.stop - 1}: {problem}" for problem in problems]

    failures, of_arrow = [], 0
    with ThreadPoolExecutor(jobs) as pool:
        batches: Iterator[list[str]] = pool.map(batch, range(first, first + count, size))
        for done, problems in enumerate(batches, 1):
            for problem in problems:
                if crashed_in_arrow(problem):
                    of_arrow += 1
                    print(f"in Arrow: {problem}", flush=True)
                else:
                    failures.append(problem)
                    print(problem, flush=True)
            if done * size % 2000 < size and count > 2000:
                print(f"{min(done * size, count)} files, {len(failures)} failures", file=sys.stderr, flush=True)
    if failures or of_arrow or keep:
        print(json.dumps({"files": str(folder)}))
    else:
        shutil.rmtree(folder)
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--case", type=int, help="only this one, kept")
    parser.add_argument("--program", default="", help="a build of read_files.cc that reads them, each in a child of its own; else the Python package does")
    parser.add_argument("--jobs", type=int, default=1, help="so many at a time")
    options = parser.parse_args()
    one = options.case is not None
    failures = run(1 if one else options.count, options.seed, options.case or 0, one, options.program, options.jobs)
    print(f"{len(failures)} failures" if failures else f"{1 if one else options.count} damaged files, seed {options.seed}: an error or a result each")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
