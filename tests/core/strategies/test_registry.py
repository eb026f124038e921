"""Which strategies a process knows: those that were registered, and those of installed packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arqon_ray.core import ArqonSolver
from arqon_ray.core.strategies import registry
from arqon_ray.core.strategies.registry import find_strategy, known_names, register_strategy, unregister_strategy
from arqon_ray.errors import ConfigError
from arqon_ray.strategies import Evidence, Memory, Proposal, Role, Strategy, StrategyParams
from arqon_ray.testing.strategies import registered
from tests.core.strategies.packages import install, path_with


class Center(Strategy):
    name = "center"

    def propose(self, evidence: Evidence, memory: Memory, rng: np.random.Generator) -> Proposal | None:
        return None


class Needy(StrategyParams):
    needed: int


def test_a_class_is_known_after_it_was_registered() -> None:
    assert find_strategy("center") is None
    assert register_strategy(Center) is Center
    try:
        assert find_strategy("center") is Center
        assert "center" in known_names()
        assert not registry.is_installed("center")
    finally:
        unregister_strategy("center")
    assert find_strategy("center") is None
    with pytest.raises(KeyError):
        unregister_strategy("center")


def test_a_class_that_is_defined_again_replaces_the_first() -> None:
    with registered(Center()):
        again: Any = type("Center", (Center,), {"__module__": Center.__module__, "__qualname__": Center.__qualname__})
        register_strategy(again)
        assert find_strategy("center") is again


def test_a_name_belongs_to_whoever_was_first() -> None:
    with pytest.raises(ValueError, match=r"name is 'tpe': arqon_ray.core.refine.tpe.TreeParzen has this name already"):
        register_strategy(type("Other", (Center,), {"name": "tpe"}))


@pytest.mark.parametrize(
    ("declared", "error"),
    [
        ({"name": "auto"}, "none of auto, probe"),
        ({"name": "with space"}, "a letter first"),
        ({"name": None}, "a letter first"),
        ({"role": "globl"}, "must be None or one of local, global"),
        ({"min_startup": 0}, "whole number of 1 or more"),
        ({"params_model": dict}, "subclass of StrategyParams"),
        ({"params_model": Needy}, "every field needs a default"),
    ],
)
def test_what_is_declared_wrongly_is_refused(declared: dict[str, Any], error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        register_strategy(type("Wrong", (Center,), declared))


@pytest.mark.parametrize("cls", [dict, "center", type("Abstract", (Strategy,), {"name": "abstract"})])
def test_what_is_no_strategy_is_refused(cls: Any) -> None:
    with pytest.raises(TypeError, match=r"subclass of arqon_ray.strategies.Strategy|has no propose"):
        register_strategy(cls)


def test_every_role_has_one_of_ours() -> None:
    ours = [cls for cls in registry.registered_strategies() if registry.is_built_in(cls)]
    assert sorted(cls.role or "" for cls in ours) == sorted(Role)


def said_by(folder: Path, code: str) -> str:
    """Run code in a fresh process that has what is installed in a folder; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path_with(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout + done.stderr


STUDY = '"bounds": {"x": {"min": 0, "max": 1}, "y": {"min": 0, "max": 1}}, "budget": 40'
PLAY = (
    "from arqon_ray import ArqonSolver\n"
    f"solver = ArqonSolver({{{STUDY}, 'strategy': STRATEGY}})\n"
    "while (candidate := solver.propose()) is not None:\n"
    "    solver.observe(candidate.number, (candidate.params['x'] - 0.3) ** 2 + candidate.params['y'])\n"
    "print(sorted({row['origin'] for row in solver.history()}), solver.explain()['trouble'])\n"
)


def test_a_package_is_found_by_its_entry_point_and_imported_when_it_is_named(tmp_path: Path) -> None:
    code = "import sys\n" + PLAY.replace("STRATEGY", "'tpe'") + "print('arqon_stepper' in sys.modules)\n"
    assert said_by(install(tmp_path), code).splitlines() == ["['probe', 'tpe'] None", "False"]
    assert said_by(tmp_path, PLAY.replace("STRATEGY", "'stepper'")) == "['probe', 'stepper'] None\n"


def test_a_package_takes_part_in_auto_by_its_role(tmp_path: Path) -> None:
    said = said_by(install(tmp_path), PLAY.replace("STRATEGY", "'auto'"))
    assert "'stepper'" in said
    assert "'trust_region'" in said
    assert "'gaussian_process'" in said


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("import not_there\n", "No module named 'not_there'"),
        ("Broken = 3\n", "a strategy is a subclass of arqon_ray.strategies.Strategy"),
        (
            "from arqon_ray.strategies import Strategy\n"
            "class Broken(Strategy):\n"
            "    name = 'other'\n"
            "    def propose(self, evidence, memory, rng): return None\n",
            "the entry point must have the same name",
        ),
    ],
)
def test_a_package_that_cannot_be_loaded_ends_no_auto_and_says_so(tmp_path: Path, module: str, reason: str) -> None:
    install(tmp_path, "broken", module)
    said = said_by(tmp_path, PLAY.replace("STRATEGY", "'auto'"))
    assert "strategy 'broken' of the package arqon-broken (arqon_broken:Broken) cannot be loaded" in said
    assert reason in said
    assert "'trust_region'] None\n" in said
    named = PLAY.replace("STRATEGY", "'broken'")
    caught = "except arqon_ray.ConfigError as error:\n    print('refused:', error)\n"
    code = f"import arqon_ray\ntry:\n    exec({named!r})\n{caught}"
    refused = said_by(tmp_path, code).partition("refused: ")[2]
    assert refused.startswith("strategy 'broken' of the package")
    assert reason in refused


def test_importing_arqon_ray_looks_for_no_entry_points(tmp_path: Path) -> None:
    code = "import sys, arqon_ray\nprint('importlib.metadata' in sys.modules, 'numpy' in sys.modules)\n"
    assert said_by(install(tmp_path), code) == "False False\n"


def test_an_unknown_name_is_refused_with_what_is_known_and_how_to_install_more() -> None:
    with pytest.raises(
        ConfigError, match=r"'trust_regoin' \(did you mean 'trust_region'\?\).*arqon_ray.strategies.*pip"
    ):
        ArqonSolver({"bounds": {"x": {"min": 0, "max": 1}}, "strategy": "trust_regoin"})
