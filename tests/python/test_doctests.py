"""Every example in a docstring runs."""

import doctest
import importlib
import pkgutil

import pytest

import gristmill

MODULES = ["gristmill", *(f"gristmill.{m.name}" for m in pkgutil.iter_modules(gristmill.__path__) if m.name != "_engine" and not m.name.startswith("lib"))]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()
    assert sum(len(t.examples) for name in MODULES for t in finder.find(importlib.import_module(name))) >= 15
