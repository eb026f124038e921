"""Points that are put before the solver's own: once, durable, recomputed around."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import ray

from arqon_ray.errors import ConfigError, ResultsError
from arqon_ray.service import SolverClient, verify
from arqon_ray.service.log.manifest import write_study
from arqon_ray.service.server.study import Study
from arqon_ray.service.storage.local import LocalStore
from tests.service.live import Start, kill, studies

CONFIG: dict[str, Any] = {
    "seed": 7,
    "budget": 6,
    "bounds": {"x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}},
}
POINTS = [{"x": 0.25, "y": 0.5}, {"x": 0.75, "y": 0.125}]
_pids = itertools.count(2)


@pytest.fixture
def start(cluster: Any) -> Iterator[Start]:
    with studies() as starter:
        yield starter


def opened(path: Path, config: dict[str, Any] = CONFIG) -> Study:
    store = LocalStore(str(path), "study")
    if not (path / "study").exists():
        write_study(store, "uuid", config)
    return Study.open(store, {"pid": next(_pids)})


@pytest.mark.parametrize("strategy", ["auto", "probe"])
def test_they_are_handed_out_first_counted_and_recomputed_around(tmp_path: Path, strategy: str) -> None:
    study = opened(tmp_path, {**CONFIG, "strategy": strategy})
    first = study.ask_one()  # the probe's next ones lie ready now
    assert study.enqueue(POINTS) == POINTS
    counts = study.status()["counts"]
    assert (counts["asked"], counts["enqueued"]) == (1, 2)
    rest = study.ask(2) + study.ask(9)
    assert [each["id"] for each in rest] == ["1", "2", "3", "4", "5"]
    assert [each["params"] for each in rest[:2]] == POINTS
    for each in [first, *rest]:
        study.tell(each["id"], each["params"]["x"])
    assert [row["origin"] for row in study.history()].count("enqueued") == 2
    assert study.status()["counts"]["enqueued"] == 0
    found = verify(str(tmp_path), "study")
    assert (found.ok, found.candidates) == (True, 6)


def test_they_wait_through_restarts_and_a_spent_budget(tmp_path: Path) -> None:
    study = opened(tmp_path)
    study.ask(6)
    whole = study.enqueue([{"x": 0.25}, POINTS[1]])
    study.close(OSError("over"))
    again = opened(tmp_path)
    assert again.status()["counts"]["enqueued"] == 2
    again.extend_budget(7)
    assert again.ask_one()["params"] == whole[0]  # type: ignore[index]
    again.close(OSError("over"))
    last = opened(tmp_path)
    last.extend_budget(8)
    assert last.ask_one()["params"] == POINTS[1]  # type: ignore[index]
    assert verify(str(tmp_path), "study").ok


def test_one_key_enqueues_once(tmp_path: Path) -> None:
    study = opened(tmp_path)
    first = study.enqueue({"x": 0.25}, key="k")
    assert study.enqueue({"x": 0.25}, key="k") == first
    study.close(OSError("over"))
    again = opened(tmp_path)
    assert again.enqueue({"x": 0.25}, key="k") == first
    assert again.status()["counts"]["enqueued"] == 1
    with pytest.raises(ResultsError, match="key 'k' was used before"):
        again.enqueue({"x": 0.5}, key="k")


@pytest.mark.parametrize("given", [{"depth": 3}, {"params": 0.5}, {}])
@pytest.mark.parametrize("seed", range(4))
def test_a_part_of_a_point_is_enqueued_once_by_its_key(tmp_path: Path, given: dict[str, Any], seed: int) -> None:
    bounds = {
        "kind": {"choices": ["svm", "tree"]},
        "depth": {"min": 1, "max": 5, "type": "int", "when": {"kind": "tree"}},
        "params": {"min": 0.0, "max": 1.0},
    }
    study = opened(tmp_path, {"bounds": bounds, "seed": seed})
    first = study.enqueue(given, key="k")
    study.enqueue([{}, {}])
    assert study.enqueue(given, key="k") == first
    assert study.status()["counts"]["enqueued"] == 3


@pytest.mark.parametrize("params", [{"x": 2.0}, {"z": 1}, [POINTS[0], {"y": -1.0}], "x", [0.5]])
def test_a_point_that_does_not_fit_changes_nothing(tmp_path: Path, params: Any) -> None:
    study = opened(tmp_path)
    with pytest.raises(ResultsError, match="params"):
        study.enqueue(params)
    assert study.status()["counts"]["enqueued"] == 0


def test_what_goes_on_elsewhere_has_the_queue(tmp_path: Path) -> None:
    study = opened(tmp_path)
    study.enqueue(POINTS)
    snapshot = study.snapshot()
    assert snapshot is not None
    other = opened(tmp_path / "other")
    other.take_over(snapshot)
    other.close(OSError("it is opened anew"))
    assert [each["params"] for each in opened(tmp_path / "other").ask(2)] == POINTS


def test_points_survive_the_death_of_the_actor(start: Start) -> None:
    study = start(CONFIG)
    assert study.enqueue(POINTS) == POINTS
    before = kill(study)
    after = study.status()
    assert after["pid"] != before
    assert after["counts"]["enqueued"] == 2
    bare = ray.get_actor(study.name, namespace="arqon")
    assert ray.get(bare.ask_one.remote())["params"] == POINTS[0]
    assert ray.get(bare.enqueue.remote({"x": 0.5}))[0]["x"] == 0.5
    assert study.ask_one()["params"] == POINTS[1]  # type: ignore[index]
    assert ray.get(bare.ask_one.remote(params={"x": 0.125, "y": 0.125}))["params"] == {"x": 0.125, "y": 0.125}


def test_points_of_a_start_are_handed_out_once_in_a_study(start: Start) -> None:
    study = start(CONFIG, points_to_evaluate=[*POINTS, POINTS[0]])
    start(CONFIG, study.name, points_to_evaluate=[*POINTS, POINTS[0]])
    assert [study.ask_one()["params"] for _ in range(3)] == [*POINTS, POINTS[0]]  # type: ignore[index]
    again = start(CONFIG, study.name, points_to_evaluate=[*POINTS, {"x": 0.875, "y": 0.875}])
    assert again.status()["counts"]["enqueued"] == 1
    with pytest.raises(ConfigError, match=r"points_to_evaluate\[0\]: params.x is 3: it must lie in"):
        start(CONFIG, study.name, points_to_evaluate=[{"x": 3}])


def test_creators_at_once_enqueue_their_points_once(start: Start, unique_name: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        begun = [pool.submit(start, CONFIG, unique_name, points_to_evaluate=POINTS) for _ in range(4)]
        study = [each.result() for each in begun].pop()
    assert study.status()["counts"]["enqueued"] == 2
    asked = [study.ask_one()["params"] for _ in range(2)]  # type: ignore[index]
    assert sorted(each["x"] for each in asked) == [0.25, 0.75]


def test_points_that_a_creator_did_not_come_to_are_enqueued_by_the_next(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, killed = SolverClient.enqueue, []

    def enqueue(client: SolverClient, *args: Any, **kwargs: Any) -> Any:
        if killed:
            raise KeyboardInterrupt
        answer = real(client, *args, **kwargs)
        killed.append((client.name, kill(client)))
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(SolverClient, "enqueue", enqueue)
        with pytest.raises(KeyboardInterrupt):
            start(CONFIG, points_to_evaluate=POINTS)
    name, pid = killed[0]
    study = start(CONFIG, name, points_to_evaluate=POINTS)
    assert study.status()["pid"] != pid
    assert study.status()["counts"]["enqueued"] == 2
    assert [study.ask_one()["params"] for _ in range(2)] == POINTS  # type: ignore[index]


def test_place_says_what_took_its_place(start: Start) -> None:
    study = start(CONFIG)
    with pytest.warns(DeprecationWarning, match=r"use ask_one\(params=...\)"):
        placed = study.place(POINTS[0])
    assert placed == {"id": "0", "params": POINTS[0]}
    assert study.ask_one(params=POINTS[1]) == {"id": "1", "params": POINTS[1]}
    assert [row["origin"] for row in study.pending()] == ["user", "user"]
