"""ConfigSpace's spaces against ConfigSpace itself: its own check accepts every config that we give."""

from __future__ import annotations

import math
from typing import Any

import pytest

from arqon_ray.errors import ConfigError
from arqon_ray.tune import ArqonSearcher

cs = pytest.importorskip("ConfigSpace")


def space_of(*hyperparameters: Any, conditions: tuple[Any, ...] = ()) -> Any:
    space = cs.ConfigurationSpace()
    space.add(*hyperparameters)
    if conditions:
        space.add(*conditions)
    return space


def configs(space: Any, count: int = 60) -> list[dict[str, Any]]:
    """Suggest configs, each without a result; ConfigSpace has to take every one of them."""
    searcher = ArqonSearcher(space)
    found = []
    for i in range(count):
        config = searcher.suggest(f"t{i}")
        assert isinstance(config, dict)
        cs.Configuration(space, values=config).check_valid_configuration()
        found.append(config)
    return found


def test_every_kind_of_hyperparameter_gives_values_that_config_space_takes() -> None:
    space = space_of(
        cs.UniformFloatHyperparameter("rate", 1e-4, 1.0, log=True),
        cs.UniformIntegerHyperparameter("depth", 1, 4),
        cs.UniformIntegerHyperparameter("width", 1, 512, log=True),
        cs.NormalFloatHyperparameter("shift", mu=0.0, sigma=1.0, lower=-3.0, upper=3.0),
        cs.BetaFloatHyperparameter("share", alpha=2.0, beta=3.0, lower=0.0, upper=1.0),
        cs.CategoricalHyperparameter("kind", ["a", "b"]),
        cs.CategoricalHyperparameter("shape", [(8, 8), (16,)]),
        cs.OrdinalHyperparameter("size", ["small", "middle", "large"]),
        cs.Constant("epochs", 3),
    )
    found = configs(space)
    assert {config["depth"] for config in found} == {1, 2, 3, 4}
    assert {config["shape"] for config in found} == {(8, 8), (16,)}
    assert {config["size"] for config in found} == {"small", "middle", "large"}
    assert {config["epochs"] for config in found} == {3}
    assert {type(config["width"]) for config in found} == {int}
    assert min(config["rate"] for config in found) < 1e-3


def conditional() -> Any:
    kind = cs.CategoricalHyperparameter("z_kind", ["svm", "tree", "line"])
    depth = cs.UniformIntegerHyperparameter("a_depth", 1, 6)
    leaf = cs.UniformFloatHyperparameter("leaf", 0.0, 1.0)
    gamma = cs.UniformFloatHyperparameter("gamma", 0.0, 1.0)
    both = cs.UniformFloatHyperparameter("both", 0.0, 1.0)
    return space_of(
        kind,
        depth,
        leaf,
        gamma,
        both,
        conditions=(
            cs.EqualsCondition(depth, kind, "tree"),
            cs.AndConjunction(cs.EqualsCondition(leaf, kind, "tree"), cs.GreaterThanCondition(leaf, depth, 3)),
            cs.NotEqualsCondition(gamma, kind, "tree"),
            cs.OrConjunction(cs.EqualsCondition(both, kind, "svm"), cs.EqualsCondition(both, kind, "tree")),
        ),
    )


def test_conditions_decide_which_parameters_exist() -> None:
    kinds = set()
    for config in configs(conditional()):
        kinds.add(config["z_kind"])
        tree = config["z_kind"] == "tree"
        assert ("a_depth" in config) == tree
        assert ("leaf" in config) == (tree and config["a_depth"] > 3)
        assert ("gamma" in config) == (not tree)
        assert ("both" in config) == (config["z_kind"] != "line")
    assert kinds == {"svm", "tree", "line"}


def test_a_configuration_is_a_point_to_evaluate() -> None:
    space = conditional()
    point = dict(cs.Configuration(space, values={"z_kind": "svm", "gamma": 0.25, "both": 0.5}))
    searcher = ArqonSearcher(space, points_to_evaluate=[point])
    assert searcher.suggest("t") == {"z_kind": "svm", "gamma": 0.25, "both": 0.5}
    searcher.on_trial_complete("t", {"loss": 1.0})
    searcher.add_evaluated_point({"z_kind": "line", "gamma": 0.5, "other": 1}, 0.5)
    assert math.isclose(sum(row["value"] for row in searcher.solver.history()), 1.5)


def forbidding() -> Any:
    kind = cs.CategoricalHyperparameter("kind", ["a", "b"], default_value="b")
    return space_of(kind, conditions=(cs.ForbiddenEqualsClause(kind, "a"),))


def on_a_float() -> Any:
    x, y = (cs.UniformFloatHyperparameter(name, 0.0, 1.0) for name in "xy")
    return space_of(x, y, conditions=(cs.GreaterThanCondition(y, x, 0.5),))


def on_either() -> Any:
    one, other = (cs.CategoricalHyperparameter(name, ["a", "b"]) for name in ("one", "other"))
    x = cs.UniformFloatHyperparameter("x", 0.0, 1.0)
    either = cs.OrConjunction(cs.EqualsCondition(x, one, "a"), cs.EqualsCondition(x, other, "a"))
    return space_of(one, other, x, conditions=(either,))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (forbidding, "space forbids .*kind.*return"),
        (on_a_float, "on a range of many values: give x a few choices"),
        (on_either, "on one or other"),
        (lambda: cs.Constant("epochs", 3), "space is a Constant: give the whole ConfigurationSpace"),
    ],
)
def test_what_an_arqon_space_cannot_say_is_refused_by_name(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ArqonSearcher(make())
