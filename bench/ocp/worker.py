"""One peer in a process of its own: python -m ocp.worker NAME FOLDER TARGET [CONNECTION].

Prints seconds and peak memory as JSON. Timed is the work alone, not the start of Python. NAME: duckdb and polars write a Parquet file TARGET;
duckdb_postgres, postgres and copy fill the table TARGET of the server (copy: nothing but COPY of the rows of the Parquet file FOLDER).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from measure.memory import peak_mib, reset_peak


def main() -> None:
    name, folder, target = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    work: Callable[[], dict[str, float] | None]
    if name == "duckdb":
        from ocp import duckdb_month

        work = lambda: duckdb_month.to_parquet(folder, Path(target))  # noqa: E731
    elif name == "polars":
        from ocp import polars_month

        work = lambda: polars_month.to_parquet(folder, Path(target))  # noqa: E731
    else:
        from ocp import into_postgres

        program = {"duckdb_postgres": into_postgres.duckdb_program, "postgres": into_postgres.postgres_program, "copy": into_postgres.bare_copy}[name]
        work = lambda: program(folder, target, sys.argv[4])  # noqa: E731
    reset_peak()
    start = time.perf_counter()
    phases = work() or {}
    print(json.dumps({"seconds": time.perf_counter() - start, "peak_mib": peak_mib(), "phases": phases}))


if __name__ == "__main__":
    main()
