"""Joins: equal keys, nearest times, and tables turned round."""

import datetime as dt

import gristmill as gm
from gristmill import col

orders = gm.from_pydict({"order": [1, 2, 3, 4], "customer": ["ada", "bob", "ada", "eve"], "amount": [10.0, 20.0, 5.0, 7.5]})
customers = gm.from_pydict({"customer": ["ada", "bob", "cyd"], "city": ["London", "Oslo", "Rome"]})

print(orders.join(customers, on="customer", how="left").collect())
print(orders.join(customers, on="customer", how="anti").collect())  # orders of nobody we know

# The last quote not after each trade, of the same symbol, not older than a second.
start = dt.datetime(2026, 1, 5, 9, 30)
trades = gm.from_pydict({"t": [start + dt.timedelta(milliseconds=ms) for ms in (120, 700, 2500)], "symbol": ["X", "Y", "X"], "size": [5, 1, 3]})
quotes = gm.from_pydict({"t": [start + dt.timedelta(milliseconds=ms) for ms in (100, 650, 900)], "symbol": ["X", "Y", "X"], "bid": [10.0, 7.0, 10.2]})
print(trades.join_asof(quotes, on="t", by="symbol", tolerance=dt.timedelta(seconds=1)).collect())

# Wide and long.
wide = orders.join(customers, on="customer").pivot("city", index="customer", values="amount", aggregate="sum")
print(wide.collect())
print(wide.unpivot(index="customer", variable_name="city", value_name="amount").filter(col("amount").is_not_null()).collect())
