"""Reshaping and quality against Polars, DuckDB and plain Python, at several workers and batch sizes."""

from __future__ import annotations

import random
from typing import Any, Iterator

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gristmill as gm
from gristmill import col
from gristmill import selectors as cs

SETTINGS = [dict(num_workers=w, chunk_rows=c, batch_rows=b, min_parallel_rows=0) for w, c, b in [(1, 0, 0), (2, 100, 7), (3, 64, 1), (3, 1000, 64)]]


def random_table(seed: int, rows: int = 700) -> pa.Table:
    print("seed", seed)
    r = random.Random(seed)
    def some(make: Any) -> list:
        return [None if r.random() < 0.15 else make() for _ in range(rows)]
    return pa.table({
        "k": pa.array(some(lambda: r.randint(0, 9)), pa.int64()), "z": pa.array(some(lambda: r.choice("abc")), pa.string()),
        "v": pa.array(some(lambda: round(r.gauss(0, 10), 3)), pa.float64()), "w": pa.array(some(lambda: r.randint(-50, 50)), pa.int64())})


@pytest.fixture(params=[1, 2, 3])
def data(request: pytest.FixtureRequest) -> pa.Table:
    return random_table(request.param)


def everywhere(frame: gm.Frame) -> pa.Table:
    """The result, after it was the same at every setting."""
    first = frame.collect(**SETTINGS[0]).to_arrow()
    for s in SETTINGS[1:]:
        assert frame.collect(**s).to_arrow().equals(first), s
    return first


def frames(data: pa.Table) -> Iterator[gm.Frame]:
    """Over a scan, over a filter that keeps everything, over a breaker."""
    f = gm.from_arrow(data)
    yield f
    yield f.filter(col("k").is_null() | (col("k") >= 0))
    yield f.group_by("k", "z", "v", "w").agg(gm.count().alias("n")).drop("n")


def polars_like(f: gm.Frame) -> pl.DataFrame:
    return pl.from_arrow(f.collect(num_workers=1).to_arrow())  # type: ignore[return-value]


@pytest.mark.parametrize("subset", [None, ["k"], ["k", "z"]])
@pytest.mark.parametrize("keep", ["first", "last", "none"])
def test_distinct(data: pa.Table, subset: list[str] | None, keep: str) -> None:
    for f in frames(data):
        expected = polars_like(f).unique(subset, keep=keep, maintain_order=True)  # type: ignore[arg-type]
        assert everywhere(f.unique(subset, keep=keep)).to_pylist() == expected.to_dicts()


def test_row_index_tail_reverse_and_slices(data: pa.Table) -> None:
    for f in frames(data):
        p = polars_like(f)
        assert everywhere(f.with_row_index("i", 5)).to_pylist() == p.with_row_index("i", 5).to_dicts()
        assert everywhere(f.filter(col("w") > 0).with_row_index().filter(col("index") % 3 == 0)).to_pylist() == \
            p.filter(pl.col("w") > 0).with_row_index().filter(pl.col("index") % 3 == 0).to_dicts()
        assert everywhere(f.with_row_index().head(9)).to_pylist() == p.with_row_index().head(9).to_dicts()
        assert everywhere(f.with_row_index().group_by("z").agg(col("index").sum(), col("w").first())).to_pylist() == \
            p.with_row_index().group_by("z", maintain_order=True).agg(pl.col("index").sum(), pl.col("w").first()).to_dicts()
        for n in (0, 3, 10_000):
            assert everywhere(f.tail(n)).to_pylist() == p.tail(n).to_dicts()
        assert everywhere(f.reverse()).to_pylist() == p.reverse().to_dicts()
        assert everywhere(f.slice(-20, 5)).to_pylist() == p.slice(-20, 5).to_dicts()
        assert everywhere(f.filter(col("w") > 0).tail(7).select("w")).to_pylist() == p.filter(pl.col("w") > 0).tail(7).select("w").to_dicts()


def test_row_index_over_files_unions_and_joins(data: pa.Table, tmp_path: Any) -> None:
    for i in range(3):
        pq.write_table(data.slice(i * 200, 200), tmp_path / f"{i}.parquet", row_group_size=64)
    whole = data.slice(0, 600)
    one, many = gm.scan_parquet(tmp_path / "0.parquet"), gm.scan_parquet(tmp_path / "*.parquet")
    assert everywhere(one.with_row_index())["index"].to_pylist() == list(range(200))
    assert everywhere(one.with_row_index().filter(col("w") > 20).select("index", "w")).to_pylist() == [
        {"index": i, "w": w} for i, w in enumerate(data["w"].to_pylist()[:200]) if w is not None and w > 20]
    assert everywhere(many.with_row_index().drop("index")).to_pylist() == whole.to_pylist()
    assert everywhere(many.with_row_index())["index"].to_pylist() == list(range(600))
    both = gm.concat([one.filter(col("w") > 0), many])
    assert everywhere(both.with_row_index())["index"].to_pylist() == list(range(both.collect().num_rows))
    assert everywhere(both.reverse()).to_pylist() == both.collect().to_pylist()[::-1]
    small = gm.from_pydict({"k": [1, 2, 3], "n": ["x", "y", "z"]})
    joined = many.join(small, on="k", how="full")
    assert everywhere(joined.with_row_index())["index"].to_pylist() == list(range(joined.collect().num_rows))
    runtime = many.with_row_index().join(small, on="k")  # a filter from the join must not reach the scan below the index
    assert everywhere(runtime)["index"].to_pylist() == [i for i, k in enumerate(whole["k"].to_pylist()) if k in (1, 2, 3)]


def test_a_row_index_travels_in_the_serialised_plan(data: pa.Table, tmp_path: Any) -> None:
    pq.write_table(data, tmp_path / "t.parquet")
    f = gm.scan_parquet(tmp_path / "t.parquet").filter(col("w") > 0)
    for g in (f.with_row_index("i", 3), f.tail(4), f.sample(fraction=0.3, seed=4)):
        assert gm.deserialize(g.serialize()).collect() == g.collect()
    assert "row index i from 3" in f.with_row_index("i", 3).explain()
    with pytest.raises(gm.PlanError, match='column "w" already'):
        f.with_row_index("w").collect()


def test_samples(data: pa.Table) -> None:
    rows = data.append_column("i", pa.array(range(data.num_rows)))
    for f in frames(rows):
        n = everywhere(f.sample(50, seed=9))["i"].to_pylist() if "i" in f.columns else []
        assert n == sorted(set(n)) and len(n) in (0, 50)
        assert everywhere(f.sample(10_000)).num_rows == f.collect().num_rows
        assert everywhere(f.sample(fraction=0.0)).num_rows == 0
        assert everywhere(f.sample(fraction=1.0)).num_rows == f.collect().num_rows
    big = gm.from_arrow(pa.table({"i": pa.array(range(100_000))}))
    a, b = big.sample(fraction=0.1, seed=1).collect()["i"].to_pylist(), big.sample(fraction=0.1, seed=2).collect()["i"].to_pylist()
    assert 9_500 < len(a) < 10_500 and 800 < len(set(a) & set(b)) < 1_200
    counts = [0] * 10
    for i in big.sample(10_000, seed=3).collect()["i"].to_pylist():
        counts[i // 10_000] += 1
    assert max(counts) < 1_150 and min(counts) > 850
    with pytest.raises(gm.PlanError, match="either n or a fraction"):
        big.sample().collect()


def test_unpivot(data: pa.Table) -> None:
    for f in frames(data):
        p = polars_like(f).with_row_index("row")
        expected = p.unpivot(["v", "w"], index=["row", "k"]).with_columns(pl.col("value").cast(pl.Float64)).sort("row", "variable", maintain_order=True)
        got = everywhere(f.unpivot(["v", "w"], index="k"))
        assert got.to_pylist() == expected.drop("row").to_dicts()
    f = gm.from_pydict({"id": [1, 2], "a": ["x", "y"], "b": ["z", None]})
    assert f.melt(cs.string(), index="id", variable_name="n", value_name="s").collect().to_pydict() == {
        "id": [1, 1, 2, 2], "n": ["a", "b", "a", "b"], "s": ["x", "z", "y", None]}
    with pytest.raises(gm.PlanError):
        f.unpivot(["id", "a"]).collect()


@pytest.mark.parametrize("aggregate", ["sum", "mean", "min", "max", "count", "first", "last"])
def test_pivot(data: pa.Table, aggregate: str) -> None:
    f = gm.from_arrow(data)
    given = everywhere(f.pivot("z", index="k", values="w", aggregate=aggregate, on_values=["a", "b", "c"]))
    names = {"count": "COUNT", "sum": "SUM", "mean": "AVG", "min": "MIN", "max": "MAX"}
    if aggregate in names:
        columns = ", ".join(f"{names[aggregate]}(w) filter (where z = '{v}')::{'double' if aggregate == 'mean' else 'bigint'} as {v}" for v in "abc")
        columns = ", ".join(f"cast({names[aggregate]}(w) filter (where z = '{v}') as {'double' if aggregate == 'mean' else 'bigint'}) as {v}" for v in "abc")
        expected = duckdb.sql(f"select k, {columns} from data group by k").fetchall()
        assert sorted(map(repr, (tuple(r.values()) for r in given.to_pylist()))) == sorted(map(repr, expected))
    else:
        pick = {"first": 0, "last": -1}[aggregate]
        rows = data.to_pylist()
        for r in given.to_pylist():
            for v in "abc":
                have = [x["w"] for x in rows if x["k"] == r["k"] and x["z"] == v]
                assert r[v] == (have[pick] if have else None)
    found = everywhere(f.pivot("z", index="k", values="w", aggregate=aggregate))
    assert set(found.column_names) == {"k", "a", "b", "c", "null"}
    assert found.select(["k", "a", "b", "c"]).equals(given)
    two = everywhere(f.pivot("z", index="k", values=["v", "w"], aggregate=aggregate, on_values=["a"]))
    assert two.column_names == ["k", "v_a", "w_a"]


def test_crosstab_and_value_counts(data: pa.Table) -> None:
    f = gm.from_arrow(data)
    table = everywhere(f.crosstab("k", "z"))
    for r in table.to_pylist():
        for z in ("a", "b", "c", "null"):
            assert r[z] == sum(x["k"] == r["k"] and x["z"] == (None if z == "null" else z) for x in data.to_pylist())
    counts = everywhere(f.value_counts("z"))
    assert counts["count"].to_pylist() == sorted(counts["count"].to_pylist(), reverse=True)
    assert sum(counts["count"].to_pylist()) == data.num_rows


def test_concat_diagonal_and_horizontal(data: pa.Table) -> None:
    f = gm.from_arrow(data)
    a, b = f.select("k", "v").filter(col("k") > 3), f.select("z", v=col("w")).head(100)
    expected = pl.concat([polars_like(a), polars_like(b)], how="diagonal_relaxed")
    assert everywhere(gm.concat([a, b], how="diagonal")).to_pylist() == expected.to_dicts()
    c, d = a.head(20), f.select("z", "w").filter(col("w") > 10)
    for left, right in ((c, d), (d, c)):
        expected = pl.concat([polars_like(left), polars_like(right)], how="horizontal_extend")
        assert everywhere(gm.concat([left, right], how="horizontal")).to_pylist() == expected.to_dicts()
    with pytest.raises(gm.PlanError, match='"k"'):
        gm.concat([a, c], how="horizontal").collect()
    with pytest.raises(ValueError, match="unknown concat"):
        gm.concat([a], how="sideways")


def test_nulls(data: pa.Table) -> None:
    for f in frames(data):
        p = polars_like(f)
        assert everywhere(f.null_count()).to_pylist() == p.null_count().to_dicts()
        assert everywhere(f.drop_nulls()).to_pylist() == p.drop_nulls().to_dicts()
        assert everywhere(f.drop_nulls(["k", "z"])).to_pylist() == p.drop_nulls(["k", "z"]).to_dicts()
        assert everywhere(f.fill_null(0)).to_pylist() == p.with_columns(pl.col("k", "v", "w").fill_null(0)).to_dicts()
        assert everywhere(f.fill_null("?")).to_pylist() == p.with_columns(pl.col("z").fill_null("?")).to_dicts()
        assert everywhere(f.fill_null({"k": -1, "z": "?"})).to_pylist() == p.with_columns(pl.col("k").fill_null(-1), pl.col("z").fill_null("?")).to_dicts()
    assert gm.from_arrow(data).fill_null(0).schema == data.schema
    assert gm.from_arrow(data.slice(0, 0)).null_count().collect().to_pylist() == [{"k": 0, "z": 0, "v": 0, "w": 0}]


def test_top_and_bottom(data: pa.Table) -> None:
    f, p = gm.from_arrow(data), pl.from_arrow(data)
    assert everywhere(f.top_k(5, by="v"))["v"].to_pylist() == p["v"].drop_nulls().sort(descending=True).head(5).to_list()  # type: ignore[call-overload,index]
    assert everywhere(f.bottom_k(5, by=["w", "v"])).to_pylist() == f.sort("w", "v").head(5).collect().to_pylist()


def test_validate(data: pa.Table) -> None:
    f = gm.from_arrow(data)
    rows = data.to_pylist()
    twins: dict[tuple, int] = {}
    for r in rows:
        twins[(r["k"], r["w"])] = twins.get((r["k"], r["w"]), 0) + 1
    broken = []
    for i, r in enumerate(rows):
        names = []
        if r["z"] is None:
            names.append("not_null(z)")
        if r["v"] is not None and not -10 <= r["v"] <= 15:
            names.append("range(v)")
        if r["w"] is not None and r["w"] > 40:
            names.append("range(w)")
        if r["k"] is not None and r["w"] is not None and twins[(r["k"], r["w"])] > 1:
            names.append("unique(k, w)")
        if r["k"] is not None and r["w"] is not None and not r["k"] < r["w"] + 40:
            names.append("k below w")
        if names:
            broken.append({"row": i, "failed": "; ".join(names), **r})
    rules: dict[str, Any] = dict(not_null="z", range={"v": (-10, 15), "w": (None, 40)}, unique=[["k", "w"]], checks={"k below w": col("k") < col("w") + 40})
    assert everywhere(f.validate(**rules, on_failure="rows")).to_pylist() == broken
    report = f.validate(**rules, on_failure="report").to_pylist()
    assert report == [{"rule": n, "failed": sum(n in b["failed"].split("; ") for b in broken)}
                      for n in ("not_null(z)", "range(v)", "range(w)", "unique(k, w)", "k below w")]
    with pytest.raises(gm.DataError, match=r"not_null\(z\) in \d+ rows"):
        f.validate(**rules)
    fine = f.drop_nulls()
    assert fine.validate(not_null=cs.all()) is fine
    with pytest.raises(gm.PlanError, match="at least one rule"):
        f.validate(on_failure="report")


def test_outliers_by_z_score(data: pa.Table) -> None:
    f, p = gm.from_arrow(data), pl.from_arrow(data)
    expected = p.filter(((pl.col("v") - pl.col("v").mean()).abs() > 1.5 * pl.col("v").std()) | ((pl.col("w") - pl.col("w").mean()).abs() > 1.5 * pl.col("w").std()))  # type: ignore[union-attr]
    assert everywhere(f.outliers(["v", "w"], method="zscore", threshold=1.5)).to_pylist() == expected.to_dicts()


def test_describe(data: pa.Table) -> None:
    got = {r["statistic"]: r for r in gm.from_arrow(data).describe().to_pylist()}
    p = pl.from_arrow(data)
    assert got["count"]["v"] == p["v"].count() and got["null_count"]["z"] == str(p["z"].null_count())  # type: ignore[call-overload,index]
    assert got["mean"]["w"] == pytest.approx(p["w"].mean()) and got["std"]["v"] == pytest.approx(p["v"].std())  # type: ignore[call-overload,index]
    assert got["min"]["z"] == "a" and got["max"]["z"] == "c" and got["mean"]["z"] is None


def test_describe_has_the_quantiles_that_are_asked_for(data: pa.Table) -> None:
    f, p = gm.from_arrow(data), pl.from_arrow(data)
    assert [r["statistic"] for r in f.describe().to_pylist()] == ["count", "null_count", "mean", "std", "min", "25%", "50%", "75%", "max"]
    assert [r["statistic"] for r in f.describe(None).to_pylist()] == ["count", "null_count", "mean", "std", "min", "max"]
    got = {r["statistic"]: r for r in f.describe([0.999, 0.1, 0.1]).to_pylist()}
    assert list(got) == ["count", "null_count", "mean", "std", "min", "10%", "99.9%", "max"]
    for c in ("v", "w"):
        for name, q in (("10%", 0.1), ("99.9%", 0.999)):
            assert got[name][c] == pytest.approx(p[c].quantile(q, "linear"))  # type: ignore[call-overload,index]
    assert got["10%"]["z"] is None
    with pytest.raises(gm.PlanError, match="from 0 to 1"):
        f.describe([25])


def test_selectors(data: pa.Table) -> None:
    f = gm.from_arrow(data)
    assert f.select(cs.numeric()).columns == ["k", "v", "w"]
    assert f.select(cs.all() - cs.numeric()).columns == ["z"]
    assert f.select(~cs.integer() & cs.matches("^[vz]$")).columns == ["z", "v"]
    assert f.select(cs.by_name("w", "k") | cs.string()).columns == ["k", "z", "w"]
    assert f.select(gm.exclude("k", cs.float())).columns == ["z", "w"]
    assert f.select(cs.first(), cs.last()).columns == ["k", "w"]
    assert f.select(cs.by_dtype(pa.float64(), "string")).columns == ["z", "v"]
    assert f.drop(cs.starts_with("k"), "z").columns == ["v", "w"]
    assert f.group_by("z").agg(cs.integer().max().name.prefix("max_")).columns == ["z", "max_k", "max_w"]
    doubled = f.with_columns(cs.integer() * 2).collect().to_pylist()
    assert [(r["k"], r["w"]) for r in doubled] == [tuple(None if x is None else 2 * x for x in (r["k"], r["w"])) for r in data.to_pylist()]
    assert f.filter(gm.all().is_not_null()).collect().to_arrow() == f.drop_nulls().collect().to_arrow()
    assert f.sort(cs.all()).collect() == f.sort("k", "z", "v", "w").collect()
    assert f.select(cs.integer() * col("v")).columns == ["k", "w"]
    with pytest.raises(gm.PlanError, match="nothing"):
        f.select(cs.by_name("nothing")).columns
    with pytest.raises(gm.PlanError, match="pick 2 and 1"):
        f.select(cs.integer() + cs.float()).columns
