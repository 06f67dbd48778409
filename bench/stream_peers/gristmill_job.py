import sys

import gristmill as gm
from gristmill.stream import tumbling

servers, source, target = sys.argv[1:4]
messages = gm.Stream.from_kafka(source, servers, schema={"k": "string", "v": "int64"}, metadata=["timestamp"])
counts = messages.with_watermark("_timestamp").window(tumbling("1s"), by="k").aggregate(n=gm.count(), total=gm.col("v").sum())
counts.select("k", "n", "total", start=gm.col("window_start").cast("int64")).write_kafka(target, servers, exactly_once=False)
