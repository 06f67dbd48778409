"""A star schema of a trading company: seeded, any size, with what makes such schemas hard.

Facts (sales in stores, sales on sites, returns of both, stock counts) around dimensions (days, products, stores, customers,
households, promotions, sites, reasons). Foreign keys are NULL here and there and skewed, some lead nowhere, a fact has two days, money is
decimal, weights are floats, texts repeat. `tables(sales)` gives the same rows wherever it runs.
"""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa

SEED = 20260
FIRST_DAY, DAYS = datetime.date(2020, 1, 1), 1461
CATEGORIES = {"Books": ["atlases", "cooking", "crime", "poems"], "Garden": ["seeds", "tools", "pots"], "Home": ["lamps", "rugs", "chairs", "tables"],
              "Music": ["choir", "jazz", "rock"], "Shoes": ["boots", "sandals"], "Sport": ["balls", "bikes", "nets", "oars"]}
BRANDS = ["Alder", "Birch", "Cedar", "Elm", "Hazel", "Larch", "Maple", "Rowan", "Spruce", "Willow"]
COLOURS = ["amber", "blue", "coral", "green", "ivory", "plum", "slate"]
STATES = ["AZ", "CA", "CO", "GA", "IL", "NY", "OR", "TX", "WA"]
CITIES = ["Arden", "Brook", "Clyde", "Dover", "Eden", "Fulton", "Galt", "Hadley", "Irving", "Juno", "Keene", "Lyons"]
FIRST_NAMES = ["Ada", "Boris", "Chloe", "Dmitri", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Liam", "Mona", "Nils"]
LAST_NAMES = ["Abel", "Berg", "Cruz", "Dahl", "Egan", "Frost", "Gruber", "Haas", "Ivers", "Jansen", "Kowal", "Lund", "Meyer", "Novak", "Ortiz"]
REASONS = ["arrived late", "broken", "changed my mind", "found it cheaper", "gift not wanted", "wrong size", "other"]


def _cents(values: np.ndarray, precision: int = 9) -> pa.Array:
    return pa.array([None if v is None else Decimal(int(v)).scaleb(-2) for v in values.tolist()], pa.decimal128(precision, 2))


def _nulled(rng: np.random.Generator, values: np.ndarray, share: float, dtype: pa.DataType | None = None) -> pa.Array:
    return pa.array(values, dtype, mask=rng.random(len(values)) < share)


def _skewed(rng: np.random.Generator, keys: int, n: int) -> np.ndarray:
    """Keys 1..keys, low ones much more often."""
    return (keys * rng.random(n) ** 2.2).astype(np.int64) + 1


def _pick(rng: np.random.Generator, entries: list[str], n: int, nulls: float = 0.0) -> pa.Array:
    return _nulled(rng, np.array(entries, dtype=object)[rng.integers(0, len(entries), n)], nulls, pa.string())


def days() -> pa.Table:
    dates = [FIRST_DAY + datetime.timedelta(days=i) for i in range(DAYS)]
    return pa.table({
        "day_key": pa.array(range(1, DAYS + 1), pa.int32()), "day": pa.array(dates, pa.date32()), "year": pa.array([d.year for d in dates], pa.int32()),
        "quarter": pa.array([(d.month + 2) // 3 for d in dates], pa.int32()), "month": pa.array([d.month for d in dates], pa.int32()),
        "month_number": pa.array([(d.year - FIRST_DAY.year) * 12 + d.month for d in dates], pa.int32()),
        "week_number": pa.array([i // 7 + 1 for i in range(DAYS)], pa.int32()), "weekday": pa.array([d.strftime("%A") for d in dates]),
        "holiday": pa.array([(d.month, d.day) in {(1, 1), (5, 1), (7, 4), (12, 25), (12, 26)} for d in dates])})


def products(rng: np.random.Generator, n: int) -> pa.Table:
    categories = list(CATEGORIES)
    category = [categories[i] for i in rng.integers(0, len(categories), n)]
    kind = [CATEGORIES[c][int(rng.integers(0, len(CATEGORIES[c])))] for c in category]
    price = rng.integers(99, 30_000, n)
    return pa.table({
        "product_key": pa.array(range(1, n + 1), pa.int64()), "product_id": pa.array([f"P{i:06d}" for i in range(1, n + 1)]),
        "name": pa.array([f"{COLOURS[i % 7]} {k} {i}" for i, k in enumerate(kind)]), "brand": _pick(rng, BRANDS, n, 0.03),
        "category": _nulled(rng, np.array(category, dtype=object), 0.02, pa.string()), "kind": pa.array(kind), "colour": _pick(rng, COLOURS, n, 0.05),
        "maker": pa.array(rng.integers(1, 40, n), pa.int32()), "size": _nulled(rng, rng.integers(1, 12, n), 0.1, pa.int32()),
        "price": _cents(price), "cost": _cents(price * rng.integers(30, 80, n) // 100)})


def stores(rng: np.random.Generator, n: int) -> pa.Table:
    closed = [None if rng.random() < 0.8 else FIRST_DAY + datetime.timedelta(days=int(rng.integers(200, DAYS))) for _ in range(n)]
    return pa.table({
        "store_key": pa.array(range(1, n + 1), pa.int32()), "store_id": pa.array([f"S{i:03d}" for i in range(1, n + 1)]),
        "name": pa.array([f"store {CITIES[i % len(CITIES)]}" for i in range(n)]), "city": _pick(rng, CITIES, n), "state": _pick(rng, STATES, n),
        "closed": pa.array(closed, pa.date32()), "floor_space": _nulled(rng, rng.integers(200, 9000, n), 0.1, pa.int32()),
        "tax": pa.array([Decimal(int(v)).scaleb(-2) for v in rng.integers(0, 12, n)], pa.decimal128(5, 2))})


def households(rng: np.random.Generator, n: int) -> pa.Table:
    return pa.table({
        "household_key": pa.array(range(1, n + 1), pa.int32()), "income_band": _nulled(rng, rng.integers(1, 21, n), 0.02, pa.int32()),
        "dependants": pa.array(rng.integers(0, 7, n), pa.int32()), "vehicles": pa.array(rng.integers(-1, 5, n), pa.int32()),
        "potential": _pick(rng, ["0-500", "501-1000", "1001-5000", ">5000", "unknown"], n)})


def customers(rng: np.random.Generator, n: int, households_: int) -> pa.Table:
    return pa.table({
        "customer_key": pa.array(range(1, n + 1), pa.int64()), "customer_id": pa.array([f"C{i:07d}" for i in range(1, n + 1)]),
        "first_name": _pick(rng, FIRST_NAMES, n, 0.03), "last_name": _pick(rng, LAST_NAMES, n, 0.02), "city": _pick(rng, CITIES, n, 0.02),
        "state": _pick(rng, STATES, n, 0.02), "birth_year": _nulled(rng, rng.integers(1930, 2004, n), 0.04, pa.int32()),
        "birth_month": _nulled(rng, rng.integers(1, 13, n), 0.04, pa.int32()),
        "household_key": _nulled(rng, rng.integers(1, households_ + 1, n), 0.05, pa.int32()),
        "since": pa.array([FIRST_DAY - datetime.timedelta(days=int(v)) for v in rng.integers(-400, 3000, n)], pa.date32())})


def promotions(n: int) -> pa.Table:
    return pa.table({
        "promotion_key": pa.array(range(1, n + 1), pa.int32()), "name": pa.array([f"{c} weeks" for c in (COLOURS * n)[:n]]),
        "by_mail": pa.array([i % 2 == 0 for i in range(n)]), "on_air": pa.array([i % 3 == 0 for i in range(n)]), "cost": _cents(np.arange(n) * 12_345 + 1000)})


def _lines(rng: np.random.Generator, n: int, product_keys: int, customer_keys: int, promotion_keys: int) -> dict[str, pa.Array]:
    """What all sales have: lines that share the day, buyer and number of their order."""
    order = np.sort(rng.integers(1, max(n // 3, 2), n))
    day_of, customer_of = rng.integers(1, DAYS + 1, n + 1), _skewed(rng, customer_keys, n + 1)
    quantity = rng.integers(1, 100, n)
    list_price = rng.integers(100, 30_000, n)
    price = list_price * rng.integers(20, 101, n) // 100
    return {
        "day_key": _nulled(rng, day_of[order], 0.02, pa.int32()), "product_key": pa.array(_skewed(rng, product_keys, n), pa.int64()),
        "customer_key": _nulled(rng, customer_of[order], 0.03, pa.int64()),
        "promotion_key": _nulled(rng, rng.integers(1, promotion_keys + 3, n), 0.4, pa.int32()),  # the last two are nowhere
        "order_number": pa.array(order, pa.int64()), "quantity": _nulled(rng, quantity, 0.03, pa.int32()), "list_price": _cents(list_price),
        "price": _cents(price), "amount": _cents(price * quantity, 12), "discount": _cents(np.where(rng.random(n) < 0.6, 0, price * quantity // 10), 12),
        "profit": _cents((price - list_price // 2) * quantity, 12)}


def _returned(rng: np.random.Generator, sales: pa.Table, share: float, place: str) -> pa.Table:
    """Some lines come back some days later, a few of them twice."""
    chosen = np.sort(np.concatenate([np.flatnonzero(rng.random(sales.num_rows) < share), rng.integers(0, sales.num_rows, 5)]))
    lines = sales.take(pa.array(chosen))
    n = lines.num_rows
    bought = np.array(lines["day_key"].fill_null(1).to_pylist())
    kept = np.array(lines["quantity"].fill_null(4).to_pylist())
    quantity = 1 + (kept - 1) * rng.integers(0, 101, n) // 100
    cents = np.array([int(v.scaleb(2)) for v in lines["price"].to_pylist()])
    return pa.table({
        "day_key": _nulled(rng, np.minimum(bought + rng.integers(1, 90, n), DAYS), 0.02, pa.int32()), "product_key": lines["product_key"],
        "customer_key": lines["customer_key"], place: lines[place], "order_number": lines["order_number"],
        "reason_key": _nulled(rng, rng.integers(1, len(REASONS) + 1, n), 0.05, pa.int32()), "quantity": pa.array(quantity, pa.int32()),
        "amount": _cents(cents * quantity, 12), "fee": _cents(rng.integers(0, 5000, n))})


def tables(sales: int = 6000) -> dict[str, pa.Table]:
    """The schema with so many lines sold in stores; everything else follows from that."""
    rng = np.random.default_rng([SEED, sales])
    n_products, n_customers, n_stores, n_sites = max(sales // 20, 20), max(sales // 12, 30), 12, 4
    out = {"days": days(), "products": products(rng, n_products), "stores": stores(rng, n_stores), "households": households(rng, 60),
           "customers": customers(rng, n_customers, 60), "promotions": promotions(15),
           "sites": pa.table({"site_key": pa.array(range(1, n_sites + 1), pa.int32()), "name": pa.array(["able", "baker", "charlie", "dog"])}),
           "reasons": pa.table({"reason_key": pa.array(range(1, len(REASONS) + 1), pa.int32()), "reason": pa.array(REASONS)})}
    lines = _lines(rng, sales, n_products, n_customers, 15)
    out["store_sales"] = pa.table({**lines, "store_key": _nulled(rng, rng.integers(1, n_stores + 1, sales), 0.02, pa.int32()),
                                   "second": _nulled(rng, rng.integers(0, 86_400, sales), 0.02, pa.int32())})
    web = max(sales // 2, 40)
    lines = _lines(rng, web, n_products, n_customers, 15)
    shipped = np.array(lines["day_key"].fill_null(7).to_pylist()) + rng.integers(0, 130, web)
    out["web_sales"] = pa.table({**lines, "site_key": _nulled(rng, rng.integers(1, n_sites + 1, web), 0.02, pa.int32()),
                                 "ship_day_key": _nulled(rng, shipped, 0.03, pa.int32()), "ship_cost": _cents(rng.integers(0, 4000, web)),
                                 "weight": _nulled(rng, np.round(rng.lognormal(0.5, 1.1, web), 3), 0.02, pa.float64())})
    out["store_returns"] = _returned(rng, out["store_sales"], 0.12, "store_key")
    out["web_returns"] = _returned(rng, out["web_sales"], 0.15, "site_key")
    weeks, counted = np.arange(1, DAYS + 1, 14), max(n_products // 5, 10)
    out["stock"] = pa.table({
        "day_key": pa.array(np.repeat(weeks, counted), pa.int32()), "product_key": pa.array(np.tile(np.arange(1, counted + 1), len(weeks)), pa.int64()),
        "store_key": pa.array(rng.integers(1, n_stores + 1, counted * len(weeks)), pa.int32()),
        "on_hand": _nulled(rng, rng.integers(0, 900, counted * len(weeks)), 0.05, pa.int32())})
    return out
