"""Helpers of the tests of Kafka: an independent client (confluent-kafka) that writes and reads topics, and readers and sinks of the engine."""

from __future__ import annotations

import time
from typing import Any, Iterable, Iterator

import pyarrow as pa
from confluent_kafka import Consumer, Producer, TopicPartition
from kafka_server import KafkaServer

from gristmill import _engine

Message = dict[str, Any]  # partition, key, value, timestamp, headers; and offset of what was read


def produce(broker: KafkaServer, topic: str, messages: Iterable[Message], **settings: Any) -> None:
    producer = Producer({"bootstrap.servers": broker.servers, "linger.ms": 5, **settings})
    failed: list[Any] = []
    for m in messages:
        optional = {k: v for k, v in m.items() if k in ("partition", "timestamp", "headers") and v is not None}
        while True:
            try:
                producer.produce(topic, value=m.get("value"), key=m.get("key"), on_delivery=lambda e, _: failed.append(e) if e else None, **optional)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    assert producer.flush(60) == 0
    assert not failed, failed


def read_topic(broker: KafkaServer, topic: str, isolation: str = "read_committed", expect: int = 0) -> list[Message]:
    """Everything that is in the topic, by partition and offset, through the other client. A transaction that was committed a moment ago may
    take another to be seen: looks again until `expect` messages are there, for ten seconds."""
    deadline = time.monotonic() + 10
    while True:
        out = _read_topic(broker, topic, isolation)
        if len(out) >= expect or time.monotonic() > deadline:
            return out
        time.sleep(0.05)


def _read_topic(broker: KafkaServer, topic: str, isolation: str) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": broker.servers, "group.id": "oracle", "enable.auto.commit": False, "isolation.level": isolation,
                         "enable.partition.eof": True})
    partitions = sorted(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
    out, ended = [], set()
    deadline = time.monotonic() + 60
    while len(ended) < len(partitions):
        assert time.monotonic() < deadline
        m = consumer.poll(1)
        if m is None:
            continue
        if m.error() is not None:
            assert m.error().name() == "_PARTITION_EOF", m.error()
            ended.add(m.partition())
            continue
        out.append({"partition": m.partition(), "offset": m.offset(), "key": m.key(), "value": m.value(), "timestamp": m.timestamp()[1],
                    "headers": m.headers() or []})
    consumer.close()
    return sorted(out, key=lambda m: (m["partition"], m["offset"]))


def reader(broker: KafkaServer, topic: str, memory_limit: int = 0, **options: Any) -> Any:
    return _engine.TopicReader(topic, {"servers": broker.servers, **options}, memory_limit)


def schema_of(of: Any) -> pa.Schema:
    return pa.Schema._import_from_c_capsule(of.schema())


def batches(of: Any, seconds: float = 30.0) -> Iterator[tuple[int, int, int, pa.Table]]:
    """(partition, position, next, rows) of each chunk, up to the end."""
    while True:
        got = of.poll(seconds)
        assert got is not None, f"nothing came within {seconds} s"
        if not got:
            return
        partition, position, following, capsules = got
        yield partition, position, following, pa.Table.from_batches([pa.RecordBatch._import_from_c_capsule(*c) for c in capsules], schema_of(of))


def read_all(of: Any, positions: list[tuple[int, int]] | None = None) -> pa.Table:
    of.start(positions or [])
    tables = [rows for _, _, _, rows in batches(of)]
    of.stop()
    return pa.concat_tables(tables) if tables else schema_of(of).empty_table()


class Sink:
    """A sink of epochs by hand."""

    def __init__(self, sink: Any, name: str, schema: pa.Schema) -> None:
        self.sink = sink
        self.committed = sink.open(name, schema.__arrow_c_schema__())

    def write(self, rows: pa.Table) -> None:
        for batch in rows.to_batches():
            self.sink.write(batch.__arrow_c_array__())

    def epoch(self, number: int, rows: pa.Table, commit: bool = True) -> bytes:
        self.sink.begin(number)
        self.write(rows)
        token = bytes(self.sink.flush(number))
        if commit:
            self.sink.commit(number, token)
        return token
