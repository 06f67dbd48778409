"""Orders of a topic, counted by minute and zone, into a table of PostgreSQL: each order once, whatever happens in between.

    python examples/kafka_to_postgres.py fill localhost:9092                                      # orders of ten minutes into the topic "orders"
    python examples/kafka_to_postgres.py run  localhost:9092 postgresql://me@localhost/shop       # until it is stopped
    python examples/kafka_to_postgres.py run  localhost:9092 postgresql://me@localhost/shop end   # up to what the topic holds now

The topic must exist; the table is made. Stop it (Ctrl-C, kill -9) and start it again: it goes on where it was.
"""

from __future__ import annotations

import random
import sys
from datetime import datetime, timedelta, timezone

import gristmill as gm

COLUMNS = {"id": "int64", "zone": "string", "amount": "float64", "at": "timestamp(ms,UTC)"}


def fill(servers: str, orders: int = 60_000) -> None:
    began, draw = datetime.now(timezone.utc) - timedelta(minutes=10), random.Random(7)
    rows = [{"id": i, "zone": draw.choice("NESW"), "amount": draw.randrange(100, 20_000) / 100, "at": (began + timedelta(milliseconds=10 * i)).isoformat(timespec="milliseconds")}
            for i in range(orders)]
    gm.Stream.from_pylist(rows).write_kafka("orders", servers, key="zone", exactly_once=False)


def run(servers: str, database: str, end: bool) -> None:
    orders = gm.Stream.from_kafka("orders", servers, schema=COLUMNS, until="end" if end else None)
    per_minute = gm.Stream.from_sql("""
        select window_start, zone, count(*) as orders, sum(amount) as amount
        from tumble(orders, at, interval '1 minute') group by window_start, zone
    """, orders=orders.with_watermark("at", delay="5s", idle_after="5s"))
    job = per_minute.named("orders-per-minute").checkpoint("state/orders-per-minute", interval_seconds=2)
    job.write_postgres(database, "orders_per_minute", mode="create")


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        fill(sys.argv[2])
    else:
        try:
            run(sys.argv[2], sys.argv[3], sys.argv[4:] == ["end"])
        except KeyboardInterrupt:
            print("stopped; started again it goes on here")
