"""tpch --float-sums: what exact sums cost beside plain additions, where every decimal column is read as doubles.

One process, two workers, both ways in turns; answers agree to nine digits first. Queries without sums of doubles are among the 22, as controls.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from measure import report
from workloads.tpch import queries
from workloads.tpch_scale import q11_fraction
from workloads.workload import gm, pa

_SHORT = 0.05  # seconds: shorter runs are repeated within one measurement


def _frame(name: str, folder: Path):
    tables = {}
    for path in sorted(folder.glob("*.parquet")):
        frame = gm.scan_parquet(str(path))
        casts = [gm.col(f.name).cast("float64") for f in frame.schema if pa.types.is_decimal(f.type)]
        tables[path.stem] = frame.with_columns(casts) if casts else frame
    text = queries()[name].replace("FRACTION", f"{q11_fraction():.10f}")
    return gm.sql(text, **tables)


def _same(a, b) -> bool:
    def alike(x: object, y: object) -> bool:
        return math.isclose(x, y, rel_tol=1e-9) if isinstance(x, float) and isinstance(y, float) else x == y

    rows = [list(zip(*(c.to_pylist() for c in t.columns))) for t in (a, b)]
    return len(rows[0]) == len(rows[1]) and all(alike(x, y) for p, q in zip(*rows) for x, y in zip(p, q))


def _seconds(frame, exact: bool, repeat: int) -> float:
    taken = []
    for _ in range(repeat):
        start = time.perf_counter()
        frame.collect(num_workers=2, exact_float_sums=exact)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def run(names: Sequence[str], folder: Path, options: argparse.Namespace) -> int:
    lines, data, totals, differ = [], {}, [0.0, 0.0], []
    for name in names:
        frame = _frame(name, folder)
        if not _same(*(frame.collect(num_workers=2, exact_float_sums=exact).to_arrow() for exact in (True, False))):
            differ.append(name)
        repeat = max(1, min(25, math.ceil(_SHORT / _seconds(frame, True, 1))))
        pairs = []
        for i in range(options.pairs):
            order = (True, False) if i % 2 == 0 else (False, True)
            found = {exact: _seconds(frame, exact, repeat) for exact in order}
            pairs.append((found[True], found[False]))
        exact, fast = (statistics.median(p[k] for p in pairs) for k in (0, 1))
        ratios = [a / b for a, b in pairs]
        totals = [totals[0] + exact, totals[1] + fast]
        lines.append([name, f"{statistics.median(ratios):.3f}", f"{min(ratios):.2f}..{max(ratios):.2f}", f"{exact * 1e3:.1f}", f"{fast * 1e3:.1f}"])
        data[name] = pairs
    lines.append(["total", f"{totals[0] / totals[1]:.3f}", "", f"{totals[0] * 1e3:.0f}", f"{totals[1] * 1e3:.0f}"])
    text = f"# tpch: exact sums of doubles beside plain ones\n\n{report.markdown_table(('query', 'exact / fast', 'spread', 'exact ms', 'fast ms'), lines)}\n"
    text += f"\nDIFFERENT: {', '.join(differ)}\n" if differ else ""
    report.save("tpch-float-sums" + ("-small" if options.scale == "small" else ""), text, {"seconds": data})
    return int(bool(differ))
