"""Its clock goes on by itself between messages of a key, so messages must be waited for, or they are late."""

import json
import sys
from datetime import datetime, timedelta, timezone

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSinkMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.operators import windowing
from bytewax.run import cli_main

servers, source, target, wait = sys.argv[1:5]
EPOCH = datetime(2020, 1, 1, tzinfo=timezone.utc)
ZERO = datetime(1970, 1, 1, tzinfo=timezone.utc)
clock = windowing.EventClock(lambda m: ZERO + timedelta(milliseconds=m[1]), wait_for_system_duration=timedelta(milliseconds=int(wait)))
flow = Dataflow("counts")
messages = kop.input("in", flow, brokers=[servers], topics=[source]).oks


def keyed(m):
    value = json.loads(m.value)
    return value["k"], (value["v"], m.timestamp[1])


def add(state, m):
    return state[0] + 1, state[1] + m[0]


windows = windowing.fold_window("count", op.map("key", messages, keyed), clock, windowing.TumblingWindower(length=timedelta(seconds=1), align_to=EPOCH),
                                lambda: (0, 0), add, lambda a, b: (a[0] + b[0], a[1] + b[1]), ordered=False)


def result(item):
    key, (window, (n, total)) = item
    start = int((EPOCH - ZERO).total_seconds() + window) * 1000
    return KafkaSinkMessage(key.encode(), json.dumps({"k": key, "start": start, "n": n, "total": total}).encode())


kop.output("out", op.map("result", windows.down, result), brokers=[servers], topic=target)
cli_main(flow, epoch_interval=timedelta(seconds=10))
