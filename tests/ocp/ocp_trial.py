"""The cost job tried at length against a PostgreSQL server of its own.

    python tests/ocp/ocp_trial.py [--months 200] [--runs 100] [--kills 20] [--rows 60k] [--seed 1]

Random months equal to what an independent SQL statement says; one month run so often in a row, at changing numbers of workers and
limits: every run succeeds and leaves the same table; runs killed at random moments: the table is the one before or, once the
commit was sent, the same anew. Ends with a line that says what was done, and 0 when all of it held.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "servers"), str(Path(__file__).parent)]

from job_program import call, job_flags, postgres_flags, start  # noqa: E402
from random_months import check_months  # noqa: E402
from tenant import TABLE, make_tenant  # noqa: E402

SCHEMA = "accttrial"
SETTINGS = [["--workers", "1"], ["--workers", "2"], ["--workers", "3", "--memory", "160MB"], ["--workers", "2", "--memory", "96MB"]]


def digest(server: Any) -> list[tuple[Any, ...]]:
    """Of the table's rows but for their uuids."""
    return server.sql(f"select count(*), md5(string_agg(md5(row::text), '' order by md5(row::text))) from (select (to_jsonb(t) - 'uuid') as row from {SCHEMA}.{TABLE} t) rows")


def month_flags(server: Any, folder: Path, rows: str, seed: int) -> list[Any]:
    """A generated month as a store has it, its reference tables in the server."""
    made = call("generate", "--shape", "month", "--rows", rows, "--seed", seed, "--layout", "production", "--account", SCHEMA, "--out", folder / "store")
    assert made.returncode == 0, made.stderr
    make_tenant(server, SCHEMA, folder / "store")
    job = json.loads((folder / "store" / "job.json").read_text())
    return ["run", *job_flags(job, SCHEMA), *postgres_flags(server), "--input", folder / "store"]


def runs_in_a_row(server: Any, flags: list[Any], count: int) -> list[str]:
    first: list[tuple[Any, ...]] = []
    for number in range(count):
        done = call(*flags, *SETTINGS[number % len(SETTINGS)])
        if done.returncode != 0:
            return [f"run {number} of {count} ended with {done.returncode}: {done.stderr.strip().splitlines()[-1]}"]
        now = digest(server)
        first = first or now
        if now != first or now[0][0] == 0:
            return [f"run {number} of {count} left {now}, the first {first}"]
    return []


def kills(server: Any, flags: list[Any], count: int, rng: random.Random) -> list[str]:
    begin = time.monotonic()
    assert call(*flags).returncode == 0
    took = time.monotonic() - begin
    uuids = f"select md5(string_agg(uuid::text, '' order by uuid)) from {SCHEMA}.{TABLE}"
    expected, before = digest(server), server.sql(uuids)
    killed = replaced = 0
    for number in range(count):
        process = start(*flags)
        time.sleep(rng.uniform(0.01, took))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        deadline = time.monotonic() + 30
        while server.sql("select 1 from pg_locks where locktype = 'advisory' and granted") and time.monotonic() < deadline:
            time.sleep(0.02)
        if digest(server) != expected:
            return [f"kill {number} of {count} left other rows"]
        now = server.sql(uuids)
        replaced += now != before
        before = now
    if call(*flags).returncode != 0 or digest(server) != expected:
        return ["the run after the kills"]
    print(f"{killed} of {count} runs were killed, {replaced} had committed before")
    return []


def main() -> int:
    from postgres import PostgresServer

    parser = argparse.ArgumentParser(prog="./run ocp-trial", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", type=int, default=200)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rows", default="60k", help="of the month that is run again and again")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    server, folder = PostgresServer(), Path(tempfile.mkdtemp(prefix="gristmill-trial-"))
    try:
        differ = check_months(server, options.months, options.seed, ("self_hosted", "trino"))
        print(f"{options.months} random months from seed {options.seed}, both modes, against SQL: {differ} differ", flush=True)
        wrong = [f"{differ} random months differ"] if differ else []
        if options.runs or options.kills:
            flags = month_flags(server, folder, options.rows, options.seed)
        if options.runs:
            wrong += runs_in_a_row(server, flags, options.runs)
            print(f"{options.runs} runs of one month in a row: {'all succeeded, one table' if not wrong else wrong[-1]}", flush=True)
        if options.kills:
            wrong += kills(server, flags, options.kills, random.Random(options.seed))
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print("all held" if not wrong else "\n".join(["WRONG:", *wrong]))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
