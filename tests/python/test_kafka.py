"""Topics read from a real broker: formats, keys, headers, positions, policies, groups, a broker that dies. The other side is another client."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
import math
import random
import resource
import select
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.ipc
import pytest
from confluent_kafka import Consumer, TopicPartition
from kafka_server import KafkaServer
from topics import batches, produce, read_all, read_topic, reader, schema_of

import gristmill as gm

SEED = 20260131
BEGIN = 1_767_225_600_000  # a time in milliseconds
METADATA = ["key", "partition", "offset", "timestamp", "headers", "topic"]


def name(request: pytest.FixtureRequest) -> str:
    return request.node.name.replace("[", "-").replace("]", "").replace("/", "-")[:100]


def orders(rows: int, partitions: int, seed: int = SEED) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    print("seed", seed)
    out = []
    for i in range(rows):
        value = {"id": i, "amount": rng.choice([0.5, 1e300, -3.0, None]), "name": rng.choice(["", "a", "thirteen byte", "žluťoučký 🐴", "x" * 3000]),
                 "tags": rng.choice([[], ["a", None], None])}
        out.append({"partition": rng.randrange(partitions), "key": rng.choice([None, b"", b"k1", "klíč".encode()]), "timestamp": BEGIN + i // 3 * 100,
                    "headers": rng.choice([None, [("h", b"1"), ("h", None), ("x", b"\x00\xff")]]), "value": json.dumps(value).encode()})
    return out


def test_json_with_all_that_a_message_has(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    topic = broker.create(name(request), 3)
    produce(broker, topic, orders(5000, 3))
    expected = read_topic(broker, topic)
    of = reader(broker, topic, until_end=True, metadata=METADATA,
                schema=[("id", "int64"), ("amount", "float64"), ("name", "string"), ("tags", "list<string>")])
    got = sorted(read_all(of).to_pylist(), key=lambda r: (r["_partition"], r["_offset"]))
    assert len(got) == len(expected) == 5000
    for row, m in zip(got, expected):
        value = json.loads(m["value"])
        assert {k: row[k] for k in value} == value
        assert (row["_partition"], row["_offset"], row["_topic"]) == (m["partition"], m["offset"], topic)
        assert row["_key"] == (None if m["key"] is None else m["key"].decode())
        assert row["_timestamp"] == dt.datetime.fromtimestamp(m["timestamp"] / 1000, dt.timezone.utc)
        assert row["_headers"] == [{"name": n, "value": v} for n, v in m["headers"]]


def test_columns_of_json_are_guessed_from_the_first_messages(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    topic = broker.create(name(request), 2)
    produce(broker, topic, orders(100, 2))
    of = reader(broker, topic, until_end=True)
    assert {f.name: str(f.type) for f in schema_of(of)} == {"id": "int64", "amount": "double", "name": "string", "tags": "list<item: string>"}
    assert sorted(r["id"] for r in read_all(of).to_pylist()) == list(range(100))
    with pytest.raises(gm.IoError, match="no JSON object with a field"):
        reader(broker, broker.create(topic + "-empty"), until_end=True)


def test_a_tombstone_is_a_row_of_nulls(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    topic = broker.create(name(request))
    produce(broker, topic, [{"key": b"a", "value": b'{"v":1}'}, {"key": b"a", "value": None}, {"key": b"b", "value": b'{"v":2}'}])
    rows = read_all(reader(broker, topic, until_end=True, schema=[("v", "int32")], metadata=["key"])).to_pylist()
    assert rows == [{"v": 1, "_key": "a"}, {"v": None, "_key": "a"}, {"v": 2, "_key": "b"}]


AVRO = {
    "type": "record", "name": "all", "namespace": "t", "fields": [
        {"name": "b", "type": "boolean"}, {"name": "i", "type": "int"}, {"name": "l", "type": "long"}, {"name": "f", "type": "float"},
        {"name": "d", "type": "double"}, {"name": "s", "type": "string"}, {"name": "y", "type": "bytes"},
        {"name": "maybe", "type": ["null", "long"]}, {"name": "late_null", "type": ["string", "null"]},
        {"name": "several", "type": ["null", "int", "string"]},
        {"name": "e", "type": {"type": "enum", "name": "colour", "symbols": ["red", "green"]}}, {"name": "again", "type": ["null", "colour"]},
        {"name": "x", "type": {"type": "fixed", "name": "four", "size": 4}},
        {"name": "list", "type": {"type": "array", "items": ["null", "double"]}}, {"name": "map", "type": {"type": "map", "values": "int"}},
        {"name": "inner", "type": ["null", {"type": "record", "name": "point", "fields": [{"name": "px", "type": "int"}, {"name": "py", "type": ["null", "string"]}]}]},
        {"name": "dec", "type": {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 3}},
        {"name": "decfixed", "type": {"type": "fixed", "name": "money", "size": 9, "logicalType": "decimal", "precision": 18, "scale": 2}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}}, {"name": "tm", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "tu", "type": {"type": "long", "logicalType": "time-micros"}}, {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "tsu", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "lts", "type": {"type": "long", "logicalType": "local-timestamp-micros"}},
        {"name": "u", "type": {"type": "string", "logicalType": "uuid"}},
    ],
}


def avro_row(rng: random.Random) -> dict[str, Any]:
    utc = dt.timezone.utc
    return {
        "b": rng.random() < 0.5, "i": rng.choice([0, -1, 2**31 - 1, -(2**31)]), "l": rng.choice([0, 63, 64, -65, 2**63 - 1, -(2**63)]),
        "f": rng.choice([0.5, -0.0, math.inf]), "d": rng.choice([0.1, 5e-324, -math.inf]), "s": rng.choice(["", "abc", "žluť" * 9]),
        "y": rng.choice([b"", b"\x00\xff" * 20]), "maybe": rng.choice([None, 7]), "late_null": rng.choice([None, "x"]),
        "several": rng.choice([None, 5, "five"]), "e": rng.choice(["red", "green"]), "again": rng.choice([None, "red"]), "x": b"1234",
        "list": [rng.choice([None, 1.5]) for _ in range(rng.randrange(4))], "map": {k: rng.randrange(9) for k in rng.choice(["", "a", "ab"])},
        "inner": rng.choice([None, {"px": 1, "py": None}, {"px": -2, "py": "q"}]),
        "dec": rng.choice([Decimal("0.001"), Decimal("-12345678901234567.890"), Decimal("99999999999999999.999"), Decimal("0.000")]),
        "decfixed": rng.choice([Decimal("-0.01"), Decimal("9999999999999999.99")]), "day": dt.date(1, 1, 1) + dt.timedelta(rng.randrange(700000)),
        "tm": dt.time(23, 59, 59, 999000), "tu": dt.time(1, 2, 3, 4), "ts": dt.datetime(1969, 12, 31, 23, 59, 59, 999000, utc),
        "tsu": rng.choice([None, dt.datetime(2026, 1, 31, 1, 2, 3, 4, utc)]), "lts": dt.datetime(2026, 1, 31, 1, 2, 3, 4),
        "u": "12345678-1234-5678-1234-567812345678",
    }


@pytest.mark.parametrize("framing", ["none", "registry"])
def test_avro_as_another_program_writes_it(broker: KafkaServer, request: pytest.FixtureRequest, framing: str) -> None:
    rng = random.Random(SEED)
    print("seed", SEED)
    topic = broker.create(name(request))
    rows, messages = [avro_row(rng) for _ in range(500)], []
    for row in rows:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, AVRO, row)
        messages.append({"value": (b"\x00\x00\x00\x00\x07" if framing == "registry" else b"") + out.getvalue()})
    produce(broker, topic, messages)
    got = read_all(reader(broker, topic, until_end=True, format="avro", avro_schema=json.dumps(AVRO), avro_framing=framing)).to_pylist()
    assert len(got) == 500
    for have, want in zip(got, rows):
        want = dict(want, map=list(want["map"].items()))
        several = want["several"]
        want["several"] = None if several is None else {"member0": several if several == 5 else None, "member1": several if several == "five" else None}
        assert have == want


def test_avro_that_is_not_what_its_schema_says_is_a_bad_message(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    topic = broker.create(name(request))
    schema = json.dumps({"type": "record", "name": "r", "fields": [{"name": "s", "type": "string"}, {"name": "l", "type": {"type": "array", "items": "null"}}]})
    good = b"\x04ab\x00"
    bad = [b"", b"\x04a", b"\x03", good + b"x", b"\x04\xff\xfe\x00", b"\x04ab\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\xff" * 11, b"\x00" * 0]
    produce(broker, topic, [{"value": v} for v in [good, *bad, good]])
    of = reader(broker, topic, until_end=True, format="avro", avro_schema=schema, on_error="skip")
    assert read_all(of).to_pylist() == [{"s": "ab", "l": []}] * 2
    assert of.stats()["skipped"] == len(bad)


def test_arrow_ipc(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    topic = broker.create(name(request))
    rng = random.Random(SEED)
    tables, messages = [], []
    for i in range(40):
        n = rng.choice([0, 1, 7, 3000])
        t = pa.table({"id": pa.array(range(i, i + n), pa.int64()), "s": pa.array([rng.choice([None, "", "x" * 20]) for _ in range(n)], pa.string()),
                      "d": pa.array([rng.choice(["a", "b"]) for _ in range(n)], pa.string()).dictionary_encode(), "c": pa.array([Decimal("1.25")] * n, pa.decimal128(10, 2))})
        out = io.BytesIO()
        with pyarrow.ipc.new_stream(out, t.schema) as w:
            w.write_table(t, max_chunksize=1000)
        tables.append(t)
        messages.append({"value": out.getvalue()})
    broken = bytearray(messages[3]["value"])
    broken[len(broken) // 2:] = b"\xff" * (len(broken) - len(broken) // 2)
    produce(broker, topic, [*messages, {"value": bytes(broken)}, {"value": b"no arrow"}])
    of = reader(broker, topic, until_end=True, format="ipc", on_error="skip", metadata=["offset"])
    got = read_all(of)
    want = pa.concat_tables(tables).set_column(2, "d", pa.concat_tables(tables)["d"].cast(pa.string()))
    assert got.drop_columns(["_offset"]).to_pylist() == want.to_pylist()
    assert got["_offset"].to_pylist() == [i for i, t in enumerate(tables) for _ in range(t.num_rows)]
    assert of.stats()["skipped"] in (1, 2)  # the broken end may lie behind what the stream needs


@pytest.mark.parametrize("form", ["raw", "text"])
def test_values_as_they_are(broker: KafkaServer, request: pytest.FixtureRequest, form: str) -> None:
    topic = broker.create(name(request))
    values = [b"", None, b"abc", "žluť".encode() * 10] + ([b"\xff\x00"] if form == "raw" else [])
    produce(broker, topic, [{"value": v} for v in values])
    got = read_all(reader(broker, topic, until_end=True, format=form))["value"].to_pylist()
    assert got == [v if v is None or form == "raw" else v.decode() for v in values]


def mixed(broker: KafkaServer, topic: str) -> None:
    values = [b'{"v":1}', b'{"v":2}', b'{"v":"x"}', b"no json", b"\xff\xfe", b'{"v":3}']
    produce(broker, topic, [{"value": v, "key": b"k", "timestamp": BEGIN} for v in values])


def test_a_bad_message_fails_with_its_place_behind_the_rows_before_it(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    topic = broker.create(name(request))
    mixed(broker, topic)
    of = reader(broker, topic, until_end=True, schema=[("v", "int64")])
    of.start([])
    with pytest.raises(gm.DataError, match=r"cannot read the value as int64") as e:
        list(batches(of))
    assert "partition 0" in str(e.value) and "row 2" in str(e.value) and topic in str(e.value)


def test_bad_messages_are_skipped_or_kept_in_a_file(broker: KafkaServer, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    topic = broker.create(name(request))
    mixed(broker, topic)
    of = reader(broker, topic, until_end=True, schema=[("v", "int64")], on_error="skip")
    assert read_all(of)["v"].to_pylist() == [1, 2, 3]
    assert of.stats()["skipped"] == 3
    letters = tmp_path / "bad.ndjson"
    of = reader(broker, topic, until_end=True, schema=[("v", "int64")], on_error="dead_letter", dead_letters=str(letters))
    assert read_all(of)["v"].to_pylist() == [1, 2, 3]
    lines = [json.loads(line) for line in letters.read_text().splitlines()]
    assert [(x["topic"], x["partition"], x["offset"], x["key"], x["timestamp"]) for x in lines] == [(topic, 0, i, "k", BEGIN) for i in (2, 3, 4)]
    assert lines[0]["message"] == '{"v":"x"}' and lines[0]["column"] == "v" and base64.b64decode(lines[2]["message_base64"]) == b"\xff\xfe"


def model_of_merge(messages: list[dict[str, Any]], partitions: int) -> list[tuple[int, int]]:
    """The order of a replay: of the partitions' next messages those of the earliest second, lower partitions first."""
    queues = [[m for m in messages if m["partition"] == p] for p in range(partitions)]
    out = []
    while any(queues):
        second, p = min((q[0]["timestamp"] // 1000, p) for p, q in enumerate(queues) if q)
        while queues[p] and queues[p][0]["timestamp"] // 1000 <= second:
            m = queues[p].pop(0)
            out.append((m["partition"], m["offset"]))
    return out


def test_a_replay_gives_the_same_order_whatever_the_speed(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    topic = broker.create(name(request), 4)
    rng = random.Random(SEED)
    print("seed", SEED)
    at = BEGIN
    messages = []
    for i in range(20_000):
        at += rng.randrange(20)
        messages.append({"partition": min(rng.randrange(8), 3), "timestamp": at - rng.randrange(3000), "value": b"%d" % i})
    produce(broker, topic, messages)
    expected = model_of_merge(read_topic(broker, topic), 4)
    for settings in ({}, {"properties": {"fetch.message.max.bytes": "2000", "queued.max.messages.kbytes": "8"}}, {"memory_limit": 32 << 20}):
        got = read_all(reader(broker, topic, until_end=True, format="raw", metadata=["partition", "offset"], **settings))
        assert list(zip(got["_partition"].to_pylist(), got["_offset"].to_pylist())) == expected


def test_reading_goes_on_from_positions(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    topic = broker.create(name(request), 2)
    produce(broker, topic, [{"partition": i % 2, "value": b"%d" % i, "timestamp": BEGIN + i} for i in range(3000)])
    of = reader(broker, topic, until_end=True, format="text", metadata=["partition"])
    of.start([])
    seen: dict[int, int] = {0: 0, 1: 0}
    rows = []
    for partition, position, following, table in batches(of):
        assert position == seen[partition]
        seen[partition] = following
        rows += table["value"].to_pylist()
        if len(rows) > 1000:
            break
    of.stop()
    rest = read_all(reader(broker, topic, until_end=True, format="text"), sorted(seen.items()))["value"].to_pylist()
    assert sorted(map(int, rows + rest)) == list(range(3000))
    late = reader(broker, topic, format="text", start="latest")
    late.start([])
    assert late.poll(0.5) is None
    produce(broker, topic, [{"partition": 1, "value": b"new"}])
    assert [t["value"].to_pylist() for _, _, _, t in [next(batches(late))]] == [["new"]]
    late.stop()
    from_time = dt.datetime.fromtimestamp((BEGIN + 2000) / 1000, dt.timezone.utc).isoformat()
    got = read_all(reader(broker, topic, until_end=True, format="text", start=from_time))["value"].to_pylist()
    assert sorted(map(int, got[:-1])) == list(range(2000, 3000)) and got[-1] == "new"


def test_positions_that_are_gone_are_an_error(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    topic = broker.create(name(request))
    produce(broker, topic, [{"value": b"%d" % i} for i in range(10)])
    of = reader(broker, topic, until_end=True, format="text")
    with pytest.raises(gm.IoError, match="goes on at offset 11 .* which ends at 10.*made anew"):
        of.start([(0, 11)])
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({"bootstrap.servers": broker.servers})
    for deleted in admin.delete_records([TopicPartition(topic, 0, 6)]).values():
        deleted.result(30)
    with pytest.raises(gm.IoError, match="goes on at offset 3 .* whose first message is now 6.*retention"):
        reader(broker, topic, until_end=True, format="text").start([(0, 3)])
    assert read_all(reader(broker, topic, until_end=True, format="text"))["value"].to_pylist() == ["6", "7", "8", "9"]


def test_what_is_wrong_is_said_before_the_run(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    with pytest.raises(gm.IoError, match="the topic must exist"):
        reader(broker, "no-such-topic", format="raw", properties={"topic.metadata.propagation.max.ms": "100"}).start([])
    with pytest.raises(gm.PlanError, match='"avr".*did you mean "avro"'):
        reader(broker, "t", format="avr")
    with pytest.raises(gm.PlanError, match="need the schema"):
        reader(broker, "t", format="avro")
    with pytest.raises(gm.PlanError, match='has no "keys".*did you mean "key"'):
        reader(broker, "t", format="raw", metadata=["keys"])
    with pytest.raises(gm.PlanError, match="contains itself"):
        reader(broker, "t", format="avro", avro_schema=json.dumps({"type": "record", "name": "n", "fields": [{"name": "next", "type": ["null", "n"]}]}))
    with pytest.raises(gm.PlanError, match="no place in a topic"):
        reader(broker, broker.create(name(request)), format="raw", start="yesterday").start([])
    with pytest.raises(gm.PlanError, match="settings are refused") as e:
        reader(broker, "t", format="raw", properties={"sasl.password": "s3cret", "security.protocol": "SASL"}).start([])
    assert "s3cret" not in str(e.value)


def test_a_group_shows_what_was_read_and_gives_it_back(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    topic = broker.create(name(request), 2)
    produce(broker, topic, [{"partition": i % 2, "value": b"%d" % i} for i in range(100)])
    of = reader(broker, topic, until_end=True, format="text", group=topic, start="committed")
    assert len(read_all(of)) == 100
    of = reader(broker, topic, until_end=True, format="text", group=topic, start="committed")
    of.start([])
    of.commit([(0, 50), (1, 20)])
    other = Consumer({"bootstrap.servers": broker.servers, "group.id": topic})
    deadline = time.monotonic() + 20
    while [p.offset for p in other.committed([TopicPartition(topic, 0), TopicPartition(topic, 1)], timeout=10)] != [50, 20]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    other.close()
    of.stop()
    assert len(read_all(reader(broker, topic, until_end=True, format="text", group=topic, start="committed"))) == 30


def test_a_group_deals_partitions_out(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    topic = broker.create(name(request), 4)
    produce(broker, topic, [{"partition": i % 4, "value": b"%d" % i} for i in range(4000)])
    settings = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "200"}
    readers = [reader(broker, topic, format="text", group=topic, balance=True, properties=settings) for _ in range(2)]
    seen: list[list[tuple[int, str]]] = [[], []]

    def drain(which: int) -> None:
        readers[which].start([])
        positions: dict[int, int] = {}
        deadline = time.monotonic() + 25
        while len(set(seen[0]) | set(seen[1])) < 8000 and time.monotonic() < deadline:
            got = readers[which].poll(0.2)
            if got:
                partition, _, following, capsules = got
                positions[partition] = following
                for c in capsules:
                    seen[which] += [(partition, v) for v in pa.RecordBatch._import_from_c_capsule(*c)["value"].to_pylist()]
                readers[which].commit(sorted(positions.items()))

    threads = [threading.Thread(target=drain, args=(i,)) for i in range(2)]
    threads[0].start()
    time.sleep(1.0)
    threads[1].start()
    deadline = time.monotonic() + 20
    while readers[1].partitions() == 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1.5)
    produce(broker, topic, [{"partition": i % 4, "value": b"%d" % i} for i in range(4000, 8000)])
    for t in threads:
        t.join()
    for r in readers:
        r.stop()
    together = set(seen[0]) | set(seen[1])
    assert together == {(i % 4, str(i)) for i in range(8000)}  # at least once: nothing is missing
    assert seen[0] and seen[1]


def test_waiting_costs_nothing_and_ends_at_once(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    topic = broker.create(name(request))
    of = reader(broker, topic, format="text", properties={"fetch.wait.max.ms": "5000"})
    of.start([])
    assert of.poll(1.0) is None
    before = resource.getrusage(resource.RUSAGE_SELF)
    assert of.poll(2.0) is None
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.2
    sent = []

    def later() -> None:
        time.sleep(0.5)
        sent.append(time.monotonic())
        produce(broker, topic, [{"value": b"x"}], **{"linger.ms": 0})

    thread = threading.Thread(target=later)
    thread.start()
    assert of.poll(10.0)
    assert time.monotonic() - sent[0] < 2.0
    thread.join()
    of.stop()


def test_a_broker_that_is_not_there_is_not_waited_for_in_silence() -> None:
    code = "import gristmill as gm; gm.Stream.from_kafka('orders', '127.0.0.1:1', schema={'id': 'int64'}).count()"
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    try:
        assert select.select([child.stderr], [], [], 20)[0], "not a word in 20 s"
        line = child.stderr.readline()
        assert "no answer from Kafka at 127.0.0.1:1 yet" in line and "60 s" in line, line
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_a_broker_that_dies_is_waited_for(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    topic = broker.create(name(request), 2)
    produce(broker, topic, [{"partition": i % 2, "value": b"%d" % i} for i in range(2000)])
    of = reader(broker, topic, format="text", metadata=["partition", "offset"], properties={"reconnect.backoff.max.ms": "500"})
    of.start([])
    rows: list[str] = []
    while len(rows) < 2000:
        rows += next(batches(of))[3]["value"].to_pylist()
    broker.kill()
    assert of.poll(1.0) is None
    broker.start()
    produce(broker, topic, [{"partition": i % 2, "value": b"%d" % i} for i in range(2000, 4000)])
    while len(rows) < 4000:
        rows += next(batches(of))[3]["value"].to_pylist()
    assert sorted(map(int, rows)) == list(range(4000))
    of.stop()


def test_only_what_was_committed_is_read(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    from confluent_kafka import Producer

    topic = broker.create(name(request))
    producer = Producer({"bootstrap.servers": broker.servers, "transactional.id": topic})
    producer.init_transactions()
    for i in range(6):
        producer.begin_transaction()
        for j in range(10):
            producer.produce(topic, b"%d" % (10 * i + j))
        producer.flush()
        producer.abort_transaction() if i % 2 else producer.commit_transaction()
    assert len(read_topic(broker, topic, expect=30)) == 30
    got = read_all(reader(broker, topic, until_end=True, format="text"))["value"].to_pylist()
    assert got == [str(10 * i + j) for i in (0, 2, 4) for j in range(10)]
