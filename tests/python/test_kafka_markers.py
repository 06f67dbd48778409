"""Transactions whose end the broker loses in one partition: a commit waits for it, and what hangs is written again.

Kafka 4.3.1 drops the markers of a partition that has no leader while they are sent (KAFKA-20734). Here the partition's folder goes away for a moment:
the broker lives on with the other one, where the transactions' and the groups' own logs are, and answers that it has committed. With a broker that
keeps its markers the same tests hold.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka_server import KafkaServer, missing
from topics import Sink, read_topic

import gristmill as gm
from gristmill import _engine

ROWS = 200
COMPLETE = (4, 5)  # states of a transaction in the coordinator's log: committed, undone


def rows_of(epoch: int) -> pa.Table:
    """Half of them for each partition."""
    ids = range(1000 * epoch, 1000 * epoch + ROWS)
    return pa.table({"id": pa.array(ids, pa.int64()), "p": pa.array([i % 2 for i in ids], pa.int32())})


def ids_in(broker: KafkaServer, topic: str, expect: int) -> list[int]:
    return sorted(json.loads(m["value"])["id"] for m in read_topic(broker, topic, expect=expect))


def ids_of(*epochs: int) -> list[int]:
    return sorted(i for e in epochs for i in rows_of(e)["id"].to_pylist())


def open_sink(broker: KafkaServer, topic: str) -> Sink:
    return Sink(_engine.EpochSink.kafka(topic, {"servers": broker.servers, "partition": "p", "properties": {"reconnect.backoff.max.ms": "300"}}),
                topic, rows_of(1).schema)


class EarlierRun:
    """What a run of the engine that is dead now has written: an epoch and what it says of itself, up to its commit."""

    def __init__(self, broker: KafkaServer, topic: str) -> None:
        self._topic = topic
        self.producer = Producer({"bootstrap.servers": broker.servers, "transactional.id": f"gristmill-{topic}", "log_level": 0,
                                  "reconnect.backoff.max.ms": 300})
        self.producer.init_transactions(30)

    def write(self, epoch: int) -> None:
        self.producer.begin_transaction()
        for row in rows_of(epoch).to_pylist():
            self.producer.produce(self._topic, json.dumps(row), f"key {row['id']}", partition=row["p"], timestamp=5000 + row["id"], headers=[("h", b"1")])
        assert self.producer.flush(30) == 0

    def say(self, broker: KafkaServer, epoch: int, notes: list[str]) -> None:
        group = Consumer({"bootstrap.servers": broker.servers, "group.id": f"gristmill-epochs-{self._topic}", "log_level": 0})
        offsets = [TopicPartition(self._topic, p, epoch, note) for p, note in enumerate(notes)]
        self.producer.send_offsets_to_transaction(offsets, group.consumer_group_metadata(), 30)
        group.close()


@dataclass
class Losing:
    """A broker with two folders; `lost` is the partition of each topic of two that is in the one that goes away."""

    broker: KafkaServer
    folder: Path

    def lost(self, topic: str) -> int:
        return next(p for p in (0, 1) if (self.folder / f"{topic}-{p}").is_dir())

    def ended(self) -> dict[str, int]:
        """By transactional id the last state in the coordinator's log."""
        consumer = Consumer({"bootstrap.servers": self.broker.servers, "group.id": "look", "enable.partition.eof": True, "log_level": 0})
        consumer.assign([TopicPartition("__transaction_state", 0, 0)])
        states = {}
        while (m := consumer.poll(10)) is not None and m.error() is None:
            if m.value():
                states[m.key()[4:].decode()] = m.value()[16]
        consumer.close()
        return states

    @contextmanager
    def away(self, topics: list[str]) -> Iterator[None]:
        """The folder goes away; behind it the broker dies and comes back with all there is."""
        lost = {t: self.lost(t) for t in topics}
        admin = AdminClient({"bootstrap.servers": self.broker.servers, "log_level": 0})
        os.rename(self.folder, f"{self.folder}-away")
        try:
            wait_until(lambda: all(admin.list_topics(t, timeout=10).topics[t].partitions[p].leader == -1 for t, p in lost.items()))
            yield
        finally:
            self.broker.kill()
            os.rename(f"{self.folder}-away", self.folder)
            self.broker.start()


def wait_until(holds: object, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def losing_broker(folder: Path) -> Losing | None:
    """None: the broker has put the two logs of its own into different folders."""
    broker = KafkaServer({"log.dirs": f"{folder}/a,{folder}/b", "metadata.log.dir": f"{folder}/meta", "replica.high.watermark.checkpoint.interval.ms": 100,
                          "offsets.topic.num.partitions": 1, "transaction.state.log.num.partitions": 1})
    Producer({"bootstrap.servers": broker.servers, "transactional.id": "first", "log_level": 0}).init_transactions(30)
    broker.create("between")  # new ones go where there are fewest
    group = Consumer({"bootstrap.servers": broker.servers, "group.id": "first", "log_level": 0})
    group.committed([TopicPartition("between", 0)], timeout=30)
    group.close()
    kept = {d for d in ("a", "b") for name in ("__transaction_state-0", "__consumer_offsets-0") if (folder / d / name).is_dir()}
    if len(kept) == 1:
        return Losing(broker, folder / ("b" if kept == {"a"} else "a"))
    broker.stop()
    return None


@pytest.fixture(scope="module")
def losing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Losing]:
    if (why := missing()) is not None:
        pytest.skip(why)
    found = next((made for i in range(6) if (made := losing_broker(tmp_path_factory.mktemp(f"broker{i}"))) is not None), None)
    assert found is not None
    yield found
    found.broker.stop()


def topic_of(losing: Losing, name: str) -> str:
    """Of two partitions, one of them in the folder that goes away."""
    for i in range(20):
        topic = losing.broker.create(f"{name}-{i}", 2)
        if sum((losing.folder / f"{topic}-{p}").is_dir() for p in (0, 1)) == 1:
            return topic
    raise AssertionError("the broker puts all partitions into one folder")


def test_a_commit_is_over_when_its_end_is_everywhere(losing: Losing) -> None:
    broker, topic = losing.broker, topic_of(losing, "seen")
    s = open_sink(broker, topic)
    s.epoch(1, rows_of(1))
    assert ids_in(broker, topic, ROWS) == ids_of(1)
    token = s.epoch(2, rows_of(2), commit=False)
    failed: list[BaseException] = []

    def commit() -> None:
        try:
            s.sink.commit(2, token)
        except BaseException as e:  # noqa: BLE001 - shown below
            failed.append(e)

    committing = threading.Thread(target=commit)
    with losing.away([topic]):
        committing.start()
        wait_until(lambda: losing.ended().get(f"gristmill-{topic}") in COMPLETE)
        assert committing.is_alive()  # the broker has answered, but half of the rows is not to be seen
    committing.join(60)
    assert not committing.is_alive() and not failed, failed
    assert ids_in(broker, topic, 2 * ROWS) == ids_of(1, 2)
    s.epoch(3, rows_of(3))
    assert ids_in(broker, topic, 3 * ROWS) == ids_of(1, 2, 3)
    assert open_sink(broker, topic).committed == 3


def test_what_an_earlier_run_left_hanging(losing: Losing) -> None:
    broker = losing.broker
    hanging, going_on, further, undone, mixed = [topic_of(losing, name) for name in ("hanging", "going-on", "further", "undone", "mixed")]
    rows = f"rows 0 {ROWS // 2 - 1} {ROWS // 2}"
    runs = {topic: EarlierRun(broker, topic) for topic in (hanging, going_on, further, undone, mixed)}
    foreign = Producer({"bootstrap.servers": broker.servers, "log_level": 0})
    for topic, run in runs.items():
        run.write(1)
        lost = losing.lost(topic)
        notes = [rows, rows]
        if topic in (going_on, further):  # it was killed while it mended
            notes[lost] = rows.replace("rows", "mending")
        if topic == mixed:
            foreign.produce(topic, b'{"id": -1}', partition=lost)
            assert foreign.flush(30) == 0
            notes[lost] = f"rows 0 {ROWS // 2} {ROWS // 2}"
        if topic != undone:
            run.say(broker, 1, notes)
    with losing.away(list(runs)):
        for topic, run in runs.items():
            if topic == undone:
                run.producer.abort_transaction(30)
            else:
                run.producer.commit_transaction(30)
        wait_until(lambda: all(losing.ended().get(f"gristmill-{topic}") in COMPLETE for topic in runs))

    for topic in (hanging, going_on):
        s = open_sink(broker, topic)
        assert s.committed == 1
        assert ids_in(broker, topic, ROWS) == ids_of(1)
        s.epoch(2, rows_of(2))
        assert ids_in(broker, topic, 2 * ROWS) == ids_of(1, 2)
        for m in read_topic(broker, topic):  # key, headers and time are those of the first time
            row = json.loads(m["value"])
            if row["id"] < 2000:
                assert (m["key"], m["timestamp"], m["headers"]) == (f"key {row['id']}".encode(), 5000 + row["id"], [("h", b"1")])

    lost = losing.lost(further)  # killed between undoing the rows and writing them again
    again = Producer({"bootstrap.servers": broker.servers, "transactional.id": f"gristmill-{further}", "log_level": 0})
    again.init_transactions(30)
    again.begin_transaction()
    again.produce(further, None, "undone", partition=lost)
    assert again.flush(30) == 0
    again.abort_transaction(30)
    assert open_sink(broker, further).committed == 1
    assert ids_in(broker, further, ROWS) == ids_of(1)

    s = open_sink(broker, undone)  # rows that do not count do not count with those of the next epoch
    assert s.committed == 0
    s.epoch(1, rows_of(7))
    assert ids_in(broker, undone, ROWS) == ids_of(7)

    where = f'epoch 1 of "gristmill-{mixed}" in partition {losing.lost(mixed)} of the topic "{mixed}"'
    with pytest.raises(gm.IoError, match=where + ".*no reader sees its 100 messages.*101 instead of 100"):
        open_sink(broker, mixed)


def test_a_topic_that_goes_on_is_not_touched(losing: Losing) -> None:
    """Transactions of others that are open for long hold no sink up, and are theirs."""
    broker, topic = losing.broker, losing.broker.create("others", 2)
    other = Producer({"bootstrap.servers": broker.servers, "transactional.id": "other", "log_level": 0})
    other.init_transactions(30)
    other.begin_transaction()
    other.produce(topic, b'{"id": -1}', partition=1)
    assert other.flush(30) == 0
    s = open_sink(broker, topic)
    begin = time.monotonic()
    s.epoch(1, rows_of(1))
    assert time.monotonic() - begin < 2
    assert ids_in(broker, topic, ROWS // 2) == [i for i in ids_of(1) if i % 2 == 0]
    try:
        other.commit_transaction(30)
    except KafkaException as e:
        raise AssertionError("the other's transaction was touched") from e
    assert ids_in(broker, topic, ROWS + 1) == [-1, *ids_of(1)]
