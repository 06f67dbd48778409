"""The month's plan, an independent SQL statement and the incumbent's answers: any two of them agree."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from random_months import verify, write_month

CASES = sorted(p.parent for p in (Path(__file__).parent / "golden").glob("*/job.json"))


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_golden_cases(case: Path, postgres: str) -> None:
    """The statement against the incumbent's rows, then ours against the statement."""
    for flags in (["--result", str(case / "expected.csv")], [], ["--mode", "trino", "--workers", "3"]):
        done = verify(case, postgres, *flags)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("seed", range(1, 9))
def test_random_months(seed: int, tmp_path: Path, postgres: str) -> None:
    write_month(tmp_path / "month", seed)
    for flags in (["--workers", "1"], ["--mode", "trino", "--workers", "2"]):
        done = verify(tmp_path / "month", postgres, *flags)
        assert done.returncode == 0, f"seed {seed}: {done.stdout}{done.stderr}"


def change(rows: list[dict[str, str]], what: str) -> None:
    if what == "number":
        rows[3]["pod_usage_cpu_core_hours"] = f"{float(rows[3]['pod_usage_cpu_core_hours']) * (1 + 1e-10):.15f}"
    elif what == "text":
        rows[2]["namespace"] = "elsewhere"
    elif what == "label":
        rows[4]["all_labels"] = '{"app":"other"}'
    elif what == "null":
        rows[5]["pod_limit_cpu_core_hours"] = "\\N"
    elif what == "missing":
        rows.pop()
    else:
        rows.append(rows[0])


@pytest.mark.parametrize("what", ["number", "text", "label", "null", "missing", "twice"])
def test_a_difference_is_found(what: str, tmp_path: Path, postgres: str) -> None:
    case = Path(__file__).parent / "golden" / "basic_pod_day"
    with (case / "expected.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file)]
    change(rows, what)
    with (tmp_path / "result.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    done = verify(case, postgres, "--result", str(tmp_path / "result.csv"))
    assert done.returncode == 3, done.stdout + done.stderr
    assert {"number": "pod_usage_cpu_core_hours: ", "text": "namespace: \"elsewhere\" here", "label": "all_labels: ", "null": "NULL here",
            "missing": "missing here", "twice": "only here"}[what] in done.stdout


def test_nearly_equal_numbers_are_equal(tmp_path: Path, postgres: str) -> None:
    case = Path(__file__).parent / "golden" / "csi_handles"  # rows that differ in their numbers alone
    with (case / "expected.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file)]
    for row in rows:
        value = row["volume_request_storage_gigabyte_months"]
        if value != "\\N" and float(value) > 1e-3:
            row["volume_request_storage_gigabyte_months"] = f"{float(value) * (1 + 3e-13):.15f}"
    with (tmp_path / "result.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(reversed(rows))
    done = verify(case, postgres, "--result", str(tmp_path / "result.csv"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_labels_that_are_no_object_stop_both(tmp_path: Path, postgres: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    case = Path(__file__).parent / "golden" / "basic_pod_day"
    month = tmp_path / "month"
    month.mkdir()
    for file in case.iterdir():
        (month / file.name).write_bytes(file.read_bytes())
    pods = pq.read_table(month / "pod.parquet")
    labels = ["[1]"] + pods["pod_labels"].to_pylist()[1:]
    pq.write_table(pods.set_column(pods.schema.get_field_index("pod_labels"), "pod_labels", pa.array(labels)), month / "pod.parquet")
    done = verify(month, postgres)
    assert done.returncode == 1 and "[1]" in done.stderr, done.stderr
    done = verify(month, postgres, "--result", str(case / "expected.csv"))
    assert done.returncode == 1 and "non-object" in done.stderr, done.stderr
