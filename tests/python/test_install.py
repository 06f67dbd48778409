"""cmake --install gives a package that a program outside the tree builds against."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import gristmill as gm

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not (ROOT / "build/release/build.ninja").exists(), reason="needs the release build folder")
def test_a_consumer_builds_and_runs(tmp_path: Path) -> None:
    run = lambda *command: subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: E731
    run("cmake", "--install", str(ROOT / "build/release"), "--prefix", str(tmp_path / "prefix"))
    assert (tmp_path / "prefix/lib/gristmill/libgristmill_postgres.so").exists()
    run("cmake", "-S", str(ROOT / "tests/consumer"), "-B", str(tmp_path / "build"), "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={tmp_path / 'prefix'}",
        f"-DGRISTMILL_PYTHON={sys.executable}", "-DCMAKE_BUILD_TYPE=Release")
    run("cmake", "--build", str(tmp_path / "build"))
    gm.from_pydict({"zone": ["A", "B", "A"], "fare": [12.0, 7.0, 11.0]}).sink_parquet(tmp_path / "t.parquet")
    out = run(str(tmp_path / "build" / "consumer"), str(tmp_path / "t.parquet"))
    assert "23.0" in out.stdout


def test_the_command_answers(tmp_path: Path) -> None:
    command = ROOT / "build/release/bin/gristmill"
    gm.from_pydict({"zone": ["A", "B", None], "fare": [12.5, 7.0, 11.0]}).sink_parquet(tmp_path / "t.parquet")
    query = f"select zone, fare * 2 as double from '{tmp_path}/t.parquet' where fare > 8 order by fare"
    run = lambda *a, **k: subprocess.run([command, *a], capture_output=True, text=True, **k)  # noqa: E731
    assert run(query, "--csv").stdout == "zone,double\n,22\nA,25\n"
    assert run(query, "--json").stdout == '{"zone":null,"double":22}\n{"zone":"A","double":25}\n'
    assert "2 rows" in run(query).stdout
    bad = run("select nope from 'missing.parquet'")
    assert bad.returncode == 1 and "missing.parquet" in bad.stderr
    assert run("--worker", "2").returncode == 2
    assert "did you mean \"--workers\"" in run("--worker", "2").stderr
    assert run("--version").stdout.startswith("gristmill 0.1.0")
    head = subprocess.run(f"{command} \"{query}\" --csv | head -n 1", shell=True, capture_output=True, text=True, env=os.environ)
    assert head.stdout == "zone,double\n" and head.stderr == ""
