"""Rows written to topics and read back by another client: formats, keys, headers, transactions, processes and brokers that die."""

from __future__ import annotations

import datetime as dt
import io
import json
import random
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.ipc
import pytest
from kafka_server import KafkaServer
from topics import Sink, read_all, read_topic, reader

import gristmill as gm
from gristmill import _engine

SEED = 20260131
HERE = Path(__file__).parent


def name(request: pytest.FixtureRequest) -> str:
    return "sink-" + request.node.name.replace("[", "-").replace("]", "").replace("/", "-")[:100]


def sink(broker: KafkaServer, topic: str, schema: pa.Schema, sink_id: str | None = None, **options: Any) -> Sink:
    return Sink(_engine.EpochSink.kafka(topic, {"servers": broker.servers, **options}), sink_id or topic, schema)


def table(rows: int, seed: int = SEED) -> pa.Table:
    rng = random.Random(seed)
    print("seed", seed)
    pair = pa.struct([("name", pa.string()), ("value", pa.binary())])
    return pa.table({
        "id": pa.array(range(rows), pa.int64()), "k": pa.array([rng.choice([None, "", "a", "key " * 9]) for _ in range(rows)]),
        "x": pa.array([rng.choice([None, 0.5, 1e300]) for _ in range(rows)], pa.float64()),
        "p": pa.array([rng.choice([0, 1, 2]) for _ in range(rows)], pa.int32()),
        "t": pa.array([dt.datetime(2026, 1, 1) + dt.timedelta(milliseconds=i) for i in range(rows)], pa.timestamp("us", "UTC")),
        "h": pa.array([rng.choice([None, [], [{"name": "a", "value": b"1"}, {"name": "a", "value": None}]]) for _ in range(rows)], pa.list_(pair)),
    })


def test_json_with_all_that_a_message_has(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    topic = broker.create(name(request), 3)
    rows = table(3000)
    s = sink(broker, topic, rows.schema, key="k", partition="p", timestamp="t", headers="h")
    assert s.committed == 0
    s.epoch(1, rows)
    got = read_topic(broker, topic, expect=3000)
    for p in range(3):
        want = [r for r in rows.to_pylist() if r["p"] == p]
        have = [m for m in got if m["partition"] == p]
        assert len(have) == len(want)
        for m, r in zip(have, want):  # in order within a partition
            assert m["key"] == (None if r["k"] is None else r["k"].encode())
            assert m["timestamp"] == round(r["t"].timestamp() * 1000)
            assert m["headers"] == [(h["name"], h["value"]) for h in r["h"] or []]
            value = json.loads(m["value"])
            assert (value["id"], value["x"], value["p"], set(value)) == (r["id"], r["x"], r["p"], {"id", "k", "x", "p", "t"})


def test_what_is_written_is_what_is_read(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    rows = table(500).drop_columns(["h"])
    for form in ("avro", "ipc", "json"):
        topic = broker.create(f"{name(request)}-{form}")
        sink(broker, topic, rows.schema, format=form, ipc_rows=64).epoch(1, rows)
        if form == "avro":
            schema = {"type": "record", "name": "row", "fields": [
                {"name": n, "type": ["null", t]} for n, t in [("id", "long"), ("k", "string"), ("x", "double"), ("p", "int"),
                                                              ("t", {"type": "long", "logicalType": "timestamp-micros"})]]}
            assert [fastavro.schemaless_reader(io.BytesIO(m["value"]), schema) for m in read_topic(broker, topic, expect=500)] == rows.to_pylist()
            got = read_all(reader(broker, topic, until_end=True, format="avro", avro_schema=json.dumps(schema)))
        elif form == "ipc":
            messages = read_topic(broker, topic, expect=8)
            assert [pyarrow.ipc.open_stream(m["value"]).read_all().num_rows for m in messages] == [64] * 7 + [52]
            got = read_all(reader(broker, topic, until_end=True, format="ipc"))
        else:
            assert len(read_topic(broker, topic, expect=500)) == 500
            got = read_all(reader(broker, topic, until_end=True, schema=[("id", "int64"), ("k", "string"), ("x", "float64"), ("p", "int32"), ("t", "timestamp(us,UTC)")]))
        assert got.to_pylist() == rows.to_pylist(), form


def test_avro_by_a_given_schema(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    topic = broker.create(name(request))
    schema = {"type": "record", "name": "r", "fields": [
        {"name": "e", "type": {"type": "enum", "name": "c", "symbols": ["a", "b"]}}, {"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 2}},
        {"name": "f", "type": {"type": "fixed", "name": "m", "size": 9, "logicalType": "decimal", "precision": 20, "scale": 2}}, {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "m", "type": {"type": "map", "values": "int"}}, {"name": "s", "type": {"type": "record", "name": "i", "fields": [{"name": "q", "type": ["null", "int"]}]}},
        {"name": "l", "type": {"type": "array", "items": "string"}}, {"name": "n", "type": ["string", "null"]}, {"name": "tm", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}
    numbers = [Decimal("0.00"), Decimal("-0.01"), Decimal("1.27"), Decimal("1.28"), Decimal("-1.28"), Decimal("-1.29"), Decimal("327.67"), Decimal("9" * 18 + ".99")]
    rows = pa.table({
        "l": pa.array([["x", ""]] * 8), "n": pa.array([None, "q"] * 4), "e": pa.array(["a", "b"] * 4), "d": pa.array(numbers, pa.decimal128(20, 2)), "f": pa.array(numbers, pa.decimal128(20, 2)),
        "day": pa.array([dt.date(2026, 1, 31)] * 8), "m": pa.array([[("k", 1)], []] * 4, pa.map_(pa.string(), pa.int32())), "s": pa.array([{"q": 1}, {"q": None}] * 4),
        "tm": pa.array([dt.datetime(2026, 1, 31)] * 8, pa.timestamp("s", "UTC"))})
    sink(broker, topic, rows.schema, format="avro", avro_schema=json.dumps(schema), avro_framing="registry", registry_id=258).epoch(1, rows)
    got = read_topic(broker, topic, expect=8)
    assert all(m["value"][:5] == b"\x00\x00\x00\x01\x02" for m in got)
    for m, r in zip(got, rows.to_pylist()):
        assert fastavro.schemaless_reader(io.BytesIO(m["value"][5:]), schema) == {**r, "m": dict(r["m"])}
    wrong = rows.set_column(2, "e", pa.array(["a"] * 7 + ["z"]))
    s = sink(broker, topic, wrong.schema, "other", format="avro", avro_schema=json.dumps(schema))
    with pytest.raises(gm.DataError, match='"z" is no symbol'):
        s.epoch(1, wrong)
    with pytest.raises(gm.PlanError, match='wants a field "e"'):
        sink(broker, topic, rows.drop_columns(["e"]).schema, format="avro", avro_schema=json.dumps(schema))


def test_an_epoch_counts_as_a_whole_or_not_at_all(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    topic = broker.create(name(request), 2)
    rows = table(100).select(["id"])
    s = sink(broker, topic, rows.schema)
    s.epoch(1, rows)
    s.epoch(2, rows.slice(0, 0))  # without rows it counts too
    s.epoch(3, rows, commit=False)
    assert len(read_topic(broker, topic, expect=100)) == 100
    assert len(read_topic(broker, topic, "read_uncommitted")) == 200
    again = sink(broker, topic, rows.schema)  # takes over: what was open is undone
    assert again.committed == 2
    with pytest.raises(gm.IoError, match="taken over|fenced|_STATE|INVALID"):
        s.sink.commit(3, b"")
    again.epoch(1, rows)  # an epoch that counts already is skipped
    again.epoch(2, rows)
    again.epoch(3, rows.slice(0, 7))
    assert [json.loads(m["value"])["id"] for m in sorted(read_topic(broker, topic, expect=107), key=lambda m: json.loads(m["value"])["id"])] == sorted([*range(100), *range(7)])
    again.sink.begin(4)
    again.write(rows)
    again.sink.abort()
    assert len(read_topic(broker, topic)) == 107


CHILD = """
import os, sys, signal
sys.path[:0] = [{here!r}, {servers!r}]
import pyarrow as pa
from gristmill import _engine
from topics import Sink
kind, where, epoch, die = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
made = {{"kafka": lambda: _engine.EpochSink.kafka(where, {{"servers": sys.argv[5]}}),
        "files": lambda: _engine.EpochSink.files(where, sys.argv[5], "", {{}}),
        "postgres": lambda: _engine.EpochSink.postgres(where, sys.argv[5], "create", [])}}[kind]()
rows = pa.table({{"id": pa.array(range(1000 * epoch, 1000 * epoch + 1000), pa.int64())}})
s = Sink(made, "job", rows.schema)
print("committed", s.committed, flush=True)
s.sink.begin(epoch)
s.write(rows)
if die == "before_flush": os.kill(os.getpid(), signal.SIGKILL)
token = bytes(s.sink.flush(epoch))
print("token", token.decode().strip(), flush=True)
if die == "before_commit": os.kill(os.getpid(), signal.SIGKILL)
s.sink.commit(epoch, token)
print("done", flush=True)
if die == "after_commit": os.kill(os.getpid(), signal.SIGKILL)
"""


def run_child(kind: str, where: str, epoch: int, die: str, more: str) -> list[str]:
    text = CHILD.format(here=str(HERE), servers=str(HERE.parent / "servers"))
    done = subprocess.run([sys.executable, "-c", text, kind, where, str(epoch), die, more], capture_output=True, text=True, timeout=120)
    assert done.returncode == (0 if die == "never" else -9), done.stderr
    return done.stdout.splitlines()


def test_a_process_killed_between_flush_and_commit_leaves_nothing(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    topic = broker.create(name(request), 2)
    at = 1
    for die in ("before_commit", "after_commit", "before_flush"):
        out = run_child("kafka", topic, at, die, broker.servers)
        assert out[0] == f"committed {at - 1}", (die, out)
        if "done" in out:
            at += 1
        else:  # the rows of the epoch come again, and only they count
            assert run_child("kafka", topic, at, "never", broker.servers)[0] == f"committed {at - 1}"
            at += 1
    got = sorted(json.loads(m["value"])["id"] for m in read_topic(broker, topic, expect=1000 * (at - 1)))
    assert got == list(range(1000, 1000 * at))


@pytest.mark.parametrize("exactly_once", [True, False])
def test_a_broker_that_dies_loses_and_doubles_nothing(broker: KafkaServer, request: pytest.FixtureRequest, exactly_once: bool) -> None:
    topic = broker.create(name(request), 2)
    rows = pa.table({"id": pa.array(range(20_000), pa.int64())})
    s = sink(broker, topic, rows.schema, exactly_once=exactly_once, properties={"reconnect.backoff.max.ms": "300"})
    s.epoch(1, rows.slice(0, 5000))
    s.sink.begin(2)
    s.write(rows.slice(5000, 5000))
    broker.kill()
    s.write(rows.slice(10_000, 5000))
    broker.start()
    s.write(rows.slice(15_000))
    token = bytes(s.sink.flush(2))
    s.sink.commit(2, token)
    got = sorted(json.loads(m["value"])["id"] for m in read_topic(broker, topic, expect=20_000))
    assert got == list(range(20_000))


def test_a_full_queue_is_waited_for(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    topic = broker.create(name(request), 2)
    rows = pa.table({"id": pa.array(range(30_000), pa.int64())})
    s = sink(broker, topic, rows.schema, properties={"queue.buffering.max.messages": "100", "linger.ms": "1"})
    s.epoch(1, rows)
    got = read_topic(broker, topic, expect=30_000)
    assert sorted(json.loads(m["value"])["id"] for m in got) == list(range(30_000))


def test_what_cannot_be_written_is_said_before(broker: KafkaServer, request: pytest.FixtureRequest) -> None:
    rows = table(3)
    topic = broker.create(name(request))
    with pytest.raises(gm.PlanError, match='key="kk" is no column.*did you mean "k"'):
        sink(broker, topic, rows.schema, key="kk")
    with pytest.raises(gm.PlanError, match="many rows has no key"):
        sink(broker, topic, rows.schema, key="k", format="ipc")
    with pytest.raises(gm.PlanError, match="one column of bytes or text"):
        sink(broker, topic, rows.schema, format="raw")
    with pytest.raises(gm.IoError, match="the topic must exist"):
        sink(broker, "no-such-topic-to-write", rows.select(["id"]).schema, properties={"topic.metadata.propagation.max.ms": "100"})
    s = sink(broker, topic, rows.select(["id", "p"]).schema, partition="p")
    with pytest.raises(gm.IoError, match="_UNKNOWN_PARTITION"):
        s.epoch(1, rows.select(["id", "p"]).set_column(1, "p", pa.array([0, 1, 7], pa.int32())))
