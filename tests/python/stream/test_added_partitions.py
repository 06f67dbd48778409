"""Partitions that are added to a topic while a stream reads it."""

from __future__ import annotations

from pathlib import Path

from confluent_kafka.admin import AdminClient, NewPartitions
from kafka_server import KafkaServer
from topics import produce

import gristmill as gm


def put(broker: KafkaServer, topic: str, partition: int, rows: range) -> None:
    produce(broker, topic, [{"partition": partition, "value": b'{"n": %d}' % n} for n in rows])


def test_partitions_added_while_it_runs_are_read(broker: KafkaServer, tmp_path: Path) -> None:
    topic = broker.create("grows", 1)
    put(broker, topic, 0, range(100))

    def stream(workers: int) -> gm.Stream:
        s = gm.Stream.from_kafka(topic, broker.servers, schema={"n": "int64"}, properties={"topic.metadata.refresh.interval.ms": "200"})
        return s.checkpoint(tmp_path, 0.1).parallel(workers)

    got: list[int] = []
    first = stream(2)
    for batch in first:
        before = len(got)
        got += batch.column("n").to_pylist()
        if before < 100 <= len(got):
            admin = AdminClient({"bootstrap.servers": broker.servers})
            for made in admin.create_partitions([NewPartitions(topic, 3)]).values():
                made.result(30)
            for partition in (1, 2, 0):
                put(broker, topic, partition, range(100 * (partition + 1), 100 * (partition + 2)) if partition else range(400, 500))
        if len(got) >= 400:
            first.stop()
    assert sorted(got) == [*range(100), *range(200, 500)]
    put(broker, topic, 2, range(500, 600))
    resumed = stream(3)
    for batch in resumed:
        got += batch.column("n").to_pylist()
        if len(got) >= 500:
            resumed.stop()
    assert sorted(got) == [*range(100), *range(200, 600)]
