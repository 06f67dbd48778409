"""The trials of `./run stream-trial` and `./run stream-soak`, small: that they run, and that they see what is wrong."""

from __future__ import annotations

import argparse
from pathlib import Path

from kafka_server import KafkaServer
from postgres import PostgresServer
from stream_soak import Sample, grown
from stream_trial import Trial, found

OPTIONS = argparse.Namespace(messages=12_000, kills=2, restarts=1, life=0.6, seed=20261122)


def test_a_small_trial(broker: KafkaServer, server: PostgresServer, tmp_path: Path) -> None:
    trial = Trial(broker, server, tmp_path, "postgres", OPTIONS)
    assert trial.run() == []
    # What is wrong is seen.
    server.sql("delete from trial_counts where ctid = (select ctid from trial_counts limit 1)")
    server.sql("update trial_counts set n = n + 1 where ctid = (select ctid from trial_counts order by k desc limit 1)")
    assert [text.split(", such")[0].split(" windows ")[1] for text in trial.compare()] == ["are missing", "are different"]


def test_rows_twice_and_growth_are_seen() -> None:
    wrong: list[str] = []
    found([("k", 0, 1, 1), ("k", 0, 1, 1)], wrong)
    assert wrong == ["window 0 of k is there twice"]
    flat = [Sample(s, 300 << 20, 40, 12, 0) for s in range(90)]
    assert grown(flat) == []
    leaking = [Sample(s, (300 + 10 * s) << 20, 40 + s, 12 + s // 10, 0) for s in range(90)]
    assert [text.split()[0] for text in grown(leaking)] == ["bytes", "descriptors", "threads"]
