"""Nexmark: persons, auctions and bids of an auction house, and the questions its first streams were asked.

Of 50 events one is a person, three are auctions, 46 are bids, an event a millisecond; bids arrive up to 50 ms late. Half of the bids are for
one hot auction of each hundred. Streams answer with windows, joins within a time and rolling means; the answer must be that of `batch`, the SQL
of another engine over the whole tables. Where the original leaves a choice it is taken so that the batch has one answer: q6 takes a seller's
auctions in the order in which they opened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from .tables import Rng, pick, table, text
from .workload import gm

EPOCH = 1_700_000_000_000  # milliseconds
OF = {"person": 1, "auction": 3, "bid": 46}  # of 50 events
LATE = 50  # a bid arrives at most so many milliseconds behind its time
LONGEST = 20_000  # an auction is open for at most so many
WINDOW, STEP = 10_000, 2_000
FIRST_ID = 1000
COLUMNS = {"person": ("id", "name", "city", "state", "ts"), "auction": ("id", "seller", "category", "initial", "expires", "ts"),
           "bid": ("auction", "bidder", "price", "channel", "ts")}


def event_number(kind: str, i: np.ndarray) -> np.ndarray:
    return i // OF[kind] * 50 + {"person": 0, "auction": 1, "bid": 4}[kind] + i % OF[kind]


@table
def nexmark_person(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    i = np.arange(first, first + n)
    return {"id": FIRST_ID + i, "name": text("person ", rng.integers(0, 10_000, n), 4), "city": pick(rng, ["Phoenix", "Portland", "Boise", "Bend", "Seattle"], n),
            "state": pick(rng, ["AZ", "CA", "ID", "OR", "WA", "WY"], n), "ts": EPOCH + event_number("person", i)}


@table
def nexmark_auction(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    i = np.arange(first, first + n)
    e = event_number("auction", i)
    last = e // 50  # person there is
    seller = np.where(rng.random(n) < 0.25, last // 100 * 100, np.maximum(last - rng.integers(0, 1000, n), 0))
    ts = EPOCH + e
    return {"id": FIRST_ID + i, "seller": FIRST_ID + seller, "category": 10 + rng.integers(0, 5, n), "initial": rng.integers(100, 10_000, n),
            "expires": ts + rng.integers(1000, LONGEST, n), "ts": ts}


@table
def nexmark_bid(rng: Rng, first: int, n: int, rows: int) -> dict[str, pa.Array]:
    i = np.arange(first, first + n)
    e = event_number("bid", i)
    last = e // 50 * 3 + 2  # auction there is
    auction = np.where(rng.random(n) < 0.5, last // 100 * 100, np.maximum(last - rng.integers(0, 100, n), 0))
    bidder = np.maximum(e // 50 - rng.integers(0, 1000, n), 0)
    return {"auction": FIRST_ID + auction, "bidder": FIRST_ID + bidder, "price": np.round(100 * 10 ** (rng.random(n) * 6)).astype(np.int64),
            "channel": pick(rng, ["Google", "Apple", "Baidu", "Facebook"], n), "ts": EPOCH + e + LATE - 1 - rng.integers(0, LATE, n)}


class Sources:
    """Each name gives a new stream over the batches of that table, with its event time."""

    def __init__(self, batches: dict[str, list[pa.RecordBatch]]) -> None:
        self._batches = batches

    def _of(self, kind: str) -> Any:
        return gm.Stream.from_batches(self._batches[kind]).with_watermark("ts", LATE)

    @property
    def person(self) -> Any:
        return self._of("person")

    @property
    def auction(self) -> Any:
        return self._of("auction")

    @property
    def bid(self) -> Any:
        return self._of("bid")


@dataclass(frozen=True)
class Query:
    """`reads`: the tables, as often as each is read. `rounded`: places of means, of which engines keep different last digits."""

    name: str
    what: str
    reads: tuple[str, ...]
    ours: Callable[[Sources], Any]
    batch: str
    rounded: tuple[int, ...] = ()


def _final_prices(s: Sources, *by: str) -> Any:
    """The highest bid of each auction while it was open, once it is over."""
    bids = s.auction.interval_join(s.bid, left_on="id", right_on="auction", upper=LONGEST).filter(gm.col("ts_right") <= gm.col("expires"))
    return bids.window(gm.stream.tumbling(STEP), by=["id", *by]).aggregate(final=gm.col("price").max(), opened=gm.col("ts").first())


def _average_by_category(s: Sources) -> Any:
    return _final_prices(s, "category").group_by("category").aggregate(average=gm.col("final").mean())


def _seller_prices(s: Sources) -> Any:
    final = _final_prices(s, "seller").with_watermark("opened", STEP)
    return final.rolling("final", 10, "mean", by="seller", min_periods=1, name="average").select("seller", "id", "average")


def _hot_items(s: Sources) -> Any:
    def counts() -> Any:
        return s.bid.window(gm.stream.hopping(WINDOW, STEP), by="auction").aggregate(bids=gm.count())

    most = counts().window(gm.stream.tumbling(STEP)).aggregate(most=gm.col("bids").max())
    both = counts().interval_join(most, left_on="window_end", right_on="window_start", lower=STEP, upper=STEP)
    return both.filter(gm.col("bids") == gm.col("most")).select("window_end", "auction", "bids")


def _highest_bids(s: Sources) -> Any:
    best = s.bid.window(gm.stream.tumbling(WINDOW)).aggregate(price=gm.col("price").max())
    return s.bid.interval_join(best, on="price", lower=1, upper=WINDOW).select("auction", "bidder", "price", "ts")


def _new_sellers(s: Sources) -> Any:
    people = s.person.window(gm.stream.tumbling(WINDOW), by=["id", "name"]).aggregate(n=gm.count())
    sellers = s.auction.window(gm.stream.tumbling(WINDOW), by="seller").aggregate(n=gm.count())
    return people.interval_join(sellers, left_on="id", right_on="seller", upper=0).select("id", "name", "window_start")


_FINAL = """select a.id, a.category, a.seller, a.ts, max(b.price) as final from auction a join bid b on b.auction = a.id and b.ts between a.ts and a.expires
group by a.id, a.category, a.seller, a.ts"""

QUERIES = {q.name: q for q in (
    Query("q0", "pass through", ("bid",), lambda s: s.bid, "select * from bid"),
    Query("q1", "prices in another currency", ("bid",), lambda s: s.bid.select("auction", "bidder", "ts", price=gm.col("price") * 0.908),
          "select auction, bidder, ts, price * 0.908::double from bid"),
    Query("q2", "bids for some auctions", ("bid",), lambda s: s.bid.filter(gm.col("auction") % 123 == 0).select("auction", "price"),
          "select auction, price from bid where auction % 123 = 0"),
    Query("q3", "who sells in three states", ("person", "auction"),
          lambda s: s.person.filter(gm.col("state").is_in(["OR", "ID", "CA"])).interval_join(
              s.auction.filter(gm.col("category") == 10), left_on="id", right_on="seller", upper=1100 * 50).select("name", "city", "state", "id_right"),
          "select p.name, p.city, p.state, a.id from person p join auction a on a.seller = p.id where a.category = 10 and p.state in ('OR', 'ID', 'CA')"),
    Query("q4", "average final price by category", ("auction", "bid"), _average_by_category,
          f"select category, avg(final) from ({_FINAL}) group by category", rounded=(1,)),
    Query("q5", "auctions with most bids, 10 s every 2 s", ("bid", "bid"), _hot_items,
          f"""with hops as (select b.auction, (b.ts // {STEP} + k + 1) * {STEP} as window_end from bid b, range({WINDOW // STEP}) r(k)),
              counted as (select window_end, auction, count(*) as bids from hops group by window_end, auction)
              select window_end, auction, bids from counted qualify bids = max(bids) over (partition by window_end)"""),
    Query("q6", "average of a seller's last ten final prices", ("auction", "bid"), _seller_prices,
          f"select seller, id, avg(final) over (partition by seller order by ts rows between 9 preceding and current row) from ({_FINAL})", rounded=(2,)),
    Query("q7", "highest bids of each 10 s", ("bid", "bid"), _highest_bids,
          f"select auction, bidder, price, ts from bid qualify price = max(price) over (partition by ts // {WINDOW})"),
    Query("q8", "new persons who sell in the same 10 s", ("person", "auction"), _new_sellers,
          f"""select p.id, p.name, p.ts // {WINDOW} * {WINDOW} from person p
              where exists (select 1 from auction a where a.seller = p.id and a.ts // {WINDOW} = p.ts // {WINDOW})"""),
)}
