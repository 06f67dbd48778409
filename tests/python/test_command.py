"""The real `gristmill` program: verbs, inputs, outputs, errors and exit codes; under a pseudo terminal, progress and Ctrl-C."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gristmill as gm

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / "build/release/bin/gristmill"
VERBS = ["head", "schema", "count", "describe", "convert", "explain", "run", "retry", "validate", "init", "test", "checkpoint", "help", "completions", "man"]


def run(*arguments: object, **options: object) -> subprocess.CompletedProcess:
    options.setdefault("text", True)
    return subprocess.run([str(COMMAND), *map(str, arguments)], capture_output=True, timeout=120, **options)


def good(*arguments: object, **options: object) -> str:
    done = run(*arguments, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trips") / "trips.parquet"
    pq.write_table(pa.table({
        "zone": ["A", "B", None, 'C|d "q",\nx'], "fare": [1.5, None, 3.25, 4.0], "n": [1, 2, 3, 2**60], "day": [dt.date(2020, 1, i + 1) for i in range(4)],
        "tags": [["a", None], [], None, ["b"]], "at": [{"x": 1, "y": None}, None, {"x": 2, "y": "z"}, {"x": 3, "y": ""}],
        "m": pa.array([[("k", 1)], [], None, [("k", 2), ("l", None)]], pa.map_(pa.string(), pa.int64()))}), path)
    return path


def test_head(trips: Path) -> None:
    assert "4 rows, 7 columns" in good("head", trips)
    rows = [json.loads(line) for line in good("head", trips, "--json", "-n", 2).splitlines()]
    assert rows == [{"zone": "A", "fare": 1.5, "n": 1, "day": "2020-01-01", "tags": ["a", None], "at": {"x": 1, "y": None}, "m": {"k": 1}},
                    {"zone": "B", "fare": None, "n": 2, "day": "2020-01-02", "tags": [], "at": None, "m": {}}]
    assert good("head", trips, trips, "--csv", "-n5").count("\nA,") == 2
    table = list(csv.reader(io.StringIO(good("head", trips, "--csv"))))
    assert table[4][0] == 'C|d "q",\nx' and json.loads(table[4][6]) == {"k": 2, "l": None}
    lines = good("head", trips, "--markdown").splitlines()
    assert lines[1].startswith("| --- | ---: | ---: | --- |") and len(lines) == 6
    assert lines[5].startswith('| C\\|d "q",<br>x | 4 |')
    many = trips.parent / "many.parquet"
    gm.from_pydict({"i": list(range(100))}).sink_parquet(many)
    assert "10 rows" in good("head", many) and good("head", many, "--csv", "--limit=3") == "i\n0\n1\n2\n"
    assert "49" in good("head", many, "-n", 100), "as many rows as were asked for are shown"


def test_schema_count_describe(trips: Path) -> None:
    rows = [json.loads(line) for line in good("schema", trips, "--json").splitlines()]
    assert [r["type"] for r in rows] == ["string", "float64", "int64", "date", "list<string>", "struct<x:int64,y:string>", "map<string,int64>"]
    assert good("count", trips) == "4\n" and good("count", trips, trips) == "8\n" and good("count", trips, "--json") == '{"rows":4}\n'
    described = {r["column"]: r for r in map(json.loads, good("describe", trips, "--json").splitlines())}
    assert described["fare"]["count"] == 3 and described["fare"]["nulls"] == 1 and abs(described["fare"]["mean"] - 8.75 / 3) < 1e-12
    assert [described["fare"][p] for p in ("p25", "p50", "p75")] == [2.375, 3.25, 3.625] and described["zone"]["p50"] is None
    assert (described["day"]["min"], described["day"]["max"], described["day"]["mean"]) == ("2020-01-01", "2020-01-04", None)
    assert described["zone"]["max"] == 'C|d "q",\nx' and described["tags"]["min"] is None and described["tags"]["nulls"] == 1
    assert described["n"]["max"] == str(2**60)
    empty = trips.parent / "empty.parquet"
    pq.write_table(pa.table({"a": pa.array([], pa.int64()), "s": pa.array([], pa.string())}), empty)
    assert good("count", empty) == "0\n"
    assert [json.loads(line)["min"] for line in good("describe", empty, "--json").splitlines()] == [None, None]


@pytest.mark.parametrize("ending", ["parquet", "csv", "arrow", "ndjson"])
def test_convert(trips: Path, tmp_path: Path, ending: str) -> None:
    flat = tmp_path / "flat.parquet"
    gm.scan_parquet(trips).select("zone", "fare", "n", "day").sink_parquet(flat)
    out = tmp_path / f"out.{ending}"
    done = run("convert", flat, flat, out)
    assert done.returncode == 0 and done.stdout == "" and done.stderr == f"8 rows to {out}\n", done.stderr
    if ending == "ndjson":
        assert [json.loads(line)["n"] for line in out.read_text().splitlines()] == [1, 2, 3, 2**60] * 2
    else:
        assert good("count", out) == "8\n"
        assert good("head", out, "--csv").replace('\n"",', "\n,") == good("head", flat, flat, "--csv")  # CSV knows no null text
    limited = tmp_path / "limited.data"
    good("convert", flat, limited, "--to", ending.replace("arrow", "ipc"), "-n", 1)
    assert limited.stat().st_size > 0


def test_convert_leaves_nothing_half_written(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("a\n" + "1\n" * 700_000 + "x\n")
    for ending in ["csv", "parquet", "ndjson"]:
        done = run("convert", bad, tmp_path / f"out.{ending}")
        assert done.returncode == 1 and "row 700000" in done.stderr, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.csv"]
    assert "known endings" in run("convert", bad, tmp_path / "out.xyz").stderr
    assert run("convert", bad, "-").returncode == 1


def test_standard_input_and_output(trips: Path, tmp_path: Path) -> None:
    text = "a,b\n1,x\n2,y\n"
    assert good("count", "-", "--format", "csv", input=text) == "2\n"
    assert good("convert", "-", "-", "--format", "csv", "--to", "ndjson", input=text) == '{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n'
    assert good("select sum(a) as s from stdin", "--format=csv", "--csv", input=text) == "s\n3\n"
    assert good("count", "-", "--format", "parquet", input=trips.read_bytes(), text=False) == b"4\n"
    assert "--format" in run("head", "-").stderr
    piped = run("convert", trips, "-", "--to", "parquet", "-n", 3, text=False)
    assert piped.stderr == b"" and pq.read_table(io.BytesIO(piped.stdout)).num_rows == 3
    assert "--to" in run("convert", trips, "-").stderr
    nested = tmp_path / "nested.csv"
    good("convert", trips, nested)
    assert nested.read_text() == good("head", trips, "--csv")
    first = subprocess.run(f"{COMMAND} convert {trips} - --to csv | head -n 1", shell=True, capture_output=True, text=True)
    assert first.stdout.startswith("zone,") and first.stderr == ""


def test_queries(trips: Path, tmp_path: Path) -> None:
    query = f"select zone, fare * 2 as double from '{trips}' where fare > 1.6 order by fare"
    assert good(query, "--csv") == 'zone,double\n,6.5\n"C|d ""q"",\nx",8\n'
    (tmp_path / "q.sql").write_text(query)
    assert good("-f", tmp_path / "q.sql", "--csv") == good(query, "--csv")
    assert good(query, "--limit", 1, "--json") == '{"zone":null,"double":6.5}\n'
    assert good(query, "--explain") == good("explain", query) and "scan" in good("explain", query)
    assert "ms" in good("explain", query, "--analyze") and "ms" in good(query, "--analyze")
    long = tmp_path / "long.parquet"
    gm.from_pydict({"i": list(range(20_000))}).sink_parquet(long)
    done = run(f"select * from '{long}'")
    assert done.returncode == 0 and "--limit" in done.stderr and "39" in done.stdout
    assert good(f"select * from '{long}'", "--csv").count("\n") == 20_001
    assert good(f"select * from '{long}' where i < 0", "--csv") == "i\n"


@pytest.mark.parametrize("arguments, code, said", [
    (["hed", "x.parquet"], 2, 'did you mean "head"'), (["x.parquet"], 2, "gristmill head x.parquet"), (["head"], 2, "usage: gristmill head FILE..."),
    (["count", "x.parquet", "--explain"], 2, "count takes no --explain"), (["head", "x.parquet", "--limt", "3"], 2, 'did you mean "--limit"'),
    (["head", "x.parquet", "-n", "x"], 2, "--limit takes a number"), (["head", "x.parquet", "-n"], 2, "needs a value"), ([], 2, "nothing to do"),
    (["select 1", "select 2"], 2, "one query at a time"), (["select 1", "--csv=yes"], 2, "takes no value"), (["head", "a", "--csv", "--json"], 2, "exclude"),
    (["help", "me"], 2, "no verb"), (["completions", "tcsh"], 2, "no completions"), (["head", "missing.parquet"], 1, "missing.parquet"),
    (["head", "x.unknown"], 1, "known endings"), (["select nope from 'missing.parquet'"], 1, "missing.parquet"), (["select (", "--csv"], 1, "syntax"),
    (["head", "-", "--format", "xml"], 2, 'knows no "xml"'), (["convert", "one.csv"], 2, "input and an output"), (["man", "x"], 2, "no operand"),
])
def test_errors_go_to_stderr_with_a_hint(arguments: list[str], code: int, said: str, tmp_path: Path) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == code and said in done.stderr and done.stdout == "", (done.returncode, done.stderr)
    assert done.stderr.startswith("gristmill: ")


def test_help_version_man_and_completions_know_every_verb_and_flag(tmp_path: Path) -> None:
    everything = good("--help")
    assert everything == good("help") == good("-h")
    flags = set(re.findall(r"--[a-z-]+", everything.split("Flags:")[1]))
    assert {"--limit", "--format", "--csv", "--no-progress"} <= flags
    manual = good("man").replace("\\-", "-")
    for verb in VERBS:
        assert f"gristmill {verb}" in everything and f"gristmill {verb}" in manual
        text = good("help", verb)
        assert text == good(verb, "--help") and "Example: gristmill" in text
    assert all(f in manual for f in flags)
    for shell in ["bash", "zsh", "fish"]:
        script = good("completions", shell)
        assert all(v in script for v in VERBS) and all((f[2:] if shell == "fish" else f) in script for f in flags), shell
        if shutil.which(shell):
            (tmp_path / shell).write_text(script)
            subprocess.run([shell, "-n", tmp_path / shell], check=True)
    version = good("--version")
    assert version.startswith("gristmill 0.1.0") and "Arrow" in version and "CPU:" in version
    if shutil.which("man"):
        warnings = subprocess.run(["man", "--warnings", "-l", "-"], input=good("man"), capture_output=True, text=True, env={**os.environ, "MANWIDTH": "80"})
        assert warnings.returncode == 0 and "warning" not in warnings.stderr


def test_bash_completes(tmp_path: Path) -> None:
    (tmp_path / "trips.parquet").touch()
    script = good("completions", "bash")

    def complete(*words: str) -> set[str]:
        line = " ".join(f"'{w}'" for w in words)
        text = f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _gristmill; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        return set(subprocess.run(["bash", "-c", text], capture_output=True, text=True, cwd=tmp_path, check=True).stdout.split())

    assert complete("gristmill", "co") == {"count", "convert", "completions"}
    assert complete("gristmill", "head", "t") == {"trips.parquet"}
    assert complete("gristmill", "head", "--l") == {"--limit"} and complete("gristmill", "count", "--l") == set()
    assert complete("gristmill", "convert", "--to", "p") == {"parquet"}
    assert complete("gristmill", "completions", "f") == {"fish"} and complete("gristmill", "head", "-n", "") == set()


def test_a_sibling_program_is_a_verb(tmp_path: Path) -> None:
    program = tmp_path / "gristmill-hello"
    program.write_text("#!/bin/sh\necho hello \"$0\" \"$@\"\nexit 7\n")
    program.chmod(0o755)
    (tmp_path / "gristmill-head").write_text("#!/bin/sh\necho wrong\n")
    (tmp_path / "gristmill-head").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = run("hello", "--flag", "a b", env=environment)
    assert done.returncode == 7 and done.stdout.endswith("--flag a b\n")
    assert run("head", env=environment).returncode == 2, "a verb stays a verb"
    assert run("hello").returncode == 2


class Terminal:
    """The command with stderr (and stdout, if asked) on a pseudo terminal; what it wrote there."""

    def __init__(self, *arguments: object, stdin: object = subprocess.DEVNULL, stdout_too: bool = False, **options: object) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen([str(COMMAND), *map(str, arguments)], stdin=stdin, stdout=slave if stdout_too else subprocess.PIPE, stderr=slave,
                                        start_new_session=True, env={**os.environ, "TERM": "xterm"}, **options)
        os.close(slave)
        self.text = ""

    def read(self, until: str | None = None, seconds: float = 60) -> str:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if until and re.search(until, self.text):
                return self.text
            ready, _, _ = select.select([self.master], [], [], 0.1)
            if not ready:
                if self.process.poll() is not None:
                    break
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:
                break
            if not data:
                break
            self.text += data.decode()
        assert until is None or re.search(until, self.text), repr(self.text)
        return self.text


def feed(pipe: object, seconds: float) -> threading.Thread:
    """Rows of CSV, slowly."""

    def work() -> None:
        try:
            pipe.write(b"a,b\n")
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                pipe.write(b"1,some text in the row\n" * 60_000)
                pipe.flush()
                time.sleep(0.05)
            pipe.close()
        except OSError:
            pass

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_progress_on_a_terminal() -> None:
    t = Terminal("count", "-", "--format", "csv", stdin=subprocess.PIPE)
    thread = feed(t.process.stdin, 2.5)
    t.read(r"[0-9.]+[kM]? rows  [0-9.]+[kM]? rows/s")
    out = t.process.stdout.read().decode()
    t.read()
    thread.join()
    assert t.process.wait(60) == 0 and int(out) % 60_000 == 0
    assert t.text.endswith("\r\x1b[K"), "the line is gone at the end"

    quiet = Terminal("count", "-", "--format", "csv", "--no-progress", stdin=subprocess.PIPE)
    feed(quiet.process.stdin, 1)
    quiet.process.stdout.read()
    assert quiet.read() == "" and quiet.process.wait(60) == 0


def test_progress_says_how_long_it_will_take_where_that_is_known(tmp_path: Path) -> None:
    wide = tmp_path / "wide.parquet"
    pq.write_table(pa.table({"i": list(range(200_000))}), wide, row_group_size=2_000)
    query = f"select sum(a.i * b.i % 7) as s from '{wide}' a cross join (select i from '{wide}' limit 3000) b"
    t = Terminal(query, "--csv", "-w", "1")
    t.read(r"rows/s  \d+%  ETA \d")
    os.kill(t.process.pid, signal.SIGINT)
    t.read(r"interrupted")
    assert t.process.wait(30) == 130


def test_ctrl_c_is_130_and_leaves_nothing(tmp_path: Path) -> None:
    for number, code in [(signal.SIGINT, 130), (signal.SIGTERM, 143)]:
        t = Terminal("convert", "-", tmp_path / "out.parquet", "--format", "csv", stdin=subprocess.PIPE)
        feed(t.process.stdin, 30)
        t.read(r"rows/s")
        os.kill(t.process.pid, number)
        t.read(r"interrupted")
        assert t.process.wait(30) == code
        assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_a_wait_for_a_pipe_that_gives_nothing() -> None:
    reader, writer = os.pipe()
    process = subprocess.Popen([str(COMMAND), "count", "-", "--format", "csv"], stdin=reader, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.close(reader)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    os.close(writer)


def test_no_progress_in_a_pipe(tmp_path: Path) -> None:
    process = subprocess.Popen([str(COMMAND), "count", "-", "--format", "csv"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    feed(process.stdin, 1.2).join()
    assert process.stdout.read().strip().isdigit() and process.stderr.read() == b"" and process.wait(60) == 0


def test_rows_and_progress_do_not_mix_on_one_terminal(tmp_path: Path) -> None:
    t = Terminal("convert", "-", "-", "--format", "csv", "--to", "csv", stdin=subprocess.PIPE, stdout_too=True)
    thread = feed(t.process.stdin, 0.3)
    text = t.read()
    thread.join()
    assert t.process.wait(60) == 0
    lines = {line for line in text.replace("\r", "").split("\n") if line}
    assert {re.sub(r"^\x1b\[K|[^\n]*rows/s[^\n]*\x1b\[K", "", line) for line in lines} == {"a,b", "1,some text in the row"}
