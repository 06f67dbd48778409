"""The program under test, as an operator starts it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
JOB = ROOT / "build" / "release" / "bin" / "gristmill-ocp"
GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(p.parent for p in GOLDEN.glob("*/job.json"))
NAMES = ["S3_ENDPOINT", "S3_BUCKET", "S3_ACCESS_KEY", "S3_SECRET_KEY", "POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER",
         "POSTGRES_PASSWORD", "POSTGRES_SCHEMA", "OCP_CLUSTER_ID", "OCP_CLUSTER_ALIAS", "OCP_PROVIDER_UUID", "OCP_YEAR", "OCP_MONTH", "OCP_START_DATE",
         "OCP_END_DATE", "ORG_ID", "OCP_REPORT_PERIOD_ID"]


def clean_environment(more: dict[str, str] | None = None) -> dict[str, str]:
    return {**{k: v for k, v in os.environ.items() if k not in NAMES and not k.startswith(("GRISTMILL_", "AWS_", "PG"))}, **(more or {})}


def start(*flags: Any, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen([JOB, *map(str, flags)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment(env))


def call(*flags: Any, env: dict[str, str] | None = None, preexec_fn: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([JOB, *map(str, flags)], capture_output=True, text=True, env=clean_environment(env), timeout=300, check=False, preexec_fn=preexec_fn)


def job_flags(job: dict[str, Any], schema: str = "") -> list[str]:
    out = ["--source", job["source_uuid"], "--cluster-id", job["cluster_id"], "--cluster-alias", job["cluster_alias"], "--year", job["year"],
           "--month", job["month"], "--start-date", job["start"], "--end-date", job["end"]]
    return [str(f) for f in out] + (["--schema", schema] if schema else [])


def postgres_flags(server: Any) -> list[str]:
    return ["--set", f"postgres.host={server.socket}", "--set", "postgres.database=postgres", "--set", "postgres.user=postgres"]


def reference_flags(case: Path) -> list[str]:
    return ["--enabled-keys", str(case / "enabled_keys.csv"), "--cost-categories", str(case / "cost_categories.csv"), "--nodes", str(case / "nodes.csv")]
