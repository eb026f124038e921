"""Points of the asker's own: candidates like any other, but for who chose them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from arqon_ray.errors import ResultsError
from arqon_ray.service import verify
from arqon_ray.service.log.manifest import write_study
from arqon_ray.service.server.study import Study
from arqon_ray.service.storage.local import LocalStore

CONFIG = {"seed": 7, "budget": 6, "bounds": {"x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}}}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    store = LocalStore(str(tmp_path), "study")
    write_study(store, "uuid", CONFIG)
    return Study.open(store, {"pid": 1})


def tell_all(study: Study, *candidates: Any) -> None:
    study.tell([{"id": each["id"], "value": each["params"]["x"] ** 2} for each in candidates])


def test_a_placed_point_counts_and_is_held_told_and_recomputed_around(study: Study, tmp_path: Path) -> None:
    tell_all(study, *study.ask(3))
    placed = study.ask_one(params={"x": 0.25, "y": 0.5}, owner="me")
    assert placed == {"id": "3", "params": {"x": 0.25, "y": 0.5}}
    assert [(held["id"], held["owner"]) for held in study.pending()] == [("3", "me")]
    after = study.ask_one()
    tell_all(study, placed, after, study.ask_one())
    assert study.ask_one(params={"x": 0.5, "y": 0.5}) is None
    assert study.ask_one() is None
    assert [row["origin"] for row in study.history()].count("user") == 1
    found = verify(str(tmp_path), "study")
    assert (found.ok, found.candidates) == (True, 6)


def test_the_same_key_places_once_also_after_a_restart(study: Study, tmp_path: Path) -> None:
    first = study.ask_one(params={"x": 0.25, "y": 0.5}, key="k")
    assert study.ask_one(params={"x": 0.25, "y": 0.5}, key="k") == first
    again = Study.open(LocalStore(str(tmp_path), "study"), {"pid": 2})
    assert again.ask_one(params={"x": 0.25, "y": 0.5}, key="k") == first
    assert again.status()["counts"]["asked"] == 1


def test_what_was_computed_ahead_gives_way(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path), "probe")
    write_study(store, "uuid", {**CONFIG, "strategy": "probe"})
    study = Study.open(store, {"pid": 1})
    first = study.ask_one()  # the probe's next ones lie ready now
    placed = study.ask_one(params={"x": 0.25, "y": 0.5})
    rest = study.ask(9)
    assert [each["id"] for each in (first, placed, *rest)] == [str(number) for number in range(6)]
    assert verify(str(tmp_path), "probe").ok


@pytest.mark.parametrize("params", [{"x": 2.0, "y": 0.5}, {"x": 0.5}, {"z": 1}, [0.5]])
def test_a_point_that_does_not_fit_changes_nothing(study: Study, params: Any) -> None:
    with pytest.raises(ResultsError, match="params"):
        study.ask_one(params=params)
    assert study.status()["counts"]["asked"] == 0
