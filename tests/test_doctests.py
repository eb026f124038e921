"""The examples in the docstrings of the public surface run as they stand."""

from __future__ import annotations

import doctest
import inspect
import sys
import typing
from pathlib import Path
from typing import Any

import pytest

import arqon_ray
from arqon_ray import deprecation
from arqon_ray.errors import ArqonError

WITHOUT_RAY = {
    "ArqonError",
    "ArqonProbe",
    "ArqonSearcher",
    "ArqonSolver",
    "Context",
    "Verification",
    "open_run",
    "register_strategy",
}


def documented(name: str) -> Any:
    value = getattr(arqon_ray, name)
    return getattr(value, "_function", value)  # a remote function wraps the one that has the docstring


def has_example(name: str) -> bool:
    """Whether a name must have one: functions and classes, of the errors the base, and no kind of dict."""
    value = documented(name)
    if inspect.isclass(value):
        return value is ArqonError or not (issubclass(value, BaseException) or typing.is_typeddict(value))
    return callable(value)


NAMES = [name for name in sorted(arqon_ray.__all__) if has_example(name)]


def run(value: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the examples of an object in a folder of their own, and return how many there are."""
    monkeypatch.chdir(folder)
    # As ever, an example sees its module's names; what it defines goes to Ray's workers by value, as in ``__main__``.
    names = {**vars(sys.modules[value.__module__]), "__name__": "__main__"}
    (test,) = doctest.DocTestFinder(recurse=False).find(value, value.__name__, globs=names)
    report: list[str] = []
    results = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert results.failed == 0, "".join(report)
    return results.attempted


@pytest.mark.parametrize("name", [name for name in NAMES if name in WITHOUT_RAY])
def test_an_example_runs_without_ray(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(documented(name), tmp_path, monkeypatch) > 0


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITHOUT_RAY])
def test_an_example_runs_on_a_cluster(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(documented(name), tmp_path, monkeypatch) > 0


def test_the_example_of_the_deprecation_helper_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(deprecation.warn_deprecated, tmp_path, monkeypatch) > 0
