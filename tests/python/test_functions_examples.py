"""Every example of the registry runs and gives what it says; docs/functions.md is what the registry makes of itself."""

from __future__ import annotations

import datetime
import importlib.util
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import gristmill as gm
from gristmill import _engine

FUNCTIONS = _engine.functions()
ROW = pa.table({"t": [datetime.datetime(2024, 2, 29, 12, 30, 15, 250000)], "s": ["text"]})
NAMES = {**{n: getattr(gm, n) for n in gm.__all__}, "null": lambda: gm.lit(None), "list_": lambda *v: gm.lit(pa.scalar(list(v)))}


def shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, datetime.datetime):
        return (value.isoformat(" ").rstrip("0") if value.microsecond else value.isoformat(" ").removesuffix(" 00:00:00"))
    if isinstance(value, (datetime.date, datetime.timedelta)):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(shown(v) for v in value) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(shown(v) for v in value) + ")"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {shown(v)}" for k, v in value.items()) + "}"
    return repr(value)


@pytest.mark.parametrize("function", FUNCTIONS, ids=[f["name"] for f in FUNCTIONS])
def test_example(function: dict[str, str]) -> None:
    text, arrow, expected = function["example"].rpartition(" -> ")
    assert arrow, function["example"]
    value = gm.from_arrow(ROW).select(eval(text, {"__builtins__": {"True": True, "False": False, "None": None, "float": float}}, NAMES).alias("x")).collect()
    assert shown(value.to_arrow().column("x")[0].as_py()) == expected


def test_the_page_is_up_to_date() -> None:
    root = Path(__file__).parents[2]
    spec = importlib.util.spec_from_file_location("generate_functions", root / "docs" / "generate_functions.py")
    assert spec and spec.loader
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    assert (root / "docs" / "functions.md").read_text() == page.page(), "run python docs/generate_functions.py"
