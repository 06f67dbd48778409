"""Steps that ask a service hold no worker while it answers, and nothing of that shows in rows, dead letters and errors."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from test_job_remote import service
from test_jobs import COMMAND, check_balance, ndjson, run, run_job, write_job

SETTINGS: list[dict[str, Any]] = [
    {"workers": 1, "batch_rows": 7}, {"workers": 2, "batch_rows": "auto"}, {"workers": 8, "batch_rows": 3, "queue_batches": 1}, {"workers": 3, "memory": "64MB"}]


class Slow:
    """A service that takes its time, and knows how many it served at once."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.most, self._now, self._lock = seconds, 0, 0, threading.Lock()

    def __call__(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(self.seconds)
        with self._lock:
            self._now -= 1
        return 200, json.dumps({"of": int(path.rsplit("/", 1)[1])}).encode(), {}


def enrich(port: int, path: str, into: str, **more: Any) -> dict[str, Any]:
    return {"enrich": {"http": {"url": f"http://127.0.0.1:{port}/{path}", "into": into, "concurrency": 40, "retries": 0, **more}}}


def test_one_worker_keeps_many_calls_under_way_over_batches(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id\n" + "".join(f"{i}\n" for i in range(80)))
    slow = Slow(0.1)
    with service(slow) as port:
        job = {"source": {"csv": {"path": "in.csv"}}, "transforms": [enrich(port, "users/{id}", "user", schema={"of": "int64"})], "sink": {"ndjson": {"path": "out.ndjson"}},
               "parallel": {"workers": 1, "batch_rows": 4}}
        check_balance(run_job(tmp_path, job))
    assert ndjson(tmp_path / "out.ndjson") == [{"id": i, "user": {"of": i}} for i in range(80)]
    assert 20 <= slow.most <= 40  # of a batch there are four


def test_one_worker_keeps_many_calls_under_way_over_morsels(tmp_path: Path) -> None:
    slow = Slow(0.6)  # a dozen pages come meanwhile

    def answer(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        if path.startswith("/rows"):
            page = int(path.rsplit("=", 1)[1])
            return 200, json.dumps([{"id": page * 3 + i} for i in range(3)] if page < 25 else []).encode(), {}
        return slow(path, body, headers)

    with service(answer) as port:
        source = {"http": {"url": f"http://127.0.0.1:{port}/rows", "paging": {"by": "page", "parameter": "page", "first": 0}, "schema": {"id": "int64"}}}
        job = {"source": source, "transforms": [enrich(port, "users/{id}", "user", schema={"of": "int64"})], "sink": {"ndjson": {"path": "out.ndjson"}}, "parallel": {"workers": 1}}
        check_balance(run_job(tmp_path, job))
    assert ndjson(tmp_path / "out.ndjson") == [{"id": i, "user": {"of": i}} for i in range(75)]
    assert 20 <= slow.most <= 40  # of a page there are three


# What is wrong with a row, by the step it fails in.
WRONG = ["record", "before", "first", "between", "second", "behind"]


def write_files(folder: Path, rng: random.Random, share: float) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    """Twelve files; the rows that come through, and those that are wrong in order, with a text that their error shows."""
    good, wrong, n = [], [], 0
    folder.mkdir()
    for f in range(12):
        lines = ["id,a,b,c"]
        for _ in range(rng.randrange(1, 40)):
            kind = rng.choice(WRONG) if rng.random() < share else ""
            row: dict[str, Any] = {"id": n, "a": n, "b": n, "c": n}
            if kind == "record":
                row["id"] = f"bad{n}"
            elif kind in ("before", "between", "behind"):
                row[{"before": "a", "between": "b", "behind": "c"}[kind]] = f"{kind}{n}"
            if kind:
                shows = {"record": f"bad{n}", "first": f"/first/{n}", "second": f"/second/{n}"}.get(kind, f"{kind}{n}")
                wrong.append((n, shows))
            else:
                good.append({"id": n, "a": n, "b": n, "c": n, "x": {"v": n}, "y": {"v": 2 * n}})
            if kind in ("first", "second"):
                row["id"] = 10_000 * (1 + ("first", "second").index(kind)) + n
                wrong[-1] = (n, f"/{kind}/{row['id']}")
            lines.append(",".join(str(row[c]) for c in ("id", "a", "b", "c")))
            n += 1
        (folder / f"{f:02}.csv").write_text("\n".join(lines) + "\n")
    return good, wrong


def answer_some(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
    _, which, number = path.split("/")
    i = int(number)
    time.sleep((i * 7919 % 11) / 2000)
    if (which, i // 10_000) in (("first", 1), ("second", 2)):
        return 400, b"no", {}
    return 200, json.dumps({"v": i if which == "first" else 2 * i}).encode(), {}


def steps(port: int) -> list[dict[str, Any]]:
    v = {"schema": {"v": "int64"}}
    return [{"cast": {"a": "int64"}}, enrich(port, "first/{id}", "x", **v), {"cast": {"b": "int64"}}, enrich(port, "second/{id}", "y", **v), {"cast": {"c": "int64"}}]


SOURCE = {"csv": {"path": "in/*.csv", "schema": {"id": "int64", "a": "string", "b": "string", "c": "string"}}}


@pytest.mark.parametrize("seed", range(2))
def test_rows_and_dead_letters_are_the_same_at_any_setting(tmp_path: Path, seed: int) -> None:
    print("seed", seed)
    good, wrong = write_files(tmp_path / "in", random.Random(seed), 0.3)
    with service(answer_some) as port:
        for parallel in SETTINGS:
            job = {"source": SOURCE, "transforms": steps(port), "sink": {"ndjson": {"path": "out.ndjson"}}, "on_error": {"policy": "dead_letter", "path": "bad.ndjson"}, "parallel": parallel}
            report = run_job(tmp_path, job)
            check_balance(report)
            assert ndjson(tmp_path / "out.ndjson") == good
            letters = (tmp_path / "bad.ndjson").read_text().splitlines()
            assert len(letters) == len(wrong)
            assert all(shows in letter for letter, (_, shows) in zip(letters, wrong)), letters


@pytest.mark.parametrize("seed", range(6))
def test_the_first_bad_row_is_the_error_whatever_step_it_fails_in(tmp_path: Path, seed: int) -> None:
    print("seed", seed)
    _, wrong = write_files(tmp_path / "in", random.Random(seed), 0.02)
    with service(answer_some) as port:
        for parallel in SETTINGS[:3]:
            write_job(tmp_path, {"source": SOURCE, "transforms": steps(port), "sink": {"ndjson": {"path": "out.ndjson"}}, "parallel": parallel})
            done = run("run", "job.yaml", cwd=tmp_path)
            assert (done.returncode == 0) == (not wrong), done.stderr
            assert not wrong or wrong[0][1] in done.stderr, (wrong[:3], done.stderr)
            assert not wrong or not (tmp_path / "out.ndjson").exists()
            (tmp_path / "out.ndjson").unlink(missing_ok=True)


def test_a_row_that_fails_ends_a_slow_run_early(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id\n" + "".join(f"{i}\n" for i in range(3000)))
    asked: list[int] = []

    def answer(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        row = int(path.rsplit("/", 1)[1])
        asked.append(row)
        time.sleep(0.005)
        return (400 if row == 7 else 200), b"{}", {}

    with service(answer) as port:
        write_job(tmp_path, {"source": {"csv": {"path": "in.csv"}}, "transforms": [enrich(port, "users/{id}", "user", concurrency=4)], "sink": {"ndjson": {"path": "out.ndjson"}},
                             "parallel": {"workers": 2, "batch_rows": 100}})
        done = run("run", "job.yaml", cwd=tmp_path)
    assert done.returncode == 1 and "/users/7" in done.stderr, done.stderr
    assert len(asked) < 2500, len(asked)


def test_a_second_signal_does_not_wait_for_answers(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id\n" + "".join(f"{i}\n" for i in range(500)))
    slow = Slow(20)
    with service(slow) as port:
        write_job(tmp_path, {"source": {"csv": {"path": "in.csv"}}, "transforms": [enrich(port, "users/{id}", "user")], "sink": {"ndjson": {"path": "out.ndjson"}}})
        process = subprocess.Popen([str(COMMAND), "run", "job.yaml"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(200):
            if slow.most > 0:
                break
            time.sleep(0.05)
        assert slow.most > 0
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None  # what was accepted is waited for
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=15)
        assert time.monotonic() - began < 10
        assert process.returncode == 130, errors
        assert not (tmp_path / "out.ndjson").exists()


def test_sql_behind_a_step_that_asks_sees_every_row(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id\n" + "".join(f"{i}\n" for i in range(300)))
    with service(answer_some) as port:
        v = {"schema": {"v": "int64"}}
        job = {"source": {"csv": {"path": "in.csv"}},
               "transforms": [enrich(port, "first/{id}", "x", **v), {"sql": "select id, id as v from input where id % 3 = 0 order by id desc"}, enrich(port, "second/{id}", "y", **v)],
               "sink": {"ndjson": {"path": "out.ndjson"}}, "parallel": {"workers": 3, "batch_rows": 10}}
        check_balance(run_job(tmp_path, job))
    assert ndjson(tmp_path / "out.ndjson") == [{"id": i, "v": i, "y": {"v": 2 * i}} for i in range(297, -1, -3)]
