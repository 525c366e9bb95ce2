"""Finds the tests that are slow because of what they use: servers, containers, browsers, Dask or training.

A test uses what its function and its fixtures name, and what is named by the code of tests and tools that they call.
So a new test needs no mark.
"""

import functools
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

FIXTURES = frozenset({"default_bundle", "server"})
"""Fixtures that make a test slow."""

QUICK_FIXTURES = frozenset({"tiny_bundle"})
"""Fixtures that do not: it is trained in seconds, and only after training changed."""

MODULES = frozenset({"dask", "distributed", "playwright", "review_training.runs.train", "schemathesis", "subprocess"})
"""Modules that make a test slow, with all that is in them."""

# What is looked into.
_OURS = ("tests.", "tools.")


def is_slow(item: pytest.Item) -> bool:
    """Return whether a test uses something slow."""
    if not isinstance(item, pytest.Function):
        return False
    fixtures = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009  # pytest has no public name for it
    if FIXTURES & fixtures.keys():
        return True
    functions = [item.function, *(each.func for name in fixtures.keys() - QUICK_FIXTURES for each in fixtures[name])]
    return any(uses_slow(function) for function in functions)


def uses_slow(function: Any) -> bool:
    """Return whether a function, or code of tests and tools that it calls, names something of ``MODULES``."""
    return bool(_slow_names(inspect.unwrap(function)))


@functools.cache
def _slow_names(function: Any) -> bool:
    seen, waiting = set[Any](), [function]
    while waiting:
        value = waiting.pop()
        if _is_slow_value(value):
            return True
        if _is_ours(value) and value not in seen:
            seen.add(value)
            waiting.extend(_named(value))
    return False


def _is_slow_value(value: Any) -> bool:
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return isinstance(name, str) and any(name == slow or name.startswith(f"{slow}.") for slow in MODULES)


def _is_ours(value: Any) -> bool:
    return isinstance(value, FunctionType | type) and value.__module__.startswith(_OURS)


def _named(value: Any) -> Iterator[Any]:
    """Yield the global values that a function or the methods of a class name."""
    if isinstance(value, type):
        yield from (inspect.unwrap(each) for each in vars(value).values() if inspect.isroutine(each))
        return
    names = set(_names(value.__code__))
    for name in names & value.__globals__.keys():
        named = value.__globals__[name]
        if isinstance(named, ModuleType) and named.__name__.startswith(_OURS):
            yield from (vars(named)[each] for each in names & vars(named).keys())
        else:
            yield inspect.unwrap(named) if callable(named) else named


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _names(each)
