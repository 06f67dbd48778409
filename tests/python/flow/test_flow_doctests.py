"""The examples in the docstrings of the flows run."""

import doctest
import importlib
import pkgutil

import pytest

import gristmill.flow

MODULES = ["gristmill.flow", *(f"gristmill.flow.{m.name}" for m in pkgutil.iter_modules(gristmill.flow.__path__) if m.name not in ("worker", "carry"))]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
