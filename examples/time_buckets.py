"""Windows of time: side by side, overlapping, and by calendar."""

import datetime as dt

import gristmill as gm
from gristmill import col

start = dt.datetime(2026, 1, 30, 22, 0)
readings = gm.from_pydict({
    "t": [start + dt.timedelta(minutes=17 * i) for i in range(24)],
    "sensor": ["north" if i % 3 else "south" for i in range(24)],
    "celsius": [20 + (7 * i % 11) / 2 for i in range(24)],
})

# Every hour, each sensor on its own.
print(readings.group_by_dynamic("t", every="1h", by="sensor").agg(col("celsius").mean().round(2), gm.count()).collect())

# The last three hours, every hour: windows overlap, and a reading is in three of them.
print(readings.group_by_dynamic("t", every="1h", period="3h", label="right").agg(col("celsius").max().alias("highest")).collect())

# Calendar months; rows need not be sorted.
months = readings.reverse().group_by_dynamic("t", every="1mo").agg(gm.count()).collect()
print(months)
assert sum(months["count"].to_pylist()) == 24
