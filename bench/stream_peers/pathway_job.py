"""Its time is the greatest of all partitions, so those behind must be waited for, or their messages are left out."""

import sys

import pathway as pw

servers, source, target = sys.argv[1:4]
WAIT = int(sys.argv[4])  # milliseconds


class Message(pw.Schema):
    k: str
    v: int


settings = {"bootstrap.servers": servers, "group.id": source, "auto.offset.reset": "earliest"}
messages = pw.io.kafka.read(settings, topic=source, format="json", schema=Message, with_metadata=True, autocommit_duration_ms=50)
timed = messages.select(k=pw.this.k, v=pw.this.v, t=pw.unwrap(pw.this._metadata["timestamp_millis"].as_int()))
windows = timed.windowby(timed.t, window=pw.temporal.tumbling(duration=1000), behavior=pw.temporal.exactly_once_behavior(WAIT), instance=timed.k)
counts = windows.reduce(k=pw.this._pw_instance, start=pw.this._pw_window_start, n=pw.reducers.count(), total=pw.reducers.sum(pw.this.v))
pw.io.kafka.write(counts, {"bootstrap.servers": servers}, topic_name=target, format="json")
pw.run(monitoring_level=pw.MonitoringLevel.NONE)
