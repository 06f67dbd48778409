"""TPC-H's queries in Polars' frames. Polars joins in the order that is written, so this is an order for these data: small tables and filters first.

Nothing is left out that a query asks for; conditions stand as early as they can. Polars keeps the scale of a product's operands, so they get
the scale that the exact product has. Quotients are of floats.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from .tpch_scale import q11_fraction
from .workload import pl


def _scaled(column: str, scale: int = 4):
    return pl.col(column).cast(pl.Decimal(18, scale))


def _price(scale: int = 4):
    return _scaled("l_extendedprice", scale) * (1 - _scaled("l_discount", scale))


def _revenue():
    return _price().sum().alias("revenue")


def _within(column: str, first: date, end: date):
    return (pl.col(column) >= first) & (pl.col(column) < end)


def _as_float(expression):
    return expression.cast(pl.Float64)


def _suppliers_in(t, nation: str):
    return t.nation.filter(pl.col("n_name") == nation).join(t.supplier, left_on="n_nationkey", right_on="s_nationkey")


def _nations_in(t, region: str):
    return t.region.filter(pl.col("r_name") == region).join(t.nation, left_on="r_regionkey", right_on="n_regionkey")


def q1(t):
    return (t.lineitem.filter(pl.col("l_shipdate") <= date(1998, 9, 2)).group_by("l_returnflag", "l_linestatus").agg(
        pl.col("l_quantity").sum().alias("sum_qty"), pl.col("l_extendedprice").sum().alias("sum_base_price"),
        _price(6).sum().alias("sum_disc_price"), (_price(6) * (1 + _scaled("l_tax", 6))).sum().alias("sum_charge"),
        pl.col("l_quantity").mean().alias("avg_qty"), pl.col("l_extendedprice").mean().alias("avg_price"), pl.col("l_discount").mean().alias("avg_disc"),
        pl.len().alias("count_order")).sort("l_returnflag", "l_linestatus"))


def q2(t):
    suppliers = _nations_in(t, "EUROPE").join(t.supplier, left_on="n_nationkey", right_on="s_nationkey")
    offers = (t.part.filter((pl.col("p_size") == 15) & pl.col("p_type").str.ends_with("BRASS")).join(t.partsupp, left_on="p_partkey", right_on="ps_partkey")
              .join(suppliers, left_on="ps_suppkey", right_on="s_suppkey"))
    cheapest = offers.group_by("p_partkey").agg(pl.col("ps_supplycost").min())
    return (offers.join(cheapest, on=["p_partkey", "ps_supplycost"])
            .select("s_acctbal", "s_name", "n_name", "p_partkey", "p_mfgr", "s_address", "s_phone", "s_comment")
            .sort("s_acctbal", "n_name", "s_name", "p_partkey", descending=[True, False, False, False]).head(100))


def q3(t):
    day = date(1995, 3, 15)
    return (t.customer.filter(pl.col("c_mktsegment") == "BUILDING").join(t.orders.filter(pl.col("o_orderdate") < day), left_on="c_custkey", right_on="o_custkey")
            .join(t.lineitem.filter(pl.col("l_shipdate") > day), left_on="o_orderkey", right_on="l_orderkey")
            .group_by("o_orderkey", "o_orderdate", "o_shippriority").agg(_revenue())
            .select("o_orderkey", "revenue", "o_orderdate", "o_shippriority").sort("revenue", "o_orderdate", descending=[True, False]).head(10))


def q4(t):
    late = t.lineitem.filter(pl.col("l_commitdate") < pl.col("l_receiptdate"))
    return (t.orders.filter(_within("o_orderdate", date(1993, 7, 1), date(1993, 10, 1))).join(late, left_on="o_orderkey", right_on="l_orderkey", how="semi")
            .group_by("o_orderpriority").agg(order_count=pl.len()).sort("o_orderpriority"))


def q5(t):
    return (_nations_in(t, "ASIA").join(t.customer, left_on="n_nationkey", right_on="c_nationkey")
            .join(t.orders.filter(_within("o_orderdate", date(1994, 1, 1), date(1995, 1, 1))), left_on="c_custkey", right_on="o_custkey")
            .join(t.lineitem, left_on="o_orderkey", right_on="l_orderkey")
            .join(t.supplier, left_on=["l_suppkey", "n_nationkey"], right_on=["s_suppkey", "s_nationkey"])
            .group_by("n_name").agg(_revenue()).sort("revenue", descending=True))


def q6_condition(col):
    return [col("l_shipdate") >= date(1994, 1, 1), col("l_shipdate") < date(1995, 1, 1),
            col("l_discount") >= Decimal("0.05"), col("l_discount") <= Decimal("0.07"), col("l_quantity") < 24]


def q6(t):
    return t.lineitem.filter(*q6_condition(pl.col)).select(revenue=(_scaled("l_extendedprice") * _scaled("l_discount")).sum())


def q7(t):
    two = t.nation.filter(pl.col("n_name").is_in(["FRANCE", "GERMANY"]))
    customers = two.join(t.customer, left_on="n_nationkey", right_on="c_nationkey").select("c_custkey", cust_nation="n_name")
    suppliers = two.join(t.supplier, left_on="n_nationkey", right_on="s_nationkey").select("s_suppkey", supp_nation="n_name")
    lines = t.lineitem.filter(_within("l_shipdate", date(1995, 1, 1), date(1997, 1, 1))).join(suppliers, left_on="l_suppkey", right_on="s_suppkey")
    return (customers.join(t.orders, left_on="c_custkey", right_on="o_custkey").join(lines, left_on="o_orderkey", right_on="l_orderkey")
            .filter(pl.col("supp_nation") != pl.col("cust_nation")).group_by("supp_nation", "cust_nation", pl.col("l_shipdate").dt.year().alias("l_year"))
            .agg(_revenue()).sort("supp_nation", "cust_nation", "l_year"))


def q8(t):
    customers = _nations_in(t, "AMERICA").join(t.customer, left_on="n_nationkey", right_on="c_nationkey")
    orders = t.orders.filter(_within("o_orderdate", date(1995, 1, 1), date(1997, 1, 1))).join(customers, left_on="o_custkey", right_on="c_custkey", how="semi")
    volume = pl.col("volume")
    return (t.part.filter(pl.col("p_type") == "ECONOMY ANODIZED STEEL").join(t.lineitem, left_on="p_partkey", right_on="l_partkey")
            .join(orders, left_on="l_orderkey", right_on="o_orderkey").join(t.supplier, left_on="l_suppkey", right_on="s_suppkey")
            .join(t.nation, left_on="s_nationkey", right_on="n_nationkey")
            .select("n_name", o_year=pl.col("o_orderdate").dt.year(), volume=_price()).group_by("o_year")
            .agg(mkt_share=_as_float(volume.filter(pl.col("n_name") == "BRAZIL").sum()) / _as_float(volume.sum())).sort("o_year"))


def q9(t):
    amount = _price() - _scaled("ps_supplycost") * _scaled("l_quantity")
    return (t.part.filter(pl.col("p_name").str.contains("green", literal=True)).join(t.partsupp, left_on="p_partkey", right_on="ps_partkey")
            .join(t.supplier, left_on="ps_suppkey", right_on="s_suppkey")
            .join(t.lineitem, left_on=["p_partkey", "ps_suppkey"], right_on=["l_partkey", "l_suppkey"])
            .join(t.orders, left_on="l_orderkey", right_on="o_orderkey").join(t.nation, left_on="s_nationkey", right_on="n_nationkey")
            .select(nation="n_name", o_year=pl.col("o_orderdate").dt.year(), amount=amount)
            .group_by("nation", "o_year").agg(sum_profit=pl.col("amount").sum()).sort("nation", "o_year", descending=[False, True]))


def q10(t):
    return (t.orders.filter(_within("o_orderdate", date(1993, 10, 1), date(1994, 1, 1)))
            .join(t.lineitem.filter(pl.col("l_returnflag") == "R"), left_on="o_orderkey", right_on="l_orderkey")
            .join(t.customer, left_on="o_custkey", right_on="c_custkey").join(t.nation, left_on="c_nationkey", right_on="n_nationkey")
            .group_by("o_custkey", "c_name", "c_acctbal", "c_phone", "n_name", "c_address", "c_comment").agg(_revenue())
            .select("o_custkey", "c_name", "revenue", "c_acctbal", "n_name", "c_address", "c_phone", "c_comment").sort("revenue", descending=True).head(20))


def q11(t):
    stock = _suppliers_in(t, "GERMANY").join(t.partsupp, left_on="s_suppkey", right_on="ps_suppkey")
    value = (_scaled("ps_supplycost", 2) * _scaled("ps_availqty", 2)).sum()
    return (stock.group_by("ps_partkey").agg(value=value).join(stock.select(whole=value), how="cross")
            .filter(_as_float(pl.col("value")) > _as_float(pl.col("whole")) * q11_fraction()).select("ps_partkey", "value").sort("value", descending=True))


def q12(t):
    lines = t.lineitem.filter(pl.col("l_shipmode").is_in(["MAIL", "SHIP"]), _within("l_receiptdate", date(1994, 1, 1), date(1995, 1, 1)),
                              pl.col("l_commitdate") < pl.col("l_receiptdate"), pl.col("l_shipdate") < pl.col("l_commitdate"))
    high = pl.col("o_orderpriority").is_in(["1-URGENT", "2-HIGH"])
    return (lines.join(t.orders, left_on="l_orderkey", right_on="o_orderkey").group_by("l_shipmode")
            .agg(high_line_count=high.sum(), low_line_count=high.not_().sum()).sort("l_shipmode"))


def q13(t):
    orders = t.orders.filter(~pl.col("o_comment").str.contains("special.*requests"))
    return (t.customer.join(orders, left_on="c_custkey", right_on="o_custkey", how="left").group_by("c_custkey").agg(c_count=pl.col("o_orderkey").count())
            .group_by("c_count").agg(custdist=pl.len()).sort("custdist", "c_count", descending=True))


def q14(t):
    price = pl.col("price")
    return (t.lineitem.filter(_within("l_shipdate", date(1995, 9, 1), date(1995, 10, 1))).join(t.part, left_on="l_partkey", right_on="p_partkey")
            .select("p_type", price=_price())
            .select(promo_revenue=100.0 * _as_float(price.filter(pl.col("p_type").str.starts_with("PROMO")).sum()) / _as_float(price.sum())))


def q15(t):
    total = pl.col("total_revenue")
    revenue = t.lineitem.filter(_within("l_shipdate", date(1996, 1, 1), date(1996, 4, 1))).group_by("l_suppkey").agg(total_revenue=_price().sum())
    return (revenue.filter(total == total.max()).join(t.supplier, left_on="l_suppkey", right_on="s_suppkey")
            .select("l_suppkey", "s_name", "s_address", "s_phone", "total_revenue").sort("l_suppkey"))


def q16(t):
    parts = t.part.filter(pl.col("p_brand") != "Brand#45", ~pl.col("p_type").str.starts_with("MEDIUM POLISHED"),
                          pl.col("p_size").is_in([49, 14, 23, 45, 19, 3, 36, 9]))
    complained = t.supplier.filter(pl.col("s_comment").str.contains("Customer.*Complaints"))
    return (parts.join(t.partsupp, left_on="p_partkey", right_on="ps_partkey").join(complained, left_on="ps_suppkey", right_on="s_suppkey", how="anti")
            .group_by("p_brand", "p_type", "p_size").agg(supplier_cnt=pl.col("ps_suppkey").n_unique())
            .sort("supplier_cnt", "p_brand", "p_type", "p_size", descending=[True, False, False, False]))


def q17(t):
    lines = (t.part.filter((pl.col("p_brand") == "Brand#23") & (pl.col("p_container") == "MED BOX"))
             .join(t.lineitem, left_on="p_partkey", right_on="l_partkey").select("p_partkey", "l_extendedprice", quantity=_as_float(pl.col("l_quantity"))))
    of_part = lines.group_by("p_partkey").agg(total=pl.col("quantity").sum(), lines=pl.len())
    # A fifth of the mean without its rounding.
    return (lines.join(of_part, on="p_partkey").filter(pl.col("quantity") * 5 * pl.col("lines") < pl.col("total"))
            .select(avg_yearly=pl.when(pl.len() > 0).then(_as_float(pl.col("l_extendedprice").sum()) / 7.0)))  # of no lines: null, not 0


def q18(t):
    large = t.lineitem.group_by("l_orderkey").agg(total=pl.col("l_quantity").sum()).filter(pl.col("total") > 300)
    return (t.orders.join(large, left_on="o_orderkey", right_on="l_orderkey", how="semi").join(t.lineitem, left_on="o_orderkey", right_on="l_orderkey")
            .join(t.customer, left_on="o_custkey", right_on="c_custkey")
            .group_by("c_name", "o_custkey", "o_orderkey", "o_orderdate", "o_totalprice").agg(quantity=pl.col("l_quantity").sum())
            .sort("o_totalprice", "o_orderdate", descending=[True, False]).head(100))


def q19(t):
    quantity, size = pl.col("l_quantity"), pl.col("p_size")

    def kind(brand: str, containers: str, least: int, largest: int):
        return ((pl.col("p_brand") == brand) & pl.col("p_container").is_in(containers.split(",")) & (quantity >= least) & (quantity <= least + 10)
                & (size >= 1) & (size <= largest))

    lines = t.lineitem.filter(pl.col("l_shipmode").is_in(["AIR", "AIR REG"]), pl.col("l_shipinstruct") == "DELIVER IN PERSON")
    return (t.part.filter(pl.col("p_brand").is_in(["Brand#12", "Brand#23", "Brand#34"])).join(lines, left_on="p_partkey", right_on="l_partkey")
            .filter(kind("Brand#12", "SM CASE,SM BOX,SM PACK,SM PKG", 1, 5) | kind("Brand#23", "MED BAG,MED BOX,MED PKG,MED PACK", 10, 10)
                    | kind("Brand#34", "LG CASE,LG BOX,LG PACK,LG PKG", 20, 15)).select(_revenue()))


def q20(t):
    forest = t.part.filter(pl.col("p_name").str.starts_with("forest"))
    sold = (t.lineitem.filter(_within("l_shipdate", date(1994, 1, 1), date(1995, 1, 1))).join(forest, left_on="l_partkey", right_on="p_partkey", how="semi")
            .group_by("l_partkey", "l_suppkey").agg(quantity=pl.col("l_quantity").sum()))
    much = (t.partsupp.join(forest, left_on="ps_partkey", right_on="p_partkey", how="semi")
            .join(sold, left_on=["ps_partkey", "ps_suppkey"], right_on=["l_partkey", "l_suppkey"]).filter(pl.col("ps_availqty") * 2 > _as_float(pl.col("quantity"))))
    return _suppliers_in(t, "CANADA").join(much, left_on="s_suppkey", right_on="ps_suppkey", how="semi").select("s_name", "s_address").sort("s_name")


def q21(t):
    supplier, late = pl.col("l_suppkey"), pl.col("l_receiptdate") > pl.col("l_commitdate")
    waiting = (t.lineitem.filter(late).join(_suppliers_in(t, "SAUDI ARABIA"), left_on="l_suppkey", right_on="s_suppkey")
               .join(t.orders.filter(pl.col("o_orderstatus") == "F"), left_on="l_orderkey", right_on="o_orderkey", how="semi"))
    blamed = (t.lineitem.join(waiting, on="l_orderkey", how="semi").group_by("l_orderkey")
              .agg(several=supplier.min() != supplier.max(), alone=supplier.filter(late).min() == supplier.filter(late).max())
              .filter(pl.col("several") & pl.col("alone")))
    return (waiting.join(blamed, on="l_orderkey", how="semi").group_by("s_name").agg(numwait=pl.len())
            .sort("numwait", "s_name", descending=[True, False]).head(100))


def q22(t):
    customers = (t.customer.with_columns(cntrycode=pl.col("c_phone").str.slice(0, 2))
                 .filter(pl.col("cntrycode").is_in(["13", "31", "23", "29", "30", "18", "17"])))
    mean = customers.filter(pl.col("c_acctbal") > 0).select(mean=_as_float(pl.col("c_acctbal")).mean())
    return (customers.join(mean, how="cross").filter(_as_float(pl.col("c_acctbal")) > pl.col("mean"))
            .join(t.orders, left_on="c_custkey", right_on="o_custkey", how="anti")
            .group_by("cntrycode").agg(numcust=pl.len(), totacctbal=pl.col("c_acctbal").sum()).sort("cntrycode"))


QUERIES = {f"q{n}": globals()[f"q{n}"] for n in range(1, 23)}
