"""Graphs of flows: edges, inputs and outputs, what is wrong before anything runs."""

from __future__ import annotations

import functools

import pytest
from flow_functions import square

import gristmill as gm


def test_edges_come_from_parameter_names() -> None:
    flow = gm.Flow([gm.node(lambda b: b + 1, output_name="c"), gm.node(lambda a: a * 2, output_name="b")])
    assert flow.run({"a": 5}) == {"b": 10, "c": 11}


def test_defaults_count_as_defaults() -> None:
    def power(x: int, exponent: int = 2) -> int:
        return x**exponent

    flow = gm.Flow([power])
    assert flow.run({"x": 3})["power"] == 9 and flow.run({"x": 3, "exponent": 3})["power"] == 27
    assert [p.required for p in flow.inputs] == [True, False]


def test_a_default_between_given_arguments() -> None:
    def f(a: int, b: int = 10, c: int = 100, *, d: int = 1000) -> int:
        return a + b + c + d

    assert gm.Flow([f]).run({"a": 1, "c": 2}) == {"f": 1013} and gm.Flow([f]).run({"a": 1, "d": 2}) == {"f": 113}


def test_cycles_are_named_before_anything_runs() -> None:
    with pytest.raises(gm.PlanError, match="cycle: (a -> b -> a|b -> a -> b)"):
        gm.Flow([gm.node(lambda y: y, output_name="x", name="a"), gm.node(lambda x: x, output_name="y", name="b")])


def test_duplicate_outputs_are_named() -> None:
    with pytest.raises(gm.PlanError, match="two nodes give 'x': 'a' and 'b'"):
        gm.Flow([gm.node(lambda p: p, output_name="x", name="a"), gm.node(lambda p: p, output_name="x", name="b")])


def test_missing_inputs_are_named_before_anything_runs() -> None:
    calls: list[int] = []
    flow = gm.Flow([gm.node(lambda a: calls.append(a), output_name="b"), gm.node(lambda b, other: 1, output_name="c", name="last")])
    with pytest.raises(gm.PlanError, match=r"missing input 'other' \(for 'last'\)"):
        flow.map({"a": [1, 2]}, "a")
    assert calls == []
    with pytest.raises(gm.PlanError, match="no node takes 'othr'; did you mean 'other'"):
        flow.run({"a": 1, "othr": 2})
    with pytest.raises(gm.PlanError, match="no node gives 'd'"):
        flow.run({"a": 1, "other": 2}, outputs="d")


def test_only_what_is_wanted_runs() -> None:
    calls: list[str] = []
    flow = gm.Flow([gm.node(lambda a: calls.append("x") or 1, output_name="x"), gm.node(lambda a, missing: calls.append("y"), output_name="y")])
    assert flow.run({"a": 1}, outputs="x") == {"x": 1} and calls == ["x"]


def test_an_input_may_replace_an_output() -> None:
    flow = gm.Flow([gm.node(lambda url: 1 / 0, output_name="page"), gm.node(lambda page: len(page), output_name="size")])
    assert flow.run({"page": "abc"}, outputs="size") == {"size": 3}


def test_several_outputs() -> None:
    flow = gm.Flow([gm.node(lambda a: (a // 7, a % 7), output_name=("weeks", "days")), gm.node(lambda days: -days, output_name="minus")])
    assert flow.run({"a": 23}) == {"weeks": 3, "days": 2, "minus": -2}
    with pytest.raises(TypeError, match="must return a tuple of 2"):
        gm.Flow([gm.node(lambda a: a, output_name=("p", "q"))]).run({"a": 1})


def test_bind_fixes_inputs() -> None:
    def scale(x: int, factor: int) -> int:
        return x * factor

    assert gm.Flow([scale]).bind(factor=3).map({"x": [1, 2]}, "x") == [{"scale": 3}, {"scale": 6}]
    assert gm.Flow([gm.node(scale).bind(factor=4)]).run({"x": 2}) == {"scale": 8}
    with pytest.raises(gm.PlanError, match="factr"):
        gm.Flow([scale]).bind(factr=3)


def test_plain_functions_and_decorators_are_one() -> None:
    @gm.node(output_name="square")
    def decorated(x: int) -> int:
        return x * x

    assert gm.Flow([square]).run({"x": 4}) == gm.Flow([decorated]).run({"x": 4}) == {"square": 16} and decorated(5) == 25




def test_wrong_descriptions_are_told_at_once() -> None:
    with pytest.raises(gm.PlanError, match="spelled out"):
        gm.node(lambda **k: 1, output_name="x")
    with pytest.raises(gm.PlanError, match="no name"):
        gm.node(lambda x: 1)
    with pytest.raises(gm.PlanError, match="unknown kind"):
        gm.node(square, kind="gpu")
    with pytest.raises(gm.PlanError, match="needs a function"):
        gm.node(3)  # type: ignore[call-overload]
    with pytest.raises(gm.PlanError, match="takes a list"):
        gm.Flow(square)  # type: ignore[arg-type]
    with pytest.raises(gm.PlanError, match="unknown errors"):
        gm.Flow([square]).map({"x": [1]}, "x", errors="ignore")
    with pytest.raises(gm.PlanError, match="not among the inputs"):
        gm.Flow([square]).map({"x": [1]}, "y")
    with pytest.raises(gm.PlanError, match="is a generator"):
        gm.node((lambda x: (yield x)), output_name="g", retry=2)
    with pytest.raises(TypeError):
        gm.node(square, retry="often")  # type: ignore[call-overload]
    with pytest.raises(gm.PlanError, match="a timeout is a number of seconds"):
        gm.node(square, timeout="5s")  # type: ignore[call-overload]

    class Client:
        def __init__(self, url: str) -> None:
            self.url = url

        def __call__(self, x: int) -> str:
            return f"{self.url}/{x}"

    with pytest.raises(gm.PlanError, match="pass an object of it"):
        gm.node(Client, output_name="y")
    assert gm.Flow([gm.node(Client("u"), output_name="y")]).run({"x": 1}) == {"y": "u/1"}
    import pandas as pd

    with pytest.raises(gm.PlanError, match="give its column, e.g. table"):
        gm.Flow([square]).map({"x": pd.DataFrame({"x": [1]})}, "x")


def test_partial_functions_have_the_name_of_the_function() -> None:
    def scaled(x: int, by: int) -> int:
        return x * by

    flow = gm.Flow([functools.partial(scaled, by=3), gm.node(functools.partial(square), output_name="other")])
    assert flow.run({"x": 2}) == {"scaled": 6, "other": 4}


def test_explain_tells_of_a_cache_that_is_not_there() -> None:
    assert "this flow has no cache" in gm.Flow([gm.node(square, cache=True)]).explain()
    assert "this flow has no cache" not in gm.Flow([gm.node(square, cache=True)], cache=gm.flow.Cache()).explain()
