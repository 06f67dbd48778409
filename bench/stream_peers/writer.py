"""Writes messages into a topic at a rate (0: as fast as it can) for some seconds: python writer.py SERVERS TOPIC PARTITIONS KEYS RATE SECONDS OUT.

The messages are of a fixed set, keyed, their time is now; OUT gets how many there were of each key and second, and their sum.
"""

import collections
import json
import random
import sys
import time

from confluent_kafka import Producer

servers, topic = sys.argv[1:3]
partitions, keys = map(int, sys.argv[3:5])
rate, seconds, out = float(sys.argv[5]), float(sys.argv[6]), sys.argv[7]
draw = random.Random(7)
made = [(draw.randrange(keys), draw.randrange(-5000, 50_000)) for _ in range(4096)]
values = [json.dumps({"k": f"k{k}", "v": v}).encode() for k, v in made]
names = [f"k{k}".encode() for k, _ in made]
producer = Producer({"bootstrap.servers": servers, "linger.ms": 5, "compression.codec": "lz4", "log_level": 0, "queue.buffering.max.messages": 200_000})
failed: list[str] = []


def delivered(error: object, _: object) -> None:
    if error is not None:
        failed.append(str(error))


counts: dict[tuple[int, int], list[int]] = collections.defaultdict(lambda: [0, 0])
written, began, last = 0, time.monotonic(), 0
step = max(1, min(1000, int(rate / 200))) if rate else 1000
while time.monotonic() < began + seconds:
    now = last = max(last, int(time.time() * 1000))  # never back, so nothing is late
    second = now // 1000
    for i in range(written, written + step):
        at = i * 7919 % 4096
        k, v = made[at]
        while True:
            try:
                producer.produce(topic, values[at], names[at], partition=k % partitions, timestamp=now, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.05)
        count = counts[(second, k)]
        count[0] += 1
        count[1] += v
    written += step
    producer.poll(0)
    if rate:
        time.sleep(max(0.0, began + written / rate - time.monotonic()))
left = producer.flush(60)
with open(out, "w") as file:
    json.dump({"written": written, "seconds": time.monotonic() - began, "left": left, "failed": failed[:3],
               "counts": [[s * 1000, f"k{k}", *c] for (s, k), c in counts.items()]}, file)
