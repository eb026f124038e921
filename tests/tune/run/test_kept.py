"""What lies in a searcher's file: no class of ours by its module, so that modules may move; older ones are found."""

from __future__ import annotations

import pickle
import pickletools
import sys
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from arqon_ray import ArqonSearcher
from arqon_ray.core.record.evaluation import Step
from arqon_ray.tune.kept import dumps, load

ASSETS = Path(__file__).parent.parent / "assets"
SPACE = {
    "lr": tune.loguniform(1e-4, 1.0),
    "n": tune.randint(1, 9),
    "q": tune.quniform(0, 1, 0.1),
    "z": tune.randn(0, 1),
    "kind": tune.choice(["a", {"b": tune.uniform(0, 1)}, Path]),
    "deep": {"x": [tune.uniform(0, 1), 3], "y": (1, tune.choice([1, 2]))},
}
ARQON = {"bounds": {"x": {"min": 0, "max": 1}, "k": {"choices": ["a", "b"]}}}


def texts(file: Path) -> list[str]:
    """Return the texts in a pickle, module names among them."""
    return [str(argument) for _, argument, _ in pickletools.genops(file.read_bytes()) if isinstance(argument, str)]


@pytest.mark.parametrize(("space", "metric"), [(SPACE, "loss"), (ARQON, "loss"), (ARQON, ["loss", "size"])])
def test_a_file_names_no_module_of_ours(tmp_path: Path, space: Any, metric: Any) -> None:
    searcher = ArqonSearcher(space, metric=metric, mode="min", points_to_evaluate=[{}, {}])
    config = searcher.suggest("one")
    searcher.suggest("two")
    searcher.on_trial_result("one", {"loss": 0.5, "size": 1.0, "training_iteration": 1})
    searcher.save(str(tmp_path / "file"))
    modules = [text for text in texts(tmp_path / "file") if text.startswith(("arqon_ray.", "tests."))]
    assert modules == ["arqon_ray.tune.ArqonSearcher"]  # the format's name
    again = ArqonSearcher(space, metric=metric, mode="min")
    again.restore(str(tmp_path / "file"))
    assert again.suggest("one") == config
    assert again.suggest("three") == searcher.suggest("three")
    assert again._session.trials.held["one"].latest == searcher._session.trials.held["one"].latest
    assert isinstance(again._session.trials.held["one"].latest, Step)


def test_objects_of_the_users_stay_what_they_are(tmp_path: Path) -> None:
    class Own:
        pass

    def double(x: int) -> int:
        return 2 * x

    (tmp_path / "file").write_bytes(dumps({"own": Own, "function": double, "module_path": Path}))
    with (tmp_path / "file").open("rb") as file:
        found = load(file)
    assert found["function"](3) == 6
    assert found["own"]().__class__.__name__ == "Own"
    assert found["module_path"] is Path


def test_what_tune_itself_has_pickled_before_the_modules_moved_is_read() -> None:
    searcher = pickle.loads((ASSETS / "searcher-object-before-rooms.pkl").read_bytes())
    assert isinstance(searcher, ArqonSearcher)
    config = searcher.suggest("one")
    assert config["lr"] == 0.1
    assert set(config) == {"lr", "n", "q", "z", "kind", "deep"}


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="its pickle holds bytecode that only Python 3.11 loads")
def test_a_searcher_that_0_1_0_cloudpickled_with_its_solver_goes_on() -> None:
    searcher = pickle.loads((ASSETS / "searcher-used-0.1.0.cloudpickle").read_bytes())
    assert searcher.suggest("a") == {"x": 0.5}
    assert searcher.suggest("b")["x"] != 0.5
