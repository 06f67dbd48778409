"""What the golden file of streams is made of: rows by a rule, the streams over them, and what plain Python makes of the same rows.

    python tests/python/stream/golden_stream.py     writes golden_stream.jsonl anew
"""

from __future__ import annotations

import json
import math
import time
from fractions import Fraction
from pathlib import Path
from typing import Any, Callable, Iterator

import pyarrow as pa

GOLDEN = Path(__file__).with_name("golden_stream.jsonl")
ROWS = 8_000
KEYS = 12
DISORDER = 20  # no row is further behind the one with the greatest time
HOP_DELAY = 12  # less: some rows are late for some of their windows
SIZE, SLIDE, GAP = 1200, 400, 90
LOWER, UPPER = -4, 9

Row = dict[str, Any]
Finished = Callable[[pa.RecordBatch], pa.RecordBatch]


def numbers(seed: int) -> Iterator[int]:
    """A generator of its own: no library's version can change the rows."""
    state = seed
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield state >> 33


def rows() -> list[Row]:
    draw, now, out = numbers(20261122), 1_000, []
    for i in range(ROWS):
        now += next(draw) % 4
        out.append({"i": i, "t": now - next(draw) % (DISORDER + 1), "k": f"key {next(draw) % KEYS}", "x": next(draw) % 1000 * 0.1 - 30})
    return out


def shown() -> list[Row]:
    return [{"shown": r["i"], "t": r["t"], "k": r["k"]} for r in rows() if r["i"] % 60 == 0]


def streams(work: Finished) -> dict[str, Any]:
    """The streams by name; `work` is the user's function in each."""
    import gristmill as gm
    from gristmill.stream import hopping, session

    def source(made: list[Row], delay: int, morsel: int = 100) -> gm.Stream:
        return gm.Stream.replay(pa.Table.from_pylist(made), morsel).map(work).with_watermark("t", delay)

    everything = rows()
    return {
        "hopping": source(everything, HOP_DELAY).filter(gm.col("x") > -25).window(hopping(SIZE, SLIDE), by="k")
        .aggregate(n=gm.count(), total=gm.col("x").sum(), last=gm.col("i").last()),
        "sessions": source(everything, DISORDER).window(session(GAP), by="k").aggregate(n=gm.count(), mean=gm.col("x").mean()),
        "joined": source(shown(), DISORDER, 10).interval_join(source(everything, DISORDER), on="k", lower=LOWER, upper=UPPER),
        "first of each": source(everything, DISORDER).with_columns(bucket=gm.col("t") // 1000).distinct("k", "bucket").select("i", "k", "bucket"),
    }


def _hopping() -> list[Row]:
    groups: dict[tuple[int, int, str], list[Row]] = {}
    greatest = -math.inf
    for r in rows():
        if not r["x"] > -25:
            continue
        start = r["t"] // SLIDE * SLIDE
        while start > r["t"] - SIZE:
            if start + SIZE > greatest - HOP_DELAY:
                groups.setdefault((start + SIZE, start, r["k"]), []).append(r)
            start -= SLIDE
        greatest = max(greatest, r["t"])
    ordered = sorted(groups.items(), key=lambda item: (item[0][0], item[0][1], item[1][0]["i"]))
    return [{"k": k, "window_start": start, "window_end": end, "n": len(g), "total": math.fsum(r["x"] for r in g), "last": g[-1]["i"]}
            for (end, start, k), g in ordered]


def _sessions() -> list[Row]:
    found: list[tuple[int, int, int, str, list[Row]]] = []
    for key in sorted({r["k"] for r in rows()}):
        of_key = sorted((r for r in rows() if r["k"] == key), key=lambda r: (r["t"], r["i"]))
        run = [of_key[0]]
        for r in of_key[1:] + [{"t": math.inf}]:
            if r["t"] - run[-1]["t"] >= GAP:
                found.append((run[-1]["t"] + GAP, run[0]["t"], min(q["i"] for q in run), key, run))
                run = []
            run.append(r)
    return [{"k": key, "window_start": start, "window_end": end, "n": len(run), "mean": float(sum(Fraction(r["x"]) for r in run) / len(run))}
            for end, start, _, key, run in sorted(found, key=lambda f: f[:3])]


def _joined() -> list[Row]:
    pairs = []
    for place, left in enumerate(shown()):
        for right in rows():
            if left["k"] != right["k"] or not left["t"] + LOWER <= right["t"] <= left["t"] + UPPER:
                continue
            late_left = left["t"] > right["t"]
            order = (max(left["t"], right["t"]), 0 if late_left else 1, place if late_left else right["i"], min(left["t"], right["t"]),
                     right["i"] if late_left else place)
            pairs.append((order, {"shown": left["shown"], "t": left["t"], "k": left["k"], "i": right["i"], "t_right": right["t"], "x": right["x"]}))
    return [row for _, row in sorted(pairs, key=lambda p: p[0])]


def _first_of_each() -> list[Row]:
    seen: dict[tuple[str, int], Row] = {}
    for r in rows():
        seen.setdefault((r["k"], r["t"] // 1000), {"i": r["i"], "k": r["k"], "bucket": r["t"] // 1000})
    return list(seen.values())


def expected() -> dict[str, list[Row]]:
    """What plain Python makes of the rows."""
    return {"hopping": _hopping(), "sessions": _sessions(), "joined": _joined(), "first of each": _first_of_each()}


def text_of(name: str, found: list[Row]) -> list[str]:
    return [json.dumps({"stream": name, **row}) for row in found]


def golden() -> dict[str, list[str]]:
    """The file's lines by stream."""
    out: dict[str, list[str]] = {}
    for line in GOLDEN.read_text().splitlines():
        out.setdefault(json.loads(line)["stream"], []).append(line)
    return out


def slow(batch: pa.RecordBatch) -> pa.RecordBatch:
    time.sleep(0.001)
    return batch


if __name__ == "__main__":
    GOLDEN.write_text("".join(line + "\n" for name, found in expected().items() for line in text_of(name, found)))
