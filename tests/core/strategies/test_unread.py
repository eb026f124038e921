"""A parameter of a strategy that nobody reads is named once, to whoever brought the config."""

from __future__ import annotations

import warnings

import pytest

from arqon_ray.core import ArqonSolver
from arqon_ray.core.config import load_config
from arqon_ray.core.strategies.unread import warn_of_unread
from arqon_ray.errors import UnreadParameterWarning

CONFIG = {"bounds": {"x": {"min": 0, "max": 1}}, "strategy": "cma_es", "strategy_params": {"sigma": 0.9, "alpha": 2}}


def test_it_is_named() -> None:
    with pytest.warns(UnreadParameterWarning, match=r"'sigma', 'alpha'.*'cma_es'"):
        ArqonSolver(CONFIG)


def test_a_stored_config_is_opened_in_silence() -> None:
    with pytest.warns(UnreadParameterWarning):
        solver = ArqonSolver(CONFIG)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ArqonSolver.from_state(solver.export())
        ArqonSolver({**CONFIG, "strategy_params": {}})
        ArqonSolver({**CONFIG, "strategy_params": None})


def test_it_is_said_once() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.resetwarnings()
        for _ in range(3):
            warn_of_unread(load_config(CONFIG))
    assert len(said) == 1
