"""A table, a query, the answer: in Python's methods and in SQL."""

import gristmill as gm
from gristmill import col

trips = gm.from_pydict({
    "zone": ["JFK", "LGA", "JFK", "EWR", "LGA", "JFK"],
    "fare": [52.0, 18.5, 61.0, None, 22.0, 49.5],
    "km": [25.1, 9.4, 28.3, 14.0, 11.2, 24.8],
})

# Nothing runs before collect(): a frame is a plan.
by_zone = (trips
           .drop_nulls("fare")
           .with_columns(per_km=col("fare") / col("km"))
           .group_by("zone").agg(col("per_km").mean().round(2), col("fare").sum().alias("total"), gm.count())
           .sort("total", descending=True))
print(by_zone.explain())
table = by_zone.collect()
print(table)

# The same in SQL; variables are tables.
sql = gm.sql("select zone, sum(fare) as total from trips where fare is not null group by zone order by total desc").collect()
assert sql["total"].to_pylist() == table["total"].to_pylist()

# Out of the engine: pandas, polars, numpy, Arrow, Python.
print(table.to_pandas())
print(trips.describe())
