"""Arrow data in every shape that other libraries hand over."""

import pyarrow as pa

import gristmill as gm


def test_an_empty_slice_of_views_is_a_table_without_rows():
    texts = pa.chunked_array([pa.array(["a", "b", "c longer than twelve"], pa.string_view())])
    empty = pa.table({"t": pa.chunked_array([texts.chunk(0).slice(1, 0), texts.chunk(0).slice(2)])})
    assert gm.from_arrow(empty).collect().to_pydict() == {"t": ["c longer than twelve"]}
    assert gm.from_arrow(empty.slice(0, 0)).collect().to_pydict() == {"t": []}


def test_a_literal_may_lie_beyond_the_dates_of_python():
    dates = pa.table({"d": pa.array([0, 2_000_000_000], pa.int32()).view(pa.date32())})
    late = pa.scalar(1_999_999_999, pa.int32()).cast(pa.date32())
    assert gm.from_arrow(dates).filter(gm.col("d") > gm.lit(late)).collect().num_rows == 1
