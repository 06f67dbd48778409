"""The interactive shell under a pseudo terminal: keys go in, screens come out."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path
from typing import Iterator

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / "build/release/bin/gristmill"
UP, DOWN, LEFT, HOME, END, DELETE = "\x1b[A", "\x1b[B", "\x1b[D", "\x1b[H", "\x1b[F", "\x1b[3~"


class Shell:
    def __init__(self, folder: Path, *arguments: str, columns: int = 100) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        environment = {**os.environ, "TERM": "xterm", "HOME": str(folder)}
        environment.pop("GRISTMILL_HISTORY", None)
        environment.pop("XDG_STATE_HOME", None)
        self.process = subprocess.Popen([str(COMMAND), *arguments], stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=environment,
                                        preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)))
        os.close(slave)
        self.text = ""
        self.seen = 0

    def read(self, until: str, seconds: float = 60) -> str:
        """What came since the last read, up to `until` (a regular expression)."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if match := re.search(until, self.text[self.seen:]):
                part = self.text[self.seen:self.seen + match.end()]
                self.seen += match.end()
                return part
            if not select.select([self.master], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:
                break
            self.text += data.decode(errors="replace")
        raise AssertionError(f"no {until!r} in {self.text[self.seen:]!r}")

    def prompt(self) -> str:
        return self.read(r"\x1b\[\?2004h\r\x1b\[Jgristmill> \r\x1b\[11C")

    def keys(self, text: str) -> None:
        os.write(self.master, text.encode())

    def run(self, text: str) -> str:
        """Types a statement and Enter; what it printed."""
        self.keys(text + "\r")
        out = self.prompt()
        return out.rpartition("\x1b[?2004l")[2].partition("\x1b[?2004h")[0]

    def close(self) -> int:
        if self.process.poll() is None:
            self.process.kill()
        os.close(self.master)
        return self.process.wait()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    s = Shell(tmp_path)
    s.prompt()
    yield s
    s.close()


def test_statements_and_commands(shell: Shell, tmp_path: Path) -> None:
    assert "CREATE TABLE 3" in shell.run("create table t as select n as id, n * 2 as twice from generate_series(1, 3) g(n);")
    out = shell.run("select sum(twice) as total from t;")
    assert "total" in out and "12" in out and re.search(r"\(\d+\.\d ms\)|\(\d+\.\d\d s\)", out)
    assert shell.run(".tables").strip() == "t"
    assert "table t (id int64, twice int64)" in shell.run(".schema t")
    assert "no table \"x\"" in shell.run(".schema x")
    assert shell.run(".mode csv").strip() == ""
    assert "id,twice\r\n1,2\r\n2,4\r\n3,6" in shell.run("from t;")
    assert '{"id":1,"twice":2}' in shell.run(".mode json") + shell.run("from t limit 1;").replace(" ", "")
    assert "no mode \"html\"" in shell.run(".mode html")
    shell.run(".mode table")
    assert "did you mean" in shell.run("select twce from t;")
    assert "no command \".tabels\"; did you mean \".tables\"?" in shell.run(".tabels")
    shell.run(".timer off")
    assert "(" not in shell.run("set threads = 2;")
    (tmp_path / "q.sql").write_text("insert into t values (4, 8);\nselect count(*) as n from t;")
    assert "INSERT 1" in (read := shell.run(".read q.sql")) and "4" in read
    assert ".schema" in (text := shell.run(".help")) and "Ctrl-C" in text and max(map(len, text.splitlines())) <= 80
    shell.keys(".quit\r")
    assert shell.process.wait(30) == 0


@pytest.mark.parametrize("word", ["quit", "exit;", "EXIT", "\\q"])
def test_the_words_of_other_shells_are_understood(shell: Shell, word: str) -> None:
    shell.run("create table t as select 1 as quit;")
    assert ".tables" in shell.run("help")
    assert shell.run("\\d").strip() == "t"
    shell.keys("select\r")  # within a statement they are words like others
    shell.read(r"\.\.\.> ")
    assert "1 row" in shell.run("quit from t;")
    shell.keys(word + "\r")
    assert shell.process.wait(30) == 0


def test_the_shell_names_its_own_commands_for_more_rows(shell: Shell) -> None:
    assert "these are the first of more than 10000 rows; .limit N shows more, .mode csv all" in shell.run("select * from generate_series(1, 20000);")


def test_lines_keys_and_history(shell: Shell, tmp_path: Path) -> None:
    shell.keys("select 40\r")
    shell.read(r"\.\.\.> ")
    assert "42" in shell.run("+ 2 as answer;")
    assert "42" in shell.run(UP)  # the statement with both lines
    shell.keys("zelect 17 as n;" + HOME + DELETE + "s")
    assert "17" in shell.run("")
    shell.keys("select 'äöü' as x;" + LEFT * 8 + "\x7f" + "oe" + END)
    assert "äoe" in shell.run("")
    assert "no such" not in shell.run("select 5 as kept\x15;")  # Ctrl-U erases the line
    shell.keys("\x12kept")  # an entry that is not there
    shell.read("nothing found 'k|search 'kept'")
    shell.keys("\x03")
    shell.keys("\x12answer\r")
    shell.read(r"select 40")
    assert "42" in shell.run("")
    shell.keys("\x1b[200~select 1\nas pasted;\x1b[201~")
    assert "pasted" in shell.run("")
    shell.keys("select thrown away\x03")
    shell.prompt()
    assert "7" in shell.run("select 7 as n;")
    shell.keys("\x04")
    assert shell.process.wait(30) == 0
    history = tmp_path / ".local/state/gristmill/history"
    assert "select 40\\n+ 2 as answer;" in history.read_text() and "thrown" not in history.read_text()
    assert history.stat().st_mode & 0o77 == 0
    again = Shell(tmp_path)
    again.prompt()
    assert "7" in again.run(UP)
    again.close()


def test_completion(shell: Shell, tmp_path: Path) -> None:
    shell.run("create table trips as select 1 as passenger_count, 2 as passenger_age;")
    assert "1" in shell.run("sel\tpassenger_c\t\x20fr\t\x20tri\t;")
    shell.keys("select passenger_\t\t")
    listed = shell.read(r"passenger_age +passenger_count")
    assert listed
    assert "2" in shell.run("age from trips;")
    assert "2" in shell.run("select trips.passenger_a\t from trips;")
    shell.run("create table trips_more as select 1 as a;")
    shell.keys("from trip\t\t")  # what they have in common, then which there are
    assert shell.read(r"trips +trips_more")
    shell.run(";")
    (tmp_path / "some_data.csv").write_text("a\n5\n")
    assert "5" in shell.run("select * from some_\t;")  # a file, in the quotes it needs
    assert "1" in shell.run("select passenger_count from tr\t;")  # a table, though functions begin so, too
    assert "5" in shell.run("select * from 'some_\t';")
    assert shell.run(".tab\t").split() == ["trips", "trips_more"]


def test_tables_are_as_wide_as_the_terminal(tmp_path: Path) -> None:
    narrow = Shell(tmp_path, columns=60)
    narrow.prompt()
    text = narrow.run("select " + ", ".join(f"{n} as column_{n}" for n in range(10, 30)) + ";")
    lines = [line for line in text.splitlines() if line.startswith(("│", "┌", "├", "└"))]
    assert len(lines) == 6 and all(40 < len(line) <= 60 for line in lines)
    narrow.close()


def test_ctrl_c_stops_the_query_and_not_the_shell(shell: Shell) -> None:
    shell.keys("select count(*) as n from generate_series(1, 100000000000) g(x) where x % 7 = sqrt(x);\r")
    shell.read(r"\x1b\[\?2004l")
    time.sleep(0.5)
    os.killpg(os.getpgid(shell.process.pid), signal.SIGINT)
    assert "interrupted" in shell.prompt()
    assert "6" in shell.run("select 6 as n;")
    shell.keys("with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t;\r")
    shell.read(r"\x1b\[\?2004l")
    time.sleep(0.5)
    shell.keys("\x03")  # the terminal makes a signal of it while a query runs
    assert "interrupted" in shell.prompt()
    assert "8" in shell.run("select 8 as n;")


def test_a_narrow_terminal_wraps(tmp_path: Path) -> None:
    s = Shell(tmp_path, columns=20)
    s.prompt()
    assert "123456" in s.run("select 123456 as a_rather_long_name_for_it;").replace("\r\n", "")
    s.close()


def test_tables_keep_to_the_width_of_the_terminal(tmp_path: Path) -> None:
    s = Shell(tmp_path, columns=60)
    s.prompt()
    columns = ", ".join(f"{i} as column_number_{i}" for i in range(12))
    lines = [line for line in s.run(f"select {columns};").splitlines() if "│" in line or "─" in line]
    assert lines and max(map(len, lines)) <= 60
    assert "column_number_0" in lines[1] and "column_number_11" in lines[1] and "…" in lines[1]
    s.close()


def test_flags_hold_in_the_shell(tmp_path: Path) -> None:
    s = Shell(tmp_path, "--csv", "-w", "2")
    s.prompt()
    assert "threads\r\n2" in s.run("show threads;")
    s.close()


def test_without_a_terminal_there_is_no_shell(tmp_path: Path) -> None:
    done = subprocess.run([str(COMMAND)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "nothing to do" in done.stderr
    (tmp_path / "q.sql").write_text("create table t as from range(3) r(n);\nselect sum(n) as s from t;\nexplain select n from t;")
    done = subprocess.run([str(COMMAND), "-f", str(tmp_path / "q.sql"), "--csv"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith("s\n3\n") and "scan" in done.stdout, done
