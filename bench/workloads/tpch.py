"""TPC-H queries from Parquet files, with the validation parameters; decimals stay decimals.

The SQL of all 22 is in tpch_queries.sql; this engine runs that text, too, but three written with frames. Polars has frames: tpch_polars.py.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import replace
from pathlib import Path

from . import tpch_polars
from .tpch_scale import q11_fraction
from .workload import Table, Workload, by_name, gm, sql


def _files(*names: str) -> dict[str, Table]:
    """Their paths come with the scale factor: see at()."""
    return {name: Table(name) for name in names}


def _q1_gristmill(t):
    price = gm.col("l_extendedprice") * (1 - gm.col("l_discount"))
    return (t.lineitem.filter(gm.col("l_shipdate") <= datetime.date(1998, 9, 2)).group_by("l_returnflag", "l_linestatus").agg(
        sum_qty=gm.col("l_quantity").sum(), sum_base_price=gm.col("l_extendedprice").sum(),
        sum_disc_price=price.sum(), sum_charge=(price * (1 + gm.col("l_tax"))).sum(),
        avg_qty=gm.col("l_quantity").mean(), avg_price=gm.col("l_extendedprice").mean(), avg_disc=gm.col("l_discount").mean(),
        count_order=gm.count()).sort("l_returnflag", "l_linestatus"))


_Q1 = Workload("q1", _files("lineitem"), sql("""
    select l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), sum(l_extendedprice * (1 - l_discount)),
           sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)), avg(l_quantity), avg(l_extendedprice), avg(l_discount), count(*)
    from lineitem where l_shipdate <= date '1998-09-02' group by l_returnflag, l_linestatus order by l_returnflag, l_linestatus""",
    polars=tpch_polars.q1, gristmill=_q1_gristmill), order=(0, 1), rounded=(6, 7, 8))


def _q3_gristmill(t):
    day = datetime.date(1995, 3, 15)
    orders = t.orders.filter(gm.col("o_orderdate") < day).join(t.customer.filter(gm.col("c_mktsegment") == "BUILDING"), left_on="o_custkey", right_on="c_custkey")
    return (t.lineitem.filter(gm.col("l_shipdate") > day).join(orders, left_on="l_orderkey", right_on="o_orderkey")
            .group_by("l_orderkey", "o_orderdate", "o_shippriority").agg(revenue=(gm.col("l_extendedprice") * (1 - gm.col("l_discount"))).sum())
            .select("l_orderkey", "revenue", "o_orderdate", "o_shippriority").sort("revenue", "o_orderdate", descending=[True, False]).head(10))


_Q3 = Workload("q3", _files("customer", "orders", "lineitem"), sql("""
    select l_orderkey, sum(l_extendedprice * (1 - l_discount)) as revenue, o_orderdate, o_shippriority
    from customer, orders, lineitem
    where c_mktsegment = 'BUILDING' and c_custkey = o_custkey and l_orderkey = o_orderkey and o_orderdate < date '1995-03-15' and l_shipdate > date '1995-03-15'
    group by l_orderkey, o_orderdate, o_shippriority order by revenue desc, o_orderdate limit 10""",
    polars=tpch_polars.q3, gristmill=_q3_gristmill), order=(1, 2))


def _q6_gristmill(t):
    return t.lineitem.filter(*tpch_polars.q6_condition(gm.col)).select(revenue=(gm.col("l_extendedprice") * gm.col("l_discount")).sum())


_Q6 = Workload("q6", _files("lineitem"), sql("""
    select sum(l_extendedprice * l_discount) as revenue from lineitem
    where l_shipdate >= date '1994-01-01' and l_shipdate < date '1995-01-01' and l_discount between 0.05 and 0.07 and l_quantity < 24""",
    polars=tpch_polars.q6, gristmill=_q6_gristmill))


def queries() -> dict[str, str]:
    """The texts by name, q1 to q22; FRACTION in q11 depends on the scale factor."""
    text = Path(__file__).with_name("tpch_queries.sql").read_text()
    parts = re.split(r"^-- (q\d+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], (q.strip() for q in parts[1::2])))


# Places of the columns that a result is ordered by, and of quotients, which engines give different numbers of digits.
_ORDER = {"q2": (0, 2, 1, 3), "q4": (0,), "q5": (1,), "q7": (0, 1, 2), "q8": (0,), "q9": (0, 1), "q10": (2,), "q11": (1,), "q12": (0,), "q13": (1, 0),
          "q15": (0,), "q16": (3, 0, 1, 2), "q18": (4, 3), "q20": (0,), "q21": (1, 0), "q22": (0,)}
_ROUNDED = {"q8": (1,), "q14": (0,), "q17": (0,)}


def _from_sql(name: str, text: str) -> Workload:
    text = text.replace("FRACTION", f"{q11_fraction():.10f}")
    tables = [t for t in ("part", "supplier", "partsupp", "customer", "orders", "lineitem", "nation", "region") if re.search(rf"\b{t}\b", text)]
    ours = lambda t: gm.sql(text, **{name: getattr(t, name) for name in tables})  # noqa: E731
    return Workload(name, _files(*tables), sql(text, polars=tpch_polars.QUERIES[name], gristmill=ours), order=_ORDER.get(name, ()), rounded=_ROUNDED.get(name, ()))


_BY_HAND = {"q1": _Q1, "q3": _Q3, "q6": _Q6}
WORKLOADS = by_name([_BY_HAND.get(name) or _from_sql(name, text) for name, text in queries().items()])


def at(workload: Workload, folder: Path) -> Workload:
    """The workload over the files of this folder."""
    return replace(workload, gate=1.8, tables={name: Table(name, path=str(folder / f"{name}.parquet")) for name in workload.tables})
